# SPDX-License-Identifier: Apache-2.0
"""A virtual machine of QEMU that starts a disk once.

The disk image is hostile, and so is what runs in the machine. QEMU gets the
open file, for reading only; what the machine writes is in a temporary file
without a name. There is no network and no other device of the host, memory
and the size of files are limited, and seccomp forbids QEMU to start programs.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import dataclasses
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Any
from typing import BinaryIO

from hyperv_sched.cli import base
from hyperv_sched.cli import firmware
from hyperv_sched.cli import qemu_img
from hyperv_sched.cli import signals
from hyperv_sched.text import escape

_PROGRAM = 'qemu-system-x86_64'

#: MiB of the memory of the machine, and of what TCG translates.
MEMORY = 1024
_TRANSLATED = 256
#: Bytes of a file that QEMU writes: the changes of the disk.
_MAX_FILE = 4 * 1024 ** 3

#: The file that QEMU gets open (``-add-fd``).
_FILE = '/dev/fdset/1'

_SANDBOX = ('-sandbox', 'on,obsolete=deny,elevateprivileges=deny,'
            'spawn=deny,resourcecontrol=deny')
#: Seconds for QEMU to print its version, or to respond to a request.
_RESPONSE_TIME = 20
#: Seconds between requests for the state of the processor.
_INTERVAL = 0.5
_CHUNK = 4096
#: Bytes of a response: a few KiB of registers.
_MAX_RESPONSE = 256 * 1024
_MAX_ERROR = 4096

#: Kernels of x64 run in the upper half of the addresses. Firmware and boot
#: loaders run at physical addresses (UEFI 2.10, 2.3.4).
_KERNEL = 1 << 63
_INSTRUCTION = re.compile(r'RIP=([0-9a-f]{16})')


class EndedError(Exception):
    """QEMU ended; the message is that of QEMU."""


@dataclasses.dataclass(frozen=True)
class State:
    """The state of a machine at a moment."""

    console: bytes
    """What came from the console since the last state."""
    kernel: int | None
    """The address at which a kernel runs; None if none runs."""
    resets: int
    """How often the machine has reset itself."""


def check_installed() -> None:
    """Check that there is a QEMU for x64.

    :raises base.UsageError: there is none.
    """
    if sys.platform == 'win32':
        raise base.UsageError(
            'disks are started on Linux only, with QEMU')
    if shutil.which(_PROGRAM) is None:
        raise base.UsageError(
            f'{_PROGRAM} is not installed, which starts disks. Install the '
            'package qemu-system-x86 (Debian, Ubuntu, Fedora), qemu-kvm (Red '
            'Hat) or qemu-x86 (openSUSE)')


def disk_arguments(image_format: str, medium: str,
                   sector_size: int) -> list[str]:
    """Return the arguments for a disk whose changes are thrown away.

    :param image_format: a key of :data:`qemu_img.DRIVERS`
    :param medium: hd or cd
    :param sector_size: in bytes
    """
    node = firmware.escape(qemu_img.node(_FILE, image_format))
    return ['-drive', f'if=none,id=disk,snapshot=on,file={node}',
            '-device', 'virtio-scsi-pci',
            '-device', f'scsi-{medium},drive=disk,'
                       f'logical_block_size={sector_size},'
                       f'physical_block_size={sector_size}']


def _sandbox() -> tuple[str, ...]:
    """Return the arguments for seccomp, if QEMU was built with it."""
    done = subprocess.run(  # noqa: S603
        [_PROGRAM, *_SANDBOX, '-version'], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
        timeout=_RESPONSE_TIME)
    return () if done.returncode else _SANDBOX


class Machine:
    """A machine that runs; see :func:`start`."""

    def __init__(self, process: subprocess.Popen[bytes],
                 console: socket.socket, monitor: socket.socket) -> None:
        self._process = process
        self._console = console
        self._monitor = monitor
        self._responses = b''
        self._resets = 0
        self._deadline = time.monotonic() + _RESPONSE_TIME
        self._receive('QMP')
        self.request('qmp_capabilities')

    def states(self, seconds: float) -> Iterator[State]:
        """Yield the state of the machine, again and again until a time.

        :raises EndedError: QEMU ends.
        """
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            due = now + _INTERVAL
            console = b''
            while (now := time.monotonic()) < due and len(console) < _CHUNK:
                readable, _, _ = select.select(
                    [self._console], [], [], due - now)
                if readable:
                    data = self._console.recv(_CHUNK)
                    if not data:
                        break
                    console += data
            yield State(console, self._kernel(), self._resets)

    def request(self, command: str, **arguments: object) -> Any:
        """Send a request to QEMU and return the response.

        :raises EndedError: QEMU ends.
        :raises base.UsageError: the response is an error.
        """
        self._deadline = time.monotonic() + _RESPONSE_TIME
        message = {'execute': command, 'arguments': arguments}
        try:
            self._monitor.sendall(json.dumps(message).encode() + b'\n')
        except OSError:
            raise self._ended() from None
        response = self._receive('return', 'error')
        if 'error' in response:
            raise base.UsageError(
                f'QEMU: {escape(response["error"]["desc"], 1000)}')
        return response['return']

    def _kernel(self) -> int | None:
        """Return the address at which a kernel runs."""
        match = _INSTRUCTION.search(self.request(
            'human-monitor-command', **{'command-line': 'info registers'}))
        address = int(match[1], 16) if match else 0
        return address if address & _KERNEL else None

    def _receive(self, *names: str) -> dict[str, Any]:
        """Return the next message with a member of one of these names."""
        while True:
            message = json.loads(self._receive_line())
            if any(name in message for name in names):
                return dict(message)
            if message.get('event') == 'RESET' and message['data']['guest']:
                self._resets += 1

    def _receive_line(self) -> bytes:
        while b'\n' not in self._responses:
            left = self._deadline - time.monotonic()
            if left <= 0 or len(self._responses) > _MAX_RESPONSE:
                raise base.UsageError('QEMU does not respond')
            readable, _, _ = select.select([self._monitor], [], [], left)
            if not readable:
                continue
            try:
                data = self._monitor.recv(_CHUNK)
            except OSError:
                data = b''
            if not data:
                raise self._ended()
            self._responses += data
        line, _, self._responses = self._responses.partition(b'\n')
        return line

    def _ended(self) -> EndedError:
        """Return the error for a QEMU that has ended."""
        self._process.wait(_RESPONSE_TIME)
        assert self._process.stderr is not None  # noqa: S101
        message = self._process.stderr.read(_MAX_ERROR).decode(
            errors='replace')
        return EndedError(escape(' '.join(message.split()), 1000)
                          if self._process.returncode else '')


@contextlib.contextmanager
def start(arguments: Sequence[str], file: BinaryIO, directory: str,
          guard: signals.Guard) -> Iterator[Machine]:
    """Start a machine, which ends with the context and with this process.

    :param arguments: of firmware and of the disk
    :param file: the disk image that the arguments of the disk name
    :param directory: for what the machine writes
    :raises EndedError: QEMU cannot start.
    """
    with contextlib.ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(2)]
        for pair in pairs:
            for end in pair:
                stack.callback(end.close)
        (console, guest_console), (monitor, guest_monitor) = pairs
        descriptors = [file.fileno(), guest_console.fileno(),
                       guest_monitor.fileno()]
        command = [
            _PROGRAM, *_sandbox(), '-nodefaults', '-no-user-config',
            '-display', 'none', '-machine', 'q35',
            '-accel', f'tcg,tb-size={_TRANSLATED}', '-cpu', 'max',
            '-m', str(MEMORY), '-nic', 'none', '-device', 'VGA',
            '-add-fd', f'fd={descriptors[0]},set=1',
            '-chardev', f'socket,id=console,fd={descriptors[1]}',
            '-serial', 'chardev:console',
            '-chardev', f'socket,id=monitor,fd={descriptors[2]}',
            '-mon', 'chardev=monitor,mode=control', *arguments]
        guard.hold()
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, pass_fds=descriptors,
            env={**os.environ, 'TMPDIR': directory, 'LC_ALL': 'C'},
            preexec_fn=_limit())
        try:
            guard.release()
            guest_console.close()
            guest_monitor.close()
            yield Machine(process, console, monitor)
        finally:
            process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()


def _limit() -> Callable[[], object]:
    """Return a function that limits a child, and lets it end with us."""
    import resource

    die = qemu_img.die_with_parent()

    def limit() -> None:
        die()
        resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_FILE, _MAX_FILE))
        # A full file is an error that QEMU sees, and not its end.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    return limit
