# SPDX-License-Identifier: Apache-2.0
"""Initial RAM file systems of Linux."""

import gzip
import stat


def archive(files, mode=stat.S_IFREG | 0o644):
    """Return an archive (cpio, "newc") of files: content by name."""
    data = b''
    for number, (name, content) in enumerate(
            [*files.items(), ('TRAILER!!!', b'')]):
        encoded = name.encode() + b'\0'
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0,
                  len(encoded), 0)
        header = b'070701' + b''.join(b'%08x' % field for field in fields)
        for part in (header + encoded, content):
            data += part + bytes(-len(part) % 4)
    return data


def initrd(version, modules=(), built_in=()):
    """Return an initrd as dracut makes it: microcode, then the files.

    :param version: of the kernel
    :param modules: names of drivers that are files
    :param built_in: names of drivers that are parts of the kernel
    """
    directory = f'usr/lib/modules/{version}'
    listed = ''.join(f'kernel/drivers/hv/{name}.ko\n' for name in built_in)
    return archive({'early_cpio': b'1\n'}) + bytes(512) + gzip.compress(
        archive({
            f'{directory}/modules.builtin': listed.encode(),
            **{f'{directory}/kernel/drivers/hv/{name}.ko.xz': b'driver'
               for name in modules}}))
