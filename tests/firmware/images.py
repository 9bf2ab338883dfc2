# SPDX-License-Identifier: Apache-2.0
"""Disk images, made step by step with common tools.

A step takes the image that the steps before it have made and goes on from
there: a disk, partitions on it, a file system in one of them, files in that,
and a container round it all.
"""

from collections.abc import Callable
from collections.abc import Iterable
import dataclasses
import gzip
import pathlib
import shutil
import struct
import subprocess
import tarfile

from tests.firmware import loaders

MIB = 1024 * 1024


@dataclasses.dataclass
class Image:
    """An image that steps build; sizes and offsets are in bytes."""

    directory: pathlib.Path
    """A directory for files of the steps."""
    path: pathlib.Path = dataclasses.field(init=False)
    """The file that is uploaded."""
    format: str = 'raw'
    """The format of that file, as QEMU names it."""
    disk: pathlib.Path = dataclasses.field(init=False)
    """The disk without a container."""
    medium: str = 'hd'
    """The kind of drive: hd or cd."""
    sector_size: int = 512
    start: int = 0
    """The offset of the current volume: a partition or the whole disk."""
    length: int = 0

    def __post_init__(self) -> None:
        self.path = self.disk = self.directory / 'disk.raw'


Step = Callable[[Image], None]


def build(steps: Iterable[Step], directory: pathlib.Path) -> Image:
    image = Image(directory)
    for step in steps:
        step(image)
    return image


def run(*command: object, script: str | None = None) -> str:
    """Run a tool that must succeed; return its output."""
    words = [str(word) for word in command]
    done = subprocess.run(words, input=script, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f'{words} failed: {done.stdout}')
    return done.stdout


# The disk and its partitions.

def disk(mib: int = 48, sector_size: int = 512) -> Step:
    """Make an empty disk."""
    def step(image: Image) -> None:
        resize(mib * MIB)(image)
        image.sector_size, image.length = sector_size, mib * MIB
    return step


def resize(size: int) -> Step:
    """Enlarge or shrink the disk, without any change of its content."""
    def step(image: Image) -> None:
        with open(image.disk, 'ab') as file:
            file.truncate(size)
    return step


def gpt(*partitions: str, options: Iterable[str] = ()) -> Step:
    """Write a GPT, and select its first partition.

    By default it is one EFI system partition.
    """
    return _sfdisk('gpt', options, partitions or ('start=2048, type=U',))


def mbr(*partitions: str) -> Step:
    """Write an MBR, and select its first partition."""
    return _sfdisk('dos', (), partitions)


def _sfdisk(label: str, options: Iterable[str],
            partitions: Iterable[str]) -> Step:
    def step(image: Image) -> None:
        run('sfdisk', '--quiet', '--no-reread', '--no-tell-kernel',
            image.disk,
            script='\n'.join((f'label: {label}', *options, *partitions)))
        fill(0)(image)
    return step


def sectors(size: int) -> Step:
    """Attach the disk with another sector size."""
    def step(image: Image) -> None:
        image.sector_size = size
    return step


def gpt_4k() -> Step:
    """Write a GPT of one ESP for sectors of 4096 bytes."""
    def step(image: Image) -> None:
        run('fdisk', '--sector-size', 4096, image.disk,
            script='g\nn\n\n\n\nt\n1\nw\n')
        image.start = MIB
        image.length = image.disk.stat().st_size - 2 * MIB
    return step


def fill(index: int) -> Step:
    """Select another partition; the first is 0."""
    def step(image: Image) -> None:
        geometry = run('fdisk', '--list', '--output', 'Start,Sectors',
                       image.disk).split('Sectors\n')[1]
        start, sectors = geometry.splitlines()[index].split()
        image.start = int(start) * image.sector_size
        image.length = int(sectors) * image.sector_size
    return step


def sgdisk(*options: str) -> Step:
    """Change the GPT with sgdisk."""
    def step(image: Image) -> None:
        run('sgdisk', *options, image.disk)
    return step


# File systems.

