# SPDX-License-Identifier: Apache-2.0
"""Small and valid disk images, made without qemu-img."""

import struct
import uuid
import zlib

from tests import guests

MIB = 1024 ** 2
GIB = 1024 ** 3

_METADATA_REGION = '8b7ca206-4790-4b9a-b8fe-575f050f886e'
_BAT_REGION = '2dc27766-f623-4200-9d64-115e9bfd4a08'
_FILE_PARAMETERS = 'caa16737-fa36-4d43-b3b6-33f0aa44e76b'
_VIRTUAL_DISK_SIZE = '2fa54224-cd1b-4876-b211-5dbed83bf4b8'
_PAGE_83_DATA = 'beca12ab-b2e6-4523-93ef-c309e000c746'
_LOGICAL_SECTOR_SIZE = '8141bf1d-a96f-4709-ba47-f233a8faab5f'
_PHYSICAL_SECTOR_SIZE = 'cda348c7-445d-4471-9cc9-e9885251c556'


def _crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82f63b78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC32C = _crc32c_table()


def crc32c(data):
    """Return the CRC-32C of some bytes."""
    crc = 0xffffffff
    for byte in data:
        crc = _CRC32C[(crc ^ byte) & 0xff] ^ crc >> 8
    return crc ^ 0xffffffff


def _guid(text):
    return uuid.UUID(text).bytes_le


def summed(structure):
    """Set the checksum of a VHDX structure, at offset 4."""
    structure[4:8] = bytes(4)
    structure[4:8] = struct.pack('<I', crc32c(structure))
    return structure


