# SPDX-License-Identifier: Apache-2.0

from hyperv_sched import objects
from hyperv_sched import versions
from tests.unit import base
from tests.unit.objects.base import over_the_wire


class HostCapabilityTestCase(base.TestCase):

    def test_survives_the_wire(self):
        sent = objects.HostCapability.from_reported('hyperv', 6003)
        received = over_the_wire(sent)
        self.assertEqual(sent, received)
        self.assertEqual(versions.Version('6.3'),
                         received.hypervisor_version)

    def test_counts_no_other_hypervisor_on_hypervs_scale(self):
        host = objects.HostCapability.from_reported('QEMU', 8002000)
        self.assertIsNone(host.hypervisor_version)
        self.assertFalse(host.is_hyperv)

    def test_reads_any_record(self):
        for record in ((None, None), ([], {}), (1, '6003'), ('', -1)):
            host = objects.HostCapability.from_reported(*record)
            self.assertFalse(host.is_hyperv)
            self.assertIsNone(host.hypervisor_version)
