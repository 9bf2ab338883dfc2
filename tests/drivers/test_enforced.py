# SPDX-License-Identifier: Apache-2.0
"""hyperv_sched.EnforcedDriver on the real drivers.

They are called as in the source of nova-compute. The objects that act on the
host are replaced by recorders: after a refusal they have no calls, otherwise
the same calls as without enforcement.
"""

import contextlib
import inspect
import pathlib
import platform
import tempfile
from unittest import mock

import fixtures
from nova import context as nova_context
from nova import exception
from nova import objects
from nova import rpc
from nova import utils
from nova.compute import power_state
from nova.compute import provider_tree
from nova.compute import utils as compute_utils
from nova.compute import vm_states
import nova.conf
from nova.image import glance
from nova.tests import fixtures as nova_fixtures
from nova.tests.unit import fake_instance
from nova.virt import driver as nova_driver
from os_win import exceptions as os_win_exceptions
from oslo_utils import importutils
from oslo_utils.fixture import uuidsentinel
import testtools

from hyperv_sched.compute import compute_hyperv
from hyperv_sched.compute import driver as enforced_driver
from hyperv_sched.compute import releases
from tests import calls
from tests import samples
from tests.drivers import enforced

OLD, NEW = '6.2.9200', '10.0.20348'

VHDX = samples.vhdx()

