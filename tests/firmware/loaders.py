# SPDX-License-Identifier: Apache-2.0
"""Programs that firmware boots: real ones, and changed ones.

Each loader that runs prints :data:`MARKER`.
"""

from collections.abc import Callable
import functools
import pathlib
import struct
import subprocess
import tempfile

#: The text that only a program that runs prints.
MARKER = 'HYPERV-SCHED-STARTED'

_ROOT = pathlib.Path(__file__).parents[2]
#: The directory where tools/common.sh unpacks packages that would install
#: themselves as the loader of this computer.
_UNPACKED = _ROOT / '.venv' / 'loaders' / 'usr' / 'lib'
_GRUB_SIGNED = 'grub/x86_64-efi-signed/grubx64.efi.signed'

GRUB_CONFIG = f'echo {MARKER}\n'
#: Text that a BIOS prints on a serial line may be incomplete.
_BIOS_CONFIG = f'serial\nterminal_output serial\n{GRUB_CONFIG}'

#: Where firmware of either kind has its console is not known to GRUB.
RESCUE_CONFIG = f'{_BIOS_CONFIG}sleep 1000\n'

Loader = Callable[[], bytes]


class MissingLoaderError(Exception):
    """A loader is not installed; the message says how to install it."""


def _installed(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingLoaderError(
            f'no {path}: run tools/test firmware, which installs '
            'it') from None


def released(release: str, name: str) -> Loader:
    """Return a loader of a release of Debian or Ubuntu.

    :param name: its path below /usr/lib
    """
    return lambda: _installed(
        _ROOT / '.venv' / f'loaders-{release}' / 'usr' / 'lib' / name)


def shim_of(release: str, name: str = 'shimx64.efi.signed') -> Loader:
    """Return the shim of a release."""
    return released(release, f'shim/{name}')


def grub_of(release: str) -> Loader:
    """Return the GRUB that the vendor of a release has signed."""
    return released(release, _GRUB_SIGNED)


def _grub(platform: str, config: str, *modules: str,
          sbat: str = '') -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        early = pathlib.Path(directory, 'early.cfg')
        early.write_text(config)
        core = pathlib.Path(directory, 'core')
        options = []
        if sbat:
            components = pathlib.Path(directory, 'sbat.csv')
            components.write_text(sbat)
            options = ['--sbat', components]
        subprocess.run(
            ['grub-mkimage', '-O', platform, '-o', core, '-p', '/nowhere',
             '-c', early, *options, 'echo', *modules], check=True)
        return core.read_bytes()


@functools.cache
def grub() -> bytes:
    """Return an unsigned GRUB for x64 UEFI that prints the marker."""
    return _grub('x86_64-efi', GRUB_CONFIG)


def grub_with_sbat(*components: str) -> Loader:
    """Return such a GRUB with components in its section ``.sbat``."""
    return lambda: _grub('x86_64-efi', GRUB_CONFIG, sbat=''.join(
        f'{component},test,test,1,https://example.org/\n'
        for component in ('sbat,1', *components)))


def unified(initrd: bytes, base: Loader = grub) -> Loader:
    """Return such a GRUB with the sections of a unified kernel image."""
    return lambda: _add_sections(base(), {
        b'.osrel': b'ID=test\nNAME=Test\n', b'.linux': b'kernel',
        b'.uname': b'6.1', b'.initrd': initrd})


def _add_sections(program: bytes, sections: dict[bytes, bytes]) -> bytes:
    """Add sections to a program whose headers have room for them."""
    image = bytearray(program)
    start, = struct.unpack_from('<I', image, 60)
    count, size = struct.unpack_from('<2xH12xH', image, start + 4)
    entry = start + 24 + size + 40 * count
    memory = start + 24 + 56
    for name, content in sections.items():
        content += bytes(-len(content) % 4096)
        address, = struct.unpack_from('<I', image, memory)
        struct.pack_into(
            '<8sIIII12xI', image, entry, name, len(content), address,
            len(content), len(image), 0x40000040)
        struct.pack_into('<I', image, memory, address + len(content))
        image += content
        entry += 40
    struct.pack_into('<H', image, start + 6, count + len(sections))
    return bytes(image)


@functools.cache
def grub_ia32() -> bytes:
    """Return such a GRUB for 32-bit UEFI."""
    return _grub('i386-efi', GRUB_CONFIG)


@functools.cache
def grub_bios() -> bytes:
    """Return the core image of GRUB for a BIOS."""
    return _grub('i386-pc', _BIOS_CONFIG, 'biosdisk', 'serial', 'terminal')


def grub_boot_sector() -> bytes:
    """Return the boot code of GRUB for LBA 0."""
    return _installed(pathlib.Path('/usr/lib/grub/i386-pc/boot.img'))


def syslinux_boot_sector() -> bytes:
    """Return boot code for LBA 0 that needs an active partition."""
    return _installed(_UNPACKED / 'syslinux' / 'mbr' / 'gptmbr.bin')


def boot_code() -> bytes:
    """Return unknown boot code for LBA 0 that prints the marker."""
    return bytes.fromhex(
        '31c08ed8'          # xor ax, ax; mov ds, ax
        'be197cfc'          # mov si, message; cld
        'ac84c07409'        # next: lodsb; test al, al; jz stop
        'b40ebb0700cd10'    # mov ah, 14; mov bx, 7; int 16
        'ebf2'              # jmp next
        'f4ebfd'            # stop: hlt; jmp stop
    ) + MARKER.encode() + b'\r\n\0'


def systemd_boot() -> bytes:
    """Return systemd-boot, unsigned."""
    return _installed(pathlib.Path(
        '/usr/lib/systemd/boot/efi/systemd-bootx64.efi'))


def shim() -> bytes:
    """Return the shim that Microsoft's UEFI CA signed."""
    return _installed(_UNPACKED / 'shim' / 'shimx64.efi.signed')


def suse_shim() -> bytes:
    """Return the shim with the name of SUSE for the second stage."""
    old = '\\\\grubx64.efi'.encode('utf-16-le')
    new = '\\\\grub.efi'.encode('utf-16-le').ljust(len(old), b'\0')
    program = shim()
    assert program.count(old) == 1
    return program.replace(old, new)


def fallback() -> bytes:
    """Return fbx64.efi of shim, which boots the program of a CSV."""
    return _installed(_UNPACKED / 'shim' / 'fbx64.efi.signed')


def signed_grub() -> bytes:
    r"""Return the signed GRUB of Debian, which reads \EFI\debian\grub.cfg."""
    return _installed(_UNPACKED / 'grub' / 'x86_64-efi-signed'
                      / 'grubx64.efi.signed')


def text(content: str | bytes) -> Loader:
    """Return content that is no program."""
    data = content.encode() if isinstance(content, str) else content
    return lambda: data


def cut(loader: Loader, size: int) -> Loader:
    """Return the first bytes of a program."""
    return lambda: loader()[:size]


def tailed(loader: Loader) -> Loader:
    """Return a program with bytes behind its end."""
    return lambda: loader() + b'?' * 1000


def stamped(loader: Loader, layout: str, offset: int,
            value: object) -> Loader:
    """Return a program with another field at an offset in its PE header."""
    def spoil() -> bytes:
        program = loader()
        start = struct.unpack_from('<I', program, 0x3c)[0]
        return _write(program, layout, start + offset, value)
    return spoil


def _write(program: bytes, layout: str, offset: int, value: object) -> bytes:
    written = bytearray(program)
    struct.pack_into(layout, written, offset, value)
    if written == program:
        raise ValueError(f'{value!r} stands at {offset} already')
    return bytes(written)


def replaced(loader: Loader, old: bytes, new: bytes) -> Loader:
    """Return a program with other bytes in place of some."""
    def spoil() -> bytes:
        program = loader()
        if old not in program:
            raise ValueError(f'there is no {old!r}')
        return program.replace(old, new)
    return spoil


def machine(loader: Loader, value: int) -> Loader:
    """Return a program with another machine in its header."""
    return stamped(loader, '<H', 4, value)


def subsystem(loader: Loader, value: int) -> Loader:
    """Return a program with another subsystem in its header."""
    return stamped(loader, '<H', 24 + 68, value)


def directory(loader: Loader, number: int, address: int,
              size: int) -> Loader:
    """Return a program with another data directory."""
    return stamped(loader, '8s', 24 + 112 + 8 * number,
                   struct.pack('<II', address, size))


def overwritten(loader: Loader, layout: str, offset: int,
                value: object) -> Loader:
    """Return a program with another field at a file offset."""
    return lambda: _write(loader(), layout, offset, value)
