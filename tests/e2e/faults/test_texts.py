# SPDX-License-Identifier: Apache-2.0
"""The longest text of each rule, as the owner of a server reads it."""

from hyperv_sched import rules
from tests import samples
from tests.e2e import base
from tests.e2e import cloud as e2e_cloud

GENERATION_2 = {**e2e_cloud.GENERATION_2, 'os_type': 'linux'}
SECURE = {**GENERATION_2, 'os_secure_boot': 'required'}

#: Nova accepts no longer requirement, and no more bytes in a fault.
LONGEST_REQUIREMENT = '>=10.0,' + ','.join(['>=6.3'] * 41)
FAULT_SIZE = 255

#: Three bytes a character.
LONGEST_VALUE = 'hyperv-gen' + '漢' * 245

#: Images that the scheduler rejects on every host: by code of the cause.
#: Nova itself answers with HTTP 400 to an image that breaks HV104. A driver
#: that reads the records of images (compute-hyperv) refuses HV113 and HV117.
NOWHERE = {
    'HV101': {**GENERATION_2, 'hw_machine_type': LONGEST_VALUE},
    'HV103': {**GENERATION_2, 'hypervisor_type': 'qemu'},
    'HV109': {**GENERATION_2, 'architecture': 'i686'},
    'HV110': {**e2e_cloud.GENERATION_1, 'os_secure_boot': 'required'},
    'HV111': {**SECURE, 'os_type': None},
    'HV128': {**GENERATION_2, 'architecture': 'aarch64'},
}

#: Files that a host refuses: the format that they are uploaded and then
#: labeled with, the data, and whether there is room for the fix.
FILES = {
    'HV107': ('qcow2', 'qcow2', samples.qcow2(), True),
    'HV202': ('vhd', 'vhd', samples.dynamic_vhd(), False),
    'HV203': ('qcow2', 'vhdx', samples.qcow2(), True),
    'HV204': ('raw', 'vhdx', b'no disk' * 9999, True),
}


class TextTestCase(base.StoryTestCase):

    def read(self, image, *hosts, **attributes):
        """Boot a server that is refused, and return its fault."""
        with self.cloud.only(*hosts):
            server = self.cloud.boot(image, **attributes)
        self.assertEqual('ERROR', server.status)
        return self.cloud.fault(server)

    def assert_whole(self, fault, *codes, end=None):
        """The fault has the codes, and ends with a whole fix.

        :param end: the fix; None for the command that shows it
        """
        self.assertLessEqual(len(fault.encode()), FAULT_SIZE)
        for code in codes:
            self.assertIn(code, fault)
        self.assertTrue(fault.endswith(
            f' {end or "More: hyperv-sched rule show " + codes[-1]}'), fault)

    def test_scheduler_rejects_the_image_on_all_hosts(self):
        for code, properties in NOWHERE.items():
            image = self.cloud.image(**GENERATION_2)
            self.cloud.spoil(image, **{
                **dict.fromkeys(GENERATION_2), **properties})
            self.assert_whole(
                self.read(image, 'ws2022'), 'HV405', code,
                end='Correct the image: hyperv-sched image lint tells how')

    def test_scheduler_rejects_the_hosts(self):
        image = self.cloud.image(**{
            **GENERATION_2,
            'hypervisor_version_requires': LONGEST_REQUIREMENT})
        for code, host, end in (
                ('HV401', 'kvm',
                 'Use a Hyper-V host, or an image for this hypervisor'),
                ('HV402', 'ws2012', 'Use a host of version >=6.3, or a '
                 'generation 1 image'),
                ('HV404', 'ws2012r2',
                 'Correct the requirement, or use another host')):
            self.assert_whole(self.read(image, host), code, end=end)

    def test_scheduler_names_all_causes(self):
        image = self.cloud.image(**{
            **GENERATION_2,
            'hypervisor_version_requires': LONGEST_REQUIREMENT})
        self.assert_whole(
            self.read(image, 'kvm', 'ws2012', 'ws2012r2'),
            'HV401', 'HV402', 'HV404',
            end='Use a Hyper-V host, or an image for this hypervisor')

    def test_host_refuses_files(self):
        for code, (uploaded, labeled, data, has_room) in FILES.items():
            image = self.cloud.image(
                data, uploaded, hypervisor_type='qemu')
            self.cloud.spoil(image, **GENERATION_2)
            self.cloud.sql('glance', 'UPDATE images SET disk_format = %s'
                           ' WHERE id = %s', labeled, image.id)
            self.assert_whole(
                self.read(image, 'ws2022'), 'HV502', code,
                end=rules.CATALOGUE[code].fix if has_room else None)

    def test_forced_host_lacks_what_the_image_needs(self):
        image = self.cloud.image(user=self.cloud.admin, **GENERATION_2)
        for required, properties in (
                (LONGEST_REQUIREMENT, {}),
                (LONGEST_REQUIREMENT.replace('>=10.0', '>=6.3'), {
                    'os_secure_boot': 'required'})):
            self.cloud.spoil(image, **{
                **properties, 'hypervisor_version_requires': required})
            fault = self.read(image, 'ws2012r2', user=self.cloud.admin,
                              availability_zone='nova:ws2012r2')
            self.assert_whole(fault, 'HV501', 'HV404')

    def test_rebuild_is_refused(self):
        image = self.cloud.image(
            user=self.cloud.admin, **e2e_cloud.GENERATION_1)
        server = self.cloud.boot(
            image, user=self.cloud.admin, host='ws2012r2')
        # The scheduler does not check the same image again.
        self.cloud.spoil(
            image, hypervisor_version_requires=LONGEST_REQUIREMENT)
        self.cloud.admin.compute.rebuild_server(server.id, image=image.id)
        self.assertEqual('ERROR', self.cloud.settle(
            server, 'ACTIVE', 'ERROR').status)
        self.assert_whole(
            self.cloud.fault(server), 'HV505', 'HV404',
            end='Rebuild with an image that this host can run')

    def test_rescue_is_refused(self):
        with self.cloud.only('ws2022'):
            server = self.cloud.boot(self.cloud.image(**GENERATION_2))
        other = self.cloud.image(
            samples.bios_vhdx(), **e2e_cloud.GENERATION_1)
        self.cloud.demo.compute.rescue_server(server.id, image_ref=other.id)
        self.assertEqual('ERROR', self.cloud.settle(
            server, 'RESCUE', 'ERROR').status)
        self.assert_whole(
            self.cloud.fault(server), 'HV504',
            end='Rescue with an image of hw_machine_type=hyperv-gen2')

    def test_ide_is_refused(self):
        image = self.cloud.image(**GENERATION_2)
        self.assert_whole(
            self.read(image, 'ws2022', block_device_mapping=[{
                'boot_index': 0, 'uuid': image.id, 'source_type': 'image',
                'destination_type': 'local', 'delete_on_termination': True,
                'disk_bus': 'ide'}]),
            'HV503', end='Leave disk_bus out: the driver takes SCSI')