GENERATION_1 = {'hw_machine_type': 'hyperv-gen1'}
GENERATION_2 = {'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'hyperv'}

#: The exception of each method if the host is at fault.
REFUSALS = {
    'prepare_for_spawn': exception.ComputeResourcesUnavailable,
    'spawn': exception.ComputeResourcesUnavailable,
    'rebuild': exception.ImageUnacceptable,
    'rescue': exception.ImageUnacceptable,
    'migrate_disk_and_power_off': exception.InstanceFaultRollback,
    'finish_migration': exception.ImageUnacceptable,
    'finish_revert_migration': exception.ImageUnacceptable,
    'check_can_live_migrate_destination': exception.MigrationPreCheckError,
    'pre_live_migration': exception.MigrationPreCheckError,
}


class Server:
    """A server, its image, and the arguments of Nova's calls."""

    def __init__(self, bus=None, content=None, **properties):
        self.context = nova_context.get_admin_context()
        #: In Glance; a list has the chunks.
        self.content = VHDX if content is None else content
        #: As Nova's Glance API returns it.
        self.record = {
            'id': uuidsentinel.image, 'disk_format': 'vhdx',
            'container_format': 'bare',
            'properties': {**GENERATION_2, **properties}}
        self.instance = fake_instance.fake_instance_obj(
            self.context, image_ref=uuidsentinel.image,
            expected_attrs=['system_metadata', 'metadata', 'flavor'],
            system_metadata=utils.get_system_metadata_from_image(self.record),
            node=platform.node(), vm_state=vm_states.STOPPED,
            power_state=power_state.SHUTDOWN)
        self.devices = {
            'root_device_name': '/dev/sda', 'image': [], 'ephemerals': [],
            'swap': None, 'block_device_mapping': [
                {'mount_device': '/dev/sdb', 'disk_bus': bus}]}
        image_meta = objects.ImageMeta.from_dict(self.record)
        #: Arguments by their expressions in Nova's source.
        self.arguments = {
            **dict.fromkeys(('context', 'ctxt'), self.context),
            'instance': self.instance,
            **dict.fromkeys(('image_meta', 'rescue_image_meta'), image_meta),
            **dict.fromkeys(('block_device_info', 'block_dev_info',
                             'new_block_device_info'), self.devices),
            'flavor': self.instance.flavor,
            "self['disk_bus']": bus,
        }

    def call(self, driver, call):
        """Call a driver as Nova does.

        :param call: the method, and the expressions of the arguments
        """
        method, args, kwargs = call
        return getattr(driver, method)(
            *self.values(args), **self.keyword_values(kwargs))

    def keyword_values(self, expressions):
        return dict(zip(expressions, self.values(expressions.values()),
                        strict=True))

    def values(self, expressions):
        return [self._value(expression) for expression in expressions]

    def _value(self, expression):
        # The mixin reads no other arguments.
        return self.arguments.get(
            expression, getattr(mock.sentinel, expression))

    @contextlib.contextmanager
    def in_glance(self):
        """Let Nova's Glance API return the image."""
        with mock.patch.multiple(
                glance.API,
                get=lambda *args, **kwargs: {
                    **self.record,
                    'properties': dict(self.record['properties'])},
                download=lambda *args, **kwargs: iter(
                    self.content if isinstance(self.content, list)
                    else [self.content])):
            yield


def calls_of(method):
    found = [(method, args, kwargs) for args, kwargs in calls.of(method)]
    if not found:
        raise AssertionError(f'Nova does not call {method}')
    return found


class DriverTestCase(testtools.TestCase):

    #: The value of [hyperv_sched] compute_driver.
    name = ''
    #: Whether the driver reads the image from Glance by itself.
    reads_glance = True

    def setUp(self):
        super().setUp()
        objects.register_all()
        self.useFixture(nova_fixtures.ConfFixture(nova.conf.CONF))
        self.logged = self.useFixture(fixtures.FakeLogger())
        self.loaded = {}
        self.notified = self.useFixture(fixtures.MockPatchObject(
            rpc, 'get_versioned_notifier')).mock.return_value.error
        self.useFixture(fixtures.MockPatchObject(
            compute_utils, 'is_volume_backed_instance', return_value=False))
        self.placement = self.useFixture(fixtures.MockPatchObject(
            releases.report, 'report_client_singleton')).mock.return_value
        self.placement.get_provider_traits.side_effect = (
            exception.PlacementAPIConnectFailure)

    def load(self, release):
        """Return the driver on a release of Windows, and its recorder."""
        return self._load(release, enforced.Windows.load_enforced)

    def load_plain(self, release):
        """Return the same without enforcement."""
        return self._load(release, enforced.Windows.load)

    def _load(self, release, load):
        if (release, load) not in self.loaded:
            driver = load(
                self.useFixture(enforced.Windows(release)), self.name)
            self.loaded[release, load] = (
                driver, enforced.record_operations(driver))
        driver, acted = self.loaded[release, load]
        acted.reset_mock(side_effect=True)
        return driver, acted

    def going_to(self, version):
        """Patch the database with the destination of a migration."""
        stack = contextlib.ExitStack()
        for owner, name, found in (
                (objects.Migration, 'get_by_instance_and_status',
                 mock.Mock()),
                (objects.ComputeNode, 'get_by_host_and_nodename',
                 objects.ComputeNode(hypervisor_type='hyperv',
                                     hypervisor_version=version,
                                     uuid=uuidsentinel.node))):
            stack.enter_context(
                mock.patch.object(owner, name, return_value=found))
        return stack

    def ask(self, driver, server, call, going_to=10000):
        with server.in_glance(), self.going_to(going_to):
            return server.call(driver, call)

    def assert_refused(self, error, words, release, server, call,
                       cached=None, **kwargs):
        driver, acted = self.load(release)
        driver._imagecache._pathutils.get_image_path.return_value = cached
        self.notified.reset_mock()
        refusal = self.assertRaises(
            error, self.ask, driver, server, call, **kwargs)
        self.assertIn(words, str(refusal))
        self.assertEqual([], acted.mock_calls, call)
        self.notified.assert_called_once()

    def assert_unchanged(self, release, server, method):
        """Assert the same calls and results as without enforcement."""
        for call in calls_of(method):
            recorded = []
            for driver, acted in (
                    self.load_plain(release), self.load(release)):
                try:
                    result = self.ask(driver, server, call)
                except NotImplementedError as exc:
                    # The rest is Nova's to do.
                    result = type(exc)
                recorded.append((_comparable(result, acted), acted.mock_calls))
            self.assertEqual(*recorded)
            self.notified.assert_not_called()
            yield recorded[1][1]


def _dict(argument):
    return argument if isinstance(argument, dict) else {}


def _comparable(result, acted):
    """Return a result that two drivers with recorders have in common."""
    return 'recorded' if isinstance(result, mock.Mock) else result


class EnforcementMixin:
    """Tests for every driver; subclasses set :attr:`name`."""

    #: Methods for which a driver that reads Glance gets what was checked.
    replaced_images = {'spawn', 'rescue', 'finish_migration'}

    #: Methods that do nothing, or leave the operation to Nova.
    without_operations = {'prepare_for_spawn', 'rebuild'}

    def test_old_host_refuses_before_it_acts(self):
        for method, error in REFUSALS.items():
            departing = method == 'migrate_disk_and_power_off'
            for call in calls_of(method):
                self.assert_refused(
                    error, 'HV402 the host runs Hyper-V 6.2',
                    NEW if departing else OLD, Server(), call,
                    going_to=6002)

    def test_unusable_image_is_refused_before_the_driver_acts(self):
        vhd = samples.dynamic_vhd()
        for method in ('spawn', 'rebuild', 'rescue'):
            for call in calls_of(method):
                self.assert_refused(
                    exception.ImageUnacceptable, 'HV202 the file is VHD',
                    NEW, Server(content=vhd), call)

    def test_ide_is_refused_before_the_driver_acts(self):
        for method, error in (
                ('spawn', exception.InvalidDiskInfo),
                ('rebuild', exception.ImageUnacceptable),
                ('attach_volume', exception.InvalidDiskInfo)):
            for call in calls_of(method):
                self.assert_refused(
                    error, 'HV503', NEW, Server(bus='ide'), call)

    def test_good_server_is_passed_on_unchanged(self):
        for method in (*REFUSALS, 'attach_volume'):
            for release, image in (
                    (NEW, {}), (NEW, GENERATION_1), (OLD, GENERATION_1)):
                for made in self.assert_unchanged(
                        release, Server(**image), method):
                    self.assertEqual(
                        method in self.without_operations, not made, method)

    def test_driver_gets_all_arguments_of_nova(self):
        base = importutils.import_class(f'nova.virt.{self.name}')
        driver, _ = self.load(NEW)
        server = Server(bus='SCSI')
        for method in (*REFUSALS, 'attach_volume'):
            signature = inspect.signature(getattr(base, method))
            for call in calls_of(method):
                with mock.patch.object(base, method, autospec=True) as own:
                    self.ask(driver, server, call)
                args, kwargs = own.call_args
                expected = signature.bind(
                    driver, *server.values(call[1]),
                    **server.keyword_values(call[2])).arguments
                passed = signature.bind(*args, **kwargs).arguments
                if self.reads_glance and method in self.replaced_images:
                    # It does not ask Glance again.
                    del expected['image_meta']
                    image = passed.pop('image_meta')
                    self.assertEqual(server.record['id'], image['id'])
                    self.assertLessEqual(
                        server.record['properties'].items(),
                        image['properties'].items())
                self.assertEqual(expected, passed)

    def passed_image(self, server, call):
        """Return the properties of the image that a driver passes on."""
        driver, acted = self.load(NEW)
        self.ask(driver, server, call)
        for _, args, _ in acted.mock_calls:
            for argument in args:
                if isinstance(argument, objects.ImageMeta):
                    return argument.properties.obj_to_primitive()[
                        'nova_object.data']
                if 'properties' in _dict(argument):
                    return argument['properties']
        raise AssertionError(f'no image among {acted.mock_calls}')

    def test_image_with_an_edited_generation_is_refused(self):
        """compute-hyperv reads the image again; Nova's driver does not."""
        server = Server()
        server.record['properties']['hw_machine_type'] = 'hyperv-gen1'
        for call in calls_of('spawn'):
            if self.reads_glance:
                self.assert_refused(
                    exception.ImageUnacceptable,
                    'the image is hyperv-gen1, the server was created as '
                    'hyperv-gen2', NEW, server, call)
            else:
                self.assertEqual('hyperv-gen2', self.passed_image(
                    server, call)['hw_machine_type'])

    def test_migrated_guest_keeps_its_generation(self):
        server = Server()
        server.record['properties']['hw_machine_type'] = 'hyperv-gen1'
        for call in calls_of('finish_migration'):
            self.assertEqual('hyperv-gen2', self.passed_image(
                server, call)['hw_machine_type'])

    def test_revert_uses_the_image_that_the_server_was_created_from(self):
        """compute-hyperv reads the image by another function here."""
        driver = self.useFixture(
            enforced.Windows(NEW)).load_enforced(self.name)
        cache = driver._migrationops._imagecache
        read = []

        def revert(context, instance, *args):
            read.append(cache.get_image_details(context, instance))

        server = Server()
        server.record['properties']['hw_machine_type'] = 'hyperv-gen1'
        for call in calls_of('finish_revert_migration'):
            with mock.patch.object(driver._migrationops,
                                   'finish_revert_migration', revert):
                self.ask(driver, server, call)
        self.assertEqual(
            {'hyperv-gen2'},
            {image['properties']['hw_machine_type'] for image in read})

    @contextlib.contextmanager
    def cached_file(self, name, content):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, name)
            path.write_bytes(content)
            yield str(path)

    def test_cached_file_is_checked_instead_of_glance(self):
        for content in (samples.dynamic_vhd(), samples.fixed_vhd()):
            with self.cached_file('image.vhd', content) as path:
                for call in calls_of('spawn'):
                    self.assert_refused(
                        exception.ImageUnacceptable, 'HV202 the file is VHD',
                        NEW, Server(), call, cached=path)

    def test_server_with_a_good_cached_file_is_spawned(self):
        driver, acted = self.load(NEW)
        with self.cached_file('image.vhdx', VHDX) as path:
            driver._imagecache._pathutils.get_image_path.return_value = path
            for call in calls_of('spawn'):
                self.ask(driver, Server(content=samples.dynamic_vhd()), call)
                acted._vmops.spawn.assert_called_once()
                acted.reset_mock()

    def test_unreadable_cached_file_is_tried_on_another_host(self):
        with tempfile.TemporaryDirectory() as directory:
            for call in calls_of('spawn'):
                self.assert_refused(
                    exception.ComputeResourcesUnavailable,
                    'the image cannot be read now: No such file or directory.',
                    NEW, Server(), call, cached=f'{directory}/image.vhdx')

    def test_size_of_chunks_from_glance_does_not_matter(self):
        driver, acted = self.load(NEW)
        server = Server(content=[b'vhd', b'', b'x', VHDX[4:]])
        for call in calls_of('spawn'):
            self.ask(driver, server, call)
            acted._vmops.spawn.assert_called_once()
            acted.reset_mock()

    def test_version_is_read_without_a_query_of_all_resources(self):
        """Those take Windows a dozen queries of some milliseconds each."""
        for release in (OLD, NEW):
            driver, _ = self.load(release)
            for method in REFUSALS:
                for call in calls_of(method):
                    with mock.patch.object(
                            driver._hostops, 'get_available_resource',
                    ) as counted, contextlib.suppress(
                            exception.NovaException, NotImplementedError):
                        self.ask(driver, Server(bus='scsi'), call)
                    counted.assert_not_called()

    def test_os_type_is_passed_in_lower_case(self):
        """The drivers compare os_type with 'windows'."""
        for os_type in ('windows', 'Windows'):
            server = Server(os_type=os_type, os_secure_boot='required',
                            hypervisor_version_requires='>=10.0')
            for call in calls_of('spawn'):
                self.assertEqual(
                    'windows', self.passed_image(server, call)['os_type'])

    def test_disk_bus_is_passed_in_upper_case(self):
        driver, acted = self.load(NEW)
        for call in calls_of('spawn'):
            server = Server(bus='scsi')
            self.ask(driver, server, call)
            spawn = acted._vmops.spawn.call_args
            self.assertIn(server.devices, (*spawn.args,
                                           *spawn.kwargs.values()))
            device, = server.devices['block_device_mapping']
            self.assertEqual('SCSI', device['disk_bus'])

    def test_remotefx_is_refused_before_a_virtual_machine_is_made(self):
        server = Server()
        server.instance.flavor.extra_specs = {'os:resolution': '1024x768'}
        for method, going_to, release in (
                ('spawn', 10000, '6.3.9600'),
                ('migrate_disk_and_power_off', 6003, NEW),
                ('finish_migration', 10000, '6.3.9600')):
            for call in calls_of(method):
                self.assert_refused(REFUSALS[method], 'HV404', release,
                                    server, call, going_to=going_to)

    def test_refused_rescue_only_starts_the_guest_again(self):
        call, = calls_of('rescue')
        server = Server(content=samples.dynamic_vhd())
        server.instance.power_state = power_state.RUNNING
        driver, acted = self.load(NEW)
        self.assertRaises(exception.ImageUnacceptable, self.ask, driver,
                          server, call)
        self.assertEqual(
            [mock.call._vmops.power_on(
                server.instance, server.devices, mock.sentinel.network_info)],
            acted.mock_calls)

    def test_refusal_is_raised_even_if_the_guest_does_not_start(self):
        call, = calls_of('rescue')
        server = Server(content=samples.dynamic_vhd())
        server.instance.power_state = power_state.RUNNING
        driver, acted = self.load(NEW)
        acted._vmops.power_on.side_effect = os_win_exceptions.OSWinException
        refusal = self.assertRaises(
            exception.ImageUnacceptable, self.ask, driver, server, call)
        self.assertIn('HV202 the file is VHD', str(refusal))

    def test_errors_of_os_win_become_errors_of_nova(self):
        driver, acted = self.load(NEW)
        server = Server()
        for raised, expected in (
                (os_win_exceptions.OSWinException, exception.NovaException),
                (os_win_exceptions.HyperVVMNotFoundException(vm_name='gone'),
                 exception.InstanceNotFound)):
            acted._vmops.spawn.side_effect = raised
            for call in calls_of('spawn'):
                error = self.assertRaises(
                    expected, self.ask, driver, server, call)
                self.assertNotIsInstance(
                    error, os_win_exceptions.OSWinException)

    def test_mixins_are_first_in_the_mro(self):
        driver, _ = self.load(NEW)
        base = importutils.import_class(f'nova.virt.{self.name}')
        self.assertEqual(
            (enforced_driver.EnforcedDriverMixin, compute_hyperv.DriverMixin,
             *base.__mro__),
            type(driver).__mro__[1:])
        self.assertIsInstance(driver, nova_driver.ComputeDriver)

    def test_mixins_hide_no_other_attribute_of_a_driver(self):
        driver, _ = self.load(NEW)
        ours = {
            name for mixin in (enforced_driver.EnforcedDriverMixin,
                               compute_hyperv.DriverMixin)
            for name in vars(mixin)
            if not name.startswith('__')
            and not hasattr(nova_driver.ComputeDriver, name)}
        base = importutils.import_class(f'nova.virt.{self.name}')
        plain, _ = self.load_plain(NEW)
        self.assertLessEqual(
            ours & {*dir(base), *vars(plain)}, {'_recreate_image_meta'})


