# SPDX-License-Identifier: Apache-2.0
"""EFI programs: what a loader is (Microsoft PE format; UEFI 2.10, 2.1.1).

``MZ``; at 60 the offset of ``PE\\0\\0``. Behind that, little endian:
machine u16, number of sections u16 at 2, symbol table u32 at 8, number of
symbols u32 at 12, size of the optional header u16 at 16, characteristics u16
at 18. The optional header begins at 20 with its magic u16 (PE32+: 0x20b). It
has entry point u32 at 16, base address u64 at 24, alignment of sections u32
at 32, size in memory u32 at 56, size of headers u32 at 60, subsystem u16 at
68, number of directories u32 at 108 and these: of signatures, the fifth, and
of relocations, the sixth, each a place u32 and a size u32. The sections come
behind, in 40 bytes each: name, size in memory u32 at 8, address u32 at 12,
size u32 at 16, offset u32 at 20.

What firmware does not load is what EDK II does not (``BasePeCoff.c``
PeCoffLoaderGetPeHeader, PeCoffLoaderLoadImage, PeCoffLoaderRelocateImage;
``Image.c`` CoreLoadPeImage). Without relocations a program is loaded, and
may run or not.
"""

from __future__ import annotations

import dataclasses
import struct
import typing

X64 = 'x64'
APPLICATION = 'application'

_MACHINES = {0x14c: 'ia32', 0x8664: X64, 0xaa64: 'aa64', 0x1c2: 'arm',
             0x5064: 'riscv64', 0x6264: 'loongarch64'}
_SUBSYSTEMS = {10: APPLICATION, 11: 'boot-service-driver',
               12: 'runtime-driver'}
_PE32 = 0x10b
_PE32_PLUS = 0x20b
_COFF = struct.Struct('<4sHH4xIIHHH')
_OPTIONAL_OFFSET = 24
#: Of a PE32+ header: entry point, base address, alignment, size in memory,
#: size of headers, subsystem, number of directories.
_OPTIONAL = struct.Struct('<16xI4xQI20xII4xH38xI')
_MAX_DIRECTORIES = 16
_SECURITY, _RELOCATIONS = 4, 5
_DIRECTORY = struct.Struct('<II')
_DIRECTORIES_OFFSET = _OPTIONAL_OFFSET + _OPTIONAL.size
_RELOCATIONS_STRIPPED = 1
#: Below, there is no room for a program that must lie where it says.
_LOWEST_BASE = 1024 ** 2
_SECTION = struct.Struct('<8sIIII16x')
_SYMBOL_SIZE = 18
_HEAD_SIZE = 512
#: Programs have some ten.
_MAX_SECTIONS = 1024
#: Where a shim keeps the certificate of its vendor; nothing else has it.
_SHIM_SECTION = b'.vendor_cert'


class NotAProgram(Exception):
    """Firmware does not load this, and why."""


class File(typing.Protocol):
    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Read a range, less at the end of the file."""


@dataclasses.dataclass(frozen=True)
class Program:
    machine: str
    subsystem: str
    signed: bool
    """It carries a signature; by whom is not looked at."""
    is_shim: bool
    """It only starts another program, which lies beside it."""


def read(file: File) -> Program:
    """Read what a program is.

    :raises NotAProgram: it is none, or it is cut off.
    """
    head = file.read(0, _HEAD_SIZE)
    if not head.startswith(b'MZ') or len(head) < 64:
        raise NotAProgram('no MZ header')
    start, = struct.unpack_from('<I', head, 60)
    head = file.read(start, _HEAD_SIZE)
    if len(head) < _DIRECTORIES_OFFSET + _MAX_DIRECTORIES * _DIRECTORY.size:
        raise NotAProgram('no PE header')
    (signature, machine, sections, symbols, symbol_count, optional_size,
     characteristics, magic) = _COFF.unpack_from(head)
    if signature != b'PE\0\0' or magic not in (_PE32, _PE32_PLUS):
        raise NotAProgram('no PE header')
    (entry_point, base, alignment, memory, headers_size, subsystem,
     directories) = _OPTIONAL.unpack_from(head, _OPTIONAL_OFFSET)
    program = Program(
        _MACHINES.get(machine, f'{machine:#x}'),
        _SUBSYSTEMS.get(subsystem, str(subsystem)), False, False)
    if magic == _PE32:
        if program.machine == X64:
            raise NotAProgram('no PE32+ header')
        return program
    table = start + _OPTIONAL_OFFSET + optional_size
    if directories > _MAX_DIRECTORIES or optional_size != (
            _OPTIONAL.size + directories * _DIRECTORY.size):
        raise NotAProgram(f'{directories} directories in an optional header '
                          f'of {optional_size} bytes')
    if headers_size > file.size:
        raise NotAProgram('the headers are cut off')
    if not (table + sections * _SECTION.size <= headers_size < memory
            and table < headers_size):
        raise NotAProgram(
            f'headers of {headers_size} bytes, which is too few for its '
            f'{sections} sections, or too many for {memory} bytes of memory')
    if not alignment or not sections or entry_point >= memory:
        raise NotAProgram('it has no code to start')
    if characteristics & _RELOCATIONS_STRIPPED:
        if base < _LOWEST_BASE:
            raise NotAProgram(
                f'it can lie at {base:#x} alone, where there is no room')
    else:
        address, size = _directory(head, directories, _RELOCATIONS)
        if size and address + size > memory:
            raise NotAProgram(f'it takes {memory} bytes of memory, its '
                              f'relocations end at {address + size}')
    names = _sections(file, table, sections, headers_size, memory)
    strings = symbols + symbol_count * _SYMBOL_SIZE
    return dataclasses.replace(
        program,
        signed=_signed(file, *_directory(head, directories, _SECURITY)),
        is_shim=any(_full_name(file, name, strings) == _SHIM_SECTION
                    for name in names))


def _directory(head: bytes, count: int, number: int) -> tuple[int, int]:
    """Place and size of what a directory lists; zeros if there is none."""
    if number >= count:
        return 0, 0
    place, size = _DIRECTORY.unpack_from(
        head, _DIRECTORIES_OFFSET + number * _DIRECTORY.size)
    return place, size


def _sections(file: File, at: int, count: int, headers_size: int,
              memory: int) -> list[bytes]:
    """The names of the sections, all of which must be there."""
    table = file.read(at, count * _SECTION.size)
    if count > _MAX_SECTIONS or len(table) < count * _SECTION.size:
        raise NotAProgram(f'a table of {count} sections is cut off')
    names = []
    for name, extent, address, size, offset in _SECTION.iter_unpack(table):
        if (extent or size) and max(
                address + extent, address + 1) > memory:
            raise NotAProgram(f'it takes {memory} bytes of memory, a section '
                              f'ends at {address + extent}')
        if size and offset + size > file.size:
            raise NotAProgram(f'cut off: it has {file.size} bytes, a section '
                              f'ends at {offset + size}')
        if size and min(address, offset) < headers_size:
            raise NotAProgram('a section lies among the headers')
        names.append(name.rstrip(b'\0'))
    return names


def _signed(file: File, offset: int, size: int) -> bool:
    if offset + size > file.size:
        raise NotAProgram(f'cut off: it has {file.size} bytes, the signature '
                          f'ends at {offset + size}')
    return bool(offset and size)


def _full_name(file: File, name: bytes, strings: int) -> bytes:
    """Names of more than eight characters lie behind the symbols."""
    if not name.startswith(b'/') or not name[1:].isdigit():
        return name
    return file.read(
        strings + int(name[1:]), len(_SHIM_SECTION) + 1).partition(b'\0')[0]
