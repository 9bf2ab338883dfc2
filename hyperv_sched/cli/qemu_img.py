# SPDX-License-Identifier: Apache-2.0
"""Commands of qemu-img, and what they print.

The format of each file is an option, as is that a disk has no backing file:
what qemu-img detects by itself, the owner of the file controls.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import typing

from hyperv_sched.cli import base
from hyperv_sched.cli import signals
from hyperv_sched.text import escape

_PROGRAM = 'qemu-img'

#: The names of QEMU for formats that it reads, by the names of
#: :attr:`hyperv_sched.disk.Inspection.format`.
DRIVERS = {'parallels': 'parallels', 'qcow2': 'qcow2', 'qed': 'qed',
           'raw': 'raw', 'vdi': 'vdi', 'vhd': 'vpc', 'vhdx': 'vhdx',
           'vmdk': 'vmdk'}
#: Drivers with the option for a backing file.
_WITH_BACKING = ('qcow2', 'qed', 'vmdk')

#: The beginning of a name that has options.
_NODE = 'json:'
#: The progress, as in "    (12.50/100%)\r".
_PROGRESS = re.compile(rb'\s*\(([0-9]{1,3}\.[0-9]{2})/100%\)[\r\n]?')
_CHUNK = 4096
#: Bytes of error messages that are kept.
_MAX_OUTPUT = 8192
#: Extents of a map that are read: less than two seconds.
_MAX_EXTENTS = 1_000_000
#: STATUS_CONTROL_C_EXIT of Windows, [MS-ERREF]: Ctrl-C and Ctrl-Break end all
#: programs of a console. The end of qemu-img may be noticed before the signal.
_CONTROL_C_EXIT = 0xc000013a
#: PR_SET_PDEATHSIG of Linux, prctl(2).
_PARENT_DEATH_SIGNAL = 1

#: Receives the part of the work that is done, from 0 to 1.
Report = Callable[[float], None]


def check_installed() -> None:
    """Check that there is a qemu-img.

    :raises base.UsageError: there is none.
    """
    if shutil.which(_PROGRAM) is None:
        raise base.UsageError(
            'qemu-img is not installed, which converts disks. Install the '
            'package qemu-utils (Debian, Ubuntu), qemu-img (Fedora, Red '
            'Hat, openSUSE) or qemu (others). On Windows, add the directory '
            'of QEMU for Windows to PATH')


def check_path(path: str) -> None:
    """Check that qemu-img can be given a path.

    :raises base.UsageError: it cannot.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        raise base.UsageError(
            f'{path}: the name is not UTF-8, which qemu-img cannot open. '
            'Rename the file') from None


def node(path: str, image_format: str) -> str:
    """Return the name of a disk for qemu-img, with its format.

    :param image_format: a key of :data:`DRIVERS`
    :raises base.UsageError: qemu-img cannot be given the path.
    """
    path = os.path.abspath(path)
    check_path(path)
    driver = DRIVERS[image_format]
    options: dict[str, object] = {
        'driver': driver, 'file': {'driver': 'file', 'filename': path}}
    if driver in _WITH_BACKING:
        options['backing'] = None
    if driver == 'vpc':
        # By default QEMU takes the geometry for the size of a VHD of other
        # software than it knows, which is smaller.
        options['force_size_calc'] = 'current_size'
    return _NODE + json.dumps(options)


def convert_command(source: str, target: str, *options: str) -> list[str]:
    """Return the command that converts a disk.

    :param source: from :func:`node`
    :param options: the format of the target, and its options
    """
    return [_PROGRAM, 'convert', *options, source, os.path.abspath(target)]


def vhdx_options(block_size: int) -> tuple[str, ...]:
    """Return the options for a dynamic VHDX.

    :param block_size: in bytes
    """
    return '-O', 'vhdx', '-o', f'subformat=dynamic,block_size={block_size}'


