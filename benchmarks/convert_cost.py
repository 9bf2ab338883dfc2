# SPDX-License-Identifier: Apache-2.0
"""The cost of "image convert" beside that of qemu-img alone.

    tox -e bench -- convert_cost [RUNS]

A qcow2 of 4 GiB with 1 GiB of data, that does not compress, becomes a VHDX
with blocks of 32 MiB. Both commands take turns, so that a busy moment of the
machine hits both. What is added, the start of Python and the checks, does not
grow with the data: the last line says from how much data on that is 5 %, with
the speed of this disk, which is in memory. A real disk is slower, so that less
data is enough. Memory is the largest resident set of the processes of a
command.
"""

import os
import pathlib
import random
import statistics
import subprocess  # noqa: S404
import sys
import tempfile
import time

from tests import guests

RUNS = 5
GIB = 1024 ** 3
MIB = 1024 ** 2

#: Cost that is allowed for what is added.
LIMIT = 0.05


def make_disk(directory):
    """Return a disk that UEFI boots, with data in each fourth MiB."""
    raw = directory / 'disk.raw'
    raw.write_bytes(guests.bootable())
    data = random.Random(1).randbytes(MIB)  # noqa: S311
    with open(raw, 'r+b') as file:
        for offset in range(64 * MIB, 4 * GIB - MIB, 4 * MIB):
            file.seek(offset)
            file.write(data)
        file.truncate(4 * GIB)
    disk = directory / 'disk.qcow2'
    run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, disk)
    raw.unlink()
    return disk


def run(*command):
    """Run a command; return its seconds and its MiB of memory."""
    start = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    # The backup of the GPT is not at the end: a finding, exit code 1.
    if process.returncode not in (0, 1):
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    command = pathlib.Path(sys.executable).with_name('hyperv-sched')
    # An installed package has bytecode.
    os.environ.pop('PYTHONDONTWRITEBYTECODE', None)
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        disk, output = make_disk(directory), directory / 'out.vhdx'
        commands = {
            'qemu-img convert': [
                'qemu-img', 'convert', '-f', 'qcow2', '-O', 'vhdx', '-o',
                f'subformat=dynamic,block_size={32 * MIB}', disk, output],
            'image convert': [command, 'image', 'convert', disk, output]}
        results = {label: [] for label in commands}
        # The first turn reads the disk and writes bytecode.
        for turn in range(runs + 1):
            for label, words in commands.items():
                result = run(*words)
                output.unlink()
                if turn:
                    results[label].append(result)
    print(f'{"":20} {"min":>8}   {"median":>8}')
    spent = []
    for label, result in results.items():
        seconds, memory = zip(*result, strict=True)
        spent.append((min(seconds), statistics.median(seconds)))
        print(f'{label:20} {min(seconds):8.2f} s '
              f'{statistics.median(seconds):8.2f} s '
              f'{max(memory):8.0f} MiB')
    added = [ours - alone for alone, ours in zip(*spent, strict=True)]
    print(f'{"added":20} {added[0]:8.2f} s {added[1]:8.2f} s')
    print(f'{LIMIT:.0%} of qemu-img from a conversion of '
          f'{added[0] / LIMIT:.1f} s on: {added[0] / LIMIT / spent[0][0]:.0f} '
          'GiB of data on this disk')


if __name__ == '__main__':
    main()
