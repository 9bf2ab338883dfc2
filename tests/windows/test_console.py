# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and Ctrl-Break end a command, and nothing is left behind."""

import os
import pathlib
import subprocess
import textwrap

import fixtures
import testtools

from tests import guests
from tests import samples
from tests.windows import client
from tests.windows import glance

_MIB = 1024 ** 2

#: On Windows, Ctrl-Break reaches all programs of the console, and ends
#: qemu-img. The C run-time library raises SIGBREAK in a thread of its own.
#: That of wine knows Ctrl-C only.
_WITH_CTRL_BREAK = textwrap.dedent('''\
    import os, signal, subprocess, sys, threading, time
    def press():
        while not os.path.exists(sys.argv[1]):
            time.sleep(0.1)
        signal.raise_signal(signal.SIGBREAK)
        subprocess.run(['taskkill', '/f', '/im', 'qemu-img.exe'],
                       capture_output=True)
    threading.Thread(target=press, daemon=True).start()
    from hyperv_sched.cli import main
    sys.exit(main.main(sys.argv[2:]))
    ''')

_QEMU_IMG = textwrap.dedent('''\
    #include <stdio.h>
    #include <string.h>
    #include <windows.h>
    int main(int argc, char **argv) {
        if (argc > 1 && !strcmp(argv[1], "convert")) {
            FILE *file = fopen(argv[argc - 1], "wb");
            fputs("incomplete", file);
            fclose(file);
            Sleep(60000);
        } else if (argc > 1 && !strcmp(argv[1], "map"))
            printf("[]\\n");
        else
            printf("qemu-img version 10.0.0\\n");
        return 0;
    }
    ''')


class ConsoleTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.pressed = self.directory / 'pressed'

    def start(self, key, *argv, environ=()):
        command = {
            'Ctrl-C': ['-m', 'hyperv_sched'],
            'Ctrl-Break': ['-c', _WITH_CTRL_BREAK,
                           client.windows_path(self.pressed)]}[key]
        return client.Console.start(
            client.PYTHON, *command, *argv, environ=environ)

    def press(self, key, console):
        if key == 'Ctrl-C':
            console.type(b'\x03')
        else:
            self.pressed.touch()


class UploadTestCase(ConsoleTestCase):

    def check(self, key):
        api = self.useFixture(glance.Glance())
        clouds = self.directory / 'clouds.yaml'
        clouds.write_text(textwrap.dedent(f'''\
            clouds:
              test:
                auth_type: none
                auth: {{endpoint: "{api.url}"}}
                image_endpoint_override: "{api.url}/v2"
            '''))
        disk = self.directory / 'disk.vhdx'
        disk.write_bytes(samples.uefi_vhdx())
        with open(disk, 'r+b') as file:
            file.truncate(512 * _MIB)
        console = self.start(
            key, 'image', 'upload', '--os-cloud', 'test', '--name', 'x',
            client.windows_path(disk),
            environ={'OS_CLIENT_CONFIG_FILE': client.windows_path(clouds)})
        console.wait(api.server.upload_started.is_set)
        self.assertIsNone(console.code, console.output)
        self.press(key, console)
        console.wait()
        self.assertEqual(1, len(api.server.deleted), console.output)
        image_id, = api.server.deleted
        self.assertIn(f'interrupted: the incomplete image {image_id} is '
                      'deleted'.encode(), console.output)
        self.assertEqual(130, console.code)

    def test_ctrl_c(self):
        self.check('Ctrl-C')

    def test_ctrl_break(self):
        self.check('Ctrl-Break')


class ConvertTestCase(ConsoleTestCase):

    def setUp(self):
        super().setUp()
        source = self.directory / 'qemu-img.c'
        source.write_text(_QEMU_IMG)
        programs = self.directory / 'bin'
        programs.mkdir()
        subprocess.run(
            ['x86_64-w64-mingw32-gcc', source, '-o',
             programs / 'qemu-img.exe'], check=True)
        self.environ = {'WINEPATH': client.windows_path(programs)}

    def check(self, key):
        images = self.directory / 'images'
        images.mkdir()
        disk = images / 'disk.raw'
        disk.write_bytes(guests.bootable())
        console = self.start(
            key, 'image', 'convert', client.windows_path(disk),
            client.windows_path(images / 'new.vhdx'), environ=self.environ)
        console.wait(lambda: any(images.glob('*/*')))
        self.assertIsNone(console.code, console.output)
        self.press(key, console)
        console.wait()
        self.assertEqual(['disk.raw'], os.listdir(images), console.output)
        self.assertIn(b'interrupted: no file is written', console.output)
        self.assertEqual(130, console.code)

    def test_ctrl_c(self):
        self.check('Ctrl-C')

    def test_ctrl_break(self):
        self.check('Ctrl-Break')
