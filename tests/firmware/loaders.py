# SPDX-License-Identifier: Apache-2.0
"""The programs that firmware starts: real ones, and real ones spoilt.

Whatever is meant to run ends in printing :data:`MARKER`.
"""

from collections.abc import Callable
import functools
import pathlib
import struct
import subprocess
import tempfile

#: Only a program that firmware has started prints this.
MARKER = 'HYPERV-SCHED-STARTED'

_ROOT = pathlib.Path(__file__).parents[2]
#: Where tools/common.sh unpacks packages that would install themselves as
#: this computer's own loader.
_UNPACKED = _ROOT / '.venv' / 'loaders' / 'usr' / 'lib'

GRUB_CONFIG = f'echo {MARKER}\n'
#: What BIOS itself prints on a serial line loses its way at times.
_BIOS_CONFIG = f'serial\nterminal_output serial\n{GRUB_CONFIG}'

Loader = Callable[[], bytes]


class Missing(Exception):
    """A loader is not on this computer, and how it gets there."""


def _installed(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Missing(f'no {path}: run tools/test firmware, which installs '
                      'it') from None


def _grub(platform: str, config: str, *modules: str) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        early = pathlib.Path(directory, 'early.cfg')
        early.write_text(config)
        core = pathlib.Path(directory, 'core')
        subprocess.run(
            ['grub-mkimage', '-O', platform, '-o', core, '-p', '/nowhere',
             '-c', early, 'echo', *modules], check=True)
        return core.read_bytes()


@functools.cache
def grub() -> bytes:
    """GRUB for x86-64 UEFI, unsigned: prints the marker at once."""
    return _grub('x86_64-efi', GRUB_CONFIG)


@functools.cache
def grub_ia32() -> bytes:
    """The same for 32-bit UEFI."""
    return _grub('i386-efi', GRUB_CONFIG)


@functools.cache
def grub_bios() -> bytes:
    """GRUB's core image for BIOS, to be started by its boot sector."""
    return _grub('i386-pc', _BIOS_CONFIG, 'biosdisk', 'serial', 'terminal')


def grub_boot_sector() -> bytes:
    """GRUB's boot code for LBA 0, which starts the core image."""
    return _installed(pathlib.Path('/usr/lib/grub/i386-pc/boot.img'))


def syslinux_boot_sector() -> bytes:
    """Boot code for LBA 0 that looks for a BIOS loader, and says so."""
    return _installed(_UNPACKED / 'syslinux' / 'mbr' / 'gptmbr.bin')


def boot_code() -> bytes:
    """Boot code for LBA 0 that has no mark of any loader: prints MARKER."""
    return bytes.fromhex(
        '31c08ed8'          # xor ax, ax; mov ds, ax
        'be197cfc'          # mov si, message; cld
        'ac84c07409'        # next: lodsb; test al, al; jz stop
        'b40ebb0700cd10'    # mov ah, 14; mov bx, 7; int 16
        'ebf2'              # jmp next
        'f4ebfd'            # stop: hlt; jmp stop
    ) + MARKER.encode() + b'\r\n\0'


def systemd_boot() -> bytes:
    """The boot menu of systemd, unsigned."""
    return _installed(pathlib.Path(
        '/usr/lib/systemd/boot/efi/systemd-bootx64.efi'))


def shim() -> bytes:
    """The first stage that Microsoft's UEFI CA signed."""
    return _installed(_UNPACKED / 'shim' / 'shimx64.efi.signed')


def fallback() -> bytes:
    """shim's fbx64.efi: starts what a BOOTX64.CSV names."""
    return _installed(_UNPACKED / 'shim' / 'fbx64.efi.signed')


def signed_grub() -> bytes:
    r"""Debian's GRUB, which reads \EFI\debian\grub.cfg."""
    return _installed(_UNPACKED / 'grub' / 'x86_64-efi-signed'
                      / 'grubx64.efi.signed')


def text(content: str | bytes) -> Loader:
    """Give a file's content as it is."""
    data = content.encode() if isinstance(content, str) else content
    return lambda: data


def cut(loader: Loader, size: int) -> Loader:
    """Keep the first bytes of a program only."""
    return lambda: loader()[:size]


def tailed(loader: Loader) -> Loader:
    """Add what no header speaks of."""
    return lambda: loader() + b'?' * 1000


def stamped(loader: Loader, layout: str, offset: int,
            value: object) -> Loader:
    """Write over a field of the PE header, counted from its signature."""
    def spoil() -> bytes:
        program = bytearray(loader())
        start = struct.unpack_from('<I', program, 0x3c)[0]
        struct.pack_into(layout, program, start + offset, value)
        return bytes(program)
    return spoil


def machine(loader: Loader, value: int) -> Loader:
    """Claim to be built for another machine."""
    return stamped(loader, '<H', 4, value)


def subsystem(loader: Loader, value: int) -> Loader:
    """Claim to be another kind of program than an EFI application."""
    return stamped(loader, '<H', 24 + 68, value)


def directory(loader: Loader, number: int, address: int,
              size: int) -> Loader:
    """Name another place for what a directory lists."""
    return stamped(loader, '8s', 24 + 112 + 8 * number,
                   struct.pack('<II', address, size))


def overwritten(loader: Loader, layout: str, offset: int,
                value: object) -> Loader:
    """Write over a place in the file."""
    def spoil() -> bytes:
        program = bytearray(loader())
        struct.pack_into(layout, program, offset, value)
        return bytes(program)
    return spoil