def fat(bits: int = 32, *options: object, clusters: int = 0,
        sector_size: int = 512) -> Step:
    """Make a FAT file system in the volume.

    :param clusters: exactly so many, of one sector each; as many as the
        volume has room for where it is 0.
    """
    def step(image: Image) -> None:
        size, exact = image.length, ()
        if clusters:
            sectors, exact = _fat_layout(bits, clusters)
            size = sectors * sector_size
        run('mkfs.fat', '-F', bits, '-S', sector_size, '-s', 1, *exact,
            *options, f'--offset={image.start // sector_size}', image.disk,
            size // 1024)
    return step


def _fat_layout(bits: int, clusters: int) -> tuple[int, tuple[object, ...]]:
    """Return the sectors for a number of clusters, and options."""
    reserved = 32 if bits == 32 else 1
    table = -(-(clusters + 2) * bits // (8 * 512))
    root = 0 if bits == 32 else 512 * 32 // 512
    rest = 2 * table + root + clusters
    # mkfs.fat takes a size in units of two sectors.
    reserved += (reserved + rest) % 2
    return reserved + rest, ('-a', '-R', reserved, '-r', 512)


def ext4(uuid: str = 'random', **files: loaders.Loader) -> Step:
    """Make a file system that firmware does not read.

    :param files: by their names in /boot/grub, without ``.cfg``
    """
    def step(image: Image) -> None:
        root = image.directory / 'root'
        directory = root / 'boot' / 'grub'
        directory.mkdir(parents=True)
        for name, content in files.items():
            (directory / f'{name}.cfg').write_bytes(content())
        run('mke2fs', '-q', '-t', 'ext4', '-E', f'offset={image.start}',
            '-U', uuid, '-d', root, image.disk, f'{image.length // 1024}k')
        shutil.rmtree(root)
    return step


def exfat() -> Step:
    """Make an exFAT file system, which firmware does not read."""
    def step(image: Image) -> None:
        volume = image.directory / 'volume'
        with open(volume, 'wb') as file:
            file.truncate(image.length)
        run('mkfs.exfat', volume)
        with open(image.disk, 'r+b') as target:
            target.seek(image.start)
            target.write(volume.read_bytes())
    return step


def put(name: str, content: loaders.Loader) -> Step:
    """Copy a file onto the FAT volume, with its directories."""
    def step(image: Image) -> None:
        volume = ('-i', f'{image.disk}@@{image.start}')
        for parent in reversed(pathlib.PurePosixPath(name).parents[:-1]):
            # It may exist.
            subprocess.run(['mmd', '-D', 's', *volume, f'::{parent}'],
                           stderr=subprocess.DEVNULL, check=False)
        source = image.directory / 'file'
        source.write_bytes(content())
        run('mcopy', '-D', 'o', *volume, source, f'::{name}')
        source.unlink()
    return step


def mtools(command: str, *arguments: str) -> Step:
    """Run a command of mtools on the volume."""
    def step(image: Image) -> None:
        run(command, '-i', f'{image.disk}@@{image.start}', *arguments)
    return step


# Changed bytes.

def poke(layout: str, offset: int, value: object) -> Step:
    """Write a field of the disk; a negative offset counts from its end."""
    def step(image: Image) -> None:
        at = offset + (image.disk.stat().st_size if offset < 0 else 0)
        _poke(image.disk, layout, at, value)
    return step


def poke_volume(layout: str, offset: int, value: object) -> Step:
    """Write a field of the volume."""
    def step(image: Image) -> None:
        _poke(image.disk, layout, image.start + offset, value)
    return step


def poke_entry(name: bytes, layout: str, offset: int, value: object) -> Step:
    """Write a field of a FAT directory entry, found by its short name."""
    def step(image: Image) -> None:
        at = image.disk.read_bytes().index(name)
        _poke(image.disk, layout, at + offset, value)
    return step


def _poke(path: pathlib.Path, layout: str, offset: int,
          value: object) -> None:
    written = struct.pack(layout, value)
    with open(path, 'r+b') as file:
        file.seek(offset)
        if file.read(len(written)) == written:
            raise ValueError(f'{written!r} stands at {offset} already')
        file.seek(offset)
        file.write(written)


def boot_sector(code: loaders.Loader) -> Step:
    """Write boot code for a BIOS into LBA 0."""
    return poke('440s', 0, code())


def bios_boot(lba: int) -> Step:
    """Install GRUB for a BIOS.

    grub-bios-setup does the same, to block devices only: it tells the boot
    sector where the core image begins, and that where it goes on.
    """
    def step(image: Image) -> None:
        core = loaders.grub_bios()
        sector = bytearray(loaders.grub_boot_sector()[:440])
        struct.pack_into('<Q', sector, 0x5c, lba)
        with open(image.disk, 'r+b') as file:
            file.write(sector)
            file.seek(lba * 512)
            file.write(core)
            file.seek(lba * 512 + 512 - 12)
            file.write(struct.pack('<Q', lba + 1))
    return step


# Containers.

def convert(image_format: str, *options: str,
            compress: bool = False) -> Step:
    """Convert the disk into a container with qemu-img."""
    def step(image: Image) -> None:
        image.path = image.directory / f'disk.{image_format}'
        image.format = image_format
        settings = ('-o', ','.join(options)) if options else ()
        run('qemu-img', 'convert', '-f', 'raw', '-O', image_format,
            *settings, *(('-c',) if compress else ()), image.disk, image.path)
    return step


def create(image_format: str, *options: object) -> Step:
    """Make an image with qemu-img that does not hold the disk.

    :param options: ``DISK`` stands for the disk
    """
    def step(image: Image) -> None:
        image.path = image.directory / f'disk.{image_format}'
        image.format = image_format
        run('qemu-img', 'create', '-f', image_format, *(
            image.disk if option == 'DISK' else option
            for option in options), image.path, '48M')
    return step


def snapshot() -> Step:
    """Add a snapshot to a qcow2."""
    def step(image: Image) -> None:
        run('qemu-img', 'snapshot', '-c', 'before', image.path)
    return step


def poke_file(layout: str, offset: int, value: object) -> Step:
    """Write a field of the file."""
    return lambda image: _poke(image.path, layout, offset, value)


def vhdx(*options: str) -> Step:
    """Convert the disk to VHDX with qemu-img."""
    return convert('vhdx', *options)


def compress() -> Step:
    """Compress the file."""
    def step(image: Image) -> None:
        packed = image.directory / 'disk.gz'
        with (open(image.path, 'rb') as source,
              gzip.open(packed, 'wb', compresslevel=1) as target):
            shutil.copyfileobj(source, target)
        image.path, image.format = packed, 'raw'
    return step


def iso(efi: bool = True, bios: bool = False,
        boot_sector: loaders.Loader | None = None,
        options: Iterable[object] = ()) -> Step:
    """Make an ISO of the volume, which is its file efi.img.

    :param efi: UEFI starts it from the volume (El Torito)
    :param bios: it has a boot image for a BIOS, too
    :param boot_sector: a BIOS starts it as a disk, too (isohybrid)
    :param options: further options of xorriso
    """
    def step(image: Image) -> None:
        tree = _tree(image)
        words: list[object] = []
        if boot_sector:
            code = image.directory / 'code'
            code.write_bytes(boot_sector().ljust(432, b'\0'))
            words += ['-isohybrid-mbr', code]
        if bios or boot_sector:
            words += [*FOR_BIOS, '-eltorito-alt-boot']
        if efi:
            words += ['-e', 'efi.img', '-no-emul-boot']
        _xorriso(image, *words, *options, tree)
    return step


#: Options of xorriso for a boot image for a BIOS.
FOR_BIOS = ('-c', 'boot.cat', '-b', 'bios.img', '-no-emul-boot',
            '-boot-load-size', 4)


def hybrid(*options: object, gpt: bool = False) -> Step:
    """Make an ISO with the volume in a partition of its own.

    :param options: of xorriso, for the boot images
    :param gpt: the partition is one of a GPT, else one of an MBR
    """
    def step(image: Image) -> None:
        tree = _tree(image)
        kind = ('-appended_part_as_gpt',) if gpt else ()
        _xorriso(image, '-append_partition', 2, '0xef', tree / 'efi.img',
                 *kind, *options, tree)
    return step


def _tree(image: Image) -> pathlib.Path:
    """Make a directory of files for an ISO."""
    tree = image.directory / 'tree'
    tree.mkdir()
    shutil.copy(image.disk, tree / 'efi.img')
    (tree / 'bios.img').write_bytes(loaders.boot_code().ljust(2048, b'\0'))
    return tree


def _xorriso(image: Image, *options: object) -> None:
    _dvd(image)
    run('xorriso', '-as', 'mkisofs', '-quiet', '-o', image.path, *options)


def _dvd(image: Image) -> None:
    image.path, image.medium = image.directory / 'disk.iso', 'cd'
    image.sector_size = 2048


def rescue(image: Image) -> None:
    """Make an ISO that starts everywhere, with GRUB's own tool."""
    tree = image.directory / 'tree' / 'boot' / 'grub'
    tree.mkdir(parents=True)
    (tree / 'grub.cfg').write_text(loaders.RESCUE_CONFIG)
    _dvd(image)
    run('grub-mkrescue', '-o', image.path, image.directory / 'tree')


def poke_iso(layout: str, offset: int, value: object) -> Step:
    """Write a field of an ISO."""
    return lambda image: _poke(image.path, layout, offset, value)


def poke_catalog(layout: str, offset: int, value: object) -> Step:
    """Write a field of the boot catalog of an ISO."""
    def step(image: Image) -> None:
        with open(image.path, 'rb') as file:
            file.seek(17 * 2048 + 71)
            sector, = struct.unpack('<I', file.read(4))
        _poke(image.path, layout, sector * 2048 + offset, value)
    return step


def burnt(image: Image) -> None:
    """Write the ISO to a disk."""
    image.disk, image.medium = image.path, 'hd'
    image.sector_size = 512


def archive(name: str = 'disk.vhdx') -> Step:
    """Put the file into an archive."""
    def step(image: Image) -> None:
        packed = image.directory / 'disk.tar'
        with tarfile.open(packed, 'w') as tar:
            tar.add(image.path, name)
        image.path, image.format = packed, 'raw'
    return step


def content(data: bytes) -> Step:
    """Make a file with any content."""
    def step(image: Image) -> None:
        image.path.write_bytes(data)
    return step


def cut(size: int) -> Step:
    """Cut the file to a size; a negative size counts from the end."""
    def step(image: Image) -> None:
        with open(image.path, 'r+b') as file:
            file.truncate(size + (
                image.path.stat().st_size if size < 0 else 0))
    return step
