# SPDX-License-Identifier: Apache-2.0
r"""Whether systemd-boot finds something to start.

It starts entries in \loader\entries, unified kernel images in \EFI\Linux
(UAPI.1 and UAPI.2), and other loaders at paths that it knows
(``src/boot/boot.c`` of systemd).
"""

from __future__ import annotations

from hyperv_sched.disk import fat
from hyperv_sched.disk import pe

_SECTION = b'.sdmagic'
_MAGIC = b'#### LoaderInfo: systemd-boot '

#: The type of the partition for entries beside the EFI system partition.
EXTENDED_BOOT_LOADER = 'bc13c2ff-59e6-4262-a352-b275fd6f7172'

_DIRECTORIES = ((('loader', 'entries'), '.conf'),
                (('EFI', 'Linux'), '.efi'))
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
    for path, extension in _DIRECTORIES:
        directory = volume.find(*path)
        if directory is not None and directory.is_directory and any(
                entry.name.lower().endswith(extension)
                for entry in volume.entries(directory)):
            return True
    return any(volume.find(*path) for path in _LOADERS)
