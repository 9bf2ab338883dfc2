# SPDX-License-Identifier: Apache-2.0
r"""EFI programs (Microsoft PE format; UEFI 2.10, 2.1.1), little endian.

The file begins with ``MZ`` and has the offset of the PE header at 60.

PE header; the rest from 24 on is the optional header:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    4 signature ``PE\0\0``
     4    2 machine
     6    2 number of sections
    12    4 offset of the symbol table, 18 bytes a symbol; then come
            names of sections that have more than 8 characters
    16    4 number of symbols
    20    2 size of the optional header
    22    2 characteristics; bit 0: relocations are stripped
    24    2 magic: 0x10b PE32, 0x20b PE32+
    40    4 address of the entry point
    48    8 base address
    56    4 alignment of sections
    80    4 size in memory
    84    4 size of the headers
    88    4 checksum
    92    2 subsystem
   132    4 number of data directories
   136  128 data directories
====== ==== ==========================================================

Data directory (2 resources, 4 signatures, 5 relocations, 6 debug data):

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    4 address; of signatures the file offset
     4    4 size
====== ==== ==========================================================

Section, in the table that follows the optional header:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    8 name, or ``/`` and the offset of a longer name
     8    4 size in memory
    12    4 address
    16    4 size in the file
    20    4 file offset
====== ==== ==========================================================

Entry of the debug directory, 28 bytes:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
    12    4 type; 2: CodeView
    20    4 address of the data
====== ==== ==========================================================

The checks are those of EDK II (``BasePeCoff.c`` PeCoffLoaderGetPeHeader,
PeCoffLoaderGetImageInfo, PeCoffLoaderLoadImage, PeCoffLoaderRelocateImage;
``Image.c`` CoreLoadPeImage). Hyper-V has Microsoft's copy of it (mu_basecore),
with the same checks. Programs that these checks let pass may still be
refused here, as they would crash: without code at the entry point, with
sections that overlap in memory, with relocations that no directory lists, or
linked for another base address.

Whether the VM has enough memory, and whether the base address of a program
without relocations is free, is not checked: it depends on the VM.
"""

from __future__ import annotations

import dataclasses
import struct
import typing

from hyperv_sched.disk import relocations
from hyperv_sched.disk import resources
from hyperv_sched.disk import shim
from hyperv_sched.disk.shim import Shim

X64 = 'x64'
APPLICATION = 'application'

_MACHINES = {0x14c: 'ia32', 0x8664: X64, 0xaa64: 'aa64', 0x1c2: 'arm',
             0x5064: 'riscv64', 0x6264: 'loongarch64'}
_SUBSYSTEMS = {10: APPLICATION, 11: 'boot-service-driver',
               12: 'runtime-driver'}
_DOS_SIGNATURE = b'MZ'
_DOS_HEADER_SIZE = 64
_PE_OFFSET = struct.Struct('<60xI')
_PE_SIGNATURE = b'PE\0\0'
_PE32 = 0x10b
_PE32_PLUS = 0x20b
_COFF = struct.Struct('<4sHH4xIIHHH')
_OPTIONAL_OFFSET = 24
_OPTIONAL = struct.Struct('<16xI4xQI20xII4xH38xI')
_DIRECTORY = struct.Struct('<II')
_DIRECTORIES_OFFSET = _OPTIONAL_OFFSET + _OPTIONAL.size
_MAX_DIRECTORIES = 16
_RESOURCES, _SIGNATURES, _RELOCATIONS, _DEBUG = 2, 4, 5, 6
_RELOCATIONS_STRIPPED = 1
#: Memory below is in use: a program for a lower base address is moved.
_LOWEST_BASE = 1024 ** 2
_SECTION = struct.Struct('<8sIIII16x')
_RELOCATION_SECTION = b'.reloc'
_DEBUG_ENTRY = struct.Struct('<12xI4xI4x')
#: RSDS, a GUID, a number, and the path of the file of symbols up to a zero.
_SYMBOLS = slice(24, 24 + 260)
_SYMBOLS_SIGNATURE = b'RSDS'
_CODEVIEW = 2
#: Programs have a handful of entries.
_MAX_DEBUG = 1024 * _DEBUG_ENTRY.size
_SYMBOL_SIZE = 18
_HEADER_READ_SIZE = 512
#: Programs have some ten sections.
_MAX_SECTIONS = 1024
#: Steps of work to decode, sort and name a section.
_SECTION_STEPS = 4
#: Bytes that are searched for strings in a step of work.
_STRING_BYTES = 64
#: Only a shim has it: the certificate of its vendor.
SHIM_SECTION = b'.vendor_cert'
_CHECKSUM = slice(88, 92)
_SIGNATURES_ENTRY = slice(
    _DIRECTORIES_OFFSET + _SIGNATURES * _DIRECTORY.size,
    _DIRECTORIES_OFFSET + (_SIGNATURES + 1) * _DIRECTORY.size)
