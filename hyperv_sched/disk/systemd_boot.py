# SPDX-License-Identifier: Apache-2.0
r"""Whether systemd-boot finds something to start.

It starts entries in \loader\entries, unified kernel images in \EFI\Linux
(UAPI.1 and UAPI.2), and other loaders at paths that it knows
(``src/boot/boot.c`` of systemd).
"""

from __future__ import annotations

from collections.abc import Iterator
import itertools

from hyperv_sched.disk import fat
from hyperv_sched.disk import pe

_SECTION = b'.sdmagic'
_MAGIC = b'#### LoaderInfo: systemd-boot '

#: The type of the partition for entries beside the EFI system partition.
EXTENDED_BOOT_LOADER = 'bc13c2ff-59e6-4262-a352-b275fd6f7172'

_ENTRIES = ('loader', 'entries')
_IMAGES = ('EFI', 'Linux')
#: Unified kernel images by these names are not started.
_HIDDEN_IMAGES = ('.', 'auto-')
#: The section with os-release, without a name in which it is no entry.
_RELEASE, _NAME = b'.osrel', b'NAME='
_MAX_RELEASE = 4096
_LOADERS = (('EFI', 'Microsoft', 'Boot', 'bootmgfw.efi'), ('shellx64.efi',),
            ('System', 'Library', 'CoreServices', 'boot.efi'))


def recognize(program: pe.Program) -> bool:
    """Return whether a program is systemd-boot."""
    contents = program.contents
    if contents is None:
        return False
    return (contents.section(_SECTION, len(_MAGIC)) or b'') == _MAGIC


def has_entries(volume: fat.Volume) -> bool:
    """Return whether systemd-boot finds an entry on its file system.

    :raises fat.DamagedFATError: a directory cannot be read.
    """
    return any(itertools.chain(
        _files(volume, _ENTRIES, '.conf'), _files(volume, _IMAGES, '.efi'),
        (volume.find(*path) for path in _LOADERS)))


def only_image(volume: fat.Volume) -> tuple[str, ...] | None:
    """Return the path of a unified kernel image that is the only entry.

    :raises fat.DamagedFATError: a directory cannot be read.
    """
    images = [*_files(volume, _IMAGES, '.efi')]
    if len(images) != 1 or images[0].name.lower().startswith(
            _HIDDEN_IMAGES) or any(itertools.chain(
                _files(volume, _ENTRIES, '.conf'),
                (volume.find(*path) for path in _LOADERS))):
        return None
    try:
        contents = pe.read(volume.open(images[0])).contents
    except pe.LoadError:
        return None
    release = contents and contents.section(_RELEASE, _MAX_RELEASE)
    return (*_IMAGES, images[0].name) if _NAME in (release or b'') else None


def _files(volume: fat.Volume, path: tuple[str, ...],
           extension: str) -> Iterator[fat.DirectoryEntry]:
    directory = volume.find(*path)
    if directory is not None and directory.is_directory:
        for entry in volume.entries(directory):
            if not entry.is_directory and entry.name.lower().endswith(
                    extension):
                yield entry
