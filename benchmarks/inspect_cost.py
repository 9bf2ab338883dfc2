# SPDX-License-Identifier: Apache-2.0
"""What it costs to see whether a disk starts, next to those who see less.

    tox -e bench -- inspect_cost

The disk: 40 GiB, dynamic, blocks of 1 MiB, 4103 of them in any order; and an
empty one of 64 TiB, as qemu-img makes it, whose table takes up 512 MiB.
Payload is sparse, as what is compared reads next to none of it. In this
process the fastest of several turns counts; whole commands take turns, too.
oslo.utils is what Glance runs: it finds the format and the size. qemu-img
looks at the container. Hostile are the disks of tests.hostile, each in a VHDX,
of which the slowest is shown next to the disk above, in the same run.

The same disk, 20 GiB with data in each 32nd cluster, in the formats that are
converted: a program that inspects the file, and the start of Python alone,
next to qemu-img info.
"""

import json
import os
import pathlib
import random
import struct
import subprocess  # noqa: S404
import sys
import tempfile
import time

from oslo_utils.imageutils import format_inspector

from hyperv_sched import disk
from tests import guests
from tests import hostile
from tests import samples

TURNS = 15
MIB = samples.MIB
SIZE = 40 * samples.GIB
BLOCKS = 4103
BAT = 3 * MIB
#: Payload entries of the BAT before one for a sector bitmap.
RATIO = 4096
#: Of 64 TiB in blocks of 1 MiB.
LARGE_BAT = 513 * MIB

PEAK = '''
import re, sys, time
from hyperv_sched import disk
start = time.perf_counter()
disk.inspect(sys.argv[1])
spent = time.perf_counter() - start
with open('/proc/self/status') as status:
    print(spent, re.search('VmHWM:\\s+(\\d+)', status.read())[1])
'''


