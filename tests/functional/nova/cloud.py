# SPDX-License-Identifier: Apache-2.0
"""A small cloud of Hyper-V and KVM hosts."""

import contextlib
import io
import sys
import time
import unittest

import futurist
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional import integrated_helpers
from oslo_config import cfg
from oslo_utils import timeutils
from oslo_utils import uuidutils
import testtools

from hyperv_sched import metrics
import hyperv_sched.compute.driver  # noqa: F401 (its options)
from tests import properties
from tests.functional.nova import fakes

CONF = cfg.CONF
FILTER = 'HyperVGenerationFilter'
FILTER_CLASS = f'hyperv_sched.filters.{FILTER}'

GENERATION_2 = properties.GENERATION_2


@contextlib.contextmanager
def metrics_file(path):
    """Let the services of this process count refusals in a file."""
    CONF.set_override('metrics_file', path, 'hyperv_sched')
    try:
        yield
    finally:
        CONF.clear_override('metrics_file', 'hyperv_sched')
        # What could not be written would be written to the next file.
        metrics._WRITER.reset()


class HyperVCloud(integrated_helpers.ProviderUsageBaseTestCase):
    """API, conductor, scheduler, placement and the compute hosts in hosts."""

    compute_driver = fakes.COMPUTE_DRIVER
    hosts = ('ws2012', 'ws2012r2', 'ws2022', 'kvm')
    # Before Nova's own: only the filter that removes the last host can give
    # the reason.
    filters = ('ComputeFilter', FILTER, 'ImagePropertiesFilter')

    def setUp(self):
        _stop_shared()
        # A wheel installs it below the prefix, where Nova's own tests do
        # not look.
        self.flags(group='wsgi', api_paste_config=(
            f'{sys.prefix}/etc/nova/api-paste.ini'))
        self.flags(
            group='filter_scheduler',
            available_filters=['nova.scheduler.filters.all_filters',
                               FILTER_CLASS],
            enabled_filters=list(self.filters))
        # Tests share a cloud, in any order and number.
        self.flags(group='quota', instances=-1, cores=-1, ram=-1)
        # A test that needs a periodic task calls it.
        self.flags(periodic_enable=False)
        # No test waits until a host is down: it says so.
        self.flags(report_interval=100, service_down_time=1000)
        if 'response_validation' in CONF.api:
            # Nova's own tests do it.
            self.flags(response_validation='ignore', group='api')
        super().setUp()
        self._let_threads_sleep()
        # Nova's base class has it in newer releases only.
        self.useFixture(nova_fixtures.CinderFixture(self))
        # As the real client: without a destination it returns chunks.
        self.glance.download = self._download
        self.glance.update = self._update
        for host in self.hosts:
            self._start_compute(host)

    def _let_threads_sleep(self):
        """Let idle threads wait as long as in a service.

        Nova's base class wakes each of them 100 times a second, to end
        sooner. The cloud of many tests ends once.
        """
        worker = futurist._thread.ThreadWorker
        self.addCleanup(setattr, worker, 'MAX_IDLE_FOR', worker.MAX_IDLE_FOR)
        worker.MAX_IDLE_FOR = 1

    def start_service(self, name, *args, **kwargs):
        service = super().start_service(name, *args, **kwargs)
        if name == 'scheduler':
            self.scheduler = service
        return service

    def _download(self, context, image_id, data=None, dst_path=None,
                  trusted_certs=None):
        content = self.glance._imagedata.get(image_id, b'')
        if data is None and dst_path is None:
            return iter([content[:65536]])
        return type(self.glance).download(
            self.glance, context, image_id, data=data, dst_path=dst_path,
            trusted_certs=trusted_certs)

    def _update(self, context, image_id, metadata, data=None,
                purge_props=False):
        """As the real client: it purges properties, not the image."""
        if purge_props:
            self.glance.images[image_id]['properties'].clear()
        return type(self.glance).update(
            self.glance, context, image_id, metadata, data=data)

    def image(self, name, disk_format='vhdx', data=None, **properties):
        """Put an image into Glance and return its id.

        :param data: by default one that looks like its disk_format
        """
        if data is None and disk_format == 'vhdx':
            data = b'vhdxfile' + bytes(504)
        now = timeutils.utcnow(with_timezone=True)
        image_id = uuidutils.generate_uuid()
        self.glance.create(None, {
            'id': image_id, 'name': name,
            'status': 'active', 'container_format': 'bare',
            'disk_format': disk_format, 'size': 1, 'min_ram': 0,
            'min_disk': 0, 'created_at': now, 'updated_at': now,
            'deleted_at': None, 'deleted': False, 'is_public': True,
            'protected': False, 'visibility': 'public', 'tags': [],
            'properties': properties,
        }, None if data is None else io.BytesIO(data))
        return image_id

    def _build_server(self, *args, flavor_id=None, **kwargs):
        """Build as Nova's own method, with a flavor of Nova's fixture.

        The first of the list may be one that another test has made.
        """
        return super()._build_server(
            *args, flavor_id=flavor_id or '1', **kwargs)

    def boot(self, image_id, **kwargs):
        """Create a server and return it once it has run or failed."""
        server = self._build_server(
            image_uuid=image_id, networks='none', **kwargs)
        return self.settle(self.api.post_server({'server': server}))

    def settle(self, server):
        """Wait until a server is built or in ERROR, and return it."""
        return self._wait_for_server(server, lambda status: status != 'BUILD')

    def _wait_for_state_change(self, server, expected_status, *args, **kwargs):
        """Wait as Nova's own method, with a longer timeout."""
        return self._wait_for_server(
            server, lambda status: status == expected_status)

    def _wait_for_server(self, server, expected):
        """Wait for a status, and for the fault where that is an error.

        Nova saves the state first. Its own tests wait for the fault in newer
        releases only.
        """
        def arrived():
            nonlocal asked
            asked = time.monotonic()
            current = self.api.get_server(server['id'])
            self.assertTrue(expected(current['status']), current)
            self.assertTrue(
                current['status'] != 'ERROR' or 'fault' in current, current)
            return current
        end = asked = time.monotonic() + 120
        while True:
            try:
                return arrived()
            except AssertionError:
                if asked > end:
                    raise
            # On a slow computer the requests would take the time that Nova
            # needs.
            time.sleep(0.1 + 3 * (time.monotonic() - asked))

    @staticmethod
    def host_of(server):
        return server['OS-EXT-SRV-ATTR:host']

    def attempts(self, server):
        """Return the hosts that have tried to build the server, in order."""
        actions = self.api.api_get(
            f'/servers/{server["id"]}/os-instance-actions').body
        request = actions['instanceActions'][0]['request_id']
        events = self.api.api_get(
            f'/servers/{server["id"]}/os-instance-actions/{request}').body
        return [e['host'] for e in reversed(events['instanceAction']['events'])
                if e['event'] == 'compute__do_build_and_run_instance']