#: The section with the strings of a shim.
_DATA_SECTION = b'.data'


class LoadError(Exception):
    """Firmware does not load or start the program."""


class ProgramFile(typing.Protocol):
    """A file that may be a program."""

    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Read a range; return fewer bytes at the end of the file."""

    def spend(self, steps: int) -> None:
        """Charge work: :meth:`hyperv_sched.disk.reader.Reader.spend`."""


@dataclasses.dataclass(frozen=True)
class Program:
    """An EFI program."""

    machine: str
    subsystem: str
    signed: bool
    """Whether it has a signature; the signer is not checked."""
    shim: Shim | None = None
    """What it starts if it is a shim."""
    contents: Contents | None = dataclasses.field(
        default=None, repr=False, compare=False)
    """Parts of the file; None for a PE32 program."""


class _COFFHeader(typing.NamedTuple):
    """The PE header, with the magic of the optional header."""

    signature: bytes
    machine: int
    section_count: int
    symbols_offset: int
    symbol_count: int
    optional_size: int
    characteristics: int
    magic: int


class _OptionalHeader(typing.NamedTuple):
    """The optional header of PE32+; PE32 has the same subsystem."""

    entry_point: int
    base: int
    alignment: int
    memory: int
    headers_size: int
    subsystem: int
    directory_count: int


class _DataDirectory(typing.NamedTuple):
    address: int
    size: int


class _Headers(typing.NamedTuple):
    """The headers of a program."""

    coff: _COFFHeader
    optional: _OptionalHeader
    directories: list[_DataDirectory]
    offset: int
    """That of the PE header."""
    sections_offset: int

    @property
    def machine(self) -> str:
        return _MACHINES.get(self.coff.machine, f'{self.coff.machine:#x}')

    @property
    def subsystem(self) -> str:
        return _SUBSYSTEMS.get(
            self.optional.subsystem, str(self.optional.subsystem))

    @property
    def strings_offset(self) -> int:
        """The offset of long names of sections."""
        return (self.coff.symbols_offset
                + self.coff.symbol_count * _SYMBOL_SIZE)

    def directory(self, number: int) -> _DataDirectory:
        """Return a data directory; zeros if the program lacks it."""
        if number >= self.optional.directory_count:
            return _DataDirectory(0, 0)
        return self.directories[number]

    def sections_end(self, count: int) -> int:
        """Return the end of a table of so many sections."""
        return self.sections_offset + count * _SECTION.size

    def check(self, file_size: int) -> None:
        """Check the sizes of the headers.

        :raises LoadError: a size is invalid.
        """
        optional, count = self.optional, self.coff.section_count
        directories = optional.directory_count
        if directories > _MAX_DIRECTORIES or self.coff.optional_size != (
                _OPTIONAL.size + directories * _DIRECTORY.size):
            raise LoadError(f'{directories} directories in an optional '
                            f'header of {self.coff.optional_size} bytes')
        if optional.headers_size > file_size:
            raise LoadError('the headers are cut off')
        if (optional.headers_size <= self.sections_offset
                or self.sections_end(count) > optional.headers_size):
            raise LoadError(f'headers of {optional.headers_size} bytes are '
                            f'too small for {count} sections')
        # EDK II wants memory for one more section.
        if (optional.memory <= optional.headers_size
                or optional.memory < self.sections_end(count + 1)):
            raise LoadError(
                f'the size in memory is {optional.memory} bytes, that of the '
                f'headers {optional.headers_size}')


class _Section(typing.NamedTuple):
    name: bytes
    memory_size: int
    address: int
    size: int
    """In the file."""
    offset: int

    @property
    def loaded(self) -> int:
        """Bytes that firmware copies; it adds zeros."""
        return min(self.memory_size or self.size, self.size)

    def check(self, optional: _OptionalHeader, file_size: int) -> None:
        """Check that the section is in memory and in the file.

        :raises LoadError: it is not.
        """
        end = self.address + self.memory_size
        if (self.memory_size or self.size) and max(
                end, self.address + 1) > optional.memory:
            raise LoadError(f'the size in memory is {optional.memory} bytes, '
                            f'a section ends at {end}')
        if not self.size:
            return
        if self.offset + self.size > file_size:
            raise LoadError(f'the file is cut off: it has {file_size} bytes, '
                            f'a section ends at {self.offset + self.size}')
        if min(self.address, self.offset) < optional.headers_size:
            raise LoadError('a section overlaps the headers')


@dataclasses.dataclass(frozen=True)
class Contents:
    """Parts of the file of a program."""

    file: ProgramFile
    _headers: _Headers
    _sections: list[_Section]

    @property
    def certificate_table(self) -> tuple[int, int]:
        """The file offset and the size of the certificate table."""
        return self._headers.directory(_SIGNATURES)

    def section(self, name: bytes, limit: int, start: int = 0
                ) -> bytes | None:
        """Return bytes of a section; None if there is none.

        :param limit: the number of bytes to return at most
        :param start: the offset of the first byte
        """
        section = self._find(name)
        return None if section is None else self.file.read(
            section.offset + start, max(0, min(section.size - start, limit)))

    def section_size(self, name: bytes) -> int:
        """Return the bytes of a section; 0 if there is none."""
        section = self._find(name)
        return 0 if section is None else min(
            section.size, section.memory_size or section.size)

    def _find(self, name: bytes) -> _Section | None:
        self.file.spend(len(self._sections))
        return next((
            section for section in self._sections
            if _full_name(self.file, section, self._headers) == name), None)

    def symbols_path(self) -> bytes:
        """Return the path of the file of symbols in the CodeView data.

        :returns: empty without one
        """
        image = _MemoryImage(
            self.file, self._headers.optional.headers_size,
            self._headers.optional.memory, self._sections)
        directory = self._headers.directory(_DEBUG)
        offset = image.file_offset(directory.address)
        count = min(directory.size, _MAX_DEBUG) // _DEBUG_ENTRY.size
        data = self.file.read(offset, count * _DEBUG_ENTRY.size)
        if not offset or len(data) < count * _DEBUG_ENTRY.size:
            return b''
        self.file.spend(count)
        for kind, address in _DEBUG_ENTRY.iter_unpack(data):
            if kind == _CODEVIEW:
                record = image.read(address, _SYMBOLS.stop)
                if record.startswith(_SYMBOLS_SIGNATURE):
                    return record[_SYMBOLS].partition(b'\0')[0]
                return b''
        return b''

    def signed_ranges(self) -> list[tuple[int, int]]:
        """Return the start and the end of the ranges that are hashed.

        These are all bytes of most files, without the checksum, the entry of
        the certificate table and the table itself. Where sections do not
        follow each other, firmware hashes some bytes twice and others not
        (EDK II, DxeImageVerificationLib.c, HashPeImage), and does not start
        a program whose sections are longer than the file.
        """
        start = self._headers.offset
        checksum, entry = _CHECKSUM, _SIGNATURES_ENTRY
        ranges = [
            (0, start + checksum.start),
            (start + checksum.stop, start + entry.start),
            (start + entry.stop, self._headers.optional.headers_size)]
        total = self._headers.optional.headers_size
        for section in sorted(self._sections, key=lambda s: s.offset):
            if section.size:
                ranges.append((section.offset, section.offset + section.size))
                total += section.size
        ranges.append((total, self.file.size - self.certificate_table[1]))
        return ranges


class _MemoryImage(typing.NamedTuple):
    """A program in memory."""

    file: ProgramFile
    headers_size: int
    memory: int
    sections: list[_Section]

    def file_offset(self, address: int) -> int:
        """Return the file offset of an address; 0 outside of sections."""
        self.file.spend(len(self.sections) // 4)
        for section in self.sections:
            if 0 <= address - section.address < section.memory_size:
                return section.offset + address - section.address
        return 0

    def read(self, address: int, length: int) -> bytes:
        """Read a range, up to the end of the section or of the headers.

        At most :data:`relocations.MAX_SIZE` bytes are returned.
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


