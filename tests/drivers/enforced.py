# SPDX-License-Identifier: Apache-2.0
"""A real driver, loaded as an operator has it loaded, with os-win mocked."""

import functools
from unittest import mock

from compute_hyperv.nova import coordination as ch_coordination
from compute_hyperv.nova import hostops as ch_hostops
from compute_hyperv.nova.cluster import clusterops as ch_clusterops
from compute_hyperv.nova.utils import placement
import fixtures
from nova.virt import driver as nova_driver
from os_win import utilsfactory
from oslo_config import cfg

import hyperv_sched.compute.driver  # noqa: F401 (its options)
from tests.drivers import hosts

CONF = cfg.CONF

COMPUTE_HYPERV = 'compute_hyperv.driver.HyperVDriver'
CLUSTER = 'compute_hyperv.cluster.driver.HyperVClusterDriver'
NOVA_28 = 'hyperv.HyperVDriver'

#: Where a driver keeps what acts for it.
OPERATIONS = ('_vmops', '_migrationops', '_livemigrationops', '_volumeops',
              '_clops')


#: Made once: nothing is done to it here.
_os_win = functools.cache(hosts.os_win)


class Windows(fixtures.Fixture):
    """A release of Windows below all drivers that are loaded on it."""

    def __init__(self, release):
        super().__init__()
        self.release = release

    def _setUp(self):
        for owner, name, fake in (
                (utilsfactory, '_get_class', _os_win(self.release)),
                # What asks the database, other hosts and other services.
                (ch_hostops, 'api', mock.Mock()),
                (ch_coordination.Coordinator, 'start', mock.Mock()),
                (placement, 'PlacementUtils', mock.Mock()),
                (ch_clusterops.ClusterOps, '_get_nova_instances',
                 mock.Mock(return_value=[]))):
            self.useFixture(fixtures.MockPatchObject(owner, name, fake))

    def load(self, name):
        """The driver that stands in [DEFAULT] compute_driver."""
        driver = nova_driver.load_compute_driver(mock.Mock(), name)
        # Nothing has been downloaded yet.
        driver._imagecache._pathutils = mock.create_autospec(
            type(driver._imagecache._pathutils), instance=True)
        driver._imagecache._pathutils.get_image_path.return_value = None
        return driver

    def load_enforced(self, name):
        """The same, enforced."""
        CONF.set_override('compute_driver', name, 'hyperv_sched')
        return self.load('hyperv_sched.EnforcedDriver')


def record_operations(driver):
    """Put mocks in the place of what acts.

    :returns: one mock that has all calls of them, in order
    """
    record = mock.Mock()
    for name in OPERATIONS:
        if hasattr(driver, name):
            operations = mock.create_autospec(
                type(getattr(driver, name)), instance=True)
            record.attach_mock(operations, name)
            setattr(driver, name, operations)
    return record
