# SPDX-License-Identifier: Apache-2.0
"""Disk images for Secure Boot, and the results of firmware and of the linter.

Firmware has the keys of one template: a real one for loaders of Debian and
Ubuntu, and one made here for loaders that only Microsoft could sign.
"""

from collections.abc import Callable
import functools
import hashlib
import struct

from hyperv_sched import names
from hyperv_sched.disk import certificates
from hyperv_sched.disk import signature_lists
from hyperv_sched.disk import templates
from tests import signing
from tests.firmware import boot
from tests.firmware import corpus
from tests.firmware import images
from tests.firmware import loaders

GRUB = 'EFI/BOOT/grubx64.efi'


# Keys of tests.

CA = signing.signer('Test CA 2011', ca=True)
CA_2023 = signing.signer('Test CA 2023', ca=True)
LEAF = signing.signer('Test Signer', CA)
LEAF_2023 = signing.signer('Test Signer 2023', CA_2023)
REVOKED_CA = signing.signer('Revoked CA', CA, ca=True)
REVOKED = signing.signer('Revoked Signer', REVOKED_CA)
SAME_NAME = signing.signer('Test CA 2011', key_name='another CA', ca=True)
IMPOSTOR = signing.signer('Test Signer', SAME_NAME, key_name='another signer')
EXPIRED = signing.signer('Expired Signer', CA, days=1)
NOT_CA = signing.signer('Issued by a Signer', LEAF)
MIDDLE = signing.signer('Middle CA', CA, ca=True)
BELOW = signing.signer('Signer of Middle CA', MIDDLE)
SELF = signing.signer('Self-signed')


def _anchor(signer: signing.Signer, year: str) -> templates.Anchor:
    return templates.Anchor(certificates.read(signer.encoded), year)


@functools.cache
def _revoked_program() -> bytes:
    return signing.prepare(loaders.grub() + b'revoked')


def _hash(program: bytes) -> bytes:
    return hashlib.sha256(signing.signed_ranges(program)).digest()


@functools.cache
def test_template() -> templates.Template:
    """Return a template that trusts the test's certificates alone."""
    return templates.Template(
        'Test', (_anchor(CA, '2011'), _anchor(CA_2023, '2023')),
        signature_lists.Signatures(
            (certificates.read(REVOKED_CA.encoded),),
            frozenset((_hash(_revoked_program()),))))


@functools.cache
def mixed_template() -> templates.Template:
    """Return the template that trusts shims, and the test's certificates."""
    real = templates.load()[names.LINUX]
    return templates.Template(
        'Mixed', (*real.db, _anchor(CA, '2011'), _anchor(CA_2023, '2023')),
        real.dbx)


def _machine(os_type: str, template: templates.Template) -> dict[str, object]:
    """Return the members of a record for a template."""
    return {
        'machine': boot.secure_boot(template),
        'keys': {os_type: template},
        'properties': {'os_secure_boot': 'required', 'os_type': os_type,
                       'hypervisor_version_requires': '>=10.0'}}


LINUX = _machine('linux', templates.load()[names.LINUX])
WINDOWS = _machine('windows', templates.load()[names.WINDOWS])
TEST = _machine('linux', test_template())
TEST_WINDOWS = _machine('windows', test_template())
MIXED = _machine('linux', mixed_template())

# Files.

DEBIAN = images.put('EFI/debian/grub.cfg', loaders.text(loaders.GRUB_CONFIG))
UBUNTU = images.put('EFI/ubuntu/grub.cfg', loaders.text(loaders.GRUB_CONFIG))
SHIM = loaders.shim_of('bookworm')
OLD_SHIM = loaders.shim_of('bullseye')
DEBIAN_GRUB = loaders.grub_of('bookworm')
FBX64 = images.put('EFI/BOOT/fbx64.efi', loaders.released(
    'bookworm', 'shim/fbx64.efi.signed'))


def csv(name: str = 'shimx64.efi') -> images.Step:
    """Put the file that fbx64.efi reads."""
    return images.put('EFI/debian/BOOTX64.CSV', loaders.text(
        f'{name},debian,,This is the boot entry for debian\n'.encode(
            'utf-16')))


def disk(loader: loaders.Loader, *files: images.Step,
         grub: loaders.Loader | None = None) -> tuple[images.Step, ...]:
    """Return the steps of a disk with a loader, and GRUB beside it."""
    beside = () if grub is None else (images.put(GRUB, grub),)
    return corpus.with_files(
        images.put(corpus.BOOTX64, loader), *beside, *files)


# Changed and signed loaders.