def run(command: Sequence[str], guard: signals.Guard,
        report: Report | None = None, answers: str = '',
        environment: Mapping[str, str] | None = None,
        directory: str | None = None,
        meanwhile: Callable[[], None] | None = None) -> None:
    """Run a command to its end; end it after a signal.

    :param report: called with the progress that qemu-img prints
    :param answers: what the command reads from standard input, up to 4 KiB
    :param environment: variables to add
    :param directory: the working directory
    :param meanwhile: called once, when the command runs
    :raises base.UsageError: the command fails; the message is that of the
        command.
    :raises KeyboardInterrupt: Ctrl-C ended the command.
    """
    output = b''
    with _started(command, guard, answers, environment,
                  directory) as process:
        if meanwhile is not None:
            meanwhile()
        descriptor = typing.cast(typing.IO[bytes], process.stdout).fileno()
        while data := os.read(descriptor, _CHUNK):
            output += data
            for match in _PROGRESS.finditer(output):
                if report is not None:
                    report(float(match[1]) / 100)
            # The rest may be the beginning of a progress.
            output = _PROGRESS.sub(b'', output)[-_MAX_OUTPUT:]
        process.wait()
    if process.returncode == _CONTROL_C_EXIT:
        raise KeyboardInterrupt
    if process.returncode:
        raise base.UsageError(_error_message(
            command, output.decode(errors='replace'), process.returncode))


def _error_message(command: Sequence[str], output: str, code: int) -> str:
    """Return the message of a command that failed."""
    message = ' '.join(output.split()) or f'exit code {code}'
    for word in command:
        if word.startswith(_NODE):
            # The user knows the path.
            path = json.loads(word.removeprefix(_NODE))['file']['filename']
            message = message.replace(word, path)
    program = os.path.basename(command[0])
    message = message.removeprefix(f'{program}: ')
    return f'{program}: {escape(message, 1000)}'


def extents(source: str, size: int, guard: signals.Guard,
            ) -> Iterator[tuple[int, int]]:
    """Yield offset and length of the extents that have data.

    Reads up to a million extents. All that follows counts as data.

    :param source: from :func:`node`
    :param size: of the disk
    """
    command = [_PROGRAM, 'map', '--output=json', source]
    with _started(command, guard) as process:
        output = typing.cast(typing.IO[bytes], process.stdout)
        count = end = 0
        while line := output.readline(_CHUNK):
            if count == _MAX_EXTENTS:
                if end < size:
                    yield end, size - end
                break
            count += 1
            try:
                extent = json.loads(line.strip(b'[],\r\n '))
                start, length = int(extent['start']), int(extent['length'])
                end = start + length
                if extent['data']:
                    yield start, length
            except (ValueError, KeyError, TypeError):
                # An error, which the conversion reports as well.
                continue


@contextlib.contextmanager
def _started(command: Sequence[str], guard: signals.Guard,
             answers: str = '',
             environment: Mapping[str, str] | None = None,
             directory: str | None = None,
             ) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process, which ends with the context and with this process."""
    # A signal between the start of the process and the assignment would
    # leave it running.
    guard.hold()
    try:
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, cwd=directory,
            env={**os.environ, 'LC_ALL': 'C', **(environment or {})},
            preexec_fn=die_with_parent()
            if sys.platform == 'linux' else None)
    except OSError as exc:
        guard.release()
        raise base.UsageError(
            f'{command[0]}: {exc.strerror or exc}') from None
    try:
        guard.release()
        try:
            with typing.cast(typing.IO[bytes], process.stdin) as stdin:
                # Less than a pipe holds.
                stdin.write(answers.encode())
        except OSError as exc:
            if not base.is_closed_pipe(exc):
                raise
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def die_with_parent() -> Callable[[], None]:
    """Return a function that lets a child end when its parent is killed."""
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PARENT_DEATH_SIGNAL, int(signal.SIGKILL))