class EnforcedCloud(HyperVCloud):
    """The scheduler filters nothing: compute hosts refuse."""

    compute_driver = 'hyperv_sched.EnforcedDriver'
    filters = ('ComputeFilter',)

    def setUp(self):
        self.flags(compute_driver=fakes.COMPUTE_DRIVER, group='hyperv_sched')
        super().setUp()


class OldestFirstCloud(EnforcedCloud):
    """The scheduler prefers the host of the oldest version."""

    def setUp(self):
        self.flags(weight_classes=[fakes.OLDEST_FIRST],
                   group='filter_scheduler')
        super().setUp()


class MovesCloud(OldestFirstCloud):
    """Hosts between which Nova itself lets a guest move."""

    hosts = ('ws2012', 'ws2019', 'ws2022')

    def setUp(self):
        self.flags(skip_hypervisor_version_check_on_lm=True,
                   group='workarounds')
        super().setUp()


class CapableHostCloud(EnforcedCloud):

    hosts = ('ws2022',)


#: The shared cloud that runs. The services of two would mix.
_shared = []


def _stop_shared():
    while _shared:
        _shared.pop().doCleanups()


def _share(kind):
    """Return the running cloud of a class, or start one."""
    if _shared and type(_shared[0]) is not kind:
        _stop_shared()
    if not _shared:
        # Nova's base class is a test case, which wants the name of a method.
        started = kind('setUp')
        try:
            started.setUp()
        except BaseException:
            started.doCleanups()
            raise
        _shared.append(started)
        unittest.addModuleCleanup(_stop_shared)
    return _shared[0]


class SharedCloudTestCase(testtools.TestCase):
    """Tests of one cloud, which takes more time than most of them.

    Test cases that follow each other in a module share a Cloud. Each test
    finds its hosts up and no images, but the servers of other tests. An
    attribute that the test case does not have is the cloud's.
    """

    Cloud = EnforcedCloud

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cloud = _share(cls.Cloud)

    def setUp(self):
        super().setUp()
        self._others = {guest for host in self.hosts
                        for guest in self.driver_guests(host)}
        glance = self.cloud.glance
        self.addCleanup(self._forget_images, glance, {*glance.images})

    def __getattr__(self, name):
        return getattr(type(self).cloud, name)

    @staticmethod
    def _forget_images(glance, others):
        for image in {*glance.images} - others:
            glance.images.pop(image)
            glance._imagedata.pop(image, None)

    def delete_servers(self):
        """Delete the servers of this test and of those before."""
        servers = self.api.get_servers()
        for server in servers:
            self.api.delete_server(server['id'])
        for server in servers:
            self._wait_until_deleted(server)

    def driver_guests(self, host):
        return self.computes[host].manager.driver.list_instance_uuids()

    def guests(self, host):
        """Return the servers of this test that the driver of a host has."""
        return [guest for guest in self.driver_guests(host)
                if guest not in self._others]

    def flags(self, group=None, **values):
        """Override options until the end of the test."""
        options = CONF if group is None else CONF[group]
        for name, value in values.items():
            self.addCleanup(CONF.set_override, name, options[name], group)
            CONF.set_override(name, value, group)

    def stop_host(self, host):
        """Stop nova-compute on a host until the end of the test."""
        self.computes[host].stop()
        service, = self.api.get_services(host=host)
        self.api.put_service_force_down(service['id'], True)
        self.addCleanup(self._start_host, host, service['id'])

    def _start_host(self, host, service_id):
        self.restart(host)
        self.api.put_service_force_down(service_id, False)

    def restart(self, host):
        """Start nova-compute on a host anew, with no guests."""
        self.computes[host] = self.restart_compute_service(
            self.computes[host], keep_hypervisor_state=False)
