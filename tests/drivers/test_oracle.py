# SPDX-License-Identifier: Apache-2.0
"""compute-hyperv 16 and Nova's own driver against the rules.

Images are made up, judged by the rules, and spawned by each driver on each
release of Windows that Nova's own filter lets them have. What a driver
refuses carries the finding that foretells it; a finding that foretells a
refusal comes true on some host.
"""

import itertools
import pathlib
import tempfile

import fixtures
import hypothesis
from hypothesis import strategies as st
from nova import exception
from nova import objects
import nova.conf
from nova.tests import fixtures as nova_fixtures
import testtools

from hyperv_sched import compatibility
from hyperv_sched import disk
from hyperv_sched import document
from hyperv_sched import objects as own_objects
from hyperv_sched import validators
from tests import samples
from tests.drivers import hosts
from tests.unit import base  # noqa: F401 (hypothesis without deadlines)

#: What a driver or os-win says, by the codes that foretell it.
REFUSALS = {
    # HV402 judges the host, all others the image.
    'is not supported on this OS': {'HV101', 'HV402'},
    # HV108 warns where the file was not seen.
    'but provided VHD instead of VHDX': {'HV108', 'HV202'},
    'Could not retrieve VHD format': {'HV201', 'HV203', 'HV204', 'HV205'},
    'Invalid image format': {
        'HV107', 'HV201', 'HV202', 'HV203', 'HV204', 'HV205'},
    'Secure boot requires generation 2': {'HV110'},
    'os_type must be specified': {'HV111'},
    'supported only on Windows instances': {'HV112'},
    'requires secure boot to be enabled': {'HV113'},
    'vTPM is not supported for this OS type': {'HV113'},
    'host in not guarded': {'HV113'},
    'barbican container': {'HV113'},
    'Invalid serial port number': {'HV117'},
    'invalid literal for int()': {'HV117'},
}

#: Errors that say that a driver refuses the image.
REFUSED_BY_DRIVERS = {'HV101', 'HV107', 'HV110', 'HV111', 'HV202', 'HV203',
                      'HV204', 'HV205'}
#: Those of features that Nova's own driver never had. It folds the case of
#: os_type, too, so that it finds old hosts good enough for 'Windows'.
REFUSED_BY_COMPUTE_HYPERV = {'HV112', 'HV113', 'HV117'}

FILES = {
    'vhdx': samples.vhdx(), 'dynamic vhd': samples.dynamic_vhd(),
    'fixed vhd': samples.fixed_vhd(), 'qcow2': samples.qcow2(),
    'junk': b'junk' * 1024, 'empty': b'',
    'iso': bytes(32769) + b'CD001' + bytes(4096),
}

GENERATIONS = ('hyperv-gen1', 'hyperv-gen2')


#: Images that every driver takes, on hosts that are new enough.
RIGHT = [
    {},
    {'hw_machine_type': 'hyperv-gen2', 'os_type': 'linux',
     'os_secure_boot': 'required', 'hypervisor_version_requires': '>=10.0'},
    {'hw_machine_type': 'hyperv-gen2', 'os_type': 'windows',
     'os_secure_boot': 'required', 'hypervisor_version_requires': '>=10.0',
     'os_vtpm': 'required', 'img_pdk_reference': 'https://key/containers/1'}]

