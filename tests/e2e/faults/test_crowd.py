# SPDX-License-Identifier: Apache-2.0
"""Many boots at once, of images of many kinds."""

from concurrent import futures
import itertools

from tests import samples
from tests.e2e import base
from tests.e2e import cloud as e2e_cloud

#: Seconds for all of it, on two processors that are busy.
PATIENCE = 1200

NEW = {'ws2022', 'ws2022-plain'}
ABLE = {'ws2012r2', *NEW}
HYPERV = {'ws2012', *ABLE}
KVM = {'kvm'}
NOWHERE = set()

GEN1, GEN2 = e2e_cloud.GENERATION_1, e2e_cloud.GENERATION_2
TYPE = {'hypervisor_type': 'hyperv'}


def needs(version):
    return {'hypervisor_version_requires': version}


#: What an image says, and where its servers may be.
KINDS = (
    (GEN2, ABLE),
    ({**GEN2, **needs('>=10.0')}, NEW),
    ({**GEN2, **needs('>=6.3,<10.0')}, {'ws2012r2'}),
    ({**TYPE, 'hw_machine_type': 'hyperv-gen2'}, ABLE),
    ({**GEN2, 'architecture': 'x86_64'}, ABLE),
    ({**GEN2, 'os_type': 'linux'}, ABLE),
    ({**GEN2, 'hw_vm_mode': 'hvm'}, ABLE),
    ({**GEN2, 'trait:CUSTOM_HYPERV_WS2019': 'required'}, {'ws2022'}),
    ({**GEN2, 'trait:CUSTOM_HYPERV_GEN2': 'required'},
     {'ws2012r2', 'ws2022'}),
    (GEN1, HYPERV),
    (TYPE, HYPERV),
    ({**GEN1, **needs('>=6.3')}, ABLE),
    ({**GEN1, **needs('<6.3')}, {'ws2012'}),
    ({**GEN1, **needs('!=6.3')}, {'ws2012', *NEW}),
)
OTHERS = (
    ({'hypervisor_type': 'qemu'}, KVM),
    ({'hypervisor_type': 'kvm', 'architecture': 'x86_64'}, KVM),
)
#: What is written into one of generation 2 round Glance's guards.
SPOILT = (
    ({'hypervisor_version_requires': '>=11.0'}, NOWHERE),
    ({'hypervisor_version_requires': '>=10.0,<6.3'}, NOWHERE),
    ({'hw_machine_type': 'hyperv-gen3'}, NOWHERE),
    # Nova alone would have it run anywhere.
    ({'hypervisor_type': None}, ABLE),
)


class CrowdTestCase(base.StoryTestCase):

    def images(self):
        for properties, hosts in KINDS:
            yield self.cloud.image(**properties), hosts
        for properties, hosts in OTHERS:
            yield self.cloud.image(
                samples.qcow2() + bytes(4096), 'qcow2', **properties), hosts
        for properties, hosts in SPOILT:
            image = self.cloud.image(**GEN2)
            self.cloud.spoil(image, **properties)
            yield image, hosts

    def test_200_boots_of_20_kinds(self):
        kinds = list(self.images())
        self.assertEqual(20, len(kinds))
        # One after the other of each kind.
        wanted = list(itertools.chain.from_iterable([kinds] * 10))
        # One look-up for all, not one for each.
        flavor = self.cloud.demo.compute.find_flavor('small').id
        with futures.ThreadPoolExecutor(16) as pool:
            servers = list(pool.map(
                lambda kind: self.cloud.create(kind[0], flavor=flavor),
                wanted))
        allowed = {server.id: hosts for server, (_, hosts) in zip(
            servers, wanted, strict=True)}
        found = self.cloud.wait_for(
            lambda: self.settled(allowed), patience=PATIENCE)
        consumers = self.cloud.consumers()
        for server in found:
            if server.status == 'ACTIVE':
                self.assertIn(server.compute_host, allowed[server.id])
                self.assertEqual(
                    {server.compute_host}, consumers.get(server.id))
            else:
                self.assertEqual(
                    ('ERROR', NOWHERE), (server.status, allowed[server.id]),
                    server.fault)
                self.assertNotIn(server.id, consumers)
        self.assertEqual(
            {server.id for server in found if server.status == 'ACTIVE'},
            set(consumers) & set(allowed))
        self.cloud.delete_all(allowed, PATIENCE)

    def settled(self, wanted):
        """The servers, once nothing is done to any of them."""
        found = [server for server in self.cloud.admin.compute.servers(
            all_projects=True) if server.id in wanted]
        busy = [server for server in found
                if server.task_state or server.status == 'BUILD']
        return None if busy or len(found) < len(wanted) else found