def read(file: ProgramFile) -> Program:
    """Return the facts about a program that firmware loads and starts.

    A PE32 program, which is for other machines, is not checked any further.

    :raises LoadError: firmware does not load it, or it would crash.
    """
    headers = _read_headers(file)
    if headers.coff.magic == _PE32:
        if headers.machine == X64:
            raise LoadError('no PE32+ header')
        return Program(headers.machine, headers.subsystem, signed=False)
    headers.check(file.size)
    sections = _read_sections(file, headers)
    _check_entry_point(headers.optional, sections)
    image = _MemoryImage(file, headers.optional.headers_size,
                         headers.optional.memory, sections)
    _check_debug(image, headers.directory(_DEBUG))
    _check_resources(image, headers.directory(_RESOURCES))
    _check_relocations(image, headers)
    signatures = headers.directory(_SIGNATURES)
    _check_signatures(file, signatures)
    return Program(
        headers.machine, headers.subsystem,
        signed=bool(signatures.address and signatures.size),
        shim=_read_shim(file, headers, sections),
        contents=Contents(file, headers, sections))


def _read_headers(file: ProgramFile) -> _Headers:
    dos = file.read(0, _HEADER_READ_SIZE)
    if not dos.startswith(_DOS_SIGNATURE) or len(dos) < _DOS_HEADER_SIZE:
        raise LoadError('no MZ header')
    offset, = _PE_OFFSET.unpack_from(dos)
    data = file.read(offset, _HEADER_READ_SIZE)
    directories_end = (
        _DIRECTORIES_OFFSET + _MAX_DIRECTORIES * _DIRECTORY.size)
    if len(data) < directories_end:
        raise LoadError('no PE header')
    coff = _COFFHeader(*_COFF.unpack_from(data))
    if coff.signature != _PE_SIGNATURE or (
            coff.magic not in (_PE32, _PE32_PLUS)):
        raise LoadError('no PE header')
    return _Headers(
        coff, _OptionalHeader(*_OPTIONAL.unpack_from(data, _OPTIONAL_OFFSET)),
        [_DataDirectory(*fields) for fields in _DIRECTORY.iter_unpack(
            data[_DIRECTORIES_OFFSET:directories_end])],
        offset=offset,
        sections_offset=offset + _OPTIONAL_OFFSET + coff.optional_size)


