# SPDX-License-Identifier: Apache-2.0
r"""Where a GRUB finds its configuration, and what that names.

Each vendor builds other places into its signed GRUB. They are known here for
Debian (12 and 13 observed in firmware) and Ubuntu: ``grub.cfg`` in the prefix,
``/EFI/debian`` or ``/EFI/ubuntu``, in the directory of GRUB itself, or
in ``/boot/grub``. Some builds do not look in all of them; a configuration in
any is taken as found. Nothing is known of others, as of a GRUB that
grub-install made, which has the UUID of a file system in it.

A GRUB has its modules in section ``mods``; the header has 24 bytes:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    4 magic ``mimg``
     8    8 offset of the first module
    16    8 size, with the header
====== ==== ==========================================================

Each module is a type (4 bytes), its size with these 8 bytes, and its content.
The last ones are a configuration (2), if there is one, and the prefix (3).
"""

from __future__ import annotations

from collections.abc import Iterator
import re
import struct
import typing

from hyperv_sched.disk import pe

_MODULES = b'mods'
_SBAT = b'.sbat'
_MAX_SBAT = 4096
_HEADER = struct.Struct('<4s4xQQ')
_MAGIC = b'mimg'
_MODULE = struct.Struct('<II')
_CONFIGURATION, _PREFIX = 2, 3
#: Bytes at the end of the modules that are searched for the last two.
_TAIL = 1024

#: The prefix of the signed GRUB of a vendor, by the component in its SBAT.
_VENDORS = {'grub.debian': '/EFI/debian', 'grub.ubuntu': '/EFI/ubuntu'}
#: The configuration in the signed GRUBs of Debian 11 and 12: it reads the
#: configuration in a file system that is part of the program.
_IN_MEMORY = b'normal (memdisk)/grub.cfg'

#: Bytes of a configuration that are read. A stub has some 120.
MAX_CONFIGURATION = 16 * 1024


class Stub(typing.NamedTuple):
    """A configuration that reads another one on another file system."""

    uuids: list[str]
    """Of the file systems that it looks for, in lower case."""


def prefix_of(program: pe.Program) -> tuple[str, ...] | None:
    """Return the prefix of a signed GRUB; None for any other program."""
    contents = program.contents
    if contents is None:
        return None
    sbat = contents.section(_SBAT, _MAX_SBAT)
    header = contents.section(_MODULES, _HEADER.size)
    if not sbat or header is None or len(header) < _HEADER.size:
        return None
    components = {line.partition(b',')[0].decode('ascii', 'replace')
                  for line in sbat.split(b'\n')}
    prefixes = {prefix for component, prefix in _VENDORS.items()
                if component in components}
    magic, _, size = _HEADER.unpack(header)
    if magic != _MAGIC or len(prefixes) != 1:
        return None
    start = max(0, size - _TAIL)
    tail = contents.section(_MODULES, size - start, start)
    configuration, prefix = _last_modules(tail or b'')
    if {prefix} != prefixes or configuration not in (b'', _IN_MEMORY):
        return None
    return tuple(prefix.split('/')[1:])


def _last_modules(tail: bytes) -> tuple[bytes, str]:
    """Return the configuration, or b'', and the prefix, or ''.

    :param tail: the end of the modules
    """
    prefix, end = _module_before(tail, len(tail), _PREFIX)
    configuration, _ = _module_before(tail, end, _CONFIGURATION)
    return configuration.rstrip(b'\n'), prefix.decode('ascii', 'replace')


def _module_before(tail: bytes, end: int, kind: int) -> tuple[bytes, int]:
    """Return the content and the offset of the module that ends there."""
    for start in range(end - _MODULE.size, -1, -4):
        if _MODULE.unpack_from(tail, start) == (kind, end - start):
            content = tail[start + _MODULE.size:end]
            return content.partition(b'\0')[0], start
    return b'', end


def read_stub(data: bytes) -> Stub | None:
    """Return what a configuration looks for.

    :returns: None if it has any command that is not understood
    """
    if len(data) >= MAX_CONFIGURATION:
        return None
    uuids = []
    finishes = False
    for words in _commands(data.decode('utf-8', 'replace')):
        command = words[0]
        if command == 'search.fs_uuid' and len(words) > 1:
            uuids.append(words[1].lower())
        elif command == 'search':
            found = _search(words[1:])
            if found is None:
                return None
            uuids.append(found.lower())
        elif command == 'configfile':
            finishes = True
        elif command not in ('set', 'insmod', 'export'):
            return None
    if not finishes or not uuids or any('$' in text for text in uuids):
        return None
    return Stub(uuids)


def _commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command, without quotes."""
    for line in text.splitlines():
        if line.lstrip().startswith('#'):
            continue
        for command in line.split(';'):
            words = re.sub('[\'"]', '', command).split()
            if words:
                yield words


def _search(words: list[str]) -> str | None:
    """Return the UUID that a search command looks for; None without one."""
    by_uuid = False
    names = []
    for word in words:
        if word in ('--fs-uuid', '-u'):
            by_uuid = True
        elif not word.startswith('-'):
            names.append(word)
        elif not word.startswith(('--no-floppy', '--root-dev-only', '--set=',
                                  '--hint')):
            return None
    return names[0] if by_uuid and len(names) == 1 else None
