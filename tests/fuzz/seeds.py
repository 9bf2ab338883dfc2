# SPDX-License-Identifier: Apache-2.0
"""Seeds of the fuzzer: a file of each kind, most of them valid."""


from tests import guests
from tests import hostile
from tests import samples
from tests import signing
from tests.compressors import deflate
from tests.compressors import zstd
from tests.fuzz import sparse

_LOADER = 'EFI/BOOT/BOOTX64.EFI'
_SHIM = {_LOADER: guests.program(shim=True, signed=True)}
_FILES = (
    _SHIM,
    {**_SHIM, 'EFI/BOOT/grubx64.efi': guests.program()},
    {**_SHIM, 'EFI/BOOT/fbx64.efi': guests.program(),
     'EFI/system/BOOTX64.CSV': guests.boot_entries('shimx64.efi'),
     'EFI/system/shimx64.efi': guests.program(shim=True),
     'EFI/system/grubx64.efi': guests.program(machine=0xaa64)},
    {_LOADER: guests.program(shim=True, sections=[(
        b'.data', guests.shim_strings(
            'grub.efi', 'fallback.efi', 'MokManager.efi', 'options.csv'))]),
     'EFI/BOOT/options.csv': 'a.efi,'.encode('utf-16'),
     'EFI/BOOT/a.efi': guests.grub(),
     'EFI/debian/grub.cfg': b'search.fs_uuid 1234-5678 root\n'
                            b'set prefix=($root)/boot/grub\n'
                            b'configfile $prefix/grub.cfg\n'},
    # A shim that starts itself.
    {**_SHIM, 'EFI/BOOT/grubx64.efi': guests.program(shim=True)},
    {'EFI/BOOT/BOOTIA32.EFI': guests.program(machine=0x14c, magic=0x10b),
     'EFI/Microsoft/Boot/bootmgfw.efi': guests.program()})


def _vhdx(disk, **options):
    return samples.vhdx(virtual_size=len(disk), block_size=samples.MIB,
                        guest=disk, **options)


def _signed():
    """Return the files of a shim and of what it starts, with signatures."""
    ca = signing.signer('CA', ca=True)
    leaf = signing.signer('Signer', ca)
    sbat = b'sbat,1,x\ngrub,5,x\n'
    return {
        _LOADER: signing.sign(signing.program(
            vendor_cert=signing.vendor_cert(
                ca.encoded, signing.signature_list(
                    signing.SHA256, b'1' * 32)),
            sbatlevel=signing.sbat_levels('sbat,1,2025021800\ngrub,5\n'),
            sbat=sbat), leaf, ca),
        'EFI/BOOT/grubx64.efi': signing.sign(
            signing.program(sbat=sbat), leaf)}


def _disks():
    yield guests.gpt([(guests.ESP, 64, guests.fat(_signed(), clusters=300))])
    yield guests.bootable()
    yield guests.bios_bootable()
    for files in _FILES:
        yield guests.gpt([(guests.ESP, 64, guests.fat(files))])
    fat16 = guests.fat(_FILES[1], clusters=5000, bits=16, scatter=3)
    yield guests.gpt([(guests.BASIC_DATA, 64, b'\1'),
                      (guests.ESP, 128, fat16)], size=4 * samples.MIB)
    record = bytearray(guests.mbr([(0xef, 64, 300), (0x05, 400, 400)]))
    disk = bytearray(guests.bios_bootable())
    disk[:512] = record
    disk[400 * 512:401 * 512] = guests.mbr([(0x0c, 8, 300)])
    volume = guests.loader()
    disk[408 * 512:408 * 512 + len(volume)] = volume
    yield bytes(disk)
    yield guests.loader()
    # Structures that multiply work: sections and partitions that share bytes,
    # relocations, resources.
    body = hostile.blocks(32) + hostile.resource_names(256)
    for options in ({}, {'relocations': 256},
                    {'resources': 256, 'debug': 512}):
        yield hostile.shared(hostile.volume(hostile.program(
            48, body, shorter=True, **options)), 6, 2, distinct=True)


def files():
    """Yield the seeds as sparse files."""
    disks = list(_disks())
    for disk in disks:
        yield sparse.Sparse.of(_vhdx(disk))
        yield sparse.Sparse.of(disk)
    fat32 = guests.fat(_FILES[2], clusters=65600, bits=32)
    yield sparse.Sparse.of(guests.gpt(
        [(guests.ESP, 64, fat32)], size=36 * samples.MIB))
    yield sparse.Sparse.of(_vhdx(
        guests.gpt([(guests.ESP, 64, guests.fat(_FILES[1], sector=4096))],
                   sector=4096, size=4 * samples.MIB, first_usable=7),
        logical_sector_size=4096))
    largest = sparse.Sparse.of(samples.vhdx(
        virtual_size=64 * 1024 ** 4, bat_size=17 * samples.MIB))
    largest.size = 64 * samples.MIB
    yield largest
    yield sparse.Sparse.of(samples.fixed_vhd(guest=disks[0]))
    yield sparse.Sparse.of(samples.dynamic_vhd(
        virtual_size=samples.MIB, guest=disks[0]))
    yield sparse.Sparse.of(samples.qcow2())
    for options in (
            {}, {'version': 2, 'compress': deflate}, {'extended': True},
            {'cluster_bits': 9}, {'compress': zstd.compress,
                                  'compression': 1}):
        yield sparse.Sparse.of(samples.qcow2(guest=disks[1], **options))
    name = b'/etc/passwd'
    yield sparse.Sparse.of(samples.qcow2(guest=disks[1], fields=[
        (8, '>Q', 512), (16, '>I', len(name)), (512, '11s', name)]))
    for compressed in (False, True):
        yield sparse.Sparse.of(samples.vmdk(
            guest=disks[1], compressed=compressed))
    yield sparse.Sparse.of(samples.vmdk_descriptor())
    yield sparse.Sparse.of(b'')
