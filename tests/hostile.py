# SPDX-License-Identifier: Apache-2.0
"""Small disks that take much work to inspect.

Each multiplies the number of some structures by a size that is stated in the
file.
"""

import itertools
import struct

from tests import guests
from tests import samples
from tests.compressors import deflate

SECTOR = guests.SECTOR
MIB = 1024 * 1024

_OPTIONAL = 64 + 24
_RESOURCES, _SECURITY, _RELOCATIONS, _DEBUG = (
    _OPTIONAL + 112 + 8 * number for number in (2, 4, 5, 6))
_TABLE = _OPTIONAL + 240
#: The address of the first section; also the lowest base address that
#: firmware does not relocate.
_ADDRESS = MIB
_PAGE = 4096
#: Loaders that are read if BOOTX64.EFI is missing.
LOADERS = ('EFI/BOOT/BOOTIA32.EFI', 'EFI/BOOT/BOOTAA64.EFI',
           'EFI/Microsoft/Boot/bootmgfw.efi')


def program(sections=1024, body=b'', shorter=False, relocations=0,
            relocations_at=0, resources=0, debug=0):
    """Return a program whose sections are the same bytes of the file.

    Its signature is cut off: the last check refuses it.

    :param body: the content of the sections
    :param shorter: whether each section is shorter than the last one
    :param relocations: the size of the directory in the first section, as
        are resources and debug
    :param relocations_at: offset of the directory in the section
    """
    headers = -(-(_TABLE + 40 * sections) // SECTOR) * SECTOR
    step = -(-len(body) // _PAGE) * _PAGE
    data = bytearray(headers) + body
    data[:2] = b'MZ'
    struct.pack_into('<I', data, 60, 64)
    struct.pack_into('<4sHHIIIHHH', data, 64, b'PE\0\0', 0x8664, sections, 0,
                     0, 0, 240, 2, 0x20b)
    struct.pack_into(
        '<I12xI20xII4xH38xI', data, _OPTIONAL + 16, _ADDRESS, _PAGE,
        2 * _ADDRESS + sections * step, headers, 10, 16)
    for directory, offset, size in (
            (_RESOURCES, 0, resources),
            (_RELOCATIONS, relocations_at, relocations),
            (_DEBUG, 0, debug)):
        struct.pack_into('<II', data, directory, _ADDRESS + offset, size)
    struct.pack_into('<II', data, _SECURITY, 2 ** 32 - 16, 15)
    for index in range(sections):
        size = len(body) - (8 * index if shorter else 0)
        struct.pack_into('<8sIIII', data, _TABLE + 40 * index, b'.reloc',
                         size, _ADDRESS + index * step, size, headers)
    return bytes(data)


def block(size):
    """Return a block of relocations of the type ABSOLUTE."""
    return struct.pack('<II', 0, size).ljust(size, b'\0')


def blocks(count):
    """Return empty blocks of relocations."""
    return struct.pack('<II', 0, 8) * count


def volume(data, names=LOADERS, **options):
    """Return a file system whose files share a chain of clusters."""
    first, *others = names
    disk = bytearray(guests.fat(
        {first: data, **dict.fromkeys(others, b'')}, **options))
    entries = [disk.index(_short_name(name)) for name in names]
    for entry in entries:
        disk[entry + 20:entry + 32] = disk[entries[0] + 20:entries[0] + 32]
    return bytes(disk)


def _short_name(path):
    base, _, extension = path.rpartition('/')[2].upper().partition('.')
    return (base[:8].ljust(8) + extension[:3].ljust(3)).encode('ascii')


def shared(data, logical=128, extended=4, distinct=False):
    """Return a disk whose logical partitions begin at one sector.

    :param data: the content of the partitions
    :param logical: the number in each extended partition
    :param distinct: whether each is larger than the last one
    """
    first = 1 + extended * logical
    sectors = -(-len(data) // SECTOR)
    spare = extended * logical if distinct else 0
    disk = bytearray((first + sectors + spare) * SECTOR)
    disk[:SECTOR] = guests.mbr([
        (5, 1 + index * logical, 1) for index in range(extended)])
    for chain, index in itertools.product(range(extended), range(logical)):
        number = chain * logical + index
        sector = 1 + number
        following = [(5, index + 1, 1)] if index + 1 < logical else []
        disk[sector * SECTOR:(sector + 1) * SECTOR] = guests.mbr([
            (12, first - sector, sectors + (number if distinct else 0)),
            *following])
    disk[first * SECTOR:first * SECTOR + len(data)] = data
    return bytes(disk)


def crowded_table(entries=131072, used=4096):
    """Return a disk with a GPT of 16 MiB.

    Half of the entries in use overlap all others.
    """
    table = bytearray(entries * 128)
    kind = bytes(range(16))
    for index in range(used):
        outside = index >= used // 2
        struct.pack_into(
            '<16s16sQQQ', table, index * 128, kind, kind,
            1 if outside else 3 * used + index,
            2 ** 40 if outside else 3 * used + index, 0)
    sectors = len(table) // SECTOR
    disk = bytearray((2 * sectors + 8 * used + 4) * SECTOR)
    disk[:SECTOR] = guests.mbr([guests.PROTECTIVE])
    last = len(disk) // SECTOR - 1
    for lba, other, first in ((1, last, 2), (last, 1, last - sectors)):
        disk[first * SECTOR:first * SECTOR + len(table)] = table
        guests.gpt_header(disk, lba, other, first, table, entries,
                          first_usable=34, last_usable=last - 1)
    return bytes(disk)


def resource_names(size):
    """Return a directory of named resources, none of them HII."""
    count = min((size - 16) // 8, 0xffff)
    return (struct.pack('<12xHH', count, 0)
            + struct.pack('<II', 2 ** 31, 0) * count).ljust(size, b'\0')


def crowd_root(data, files):
    """Insert files before the first entry of a root directory."""
    disk = bytearray(data)
    start = disk.index(_short_name('EFI'))
    end = start + 32 * files
    entry = bytes(disk[start:start + 32])
    disk[start:end] = (b'A' + entry[1:]) * files
    disk[end:end + 32] = entry
    return bytes(disk)


def crowded_vendors(count=2000):
    """Return a file system whose shim searches many directories."""
    shim = guests.program(shim=True, signed=True)
    return guests.fat(
        {'EFI/BOOT/BOOTX64.EFI': shim,
         'EFI/BOOT/fbx64.efi': guests.program(),
         **{f'EFI/D{index}/BOOT.CSV': b'\xff' for index in range(count)}},
        clusters=2 * count + 4100, bits=16)


def product():
    """Return a disk that multiplies all limits.

    Partitions, programs, sections, blocks of relocations, names of resources,
    debug entries, clusters that are not adjacent, directory entries.
    """
    half = 16 + 8 * 0xffff
    body = bytearray(resource_names(half) + blocks((MIB - half) // 8))
    # In the reserved bytes of the resources, the block of relocations with
    # which each section begins.
    struct.pack_into('<II', body, 0, 0, len(body) - 8 * 1024)
    data = program(1024, bytes(body), shorter=True, resources=len(body),
                   relocations=len(body) - half, relocations_at=half,
                   debug=28 * 1024)
    return shared(crowd_root(volume(
        data, scatter=2, clusters=6000, bits=16, root_entries=65535),
        files=1000), distinct=True)


def _entries(layout, offset, step, count):
    return struct.pack(f'{layout[0]}{count}{layout[1]}', *range(
        offset, offset + step * count, step))


def qcow2_tables(tables=16384):
    """Return a qcow2 with many L2 tables, of 64 clusters each.

    Each table has the same clusters, in an order that is not fast to check.
    """
    cluster = 512
    l1_size = -(-tables * 8 // cluster) * cluster
    first = 2 * cluster + l1_size
    table = b''.join(struct.pack(
        '>Q', 2 ** 63 | first + cluster * (index % 7)) for index in range(64))
    return samples.qcow2(
        tables * 64 * cluster, cluster_bits=9)[:2 * cluster] + _entries(
            '>Q', first, cluster, tables).ljust(l1_size, b'\0') + (
                table * tables)


def qcow2_bomb():
    """Return a qcow2 with a disk of compressed clusters of 2 MiB.

    All clusters are one in the file, so that a sector of each is read at the
    price of 2 MiB. A partition table makes the reader read many of them.
    """
    disk = crowded_table()
    disk += bytes(-len(disk) % (2 * MIB))
    return samples.qcow2(guest=disk, cluster_bits=21, compress=deflate)


def vmdk_tables(tables=60000):
    """Return a VMDK with many grain tables of one entry."""
    directory, first = 21, 21 + -(-tables * 4 // SECTOR)
    image = samples.vmdk(tables * 128 * SECTOR, fields=[
        (44, '<I', 1)])[:directory * SECTOR]
    return (image + _entries('<I', first, 1, tables)).ljust(
        first * SECTOR, b'\0') + bytes(tables * SECTOR)


def vmdk_bomb():
    """Return a VMDK whose grains expand to a thousand times their size."""
    disk = crowded_table()
    return samples.vmdk(guest=disk, compressed=True)


def containers():
    """Yield the name and the bytes of a file of each kind."""
    for make in (qcow2_tables, qcow2_bomb, vmdk_tables, vmdk_bomb):
        yield make.__name__, make()


def disks():
    """Yield the name and the bytes of a disk of each kind."""
    many = program(1024, block(MIB))
    for name, partitions in (('one partition', (1, 1)),
                             ('512 partitions', (128, 4))):
        yield f'sections, {name}', shared(
            volume(many, clusters=2500), *partitions)
        yield f'sections of any size, {name}', shared(
            volume(program(1024, block(MIB), shorter=True), clusters=2500),
            *partitions, distinct=True)
        yield f'scattered clusters, {name}', shared(
            volume(many, clusters=6000, bits=16, scatter=2), *partitions,
            distinct=True)
    for name, data in (
            ('blocks of relocations', volume(program(
                1, blocks(MIB // 8), relocations=MIB), clusters=2500)),
            ('names of resources', volume(program(
                1024, resource_names(600_000), resources=600_000),
                clusters=2500)),
            ('directory entries', crowd_root(guests.fat(
                {LOADERS[0]: guests.program(machine=0x14c)}, bits=16,
                clusters=5000, root_entries=65535), files=65000)),
            ('vendor directories', crowded_vendors())):
        yield name, shared(data, distinct=True)
    yield 'partition table', crowded_table()
    yield 'product', product()
