# SPDX-License-Identifier: Apache-2.0
"""Properties of the disk reader that hold for any file."""

import json

from hyperv_sched import disk
from hyperv_sched.disk.defects import Defect

_FORMATS = frozenset((
    'vhdx', 'vhd', 'qcow2', 'qed', 'vmdk', 'vdi', 'parallels', 'luks',
    'gzip', 'xz', 'bzip2', 'zstd', '7z', 'zip', 'wim', 'tar', 'ova', 'iso',
    'raw', 'unknown'))
_FIRMWARE = frozenset(('uefi', 'bios', 'both', 'none', 'unknown'))
_BOOTS_BY_UEFI = ('uefi', 'both')

#: Limits on reads and on bytes, without the BAT of a VHDX, which is read once
#: and in large pieces.
_MAX_READS = 50_000
_MAX_READ = 64 * 1024 ** 2
#: The same for the loaders that are compared with their signatures.
_MAX_HASHED = 512 * 1024 ** 2
#: The least number of bytes of a disk for a byte of its BAT: 1 MiB for 8
#: bytes. Entries of sector bitmaps add less than a hundredth.
_BAT_SCALE = 2 ** 17
_BAT_PIECE = 64 * 1024
#: Limit on the tables of a qcow2 or a VMDK: 32 entries of 8 bytes take a step.
_MAX_TABLES = 400_000 * 32 * 8
#: A name has up to 255 characters; a path has several names.
_MAX_TEXT = 2048
_MAX_ITEMS = 1024


def check(file, policy=None):
    """Inspect a file and assert the properties of the result.

    :param file: counts ``reads`` and ``bytes_read``, and raises an exception
        that is no OSError for a read outside of the file
    :param policy: what is verified for Secure Boot
    :returns: the inspection
    """
    file.reads = file.bytes_read = 0
    result = disk.inspect_source(file, policy)
    content = result.as_dict()
    assert json.loads(json.dumps(content)) == content
    _check_size(content)
    assert result.format in _FORMATS, result.format
    assert result.firmware in _FIRMWARE, result.firmware
    for defect in result.defects:
        assert isinstance(defect, Defect), defect
    if (result.format in ('vhdx', 'qcow2', 'vmdk')
            and result.firmware not in _BOOTS_BY_UEFI):
        assert result.defects, 'does not boot, and has no defect'
    for partition in result.partitions or ():
        assert partition.number > 0, partition
    if Defect.INSPECTION_STOPPED in result.defects:
        assert result.firmware == 'unknown', result.firmware
        assert result.generation is None, result.generation
    bat = min(file.size, (result.virtual_size or 0) // _BAT_SCALE + 64)
    if result.format in ('qcow2', 'vmdk'):
        bat = _MAX_TABLES
    assert result.bytes_read == file.bytes_read
    hashed = _MAX_HASHED if policy else 0
    assert file.bytes_read <= _MAX_READ + hashed + bat + bat // 100, (
        file.bytes_read)
    assert file.reads <= _MAX_READS + bat // _BAT_PIECE, file.reads
    return result


def _check_size(value):
    """Assert limits on text and lists at any depth."""
    if isinstance(value, str):
        assert len(value) <= _MAX_TEXT, len(value)
    elif isinstance(value, dict):
        _check_size(list(value))
        _check_size(list(value.values()))
    elif isinstance(value, list):
        assert len(value) <= _MAX_ITEMS, len(value)
        for item in value:
            _check_size(item)
