# SPDX-License-Identifier: Apache-2.0
"""What holds of the disk reader whatever file it is given."""

import json

from hyperv_sched import disk
from hyperv_sched import rules

_RULES = frozenset(rule.name for rule in rules.CATALOGUE.values())
_FORMATS = frozenset((
    'vhdx', 'vhd', 'qcow2', 'qed', 'vmdk', 'vdi', 'parallels', 'luks',
    'gzip', 'xz', 'bzip2', 'zstd', '7z', 'zip', 'iso', 'raw', 'unknown'))
_FIRMWARE = frozenset(('uefi', 'bios', 'both', 'none', 'unknown'))
_STARTS_BY_UEFI = ('uefi', 'both')

#: Both but for the BAT of a VHDX, which is read once, in large pieces.
_MAX_READS = 50_000
_MAX_READ = 64 * 1024 ** 2
#: Bytes of a disk per byte of its BAT, at least: 1 MiB per 8 bytes, next to
#: which the entries of sector bitmaps count for less than a hundredth.
_BAT_SCALE = 2 ** 17
_BAT_PIECE = 64 * 1024
#: Names of files have 255 characters; a path has some of them.
_MAX_TEXT = 2048
_MAX_ITEMS = 1024


def keeps(file):
    """Inspect a file and assert what is promised.

    :param file: counts ``reads`` and ``bytes_read``, and refuses to read
        outside of itself by an exception that is no OSError
    """
    file.reads = file.bytes_read = 0
    found = disk.inspect_source(file)
    shown = found.as_dict()
    assert json.loads(json.dumps(shown)) == shown
    _bounded(shown)
    assert found.format in _FORMATS, found.format
    assert found.firmware in _FIRMWARE, found.firmware
    assert _RULES.issuperset(found.defects), found.defects
    if found.format == 'vhdx' and found.firmware not in _STARTS_BY_UEFI:
        assert found.defects, 'does not start, and nobody knows why'
    for partition in found.partitions or ():
        assert partition.number > 0, partition
    if 'inspection-stopped' in found.defects:
        assert found.firmware == 'unknown', found.firmware
        assert found.generation is None, found.generation
    bat = min(file.size, (found.virtual_size or 0) // _BAT_SCALE + 64)
    assert found.bytes_read == file.bytes_read
    assert file.bytes_read <= _MAX_READ + bat + bat // 100, file.bytes_read
    assert file.reads <= _MAX_READS + bat // _BAT_PIECE, file.reads
    return found


def _bounded(value):
    """Assert that nobody drowns in it."""
    if isinstance(value, str):
        assert len(value) <= _MAX_TEXT, len(value)
    elif isinstance(value, dict):
        _bounded(list(value))
        _bounded(list(value.values()))
    elif isinstance(value, list):
        assert len(value) <= _MAX_ITEMS, len(value)
        for item in value:
            _bounded(item)