COLD_MOVES = ('migrate_disk_and_power_off', 'finish_migration',
              'finish_revert_migration')


class ReleaseMixin:
    """A guest of Windows Server 2022 and a host of 2019."""

    #: Moves of a virtual machine that is not made anew.
    cold_moves = COLD_MOVES

    KEY = 'hyperv_sched_release'
    BUILD_2019 = '10.0.17763'

    def guest(self, made_on=NEW):
        server = Server(**GENERATION_1)
        if made_on is not None:
            server.instance.system_metadata[self.KEY] = made_on
        return server

    def report(self, *reported):
        """Let placement have these traits for every host."""
        self.placement.get_provider_traits.side_effect = None
        self.placement.get_provider_traits.return_value.traits = {
            'COMPUTE_FIRMWARE_BIOS', *reported}

    def test_arriving_guest_is_refused_by_an_older_windows(self):
        for method in (*self.cold_moves[1:],
                       'check_can_live_migrate_destination',
                       'pre_live_migration'):
            for call in calls_of(method):
                self.assert_refused(
                    REFUSALS[method], 'HV506 host-older-release: the guest '
                    'was made on Windows 10.0.20348, and the host runs '
                    '10.0.17763', self.BUILD_2019, self.guest(), call)

    def test_guest_does_not_leave_for_an_older_windows(self):
        self.report('CUSTOM_HYPERV_WS2019')
        for method in self.cold_moves[:1]:
            for call in calls_of(method):
                for made_on in (NEW, None):
                    self.assert_refused(
                        exception.InstanceFaultRollback, 'HV506', NEW,
                        self.guest(made_on), call)

    def test_guest_that_is_made_anew_moves_to_any_windows(self):
        self.report('CUSTOM_HYPERV_WS2019')
        driver, acted = self.load(self.BUILD_2019)
        for method in {*COLD_MOVES} - {*self.cold_moves}:
            for call in calls_of(method):
                server = self.guest()
                self.ask(driver, server, call)
                self.assertEqual(
                    NEW if method == COLD_MOVES[0] else self.BUILD_2019,
                    server.instance.system_metadata[self.KEY], method)
        self.assertEqual(not self.cold_moves, bool(acted.mock_calls))

    def test_live_migration_of_a_guest_without_a_record(self):
        self.report('CUSTOM_HYPERV_WS2022')
        for call in calls_of('check_can_live_migrate_destination'):
            self.assert_refused(
                exception.MigrationPreCheckError, 'HV506', self.BUILD_2019,
                self.guest(None), call)

    def test_guest_moves_to_the_same_or_a_newer_windows(self):
        for made_on in (self.BUILD_2019, NEW):
            self.report('CUSTOM_HYPERV_WS2019', 'CUSTOM_HYPERV_WS2022')
            driver, acted = self.load(NEW)
            for method in ('migrate_disk_and_power_off', 'finish_migration',
                           'check_can_live_migrate_destination'):
                for call in calls_of(method):
                    server = self.guest(made_on)
                    self.ask(driver, server, call)
                    made_anew = method in COLD_MOVES[1:] and (
                        method not in self.cold_moves)
                    self.assertEqual(
                        NEW if made_anew else made_on,
                        server.instance.system_metadata[self.KEY])
            self.assertNotEqual([], acted.mock_calls)

    def test_unknown_release_of_the_destination_is_allowed(self):
        call, = calls_of('migrate_disk_and_power_off')
        driver, acted = self.load(NEW)
        self.ask(driver, self.guest(), call)
        self.assertNotEqual([], acted.mock_calls)
        self.assertEqual(len(self.cold_moves[:1]), self.logged.output.count(
            'The destination may run an older Windows'))

    def test_spawn_records_the_windows_that_the_guest_is_made_on(self):
        driver, _ = self.load(self.BUILD_2019)
        for call in calls_of('spawn'):
            server = self.guest()
            self.ask(driver, server, call)
            self.assertEqual(self.BUILD_2019,
                             server.instance.system_metadata[self.KEY])


