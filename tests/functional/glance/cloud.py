# SPDX-License-Identifier: Apache-2.0
"""The commands against a real Glance, through the real openstacksdk."""

import atexit
import contextlib
import functools
import io
import json
import mmap
import os
import pathlib
import struct
import subprocess
import sys
from unittest import mock
import uuid

import requests.adapters
import testtools

from hyperv_sched.cli import main
from tests import files
from tests import guests
from tests import properties
from tests import samples
from tests.functional.glance import api

GENERATION_2 = properties.GENERATION_2


def _api():
    """Start a Glance for which every user is an administrator."""
    return api.GlanceAPI(anonymous=True, policy='"context_is_admin": "@"\n')


@functools.cache
def _glance():
    """One Glance for all tests of a process: it takes its time to start."""
    glance = _api()
    glance.setUp()
    atexit.register(glance.cleanUp)
    return glance


class CloudTestCase(files.FilesMixin, testtools.TestCase):
    """Each test makes images of its own."""

    def setUp(self):
        super().setUp()
        self.glance = self.api()
        self.environment = {
            **{name: value for name, value in os.environ.items()
               if not name.startswith('OS_')},
            'OS_AUTH_TYPE': 'none', 'OS_ENDPOINT': self.glance.url,
            # Not the clouds.yaml of the user.
            'HOME': str(self.directory),
            'XDG_CONFIG_HOME': str(self.directory)}

    def api(self):
        """Return the Glance of the test."""
        return _glance()

    def run_command(self, *argv):
        """Run a command; return its exit code, output and messages."""
        out, err = io.StringIO(), io.StringIO()
        with mock.patch.dict(os.environ, self.environment, clear=True), \
                contextlib.redirect_stdout(out), \
                contextlib.redirect_stderr(err):
            try:
                code = main.main([str(word) for word in argv])
            except SystemExit as exc:
                code = exc.code
        return code, out.getvalue(), err.getvalue()

    def image(self, path=None, disk_format='vhdx', **properties):
        """Make an image behind the back of the commands."""
        _, text = self.glance.request('/v2/images', 'POST', {
            'name': uuid.uuid4().hex, 'disk_format': disk_format,
            'container_format': 'bare', **properties})
        image = json.loads(text)
        if path is not None:
            with open(path, 'rb') as data:
                requests.put(
                    f'{self.glance.url}/v2/images/{image["id"]}/file',
                    data=data, timeout=60, headers={
                        'Content-Type': 'application/octet-stream',
                    }).raise_for_status()
        return image

    def images(self):
        """List the images in the database and in the store."""
        _, text = self.glance.request(
            '/v2/images?visibility=all&limit=1000')
        return ([image['id'] for image in json.loads(text)['images']],
                sorted(os.listdir(self.glance.root / 'images')))


class PermissionTestCase(CloudTestCase):
    """A Glance for each test: one that forbids does not forget it."""

    def api(self):
        return self.useFixture(_api())

    def forbid(self, action):
        """Forbid an operation for all users."""
        with open(self.glance.root / 'policy.yaml', 'a') as file:
            file.write(f'"{action}": "!"\n')


class Traffic:
    """Counts the requests for content and what they brought."""

    def __init__(self):
        self.requests = 0
        self.bytes = 0

    @contextlib.contextmanager
    def counted(self):
        send = requests.adapters.HTTPAdapter.send

        def counting(adapter, request, **options):
            answer = send(adapter, request, **options)
            if request.url.endswith('/file'):
                self.requests += 1
                self.bytes += int(answer.headers['Content-Length'])
            return answer

        with mock.patch.object(requests.adapters.HTTPAdapter, 'send',
                               counting):
            yield


def qemu(tool, *argv):
    subprocess.run([tool, *argv], check=True, stdout=subprocess.PIPE)


def large_disk(directory, size, block_size, esp):
    """Create a sparse dynamic VHDX with an EFI system partition."""
    raw, path = directory / 'disk.raw', directory / 'disk.vhdx'
    with open(raw, 'wb') as file:
        file.truncate(size)
    last = size // guests.SECTOR - 1
    with open(raw, 'r+b') as file, mmap.mmap(file.fileno(), 0) as disk:
        entries = struct.pack(
            '<16s16sQQQ', uuid.UUID(guests.ESP).bytes_le,
            uuid.uuid4().bytes, 2048, 2047 + len(esp) // guests.SECTOR,
            0).ljust(128 * 128, b'\0')
        disk[:guests.SECTOR] = guests.mbr([guests.PROTECTIVE])
        for lba, other, at in ((1, last, 2), (last, 1, last - 32)):
            disk[at * 512:at * 512 + len(entries)] = entries
            guests.gpt_header(disk, lba, other, at, entries, 128)
        disk[samples.MIB:samples.MIB + len(esp)] = esp
    qemu('qemu-img', 'convert', '-f', 'raw', '-O', 'vhdx', '-o',
         f'block_size={block_size}', raw, path)
    raw.unlink()
    # Some 64 MiB, in no order.
    places = [(step * 37 % 62 + 1) * size // 64
              for step in range(64 * samples.MIB // block_size)]
    writes = [word for place in places
              for word in ('-c', f'write -P 1 {place} 4k')]
    qemu('qemu-io', '-f', 'vhdx', *writes, path)
    return path


def hyperv_sched(*argv):
    """Return the command line of the hyperv-sched command."""
    return [pathlib.Path(sys.executable).with_name('hyperv-sched'), *argv]
