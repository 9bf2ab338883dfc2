# SPDX-License-Identifier: Apache-2.0
"""What the documentation shows of programs and services."""

import os
import subprocess
from unittest import mock

from openstackclient import shell
import testtools
import yaml

from tests import documentation
from tests import files
from tests import guests
from tests import samples
from tests import sessions
from tests.functional.glance import cloud


def _converted(data, directory):
    """Return a raw disk as qcow2."""
    (directory / 'raw').write_bytes(data)
    subprocess.run(
        ['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', 'raw', 'qcow2'],
        check=True, cwd=directory)
    return (directory / 'qcow2').read_bytes()


class ConvertTestCase(sessions.SessionsMixin, files.FilesMixin,
                      testtools.TestCase):

    def test_sessions(self):
        disk = guests.bootable(size=48 * samples.MIB)
        damaged = bytearray(disk)
        # In the header of the backup GPT, the disk's last sector.
        damaged[-512 + 20] ^= 1
        contents = {'debian-12.qcow2': _converted(disk, self.directory),
                    'disk.raw': bytes(damaged)}
        blocks = [block for block in documentation.blocks()
                  if block.page == 'convert.rst' and block.is_session]
        self.assertEqual(2, len(blocks))
        for block in blocks:
            self.check_session(block, contents)


class UploadTestCase(sessions.SessionsMixin, cloud.CloudTestCase):

    def test_sessions(self):
        disk = guests.bootable(size=48 * samples.MIB)
        clouds = {'clouds': {'mycloud': {
            'auth_type': 'none', 'auth': {'endpoint': self.glance.url}}}}
        contents = {'debian-12.qcow2': _converted(disk, self.directory),
                    'disk.vhdx': samples.uefi_vhdx(),
                    'clouds.yaml': yaml.safe_dump(clouds).encode()}
        blocks = [block for block in documentation.blocks()
                  if block.page == 'upload.rst' and block.needs_program]
        self.assertEqual(2, len(blocks))
        before = self.images()
        with mock.patch.dict(os.environ, {
                'OS_CLIENT_CONFIG_FILE': str(self.directory / 'clouds.yaml')}):
            for block in blocks:
                self.check_session(block, contents)
        # The second session leaves none.
        self.assertEqual(len(before[1]) + 1, len(self.images()[1]))


class ClientCommandTestCase(testtools.TestCase):
    """The openstack client has these commands, and they these options."""

    #: Those of osc-placement, which is not installed, and of this package.
    OTHERS = ('resource provider', 'hyperv')

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = shell.OpenStackShell()
        for name in ('common', 'compute.v2', 'image.v2', 'network.v2'):
            cls.client.command_manager.add_command_group(f'openstack.{name}')

    def parser_of(self, words):
        """Return the parser of a command, and the words that it parses."""
        factory, name, words = self.client.command_manager.find_command(words)
        return factory(self.client, None).get_parser(name), words

    def test_blocks(self):
        count = 0
        for block in documentation.blocks():
            for line in documentation.command_lines(block):
                if 'openstack ' not in line or block.language:
                    continue
                for program, *words in documentation.split_commands(line):
                    if program == 'openstack':
                        parser, words = self.parser_of(words)
                        parser.parse_args(words)
                        count += 1
        self.assertGreater(count, 8)

    def test_literals_in_the_text(self):
        """They may lack arguments, so that only options are checked."""
        count = 0
        for literal in documentation.inline_literals():
            program, _, command = literal.partition(' ')
            if program != 'openstack' or not command or command.startswith(
                    ('--', *self.OTHERS)):
                continue
            (words,) = documentation.split_commands(command)
            parser, words = self.parser_of(words)
            for word in words:
                if word.startswith('--'):
                    self.assertIn(word, parser._option_string_actions,
                                  literal)
            count += 1
        self.assertGreater(count, 8)