class TraitsMixin:

    SECURE_BOOT = 'COMPUTE_SECURITY_UEFI_SECURE_BOOT'

    RELEASES = {
        OLD: (6002, set()),
        '6.3.9600': (6003, {'GEN2', 'WS2012R2'}),
        '10.0.17763': (10000, {'GEN2', 'WS2012R2', 'WS2016', 'WS2019'}),
        NEW: (10000, {'GEN2', 'WS2012R2', 'WS2016', 'WS2019', 'WS2022'}),
        '10.0.26100': (10000, {'GEN2', 'WS2012R2', 'WS2016', 'WS2019',
                               'WS2022', 'WS2025'}),
    }

    def test_traits_are_reported_to_placement(self):
        base = importutils.import_class(f'nova.virt.{self.name}')
        untouched = dict(base.capabilities)
        for release, (version, traits) in self.RELEASES.items():
            driver, _ = self.load(release)
            node, = driver.get_available_nodes()
            self.assertEqual(
                ('hyperv', version),
                tuple(driver.get_available_resource(node)[name] for name in (
                    'hypervisor_type', 'hypervisor_version')))
            tree = provider_tree.ProviderTree()
            tree.new_root(node, uuidsentinel.node)
            driver.update_provider_tree(tree, node)
            data = tree.data(node)
            self.assertEqual(
                {'CUSTOM_HYPERV', 'COMPUTE_FIRMWARE_BIOS',
                 *(['COMPUTE_FIRMWARE_UEFI'] if 'GEN2' in traits else []),
                 *(f'CUSTOM_HYPERV_{trait}' for trait in traits)},
                set(data.traits))
            self.assertEqual({'VCPU', 'MEMORY_MB', 'DISK_GB'},
                             set(data.inventory))
            reported = driver.capabilities_as_traits()
            self.assertIs('GEN2' in traits, reported[self.SECURE_BOOT])
            plain, _ = self.load_plain(release)
            del reported[self.SECURE_BOOT]
            self.assertLessEqual(reported.items(),
                                 plain.capabilities_as_traits().items())
        self.assertEqual(untouched, base.capabilities)


class ComputeHyperVTestCase(EnforcementMixin, ReleaseMixin, TraitsMixin,
                            DriverTestCase):

    name = enforced.COMPUTE_HYPERV


class ClusterTestCase(EnforcementMixin, ReleaseMixin, TraitsMixin,
                      DriverTestCase):

    name = enforced.CLUSTER


class DriverOfNovaTestCase(EnforcementMixin, ReleaseMixin, TraitsMixin,
                           DriverTestCase):

    name = enforced.NOVA_28
    reads_glance = False
    cold_moves = ()
    # It has no such function, and makes guests anew.
    test_revert_uses_the_image_that_the_server_was_created_from = None
    test_guest_does_not_leave_for_an_older_windows = None
