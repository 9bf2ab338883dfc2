# SPDX-License-Identifier: Apache-2.0
"""The cost of "image convert" beside that of qemu-img alone.

    tox -e bench -- convert_cost [RUNS]

A qcow2 of 4 GiB with 1 GiB of data, that does not compress, becomes a VHDX
with blocks of 32 MiB. Both commands take turns, so that a busy moment of the
machine hits both. What is added, such as the start of Python, does not grow
with the data: the ratio is high where the disk is in memory. Memory is the
largest resident set of the processes of a command.
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
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        disk, output = make_disk(directory), directory / 'out.vhdx'
        commands = {
            'qemu-img convert': [
                'qemu-img', 'convert', '-f', 'qcow2', '-O', 'vhdx', '-o',
                f'subformat=dynamic,block_size={32 * MIB}', disk, output],
            'image convert': [command, 'image', 'convert', disk, output]}
        results = {label: [] for label in commands}
        for _ in range(runs):
            for label, words in commands.items():
                results[label].append(run(*words))
                output.unlink()
    for label, result in results.items():
        seconds, memory = zip(*result, strict=True)
        print(f'{label:20} {statistics.median(seconds):8.2f} s '
              f'{max(memory):8.0f} MiB')
    ratio = statistics.median(
        ours / alone for (alone, _), (ours, _) in zip(
            *results.values(), strict=True))
    added = statistics.median(
        ours - alone for (alone, _), (ours, _) in zip(
            *results.values(), strict=True))
    print(f'ratio {ratio:.2f}, {added:.2f} s more')


if __name__ == '__main__':
    main()