def fragmented(path):
    """Return a disk that boots, with more blocks in no order."""
    image = bytearray(samples.vhdx(SIZE, MIB, guest=guests.bootable()))
    chance = random.Random(1)  # noqa: S311
    numbers = chance.sample(range(1, SIZE // MIB), BLOCKS - 1)
    for place, number in enumerate(numbers, 5):
        struct.pack_into('<Q', image, BAT + 8 * (number + number // RATIO),
                         place * MIB | 6)
    path.write_bytes(image)
    with path.open('r+b') as file:
        file.truncate((5 + BLOCKS) * MIB)


def large(path):
    path.write_bytes(samples.vhdx(
        64 * 1024 ** 4, MIB, bat_size=LARGE_BAT))
    # As qemu-img leaves it: blocks of zeros, none of sector bitmaps.
    chunk = struct.pack('<Q', 2) * RATIO + bytes(8)
    with path.open('r+b') as file:
        file.seek(BAT)
        for _ in range(64 * 1024 ** 4 // MIB // RATIO):
            file.write(chunk)
        file.truncate(BAT + LARGE_BAT)


INSPECT = """
import sys
from hyperv_sched import disk
disk.inspect(sys.argv[1])
"""
FORMATS = (
    ('qcow2', ''), ('qcow2', 'extended_l2=on'), ('qcow2', 'cluster_size=4k'),
    ('vmdk', 'subformat=monolithicSparse'),
    ('vmdk', 'subformat=streamOptimized'))
FORMAT_SIZE = 20 * samples.GIB


def other_formats(directory):
    """Print what it costs to inspect a disk in other formats."""
    raw = pathlib.Path(directory, 'disk.raw')
    raw.write_bytes(guests.bootable())
    with raw.open('r+b') as file:
        file.truncate(FORMAT_SIZE)
        for offset in range(2 * MIB, FORMAT_SIZE, 2 * MIB):
            file.seek(offset)
            file.write(b'data')
    for kind, options in FORMATS:
        path = pathlib.Path(directory, f'disk.{kind}')
        command('qemu-img', 'convert', '-f', 'raw', '-O', kind,
                *(('-o', options) if options else ()), raw, path)()
        costs = fastest({
            'python': command(sys.executable, '-c', 'pass'),
            'import': command(
                sys.executable, '-c', 'import hyperv_sched.disk'),
            'inspect': command(sys.executable, '-c', INSPECT, path),
            'info': command('qemu-img', 'info', path)})
        start = time.perf_counter()
        found = disk.inspect(path)
        spent = time.perf_counter() - start
        print(f'{kind} {options}: {found.firmware}, '
              f'{found.bytes_read} bytes read, in process {spent * 1e3:.1f} '
              f'ms; whole: inspect {costs["inspect"] * 1e3:.0f} ms, start of '
              f'Python {costs["python"] * 1e3:.0f} ms, with the import '
              f'{costs["import"] * 1e3:.0f} ms, qemu-img info '
              f'{costs["info"] * 1e3:.0f} ms: without the import '
              f'{(costs["inspect"] - costs["import"]) / costs["info"]:.2f} '
              'to qemu-img info')


def fastest(calls):
    """Seconds of the fastest turn of each call."""
    best = dict.fromkeys(calls, float('inf'))
    for _ in range(TURNS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def slowest(directory):
    """Return the hostile disk that takes the longest, and its name."""
    worst = 0, '', None
    for number, (name, data) in enumerate(hostile.disks()):
        path = pathlib.Path(directory, f'hostile-{number}.vhdx')
        size = -(-len(data) // MIB) * MIB
        path.write_bytes(samples.vhdx(
            size, MIB, guest=data.ljust(size, b'\0')))
        start = time.perf_counter()
        disk.inspect(path)
        worst = max(worst, (time.perf_counter() - start, name, path))
    return worst[1:]


def command(*argv):
    return lambda: subprocess.run(  # noqa: S603
        argv, check=True, capture_output=True)


def table(title, costs, base):
    print(f'\n{title:<34}{"ms":>10}{"to " + base:>26}')
    for name, cost in costs.items():
        print(f'{name:<34}{cost * 1e3:>10.2f}{cost / costs[base]:>26.2f}')


def main():
    # An installed package has bytecode.
    os.environ.pop('PYTHONDONTWRITEBYTECODE', None)
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, 'fragmented.vhdx')
        fragmented(path)
        found = disk.inspect(path)
        print(f'{path.name}: {json.dumps(found.firmware)}, '
              f'{found.bytes_read} bytes read')
        table('in process', fastest({
            'inspect': lambda: disk.inspect(path),
            'oslo.utils': lambda: format_inspector.detect_file_format(
                str(path)).virtual_size,
        }), 'inspect')
        name, hostile_path = slowest(directory)
        found = disk.inspect(hostile_path)
        print(f'\nhostile ({name}): {json.dumps(found.firmware)}, '
              f'{found.bytes_read} bytes read')
        table('in process', fastest({
            'inspect': lambda: disk.inspect(path),
            'the slowest hostile disk': lambda: disk.inspect(hostile_path),
        }), 'inspect')
        tool = pathlib.Path(sys.executable).with_name('hyperv-sched')
        table('whole commands', fastest({
            'import jsonschema': command(
                sys.executable, '-c', 'import jsonschema'),
            'image lint': command(
                tool, 'image', 'lint', path, '--property',
                'hw_machine_type=hyperv-gen2', '--property',
                'hypervisor_type=hyperv', '--property',
                'hypervisor_version_requires=>=6.3'),
            'image inspect': command(tool, 'image', 'inspect', path),
            'oslo.utils': command(
                sys.executable, '-m', 'oslo_utils.imageutils', '-i', path),
            'qemu-img info': command('qemu-img', 'info', path),
            'qemu-img check': command('qemu-img', 'check', path),
        }), 'import jsonschema')
        print()
        other_formats(directory)
        path = pathlib.Path(directory, 'large.vhdx')
        large(path)
        # The first reads what the page cache does not have yet.
        seconds, peak = min(subprocess.run(  # noqa: S603
            [sys.executable, '-c', PEAK, path], check=True, text=True,
            stdout=subprocess.PIPE).stdout.split() for _ in range(TURNS))
        qemu = fastest({'info': command('qemu-img', 'info', path)})['info']
        print(f'\n64 TiB: inspect {float(seconds):.2f} s in '
              f'{int(peak) // 1024} MiB; qemu-img info {qemu:.2f} s')
    return 0


if __name__ == '__main__':
    sys.exit(main())