def changed(loader: loaders.Loader, offset: int) -> loaders.Loader:
    """Return a loader with another byte.

    :param offset: a negative one counts from the certificate table
    """
    def change() -> bytes:
        data = bytearray(loader())
        data[_table(data)[0] + offset if offset < 0 else offset] ^= 1
        return bytes(data)
    return change


def _table(data: bytes) -> tuple[int, int]:
    start, = struct.unpack_from('<I', data, 60)
    return struct.unpack_from('<II', data, start + 168)


def entries(loader: loaders.Loader,
            choose: Callable[[list[bytes]], list[bytes]],
            size: int | None = None) -> loaders.Loader:
    """Return a loader with other entries in its certificate table."""
    def change() -> bytes:
        data = loader()
        offset, length = _table(data)
        parts = []
        place = offset
        while place < offset + length:
            entry = -(-int.from_bytes(data[place:place + 4], 'little') // 8)
            parts.append(data[place:place + 8 * entry])
            place += 8 * entry
        return signing.attach(data[:offset], *choose(parts), size=size)
    return change


def resized(loader: loaders.Loader, change: int) -> loaders.Loader:
    """Return a loader whose certificate table has another size."""
    return lambda: entries(loader, lambda parts: parts,
                           _table(loader())[1] + change)()


def damaged(entry: bytes, offset: int = 108) -> bytes:
    """Return an entry with a byte of what it signs changed."""
    data = bytearray(entry)
    data[offset] ^= 1
    return bytes(data)


def signed(*signers: signing.Signer, base: loaders.Loader = loaders.grub,
           **options: object) -> loaders.Loader:
    """Return a GRUB that prints the marker, with a signature."""
    return lambda: signing.sign(base(), *signers, **options)


def with_entries(*parts: Callable[[bytes], bytes],
                 base: loaders.Loader = loaders.grub,
                 size: int | None = None) -> loaders.Loader:
    """Return a GRUB with a certificate table.

    :param parts: each returns an entry for the program
    """
    def make() -> bytes:
        program = signing.prepare(base())
        return signing.attach(
            program, *(part(program) for part in parts), size=size)
    return make


def good(program: bytes) -> bytes:
    return signing.entry(signing.pkcs7(program, LEAF))


def two_signers(program: bytes) -> bytes:
    """Return a signature of a trusted and of another signer."""
    data = signing.inside(signing.content(_hash(program)))
    return signing.entry(signing.pkcs7(
        program, LEAF, SELF, infos=[signing.signer_info(LEAF, data),
                                    signing.signer_info(SELF, data)]))


def unpadded(program: bytes) -> bytes:
    """Return an entry without padding, whose length is not one of 8."""
    encoded = signing.pkcs7(program, LEAF)
    return signing.entry(
        encoded + bytes(-len(encoded) % 8 + 1), padded=False)


#: systemd-boot, unsigned, and what it starts.
MENU = loaders.systemd_boot
INITRD = b'initrd'
UNIFIED = loaders.unified(INITRD)


def entry(loader: loaders.Loader) -> images.Step:
    """Put a program that systemd-boot starts."""
    return images.put('EFI/Linux/os.efi', loader)


SBAT = loaders.grub_with_sbat('grub,5')

starts, fails = corpus.starts, corpus.fails

CORPUS = [
    # Real loaders, by the real templates.
    starts('signed-bookworm', *disk(SHIM, DEBIAN, grub=DEBIAN_GRUB),
           telling=True, **LINUX),
    fails('signed-bookworm-windows', 'HV336', *disk(
        SHIM, DEBIAN, grub=DEBIAN_GRUB), **WINDOWS),
    starts('signed-trixie', *disk(
        loaders.shim_of('trixie'), DEBIAN, grub=loaders.grub_of('trixie')),
        **LINUX),
    starts('signed-bullseye', *disk(
        OLD_SHIM, DEBIAN, grub=loaders.grub_of('bullseye')), **LINUX),
    starts('signed-noble', *disk(
        loaders.shim_of('noble', 'shimx64.efi.signed.latest'), UBUNTU,
        grub=loaders.grub_of('noble')), **LINUX),
    starts('signed-noble-dualsigned', *disk(
        loaders.shim_of('noble', 'shimx64.efi.dualsigned'), UBUNTU,
        grub=loaders.grub_of('noble')), **LINUX),
    fails('signed-grub-alone', 'HV336', *disk(DEBIAN_GRUB, DEBIAN),
          telling=True, **LINUX),
    fails('signed-grub-alone-windows', 'HV336', *disk(
        DEBIAN_GRUB, DEBIAN), **WINDOWS),
    fails('signed-other-vendor', 'HV339', *disk(
        SHIM, UBUNTU, grub=loaders.grub_of('noble')), telling=True, **LINUX),
    fails('signed-other-vendor-of-ubuntu', 'HV339', *disk(
        loaders.shim_of('noble', 'shimx64.efi.signed.latest'), DEBIAN,
        grub=DEBIAN_GRUB), **LINUX),
    fails('signed-shim-in-dbx', 'HV338', *disk(
        loaders.shim_of('focal'), UBUNTU, grub=loaders.grub_of('focal')),
        **LINUX),
    fails('signed-grub-in-dbx', 'HV338', *disk(
        SHIM, UBUNTU, grub=loaders.grub_of('focal')), **LINUX),
    fails('signed-sbat-old-grub', 'HV338', *disk(
        SHIM, DEBIAN, grub=loaders.grub_of('bullseye')), telling=True,
        **LINUX),
    starts('signed-old-shim-newer-grub', *disk(
        OLD_SHIM, DEBIAN, grub=DEBIAN_GRUB), **LINUX),
    starts('signed-shim-without-second-signature', *disk(
        entries(SHIM, lambda parts: parts[:1]), DEBIAN, grub=DEBIAN_GRUB),
        **LINUX),
    starts('signed-shim-2023', *disk(
        entries(SHIM, lambda parts: parts[1:]), DEBIAN, grub=DEBIAN_GRUB),
        warns='HV337', telling=True, **LINUX),
    # The fallback of a shim.
    starts('signed-fallback-other-shim', *disk(
        SHIM, FBX64, csv(), images.put('EFI/debian/shimx64.efi', OLD_SHIM),
        images.put('EFI/debian/grubx64.efi', DEBIAN_GRUB), DEBIAN), **LINUX),
    fails('signed-fallback-unsigned', 'HV335', *disk(
        SHIM, images.put('EFI/BOOT/fbx64.efi', loaders.grub), csv(),
        images.put('EFI/debian/shimx64.efi', SHIM), DEBIAN,
        images.put('EFI/debian/grubx64.efi', DEBIAN_GRUB),
        grub=DEBIAN_GRUB), **LINUX),
    fails('signed-fallback-to-unsigned', 'HV335', *disk(
        SHIM, FBX64, csv(), images.put('EFI/debian/shimx64.efi', SHIM),
        images.put('EFI/debian/grubx64.efi', loaders.grub),
        grub=DEBIAN_GRUB), **LINUX),
    starts('signed-fallback-beside-unsigned', *disk(
        SHIM, FBX64, csv(), images.put('EFI/debian/shimx64.efi', SHIM),
        images.put('EFI/debian/grubx64.efi', DEBIAN_GRUB), DEBIAN,
        grub=loaders.grub), **LINUX),
    starts('signed-fallback-sbat-missing', *disk(
        SHIM, FBX64, csv('os.efi'),
        images.put('EFI/debian/os.efi', signed(LEAF)),
        grub=DEBIAN_GRUB), **MIXED),
    # An SbatLevel stays: the level of the first shim applies to the second.
    fails('signed-fallback-sbat-of-first-shim', 'HV338', *disk(
        SHIM, FBX64, csv(), images.put('EFI/debian/shimx64.efi', OLD_SHIM),
        images.put('EFI/debian/grubx64.efi', loaders.grub_of('bullseye')),
        DEBIAN), **LINUX),
    # Changed loaders.
    fails('signed-shim-changed', 'HV340', *disk(
        changed(SHIM, 0x2000), DEBIAN, grub=DEBIAN_GRUB), telling=True,
        **LINUX),
    fails('signed-shim-changed-behind-sections', 'HV340', *disk(
        changed(SHIM, -1), DEBIAN, grub=DEBIAN_GRUB), **LINUX),
    fails('signed-shim-changed-stub', 'HV340', *disk(
        changed(SHIM, 0x50), DEBIAN, grub=DEBIAN_GRUB), **LINUX),
    fails('signed-grub-changed-end', 'HV340', *disk(
        SHIM, DEBIAN, grub=changed(DEBIAN_GRUB, -500_000)), **LINUX),
    starts('signed-shim-checksum', *disk(
        loaders.stamped(SHIM, '<I', 88, 1), DEBIAN, grub=DEBIAN_GRUB),
        **LINUX),
    fails('signed-shim-tailed', 'HV340', *disk(
        loaders.tailed(SHIM), DEBIAN, grub=DEBIAN_GRUB), **LINUX),
    # Certificate tables of a real shim.
    starts('signed-table-first-damaged', *disk(
        entries(SHIM, lambda parts: [damaged(parts[0]), parts[1]]), DEBIAN,
        grub=DEBIAN_GRUB), warns='HV337', **LINUX),
    fails('signed-table-both-damaged', 'HV340', *disk(
        entries(SHIM, lambda parts: [*map(damaged, parts)]), DEBIAN,
        grub=DEBIAN_GRUB), **LINUX),
    fails('signed-table-of-another', 'HV340', *disk(
        lambda: signing.attach(
            signing.prepare(loaders.grub()),
            SHIM()[_table(SHIM())[0]:])), **LINUX),
    fails('signed-table-short', 'HV340', *disk(
        resized(SHIM, -8), DEBIAN, grub=DEBIAN_GRUB), **LINUX),
    fails('signed-table-cut', 'HV333', *disk(
        lambda: SHIM()[:-8], DEBIAN, grub=DEBIAN_GRUB), **LINUX),
    fails('signed-table-overlaps', 'HV340', *disk(
        lambda: loaders.directory(
            SHIM, 4, _table(SHIM())[0] - 64, _table(SHIM())[1] + 64)(),
        DEBIAN, grub=DEBIAN_GRUB), **LINUX),
    fails('signed-table-empty', 'HV335', *disk(
        lambda: loaders.directory(SHIM, 4, _table(SHIM())[0], 0)(), DEBIAN,
        grub=DEBIAN_GRUB), **LINUX),
    # Signatures by keys of the test.
    starts('signed-test', *disk(signed(LEAF, CA)), telling=True, **TEST),
    starts('signed-test-without-ca', *disk(signed(LEAF)), **TEST),
    starts('signed-test-by-ca', *disk(signed(CA)), **TEST),
    starts('signed-test-middle', *disk(signed(BELOW, MIDDLE)), **TEST),
    fails('signed-test-middle-missing', 'HV336', *disk(signed(BELOW)),
          **TEST),
    starts('signed-test-expired', *disk(signed(EXPIRED)), **TEST),
    starts('signed-test-2023', *disk(signed(LEAF_2023)), warns='HV337',
           **TEST_WINDOWS),
    starts('signed-test-sha384', *disk(signed(LEAF, name='sha384')), **TEST),
    starts('signed-test-sha512', *disk(signed(LEAF, name='sha512')), **TEST),
    starts('signed-test-sha1', *disk(signed(LEAF, name='sha1')), **TEST),
    starts('signed-test-without-attributes', *disk(
        signed(LEAF, attributes=False)), **TEST),
    fails('signed-test-self', 'HV336', *disk(signed(SELF)), **TEST),
    fails('signed-test-same-name', 'HV336', *disk(
        signed(IMPOSTOR, SAME_NAME)), **TEST),
    fails('signed-test-glued', 'HV336', *disk(signed(SELF, LEAF, CA)), **TEST),
    fails('signed-test-names-other', 'HV340', *disk(
        signed(SELF, LEAF, CA, named=LEAF)), **TEST),
    fails('signed-test-issued-by-signer', 'HV336', *disk(
        signed(NOT_CA, LEAF, CA)), **TEST),
    fails('signed-test-other-attributes', 'HV340', *disk(
        signed(LEAF, stated=b'other')), **TEST),
    fails('signed-test-other-hash', 'HV340', *disk(
        signed(LEAF, digest=bytes(32))), **TEST),
    fails('signed-test-hash-in-dbx', 'HV338', *disk(
        signed(LEAF, base=_revoked_program)), **TEST),
    fails('signed-test-ca-in-dbx', 'HV338', *disk(
        signed(REVOKED, REVOKED_CA)), **TEST),
    fails('signed-test-ca-in-dbx-beside-good', 'HV338', *disk(with_entries(
        good, lambda program: signing.entry(
            signing.pkcs7(program, REVOKED, REVOKED_CA)))), **TEST),
    fails('signed-test-two-signers', 'HV336', *disk(
        with_entries(two_signers)), **TEST),
    # Certificate tables.
    fails('signed-entry-type-1', 'HV340', *disk(with_entries(
        lambda program: signing.entry(
            signing.pkcs7(program, LEAF), kind=1))), **TEST),
    starts('signed-entry-other-first', *disk(with_entries(
        lambda program: signing.entry(b'a GUID and content', kind=0xef1),
        good)), **TEST),
    fails('signed-entry-only-guid-first', 'HV340', *disk(with_entries(
        lambda program: signing.entry(b'only some GUID..', kind=0xef1),
        good)), **TEST),
    starts('signed-entry-garbage-first', *disk(with_entries(
        lambda program: signing.entry(b'garbage!'), good)), **TEST),
    starts('signed-entry-foreign-first', *disk(with_entries(
        lambda program: signing.entry(signing.pkcs7(program, SELF)), good)),
        **TEST),
    fails('signed-entry-empty-last', 'HV340', *disk(with_entries(
        good, lambda program: signing.entry(bytes(8), length=0))), **TEST),
    fails('signed-entry-too-long', 'HV340', *disk(with_entries(
        lambda program: signing.entry(
            signing.pkcs7(program, LEAF), length=5000))), **TEST),
    fails('signed-entry-unpadded', 'HV340', *disk(with_entries(unpadded)),
          **TEST),
    # What shim starts, by keys of the test beside those of shims.
    starts('signed-second-stage', *disk(
        SHIM, grub=signed(LEAF, base=SBAT)), **MIXED),
    starts('signed-second-stage-unpadded', *disk(
        SHIM, grub=with_entries(unpadded, base=SBAT)), **MIXED),
    starts('signed-second-stage-2023', *disk(
        SHIM, grub=signed(LEAF_2023, base=SBAT)), warns='HV337', **MIXED),
    fails('signed-second-stage-sbat-missing', 'HV338', *disk(
        SHIM, grub=signed(LEAF)), **MIXED),
    fails('signed-second-stage-sbat-old', 'HV338', *disk(
        SHIM, grub=signed(LEAF, base=loaders.grub_with_sbat('grub,4'))),
        **MIXED),
    fails('signed-second-stage-sha384', 'HV340', *disk(
        SHIM, grub=signed(LEAF, base=SBAT, name='sha384')), **MIXED),
    fails('signed-second-stage-self', 'HV339', *disk(
        SHIM, grub=signed(SELF, base=SBAT)), **MIXED),
    fails('signed-second-stage-type-1', 'HV340', *disk(
        SHIM, grub=with_entries(lambda program: signing.entry(
            signing.pkcs7(program, LEAF), kind=1), base=SBAT)), **MIXED),
    # What systemd-boot starts.
    starts('signed-entry-of-systemd-boot', *disk(
        signed(LEAF, base=MENU), entry(signed(LEAF, base=UNIFIED))),
        telling=True, **TEST),
    starts('signed-entry-of-systemd-boot-sha384', *disk(
        signed(LEAF, base=MENU),
        entry(signed(LEAF, base=UNIFIED, name='sha384'))), **TEST),
    fails('signed-entry-of-systemd-boot-unsigned', 'HV335', *disk(
        signed(LEAF, base=MENU), entry(UNIFIED)), telling=True, **TEST),
    fails('signed-entry-of-systemd-boot-self', 'HV336', *disk(
        signed(LEAF, base=MENU), entry(signed(SELF, base=UNIFIED))), **TEST),
    starts('signed-entry-of-systemd-boot-by-shim', *disk(
        SHIM, entry(signed(LEAF, base=loaders.unified(INITRD, SBAT))),
        grub=signed(LEAF, base=MENU)), **MIXED),
    fails('signed-entry-of-systemd-boot-by-shim-self', 'HV339', *disk(
        SHIM, entry(signed(SELF, base=loaders.unified(INITRD, SBAT))),
        grub=signed(LEAF, base=MENU)), **MIXED),
    fails('signed-entry-of-systemd-boot-by-shim-unsigned', 'HV335', *disk(
        SHIM, entry(loaders.unified(INITRD, SBAT)),
        grub=signed(LEAF, base=MENU)), **MIXED),
    # Only what shim itself starts must have a section .sbat.
    starts('signed-entry-of-systemd-boot-by-shim-sbat-missing', *disk(
        SHIM, entry(signed(LEAF, base=UNIFIED)),
        grub=signed(LEAF, base=MENU)), **MIXED),
    fails('signed-entry-of-systemd-boot-by-shim-sbat-old', 'HV338', *disk(
        SHIM, entry(signed(LEAF, base=loaders.unified(
            INITRD, loaders.grub_with_sbat('grub,4')))),
        grub=signed(LEAF, base=MENU)), **MIXED),
    fails('signed-entry-of-systemd-boot-by-shim-sha384', 'HV340', *disk(
        SHIM, entry(signed(LEAF, base=UNIFIED, name='sha384')),
        grub=signed(LEAF, base=MENU)), **MIXED),
]

#: Those that firmware does not start without Secure Boot either.
DAMAGED = ('signed-table-cut',)