def _read_sections(file: ProgramFile, headers: _Headers) -> list[_Section]:
    """Read and check the sections.

    :raises LoadError: a section is invalid.
    """
    count = headers.coff.section_count
    size = count * _SECTION.size
    table = (b'' if count > _MAX_SECTIONS
             else file.read(headers.sections_offset, size))
    if len(table) < size:
        raise LoadError(f'a table of {count} sections is cut off')
    file.spend(_SECTION_STEPS * count)
    sections = [_Section(name.rstrip(b'\0'), *fields)
                for name, *fields in _SECTION.iter_unpack(table)]
    for section in sections:
        section.check(headers.optional, file.size)
    _check_section_overlaps(sections)
    return sections


def _check_section_overlaps(sections: list[_Section]) -> None:
    end = 0
    for section in sorted(sections, key=lambda section: section.address):
        if section.loaded:
            if section.address < end:
                raise LoadError('a section overlaps another in memory, '
                                f'at {section.address:#x}')
            end = section.address + section.loaded


def _check_entry_point(optional: _OptionalHeader,
                       sections: list[_Section]) -> None:
    if not optional.alignment or not any(
            0 <= optional.entry_point - section.address < section.loaded
            for section in sections):
        raise LoadError('no code at the entry point')


def _check_debug(image: _MemoryImage, directory: _DataDirectory) -> None:
    """Check the debug data, in which firmware looks for a name."""
    offset = image.file_offset(directory.address)
    if not offset:
        return
    data = image.file.read(offset, min(directory.size, _MAX_DEBUG))
    count = len(data) // _DEBUG_ENTRY.size
    image.file.spend(count)
    for type_, address in _DEBUG_ENTRY.iter_unpack(
            data[:count * _DEBUG_ENTRY.size]):
        if type_ == _CODEVIEW:
            if address >= image.memory:
                raise LoadError(
                    f'the debug data are at {address:#x}, the size in memory '
                    f'is {image.memory} bytes')
            return
    # Firmware reads whole entries.
    entries = -(-directory.size // _DEBUG_ENTRY.size)
    end = offset + entries * _DEBUG_ENTRY.size
    if end > image.file.size:
        raise LoadError(
            f'the file is cut off: it has {image.file.size} bytes, the debug '
            f'directory ends at {end}')


def _check_resources(image: _MemoryImage, directory: _DataDirectory) -> None:
    address, size = directory
    if not size or address >= image.memory:
        return
    try:
        resources.check(image.read(address, size), size, image.file.spend)
    except resources.ResourceError as exc:
        raise LoadError(
            f'invalid resources at {address:#x}: {exc}') from None


def _check_relocations(image: _MemoryImage, headers: _Headers) -> None:
    """Check whether the program runs where firmware puts it."""
    directory = headers.directory(_RELOCATIONS)
    base = headers.optional.base
    data = image.read(directory.address, directory.size)
    _check_base(image, base, data)
    if headers.coff.characteristics & _RELOCATIONS_STRIPPED:
        mask = headers.optional.alignment - 1
        if base < _LOWEST_BASE or (base + mask) & ~mask != base:
            raise LoadError(f'without relocations the base address {base:#x} '
                            'cannot be used')
        return
    end = directory.address + directory.size
    if directory.size and end > image.memory:
        raise LoadError(f'the size in memory is {image.memory} bytes, the '
                        f'relocations end at {end}')
    # Firmware applies no relocations at the base address, which is mostly
    # free.
    if base < _LOWEST_BASE:
        _check_applied_relocations(image, directory, data)


def _check_base(image: _MemoryImage, base: int, data: bytes) -> None:
    """Check that relocated pointers are addresses in the program.

    :param data: the relocations
    """
    pointers = [
        int.from_bytes(image.read(address, 8), 'little')
        for address in relocations.first_pointers(data, image.memory)]
    if pointers and not any(
            0 <= pointer - base <= image.memory for pointer in pointers):
        raise LoadError(
            f'the program is linked for another base address than {base:#x}')


def _check_applied_relocations(image: _MemoryImage,
                               directory: _DataDirectory,
                               data: bytes) -> None:
    """Check the relocations, and that the directory lists all of them."""
    try:
        end = directory.address + relocations.check(
            data, directory.size, image.memory, image.file.spend)
    except relocations.RelocationError as exc:
        raise LoadError(f'invalid relocations at {directory.address:#x}: '
                        f'{exc}') from None
    checked: set[tuple[int, int]] = set()
    for section in image.sections:
        if section.name != _RELOCATION_SECTION:
            continue
        rest = section.address
        if section.address <= end <= section.address + section.loaded:
            rest = end
        # Sections with different addresses may share bytes of the file.
        extent = section.offset + rest - section.address, section.loaded
        if extent not in checked and relocations.first_pointers(
                _first_block(image, rest, section.loaded), image.memory):
            raise LoadError(f'no directory lists the relocations at {rest:#x}')
        checked.add(extent)


def _first_block(image: _MemoryImage, address: int, max_size: int) -> bytes:
    """Read a block of relocations; return b'' if it is larger than a size."""
    size = relocations.block_size(
        image.read(address, relocations.HEADER_SIZE))
    return image.read(address, size) if size <= max_size else b''


def _check_signatures(file: ProgramFile, directory: _DataDirectory) -> None:
    offset, size = directory
    if size and offset + size > file.size:
        raise LoadError(f'the file is cut off: it has {file.size} bytes, the '
                        f'signature ends at {offset + size}')


def _read_shim(file: ProgramFile, headers: _Headers,
               sections: list[_Section]) -> Shim | None:
    """Return what a shim starts; None if the program is no shim."""
    if not any(_full_name(file, section, headers) == SHIM_SECTION
               for section in sections):
        return None
    data = next((section for section in sections
                 if section.name == _DATA_SECTION), None)
    if data is None:
        return Shim()
    size = min(data.loaded, shim.MAX_STRINGS)
    file.spend(size // _STRING_BYTES)
    return shim.read_names(file.read(data.offset, size))


def _full_name(file: ProgramFile, section: _Section,
               headers: _Headers) -> bytes:
    """Return the name of a section, also one of more than 8 characters."""
    name = section.name
    if not name.startswith(b'/') or not name[1:].isdigit():
        return name
    return file.read(headers.strings_offset + int(name[1:]),
                     len(SHIM_SECTION) + 1).partition(b'\0')[0]
