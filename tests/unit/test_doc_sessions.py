# SPDX-License-Identifier: Apache-2.0
"""The sessions that the documentation shows are what the commands print."""

import json

from tests import documentation
from tests import guests
from tests import properties
from tests import samples
from tests import sessions
from tests.unit.cli import base

#: The hosts of the page about explanations and audits.
HOSTS = [('ws2012-1', 6002), ('ws2012-2', 6002), ('ws2012r2', 6003),
         ('ws2019', 10000), ('ws2022', 10000), ('new', 0)]
GENERATION_2 = {**properties.GENERATION_2, 'disk_format': 'vhdx',
                'container_format': 'bare'}
WIN2022 = {**GENERATION_2, 'id': 'a2', 'name': 'win2022',
           'hypervisor_version_requires': '>=10.0.14393'}

#: The files of the sessions of a page.
FILES = {
    'README.rst': {
        'windows.vhdx': samples.bios_vhdx()},
    'lint.rst': {
        'disk.vhd': base.VHD,
        'images/debian.vhdx': base.BOOTABLE,
        'images/old/windows.vhdx': samples.bios_vhdx(),
        'images/README': b'Images of last year',
        'image.json': json.dumps({
            'name': 'windows-2022', 'hw_machine_type': 'hyperv-gen2',
            'hypervisor_version_requires': '>=6.3'}).encode()},
    'upload.rst': {
        'disk.vhdx': samples.vhdx(
            virtual_size=2 * samples.GIB, block_size=samples.MIB,
            guest=guests.gpt([(guests.ESP, 64, guests.fat({
                'EFI/BOOT/BOOTX64.EFI': guests.program(shim=True),
                'EFI/BOOT/grubx64.efi': guests.program()}))]))},
    'audit.rst': {
        'hosts.yaml': json.dumps({'hypervisors': [
            *({'hypervisor_hostname': name, 'hypervisor_type': 'hyperv',
               'hypervisor_version': version} for name, version in HOSTS),
            {'hypervisor_hostname': 'kvm', 'hypervisor_type': 'QEMU',
             'hypervisor_version': 8002000}]}).encode(),
        'image.json': json.dumps(WIN2022).encode(),
        'images.json': json.dumps([
            WIN2022,
            {**GENERATION_2, 'id': 'a1', 'name': 'win2016'}]).encode()},
}


class SessionTestCase(sessions.SessionsMixin, base.CommandTestCase):

    def run_line(self, line):
        # These files are the cloud.
        return super().run_line(line.replace(
            'audit --os-cloud NAME',
            'audit --hosts hosts.yaml --images images.json'))

    def test_sessions(self):
        count = 0
        for block in documentation.blocks():
            if block.is_session and not block.needs_program:
                self.check_session(block, FILES[block.page])
                count += 1
        self.assertGreater(count, 5)
