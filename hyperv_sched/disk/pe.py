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
PeCoffLoaderGetPeHeader, PeCoffLoaderGetImageInfo, PeCoffLoaderLoadImage,
PeCoffLoaderRelocateImage; ``Image.c`` CoreLoadPeImage), of which Hyper-V has
Microsoft's copy (mu_basecore), with the same checks. It does load a program
that then goes astray: with no code at its entry point, with sections over
each other, with relocations that no directory lists, or made for another
base address.

How much memory a program may take depends on the VM, and so does whether one
without relocations finds the place it was made for: not looked at.
"""

from __future__ import annotations

import dataclasses
import struct
import typing

from hyperv_sched.disk import relocations
from hyperv_sched.disk import resources

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
_RESOURCES, _SECURITY, _RELOCATIONS, _DEBUG = 2, 4, 5, 6
_DIRECTORY = struct.Struct('<II')
_DIRECTORIES_OFFSET = _OPTIONAL_OFFSET + _OPTIONAL.size
_RELOCATIONS_STRIPPED = 1
#: Below, there is no room for a program that must lie where it says.
_LOWEST_BASE = 1024 ** 2
_SECTION = struct.Struct('<8sIIII16x')
_RELOCATION_SECTION = b'.reloc'
#: Entries of the debug directory: type, and address of what it describes.
_DEBUG_ENTRY = struct.Struct('<12xI4xI4x')
_CODEVIEW = 2
#: Of these there are a handful.
_MAX_DEBUG = 1024 * _DEBUG_ENTRY.size
_SYMBOL_SIZE = 18
_HEAD_SIZE = 512
#: Programs have some ten.
_MAX_SECTIONS = 1024
#: Of work: one is decoded, sorted, and its name compared.
_SECTION_STEPS = 4
#: Where a shim keeps the certificate of its vendor; nothing else has it.
_SHIM_SECTION = b'.vendor_cert'


class NotAProgram(Exception):
    """Firmware does not load this, and why."""


class File(typing.Protocol):
    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Read a range, less at the end of the file."""

    def spend(self, steps: int) -> None:
        """Charge work: :meth:`hyperv_sched.disk.reader.Reader.spend`."""


class _Section(typing.NamedTuple):
    name: bytes
    extent: int
    """Its size in memory."""
    address: int
    size: int
    """In the file."""
    offset: int

    @property
    def loaded(self) -> int:
        """Bytes that are copied; zeros follow."""
        return min(self.extent or self.size, self.size)


