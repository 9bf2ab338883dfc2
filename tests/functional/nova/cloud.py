# SPDX-License-Identifier: Apache-2.0
"""A small cloud of Hyper-V and KVM hosts."""

import contextlib
import io
import sys

from nova.tests import fixtures as nova_fixtures
from nova.tests.functional import integrated_helpers
from oslo_config import cfg
from oslo_utils import timeutils
from oslo_utils import uuidutils
import testtools

from hyperv_sched import metrics
import hyperv_sched.compute.driver  # noqa: F401 (its options)
from tests.functional.nova import fakes

CONF = cfg.CONF
FILTER = 'HyperVGenerationFilter'
FILTER_CLASS = f'hyperv_sched.filters.{FILTER}'

GENERATION_2 = {
    'hw_machine_type': 'hyperv-gen2',
    'hypervisor_type': 'hyperv',
    'hypervisor_version_requires': '>=6.3',
}


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
        # A wheel installs it below the prefix, where Nova's own tests do
        # not look.
        self.flags(group='wsgi', api_paste_config=(
            f'{sys.prefix}/etc/nova/api-paste.ini'))
        # Test cases share a cloud, in any order and number.
        self.flags(group='quota', instances=-1, cores=-1, ram=-1)
        self.flags(
            group='filter_scheduler',
            available_filters=['nova.scheduler.filters.all_filters',
                               FILTER_CLASS],
            enabled_filters=list(self.filters))
        self.flags(group='quota', instances=-1, cores=-1, ram=-1)
        super().setUp()
        # Nova's base class has it in newer releases only.
        self.useFixture(nova_fixtures.CinderFixture(self))
        # As the real client: without a destination it returns chunks.
        self.glance.download = self._download
        self.glance.update = self._update
        for host in self.hosts:
            self._start_compute(host)

    def runTest(self):
        """Do nothing: Nova's base class is a test case."""

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
            current = self.api.get_server(server['id'])
            self.assertTrue(expected(current['status']), current)
            self.assertTrue(
                current['status'] != 'ERROR' or 'fault' in current, current)
            return current
        return self._wait_for_assert(arrived, max_retries=120, sleep=0.25)

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


class SharedCloudTestCase(testtools.TestCase):
    """Tests of one cloud, for which the servers of the others do not matter.

    A cloud takes more time than most tests. An attribute that the test case
    does not have is the cloud's.
    """

    Cloud = EnforcedCloud

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cloud = cls.Cloud()
        cls.addClassCleanup(cls.cloud.doCleanups)
        cls.cloud.setUp()

    def __getattr__(self, name):
        return getattr(type(self).cloud, name)