#: What may become of their properties; None is their absence.
CHANGES = {
    'hw_machine_type': [
        None, *GENERATIONS, *GENERATIONS, 'hyperv-gen3', 'HYPERV-GEN2',
        'Hyperv-Gen1', 'hyperv-Gen2', ' hyperv-gen2', 'hyperv-gen2 ',
        'hyperv-gen2\n', 'hyper-v-gen2', 'hyperv_gen2', 'hyperv',
        'hyperv-gen\uff12', 'q35', '2', ''],
    'hypervisor_version_requires': [
        None, '>=6.2', '>=6.3', '>=10.0', '<10.0', '<6.3', '==6.3', '!=6.3',
        '>=6.3,<10.0', '>=10.0.17763'],
    'hw_disk_bus': ['ide', 'scsi', 'virtio', 'sata'],
    'hw_cdrom_bus': ['ide', 'scsi', 'virtio', 'sata'],
    'os_secure_boot': [None, 'required', 'optional', 'disabled'],
    'os_type': [None, 'windows', 'linux', 'Windows', 'WINDOWS', 'Linux'],
    'os_vtpm': ['required', 'optional', 'disabled', 'Required'],
    'os_shielded_vm': ['required', 'optional', 'disabled'],
    'img_pdk_reference': [None, '', 'https://key/containers/1'],
    'interactive_serial_port': [
        '1', '2', '0', '3', '-1', 'COM1', '', '01', ' +2 '],
    'logging_serial_port': [
        '1', '2', '0', '3', '-1', 'COM1', '', '01', ' +2 '],
}


def _changed(right, hypervisor_type, changes):
    properties = {**right, 'hypervisor_type': hypervisor_type,
                  **dict(changes)}
    return {name: value for name, value in properties.items()
            if value is not None}


PROPERTIES = st.builds(
    _changed, st.sampled_from(RIGHT), st.sampled_from(['hyperv', 'HyperV']),
    st.lists(st.sampled_from(sorted(CHANGES)).flatmap(
        lambda name: st.tuples(st.just(name), st.sampled_from(
            CHANGES[name]))), max_size=3))

LABELS = st.sampled_from(['vhd', 'vhdx', 'iso', 'VHDX', 'qcow2', 'raw'])
#: A label and, where the file was seen, what it is.
DISKS = st.one_of(
    st.tuples(st.just('vhdx'), st.just('vhdx')),
    st.tuples(st.just('vhdx'), st.sampled_from(['vhdx', None])),
    st.tuples(LABELS, st.none()),
    st.tuples(LABELS, st.sampled_from(list(FILES))))