@dataclasses.dataclass(frozen=True)
class _Layout:
    """What of a file lies where in memory."""

    file: File
    headers_size: int
    memory: int
    sections: list[_Section]

    def place(self, address: int) -> int:
        """Where in the file a section has that address; 0 if none has."""
        self.file.spend(len(self.sections) // 4)
        for section in self.sections:
            if 0 <= address - section.address < section.extent:
                return section.offset + address - section.address
        return 0

    def read(self, address: int, length: int) -> bytes:
        """Read what is copied there, up to the end of its section.

        No more than of relocations, the longest that is read.
        """
        length = min(length, relocations.MAX_SIZE)
        self.file.spend(len(self.sections) // 4)
        for section in self.sections:
            left = section.loaded - (address - section.address)
            if 0 < left <= section.loaded:
                return self.file.read(
                    section.offset + address - section.address,
                    min(length, left))
        return self.file.read(
            address, max(0, min(length, self.headers_size - address)))


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
    (signature, machine, count, symbols, symbol_count, optional_size,
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
    if (headers_size <= table
            or table + count * _SECTION.size > headers_size):
        raise NotAProgram(f'headers of {headers_size} bytes are too few for '
                          f'its {count} sections')
    # For one section more, which EDK II wants room for as well.
    if memory <= headers_size or (
            memory < table + (count + 1) * _SECTION.size):
        raise NotAProgram(f'it takes {memory} bytes of memory, its headers '
                          f'{headers_size}')
    sections = _sections(file, table, count, headers_size, memory)
    if not alignment or not any(
            entry_point - section.address in range(section.loaded)
            for section in sections):
        raise NotAProgram('it has no code to start')
    layout = _Layout(file, headers_size, memory, sections)
    _check_debug(layout, *_directory(head, directories, _DEBUG))
    _check_resources(layout, *_directory(head, directories, _RESOURCES))
    address, size = _directory(head, directories, _RELOCATIONS)
    listed = layout.read(address, size)
    _check_base(layout, base, listed)
    if not characteristics & _RELOCATIONS_STRIPPED:
        _check_relocations(layout, base, address, size, listed)
    elif base < _LOWEST_BASE or base != (
            base + alignment - 1 & ~(alignment - 1)):
        raise NotAProgram(
            f'it can lie at {base:#x} alone, where there is no room')
    strings = symbols + symbol_count * _SYMBOL_SIZE
    return dataclasses.replace(
        program,
        signed=_signed(file, *_directory(head, directories, _SECURITY)),
        is_shim=any(_full_name(file, section.name, strings) == _SHIM_SECTION
                    for section in sections))


def _directory(head: bytes, count: int, number: int) -> tuple[int, int]:
    """Place and size of what a directory lists; zeros if there is none."""
    if number >= count:
        return 0, 0
    place, size = _DIRECTORY.unpack_from(
        head, _DIRECTORIES_OFFSET + number * _DIRECTORY.size)
    return place, size


def _sections(file: File, at: int, count: int, headers_size: int,
              memory: int) -> list[_Section]:
    """The sections, all of which must be there."""
    table = (b'' if count > _MAX_SECTIONS
             else file.read(at, count * _SECTION.size))
    if len(table) < count * _SECTION.size:
        raise NotAProgram(f'a table of {count} sections is cut off')
    file.spend(_SECTION_STEPS * count)
    sections = []
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
        sections.append(_Section(
            name.rstrip(b'\0'), extent, address, size, offset))
    end = 0
    for section in sorted(sections, key=lambda section: section.address):
        if section.loaded:
            if section.address < end:
                raise NotAProgram('a section lies over another in memory, '
                                  f'at {section.address:#x}')
            end = section.address + section.loaded
    return sections


def _check_debug(layout: _Layout, address: int, size: int) -> None:
    """Read what firmware reads to know a program by its name."""
    place = layout.place(address)
    if not place:
        return
    data = layout.file.read(place, min(size, _MAX_DEBUG))
    layout.file.spend(len(data) // _DEBUG_ENTRY.size)
    whole = len(data) // _DEBUG_ENTRY.size * _DEBUG_ENTRY.size
    for kind, described in _DEBUG_ENTRY.iter_unpack(data[:whole]):
        if kind == _CODEVIEW:
            if described >= layout.memory:
                raise NotAProgram(f'its debug data lie at {described:#x}, '
                                  f'it takes {layout.memory} bytes of memory')
            return
    end = place + -(-size // _DEBUG_ENTRY.size) * _DEBUG_ENTRY.size
    if end > layout.file.size:
        raise NotAProgram(f'cut off: it has {layout.file.size} bytes, its '
                          f'debug directory ends at {end}')


def _check_resources(layout: _Layout, address: int, size: int) -> None:
    if not size or address >= layout.memory:
        return
    try:
        resources.check(layout.read(address, size), size, layout.file.spend)
    except resources.Damaged as exc:
        raise NotAProgram(f'of its resources at {address:#x}, {exc}'
                          ) from None


def _check_base(layout: _Layout, base: int, listed: bytes) -> None:
    """What is put right are addresses in the program itself."""
    pointers = [
        int.from_bytes(layout.read(place, 8), 'little')
        for place in relocations.begin(listed, layout.memory)]
    if pointers and not any(
            0 <= pointer - base <= layout.memory for pointer in pointers):
        raise NotAProgram(f'it is made for another place than {base:#x}')


def _check_relocations(layout: _Layout, base: int, address: int,
                       size: int, listed: bytes) -> None:
    if size and address + size > layout.memory:
        raise NotAProgram(f'it takes {layout.memory} bytes of memory, its '
                          f'relocations end at {address + size}')
    if base >= _LOWEST_BASE:
        # It lies there, as a rule, and nothing has to be put right.
        return
    try:
        end = address + relocations.check(
            listed, size, layout.memory, layout.file.spend)
    except relocations.Damaged as exc:
        raise NotAProgram(f'of its relocations at {address:#x}, {exc}'
                          ) from None
    seen: set[tuple[int, int]] = set()
    for section in layout.sections:
        if section.name == _RELOCATION_SECTION:
            rest = end if section.address <= end <= (
                section.address + section.loaded) else section.address
            place = section.offset + rest - section.address, section.loaded
            # Sections that are apart in memory may be the same bytes.
            if place not in seen and relocations.begin(
                    _first_block(layout, rest, section.loaded),
                    layout.memory):
                raise NotAProgram(
                    f'no directory lists its relocations at {rest:#x}')
            seen.add(place)


def _first_block(layout: _Layout, address: int, size: int) -> bytes:
    """Read a block of relocations; nothing where it is larger than size."""
    length = relocations.length(layout.read(address, relocations.HEAD_SIZE))
    return layout.read(address, length) if length <= size else b''


def _signed(file: File, offset: int, size: int) -> bool:
    if size and offset + size > file.size:
        raise NotAProgram(f'cut off: it has {file.size} bytes, the signature '
                          f'ends at {offset + size}')
    return bool(offset and size)


def _full_name(file: File, name: bytes, strings: int) -> bytes:
    """Names of more than eight characters lie behind the symbols."""
    if not name.startswith(b'/') or not name[1:].isdigit():
        return name
    return file.read(
        strings + int(name[1:]), len(_SHIM_SECTION) + 1).partition(b'\0')[0]
