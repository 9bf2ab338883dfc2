# SPDX-License-Identifier: Apache-2.0
r"""What a shim starts (shim.c, load-options.c and fallback.c of rhboot/shim).

A shim that firmware starts as \EFI\BOOT\BOOT*.EFI starts its fallback, if
that is in \EFI\BOOT. Any other starts its second stage. Vendors choose the
names of both: shims of SUSE have grub.efi and fallback.efi, others grubx64.efi
and fbx64.efi. Each shim has them as strings in UTF-16.

The fallback starts the first boot option that a CSV in a directory of \EFI
defines. Its third field are arguments. The first argument of a shim names
another second stage; unified kernel images are started by it. So does the
first field of options.csv, which shim 16 and newer read in their directory.

All files are UTF-16, little endian, with or without a byte order mark.
"""

from __future__ import annotations

from collections.abc import Iterator
import re
import typing

#: Bytes of a shim that are searched for the names. In shims of six vendors,
#: 0.9 to 16.1, the last of them begins before byte 8700 of section .data.
MAX_STRINGS = 32 * 1024
#: Bytes of a CSV file that are read.
MAX_CSV = 16 * 1024
#: Characters of a name on FAT.
_MAX_NAME = 255
_BYTE_ORDER_MARK = '\ufeff'

_PREFIX = '\\EFI\\BOOT\\'.encode('utf-16-le')
_NAME = rb'\\\0((?:[!-\[\]-~]\0){1,60}?\.\0[eE]\0[fF]\0[iI]\0)\0\0'
_FALLBACK = re.compile(re.escape(_PREFIX[:-2]) + _NAME)
_PROGRAM = re.compile(_NAME)
_OPTIONS = 'options.csv\0'.encode('utf-16-le')
#: The beginnings of the names of MokManager, which enrolls keys.
_MOK_MANAGER = ('mm', 'mokmanager')


class Shim(typing.NamedTuple):
    """The files that a shim opens in its directory."""

    second_stage: str = 'grubx64.efi'
    fallback: str = 'fbx64.efi'
    reads_options: bool = False
    """Whether options.csv may name another second stage."""


class BootOption(typing.NamedTuple):
    """The boot option that a line of a CSV defines."""

    program: str
    """In the directory of the CSV."""
    arguments: str


def read_names(data: bytes) -> Shim:
    """Return the files that a shim opens.

    :param data: the section with the strings of the shim
    """
    shim = Shim(reads_options=_OPTIONS in data)
    fallback = _FALLBACK.search(data)
    if fallback:
        shim = shim._replace(fallback=fallback[1].decode('utf-16-le'))
    for found in _PROGRAM.finditer(data):
        name = found[1].decode('utf-16-le')
        if name.lower() != shim.fallback.lower() and (
                not name.lower().startswith(_MOK_MANAGER)):
            return shim._replace(second_stage=name)
    return shim


def boot_options(data: bytes) -> Iterator[BootOption]:
    """Yield the boot options of a CSV of the fallback."""
    text = _decode(data)
    for line in re.finditer('[^\r\n]+', text):
        ends = []
        start = line.start()
        for _ in range(3):
            # The last fields of a line with too few are in the next line.
            ends.append(_field_end(
                text, start, line.end() if start <= line.end() else None))
            start = ends[-1] + 1
        program = text[line.start():ends[0]]
        label = text[ends[0] + 1:ends[1]]
        if program and label:
            # A longer name names no file; the rest of it is not shown either.
            yield BootOption(
                program[:_MAX_NAME + 1], text[ends[1] + 1:ends[2]])


def _field_end(text: str, start: int, end: int | None = None) -> int:
    """Return the offset of the comma, or the end, that ends a field."""
    comma = text.find(',', start, end)
    if comma >= 0:
        return comma
    return len(text) if end is None else end


def optional_second_stage(data: bytes) -> str:
    """Return the second stage that options.csv names; '' if it names none."""
    text = _decode(data)
    return text[:_field_end(text, 0)]


def split_arguments(text: str) -> tuple[str, str]:
    """Return the first argument, and the others."""
    first, _, rest = text.lstrip(' ').partition(' ')
    return first, rest


def resolve(directory: tuple[str, ...], name: str) -> tuple[str, ...]:
    r"""Return the path of a second stage.

    :param directory: of the shim
    :param name: a path that begins with \EFI\ in capitals; of any other path
        shim takes the last name
    """
    if name.startswith('\\EFI\\'):
        return tuple(filter(None, name.split('\\')))
    return *directory, name.rpartition('\\')[2]


def _decode(data: bytes) -> str:
    """Decode a file up to its first null character."""
    text = data.decode('utf-16-le', 'replace')
    return text.removeprefix(_BYTE_ORDER_MARK).partition('\0')[0]