def vhdx(virtual_size=GIB, block_size=32 * MIB, flags=0, log_guid=None,
         logical_sector_size=512, guest=b'', items=(), regions=(),
         bat_size=MIB):
    """Return a dynamic VHDX as bytes.

    :param guest: the first bytes of the disk
    :param items: more metadata: (GUID, data, flags)
    :param regions: more regions: (GUID, offset, length, flags)
    """
    blocks = -(-len(guest) // block_size)
    image = bytearray(4 * MIB + blocks * block_size)
    image[4 * MIB:4 * MIB + len(guest)] = guest
    for block in range(blocks):
        ratio = 2 ** 23 * logical_sector_size // block_size
        struct.pack_into(
            '<Q', image, 3 * MIB + 8 * (block + block // ratio),
            (4 * MIB + block * block_size) | 6)
    image[:8] = b'vhdxfile'
    for sequence, offset in enumerate((64 * 1024, 128 * 1024), 1):
        header = bytearray(4096)
        struct.pack_into(
            '<4sIQ16s16s16sHHIQ', header, 0, b'head', 0, sequence,
            uuid.uuid4().bytes, uuid.uuid4().bytes,
            log_guid.bytes_le if log_guid else bytes(16), 0, 1, MIB, MIB)
        image[offset:offset + 4096] = summed(header)
    for offset in (192 * 1024, 256 * 1024):
        table = bytearray(64 * 1024)
        entries = [(_BAT_REGION, 3 * MIB, bat_size, 1),
                   (_METADATA_REGION, 2 * MIB, MIB, 1), *regions]
        struct.pack_into('<4sII', table, 0, b'regi', 0, len(entries))
        for index, (guid, *fields) in enumerate(entries):
            struct.pack_into('<16sQII', table, 16 + 32 * index, _guid(guid),
                             *fields)
        image[offset:offset + 64 * 1024] = summed(table)
    items = [
        (_FILE_PARAMETERS, struct.pack('<II', block_size, flags), 4),
        (_VIRTUAL_DISK_SIZE, struct.pack('<Q', virtual_size), 6),
        (_LOGICAL_SECTOR_SIZE, struct.pack('<I', logical_sector_size), 6),
        (_PHYSICAL_SECTOR_SIZE, struct.pack('<I', 4096), 6),
        (_PAGE_83_DATA, uuid.uuid4().bytes, 6), *items]
    struct.pack_into('<8s2xH', image, 2 * MIB, b'metadata', len(items))
    offset = 64 * 1024
    for index, (guid, data, item_flags) in enumerate(items):
        struct.pack_into('<16sIII', image, 2 * MIB + 32 + 32 * index,
                         _guid(guid), offset, len(data), item_flags)
        image[2 * MIB + offset:2 * MIB + offset + len(data)] = data
        offset += len(data)
    return bytes(image)


def uefi_vhdx():
    """Return a VHDX of 1 GiB that UEFI boots, without any defect."""
    return vhdx(block_size=MIB, guest=guests.bootable())


def bios_vhdx():
    """Return a VHDX of 1 GiB that BIOS boots and UEFI does not."""
    return vhdx(block_size=MIB, guest=guests.bios_bootable())


def vhd_summed(structure, offset):
    """Return a VHD structure with its checksum, which must be zeros."""
    total = sum(structure) & 0xffffffff
    struct.pack_into('>I', structure, offset, ~total & 0xffffffff)
    return bytes(structure)


def _vhd_footer(virtual_size, disk_type, data_offset):
    footer = bytearray(512)
    cylinders = min(virtual_size // 512 // (16 * 63), 65535)
    struct.pack_into(
        '>8sIIQI4sI4sQQHBBI', footer, 0, b'conectix', 2, 0x10000,
        data_offset, 0, b'win ', 0x10000, b'Wi2k', virtual_size,
        virtual_size, cylinders, 16, 63, disk_type)
    footer[68:84] = uuid.uuid4().bytes
    return vhd_summed(footer, 64)


def fixed_vhd(virtual_size=MIB, guest=None, claimed_size=None):
    """Return a fixed VHD: the disk, then the footer."""
    guest = bytes(virtual_size) if guest is None else guest
    return guest + _vhd_footer(
        len(guest) if claimed_size is None else claimed_size, 2, 2 ** 64 - 1)


def dynamic_vhd(virtual_size=GIB, disk_type=3, guest=b'', parent=''):
    """Return a dynamic VHD.

    :param guest: the first bytes of the disk, at most one block
    """
    block_size = 2 * MIB
    blocks = -(-virtual_size // block_size)
    footer = _vhd_footer(virtual_size, disk_type, 512)
    header = bytearray(1024)
    struct.pack_into('>8sQQIII', header, 0, b'cxsparse', 2 ** 64 - 1, 1536,
                     0x10000, blocks, block_size)
    name = parent.encode('utf-16-be')
    header[64:64 + len(name)] = name
    table = bytearray(b'\xff' * (-(-blocks * 4 // 512) * 512))
    block = b''
    if guest:
        struct.pack_into('>I', table, 0, (1536 + len(table)) // 512)
        block = b'\xff' * 512 + guest.ljust(block_size, b'\0')
    return footer + vhd_summed(header, 36) + table + block + footer


def qcow2(virtual_size=None, guest=b'', version=3, cluster_bits=16,
          compress=None, extended=False, features=0, compression=0,
          fields=()):
    """Return a qcow2.

    In this order: header, refcount table (of zeros), L1 table, L2 tables,
    clusters of the guest.

    :param guest: the first bytes of the disk, by default all of it
    :param compress: compresses a cluster; None to store it
    :param extended: whether the L2 tables are extended
    :param fields: more fields of the header: (offset, layout, value)
    """
    if virtual_size is None:
        virtual_size = len(guest) or GIB
    size = 1 << cluster_bits
    entry_size = 16 if extended else 8
    span = size * (size // entry_size)
    l1_entries = -(-virtual_size // span)
    l2_start = 2 + -(-l1_entries * 8 // size)
    tables = -(-len(guest) // span)
    image = bytearray((l2_start + tables) * size)
    struct.pack_into(
        '>4sIQIIQIIQQIIQ', image, 0, b'QFI\xfb', version, 0, 0, cluster_bits,
        virtual_size, 0, l1_entries, 2 * size, size, 1, 0, 0)
    if version == 3:
        struct.pack_into('>QQQIIB', image, 72, features
                         | bool(compression) << 3 | extended << 4, 0, 0, 4,
                         112, compression)
    for table in range(tables):
        struct.pack_into('>Q', image, 2 * size + 8 * table,
                         (l2_start + table) * size | 1 << 63)
    for start in range(0, len(guest), size):
        cluster = guest[start:start + size].ljust(size, b'\0')
        entry = len(image) | 1 << 63
        if compress is not None:
            cluster = compress(cluster)
            entry = (len(image) | (len(cluster) - 1) // 512
                     << 70 - cluster_bits | 1 << 62)
        offset = l2_start * size + entry_size * (start // size)
        struct.pack_into('>Q', image, offset, entry)
        if extended and compress is None:
            struct.pack_into('>Q', image, offset + 8, 0xffffffff)
        image += cluster.ljust(-(-len(cluster) // 512) * 512, b'\0')
        if compress is None:
            image += bytes(-len(image) % size)
        else:
            image += bytes(-len(image) % 512)
    for offset, layout, value in fields:
        struct.pack_into(layout, image, offset, value)
    return bytes(image)


#: A sector with an extent in the descriptor of a VMDK.
_VMDK_DESCRIPTOR = """# Disk DescriptorFile
version=1
CID=12345678
parentCID=ffffffff
createType="{}"

RW {} SPARSE "disk.vmdk"

ddb.adapterType = "ide"
"""


def vmdk_descriptor(virtual_size=GIB, kind='monolithicSparse'):
    """Return the descriptor of a VMDK in one file."""
    return _VMDK_DESCRIPTOR.format(kind, virtual_size // 512).encode()


def vmdk(virtual_size=None, guest=b'', compressed=False, descriptor=None,
         fields=()):
    """Return a VMDK in one file, with grains of 64 KiB.

    In this order: header, descriptor from sector 1, grain directory from
    sector 21, grain tables, grains of the guest. The header of a compressed
    one is at the end, too.

    :param guest: the first bytes of the disk, by default all of it
    :param fields: more fields of the last header: (offset, layout, value)
    """
    if virtual_size is None:
        virtual_size = len(guest) or GIB
    if descriptor is None:
        descriptor = vmdk_descriptor(virtual_size, (
            'streamOptimized' if compressed else 'monolithicSparse'))
    grain = 128 * 512
    tables = -(-virtual_size // (512 * grain))
    directory = 21
    first = directory + -(-tables * 4 // 512)
    image = bytearray((first + 4 * tables) * 512)
    image[512:512 + len(descriptor)] = descriptor
    for table in range(tables):
        struct.pack_into('<I', image, directory * 512 + 4 * table,
                         first + 4 * table)
    for start in range(0, len(guest), grain):
        data = guest[start:start + grain].ljust(grain, b'\0')
        struct.pack_into('<I', image, first * 512 + 4 * (start // grain),
                         len(image) // 512)
        if compressed:
            data = zlib.compress(data)
            data = struct.pack('<QI', start // 512, len(data)) + data
        image += data + bytes(-len(data) % 512)
    header = bytearray(512)
    struct.pack_into(
        '<4sIIQQQQIQQQB4sH', header, 0, b'KDMV', 3 if compressed else 1,
        0x30001 if compressed else 1, virtual_size // 512, 128, 1, 20, 512,
        0, directory, 128, 0, b'\n \r\n', 1 if compressed else 0)
    last = bytearray(header)
    for offset, layout, value in fields:
        struct.pack_into(layout, last, offset, value)
    if not compressed:
        image[:512] = last
        return bytes(image)
    struct.pack_into('<Q', header, 56, 2 ** 64 - 1)
    image[:512] = header
    # A marker of a footer, the footer, a marker of the end.
    return bytes(image) + (
        struct.pack('<QII', 1, 0, 3).ljust(512, b'\0') + last + bytes(512))
