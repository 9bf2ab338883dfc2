# SPDX-License-Identifier: Apache-2.0
"""Small disks that make much work for whoever inspects them.

Each is one of a kind: something that is counted in the file, times something
whose size is stated in the file.
"""

import itertools
import struct

from tests import guests

SECTOR = guests.SECTOR
MIB = 1024 * 1024

_OPTIONAL = 64 + 24
_RESOURCES, _SECURITY, _RELOCATIONS, _DEBUG = (
    _OPTIONAL + 112 + 8 * number for number in (2, 4, 5, 6))
_TABLE = _OPTIONAL + 240
#: In memory, the first section; also the least base address that firmware
#: does not move a program from.
_ADDRESS = MIB
_PAGE = 4096
#: Files that are looked at where BOOTX64.EFI is missing.
LOADERS = ('EFI/BOOT/BOOTIA32.EFI', 'EFI/BOOT/BOOTAA64.EFI',
           'EFI/Microsoft/Boot/bootmgfw.efi')


def program(sections=1024, body=b'', shorter=False, relocations=0,
            relocations_at=0, resources=0, debug=0):
    """A program all of whose sections are the same bytes of the file.

    It is cut off at the very end, so that it is looked at and does not start.

    :param body: the content of the sections
    :param shorter: each section is shorter than the one before
    :param relocations: size of the directory; so for resources and debug,
        all of which are in the first section
    :param relocations_at: where in the section their directory begins
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
    for at, offset, size in ((_RESOURCES, 0, resources),
                             (_RELOCATIONS, relocations_at, relocations),
                             (_DEBUG, 0, debug)):
        struct.pack_into('<II', data, at, _ADDRESS + offset, size)
    struct.pack_into('<II', data, _SECURITY, 2 ** 32 - 16, 15)
    for index in range(sections):
        size = len(body) - (8 * index if shorter else 0)
        struct.pack_into('<8sIIII', data, _TABLE + 40 * index, b'.reloc',
                         size, _ADDRESS + index * step, size, headers)
    return bytes(data)


def block(size):
    """One block of relocations, of which none is for anything."""
    return struct.pack('<II', 0, size).ljust(size, b'\0')


def blocks(count):
    """Blocks of relocations without any."""
    return struct.pack('<II', 0, 8) * count


def volume(data, names=LOADERS, **options):
    """A file system on which all files are one chain of clusters."""
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
    """A disk whose logical partitions are all one place.

    :param data: what is there
    :param logical: partitions in each extended one
    :param distinct: each is larger than the one before
    """
    first = 1 + extended * logical
    sectors = -(-len(data) // SECTOR)
    spare = extended * logical if distinct else 0
    disk = bytearray((first + sectors + spare) * SECTOR)
    disk[:SECTOR] = guests.mbr([
        (5, 1 + index * logical, 1) for index in range(extended)])
    for chain, index in itertools.product(range(extended), range(logical)):
        number = chain * logical + index
        at = 1 + number
        following = [(5, index + 1, 1)] if index + 1 < logical else []
        disk[at * SECTOR:(at + 1) * SECTOR] = guests.mbr([
            (12, first - at, sectors + (number if distinct else 0)),
            *following])
    disk[first * SECTOR:first * SECTOR + len(data)] = data
    return bytes(disk)


def crowded_table(entries=131072, used=4096):
    """A GPT of 16 MiB: half of what is in use overlaps all the rest."""
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
    for lba, other, at in ((1, last, 2), (last, 1, last - sectors)):
        disk[at * SECTOR:at * SECTOR + len(table)] = table
        guests.gpt_header(disk, lba, other, at, table, entries,
                          first_usable=34, last_usable=last - 1)
    return bytes(disk)


def resource_names(size):
    """A directory of as many named resources as fit, none of them forms."""
    count = min((size - 16) // 8, 0xffff)
    return (struct.pack('<12xHH', count, 0)
            + struct.pack('<II', 2 ** 31, 0) * count).ljust(size, b'\0')


def crowd_root(data, files):
    """Put files before the first entry of a root directory."""
    disk = bytearray(data)
    at = disk.index(_short_name('EFI'))
    entry = bytes(disk[at:at + 32])
    disk[at:at + 32 * files] = (b'A' + entry[1:]) * files
    disk[at + 32 * files:at + 32 * files + 32] = entry
    return bytes(disk)


def crowded_vendors(count=2000):
    """A file system whose shim looks for BOOTX64.CSV in many directories."""
    shim = guests.program(shim=True, signed=True)
    return guests.fat(
        {'EFI/BOOT/BOOTX64.EFI': shim,
         'EFI/BOOT/fbx64.efi': guests.program(),
         **{f'EFI/D{index}/BOOT.CSV': b'\xff' for index in range(count)}},
        clusters=2 * count + 4100, bits=16)


def product():
    """The product of all limits.

    Partitions, programs, sections, blocks of relocations, names of resources,
    debug entries, clusters that are not adjacent, directory entries.
    """
    half = 16 + 8 * 0xffff
    body = bytearray(resource_names(half) + blocks((MIB - half) // 8))
    # Where resources say nothing, a block that each section begins with.
    struct.pack_into('<II', body, 0, 0, len(body) - 8 * 1024)
    data = program(1024, bytes(body), shorter=True, resources=len(body),
                   relocations=len(body) - half, relocations_at=half,
                   debug=28 * 1024)
    return shared(crowd_root(volume(
        data, scatter=2, clusters=6000, bits=16, root_entries=65535),
        files=1000), distinct=True)


def disks():
    """One disk of each kind, by name."""
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