class DriversTestCase(testtools.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        objects.register_all()
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.paths, cls.contents = {}, {}
        for name, data in FILES.items():
            path = pathlib.Path(directory.name, name)
            path.write_bytes(data)
            cls.paths[name] = path
            cls.contents[name] = disk.inspect(path).as_dict()

    def setUp(self):
        super().setUp()
        self.useFixture(nova_fixtures.ConfFixture(nova.conf.CONF))

    def host(self, driver, release):
        directory = self.useFixture(fixtures.TempDir()).path
        return hosts.Host(driver, release, pathlib.Path(directory))


class SpawnTestCase(DriversTestCase):

    def findings(self, image, seen):
        """The codes for the image itself."""
        raw = {'disk_format': image['disk_format'], **image['properties']}
        flat = document.normalize(raw)
        if seen is not None:
            flat['content'] = self.contents[seen]
        return {f.code for f in validators.validate(flat)}

    def verdict(self, image, host):
        """The code for the image on a host."""
        requirement = own_objects.ImageRequirement.from_document(
            document.normalize(image['properties']))
        found = compatibility.HostMatcher(
            requirement, compatibility.Policy()).match(
                'hyperv', hosts.RELEASES[host.release])
        return set() if found is None else {found.code}

    def unlabeled(self, image):
        """The file that its label promises, where it was not seen."""
        name = {'vhd': 'dynamic vhd'}.get(image['disk_format'],
                                          image['disk_format'])
        return name if name in FILES else 'junk'

    def agree(self, driver, refused_by_driver):
        made = [self.host(driver, release) for release in hosts.RELEASES]

        @hypothesis.settings(max_examples=400)
        @hypothesis.given(PROPERTIES, DISKS)
        def test(properties, disks):
            label, seen = disks
            image = {'id': 'oracle', 'disk_format': label,
                     'properties': properties}
            path = self.paths[seen or self.unlabeled(image)]
            codes = self.findings(image, seen)
            asked = [host for host in made
                     if host.gets(objects.ImageMeta.from_dict(image))]
            refused = [host for host in asked
                       if self.refused(host, image, path, codes)]
            # The driver takes what is labeled iso for a DVD, unread.
            expected = codes & refused_by_driver - (
                {'HV202', 'HV203', 'HV204', 'HV205'} if label == 'iso'
                else set())
            self.assertTrue(refused or not asked or not expected,
                            (image, seen, codes))
        test()

    def refused(self, host, image, path, codes):
        """Whether the driver refuses; it must be for a reason of ours."""
        try:
            host.spawn(image, path)
        except Exception as exc:
            expected = {code for words, codes in REFUSALS.items()
                        if words in str(exc) for code in codes}
            verdict = self.verdict(image, host)
            # HV405 is for every host, also for those that are too old.
            self.assertTrue(
                expected & (codes | verdict) or verdict == {'HV405'},
                (host.release, image, path.name, codes, repr(exc)))
            return True
        return False

    def test_compute_hyperv(self):
        self.agree(hosts.COMPUTE_HYPERV,
                   REFUSED_BY_DRIVERS | REFUSED_BY_COMPUTE_HYPERV)

    def test_driver_of_nova(self):
        self.agree(hosts.NOVA_28, REFUSED_BY_DRIVERS)


class SecureBootTemplateTestCase(DriversTestCase):

    def for_linux(self, driver, os_type):
        """Whether a guest starts with the template for Linux."""
        image = {'id': 'oracle', 'disk_format': 'vhdx', 'properties': {
            'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'hyperv',
            'os_secure_boot': 'required', 'os_type': os_type}}
        host = self.host(driver, hosts.NEWEST)
        system = host.vmops._vmutils._lookup_vm_check.return_value
        system.SecureBootEnabled = False
        system.SecureBootTemplateId = 'for Windows'
        host.spawn(image, self.paths['vhdx'])
        self.assertTrue(system.SecureBootEnabled)
        return system.SecureBootTemplateId != 'for Windows'

    def test_drivers_disagree_only_where_hv116_says_so(self):
        for os_type in ('windows', 'linux', 'Windows', 'WINDOWS', 'Linux'):
            agree = len({self.for_linux(driver, os_type) for driver in (
                hosts.COMPUTE_HYPERV, hosts.NOVA_28)}) == 1
            codes = {f.code for f in validators.validate(
                {'hw_machine_type': 'hyperv-gen2',
                 'hypervisor_type': 'hyperv', 'os_type': os_type})}
            self.assertTrue(agree or 'HV116' in codes, os_type)
            if os_type.lower() == 'windows':
                self.assertEqual(not agree, 'HV116' in codes, os_type)


class DiskBusTestCase(DriversTestCase):
    """No driver reads hw_disk_bus, so spawning with it proves nothing.

    The rule is right where a device that requests that bus is refused. The
    drivers know it in capitals.
    """

    def test_ide_is_refused_where_hv115_says_so(self):
        for driver, bus, generation in itertools.product(
                (hosts.COMPUTE_HYPERV, hosts.NOVA_28), ('ide', 'scsi'),
                GENERATIONS):
            properties = {'hw_machine_type': generation,
                          'hypervisor_type': 'hyperv'}
            image = {'id': 'oracle', 'disk_format': 'vhdx',
                     'properties': properties}
            host = self.host(driver, hosts.NEWEST)
            host.spawn(image, self.paths['vhdx'])
            try:
                host.spawn(image, self.paths['vhdx'], [bus.upper()])
                taken = True
            except exception.InvalidDiskInfo:
                taken = False
            for name in ('hw_disk_bus', 'hw_cdrom_bus'):
                codes = {f.code for f in validators.validate(
                    {**properties, name: bus})}
                self.assertEqual(taken, 'HV115' not in codes,
                                 (driver, generation, name, bus))
