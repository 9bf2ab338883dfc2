# SPDX-License-Identifier: Apache-2.0
"""Small disks that boot by UEFI, made byte by byte.

tests/firmware has disks that real tools made, and boots them.
"""

import math
import struct
import uuid
import zlib

SECTOR = 512
ESP = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b'
BASIC_DATA = 'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7'
BIOS_BOOT = '21686148-6449-6e6f-744e-656564454649'

#: The text in the boot code of mkfs.fat.
INERT = b'This is not a bootable disk.'

_DIRECTORY = 0x10
_LONG_NAME = 0x0f


def program(machine=0x8664, subsystem=10, signed=False, shim=False,
            magic=0x20b, size=1024, sections=()):
    """Return an EFI program that does nothing, with a section of 512 bytes.

    :param sections: other sections, at most two: names and contents
    """
    strings = b'\x20\0\0\0' + b'.vendor_cert\0'.ljust(28, b'\0')
    headers_size = 448 if sections else 400
    table = struct.pack('<8sIIII16x', b'/4' if shim else b'.text', 512, 4096,
                        512, 512)
    memory, contents, end = 8192, b'', size
    for name, content in sections:
        table += struct.pack('<8sIIII16x', name, len(content), memory,
                             len(content), end)
        memory += -(-len(content) // 4096) * 4096
        end += len(content)
        contents += content
    image = bytearray(size) + contents
    image[:2] = b'MZ'
    struct.pack_into('<I', image, 60, 64)
    struct.pack_into('<4sHHIIIHHH', image, 64, b'PE\0\0', machine,
                     1 + len(sections), 0, headers_size, 0, 240, 0x22, magic)
    optional = 64 + 24
    struct.pack_into('<I12xI20xII4xH', image, optional + 16, 4096, 4096,
                     memory, headers_size, subsystem)
    struct.pack_into('<I', image, optional + 108, 16)
    if signed:
        struct.pack_into('<II', image, optional + 144, end - 8, 8)
    image[optional + 240:optional + 240 + len(table)] = table
    image[headers_size:headers_size + len(strings)] = strings
    return bytes(image)


def grub(vendor='debian', prefix='/EFI/debian', configuration=b'',
         component=None):
    """Return a signed GRUB as a vendor builds it."""
    modules = b''
    for kind, content in ((0, b'an ELF file'), (2, configuration),
                          (3, prefix.encode() + b'\0')):
        if content:
            content = content.ljust(-(-len(content) // 4) * 4, b'\0')
            modules += struct.pack('<II', kind, 8 + len(content)) + content
    header = struct.pack('<4s4xQQ', b'mimg', 24, 24 + len(modules))
    sbat = f'sbat,1\ngrub,5\n{component or f"grub.{vendor}"},1\n'.encode()
    return program(signed=True, sections=(
        (b'mods', (header + modules).ljust(512, b'\0')), (b'.sbat', sbat)))


def shim_strings(second_stage='grubx64.efi', fallback='fbx64.efi',
                 mok_manager='mmx64.efi', *others):
    """Return the strings of a shim, in the order of real ones."""
    return b''.join(f'{text}\0'.encode('utf-16-le') for text in (
        f'\\{fallback}', f'\\EFI\\BOOT\\{fallback}', f'\\{mok_manager}',
        f'\\\\{second_stage}', *others, f'\\{mok_manager}'))


def boot_entries(name, arguments=''):
    """Return a BOOTX64.CSV, as distributions write it."""
    return f'\ufeff{name},a system,{arguments},a boot entry\n'.encode(
        'utf-16-le')


def _short(name):
    base, _, extension = name.upper().partition('.')
    return (base[:8].ljust(8) + extension[:3].ljust(3)).encode('ascii')


def _entries(name, attributes, cluster, size):
    """Return a directory entry, after those of its long name if any."""
    short = _short(name)
    checksum = 0
    for byte in short:
        checksum = ((checksum >> 1) + (checksum << 7 & 0xff) + byte) & 0xff
    base, _, extension = name.partition('.')
    long_names = []
    if len(base) > 8 or len(extension) > 3 or name != name.upper():
        text = name.encode('utf-16-le')
        text += b'' if len(text) % 26 == 0 else b'\0\0'
        for ordinal, start in enumerate(range(0, len(text), 26), 1):
            part = text[start:start + 26].ljust(26, b'\xff')
            last = 0x40 if start + 26 >= len(text) else 0
            long_names.insert(0, bytes((ordinal | last,)) + part[:10] + bytes(
                (_LONG_NAME, 0, checksum)) + part[10:22] + b'\0\0' + part[22:])
    return b''.join(long_names) + struct.pack(
        '<11sB8xH4xHI', short, attributes, cluster >> 16, cluster & 0xffff,
        size)


def fat(files, clusters=200, sector=SECTOR, per_cluster=1, bits=12,
        root_entries=64, scatter=1):
    """Return a FAT file system with files by their paths (``EFI/BOOT/...``).

    :param clusters: the number, which must suit the bits
    :param bits: the size of an entry of the table: 12, 16 or 32
    :param scatter: the distance from a cluster of a file to the next
    """
    is_fat32 = bits == 32
    fat_sectors = math.ceil((clusters + 2) * bits / 8 / sector)
    data_at = 1 + fat_sectors + (
        0 if is_fat32 else math.ceil(root_entries * 32 / sector))
    sectors = data_at + clusters * per_cluster
    volume = bytearray(sectors * sector)
    struct.pack_into(
        '<3s8sHBHBHHBHHHII', volume, 0, b'\xeb\x3c\x90', b'TESTS', sector,
        per_cluster, 1, 1, 0 if is_fat32 else root_entries,
        sectors if sectors < 65536 else 0, 0xf8,
        0 if is_fat32 else fat_sectors, 32, 64, 0,
        sectors if sectors > 65535 else 0)
    if is_fat32:
        struct.pack_into('<IHHI', volume, 36, fat_sectors, 0, 0, 2)
    volume[128:128 + len(INERT)] = INERT
    volume[510:512] = b'\x55\xaa'
    cluster_size = per_cluster * sector
    table, free = {}, 3 if is_fat32 else 2

    def store(data):
        nonlocal free
        count = max(1, math.ceil(len(data) / cluster_size))
        chain = [free + index * scatter for index in range(count)]
        free = chain[-1] + 1
        for index, cluster in enumerate(chain):
            start = data_at * sector + (cluster - 2) * cluster_size
            piece = data[index * cluster_size:(index + 1) * cluster_size]
            volume[start:start + len(piece)] = piece
            table[cluster] = (
                chain[index + 1] if index + 1 < count else 0x0fffffff)
        return chain[0]

    def directory(tree):
        listing = b''
        for name, content in tree.items():
            if isinstance(content, dict):
                listing += _entries(name, _DIRECTORY, store(
                    directory(content)), 0)
            else:
                listing += _entries(name, 0x20, store(content), len(content))
        return listing

    tree = {}
    for path, content in files.items():
        *parents, name = path.split('/')
        directory_tree = tree
        for parent in parents:
            directory_tree = directory_tree.setdefault(parent, {})
        directory_tree[name] = content
    root = directory(tree)
    if is_fat32:
        root_at = data_at * sector
        table[2] = 0x0fffffff
    else:
        root_at = (1 + fat_sectors) * sector
    volume[root_at:root_at + len(root)] = root
    bitmap = 0
    for cluster, following in table.items():
        bitmap |= (following & (1 << bits) - 1) << cluster * bits
    volume[sector:sector * (1 + fat_sectors)] = bitmap.to_bytes(
        fat_sectors * sector, 'little')
    return bytes(volume)


def loader(**options):
    """Return a file system with the loader that firmware boots."""
    return fat({'EFI/BOOT/BOOTX64.EFI': program(**options)})


def mbr(partitions=(), code=b'', signature=b'\x55\xaa'):
    """Return an MBR.

    :param partitions: (type, first sector, number of sectors), and
        optionally the boot indicator
    """
    record = bytearray(SECTOR)
    record[:len(code)] = code
    for index, (kind, first, count, *active) in enumerate(partitions):
        struct.pack_into('<B3sB3sII', record, 446 + 16 * index,
                         active[0] if active else 0, b'\0\2\0', kind,
                         b'\xff\xff\xff', first, count)
    record[510:] = signature
    return bytes(record)


PROTECTIVE = (0xee, 1, 0xffffffff)


def gpt_header(disk, lba, other, entries_lba, entries, count, sector=SECTOR,
               entry_size=128, first_usable=34, last_usable=None, own=None):
    """Write a GPT header with its checksums into a disk."""
    header = bytearray(92)
    total = len(disk) // sector
    struct.pack_into(
        '<8sIIIIQQQQ16sQIII', header, 0, b'EFI PART', 0x10000, 92, 0, 0,
        lba if own is None else own, other, first_usable,
        total - 34 if last_usable is None else last_usable,
        uuid.UUID(int=1).bytes_le, entries_lba, count, entry_size,
        zlib.crc32(entries))
    struct.pack_into('<I', header, 16, zlib.crc32(header))
    disk[lba * sector:lba * sector + 92] = header


def gpt(partitions, size=1024 * 1024, sector=SECTOR, count=128,
        record=None, attributes=0, **options):
    """Return a disk with a GPT.

    :param partitions: (type, first LBA, data), and optionally the last LBA
    """
    disk = bytearray(size)
    disk[:SECTOR] = mbr([PROTECTIVE]) if record is None else record
    entries = bytearray(count * 128)
    for index, (kind, first, data, *last) in enumerate(partitions):
        struct.pack_into(
            '<16s16sQQQ', entries, 128 * index, uuid.UUID(kind).bytes_le,
            uuid.UUID(int=index + 1).bytes_le, first,
            last[0] if last else first + math.ceil(len(data) / sector) - 1,
            attributes)
        disk[first * sector:first * sector + len(data)] = data
    last_lba = size // sector - 1
    backup = last_lba - math.ceil(len(entries) / sector)
    disk[2 * sector:2 * sector + len(entries)] = entries
    disk[backup * sector:backup * sector + len(entries)] = entries
    gpt_header(disk, 1, last_lba, 2, entries, count, sector, **options)
    gpt_header(disk, last_lba, 1, backup, entries, count, sector, **options)
    return bytes(disk)


def bootable(**options):
    """Return a disk with a loader on an EFI system partition."""
    return gpt([(ESP, 64, loader())], **options)


#: Unknown boot code.
CODE = b'\xfa\x33\xc0\x8e\xd0'


def bios_bootable(size=1024 * 1024):
    """Return a disk with boot code in the MBR and an active partition."""
    disk = bytearray(size)
    disk[:SECTOR] = mbr([(7, 64, 128, 0x80)], CODE)
    disk[64 * SECTOR:65 * SECTOR] = CODE.ljust(510, b'\0') + b'\x55\xaa'
    return bytes(disk)
