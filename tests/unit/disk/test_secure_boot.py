# SPDX-License-Identifier: Apache-2.0

import hashlib
import io

from hyperv_sched import disk
from hyperv_sched.disk import certificates
from hyperv_sched.disk import ranges
from hyperv_sched.disk import secure_boot
from hyperv_sched.disk import signature_lists
from hyperv_sched.disk import templates
from tests import guests
from tests import signing
from tests.unit.disk import base

LOADER = 'EFI/BOOT/BOOTX64.EFI'
SECOND = 'EFI/BOOT/grubx64.efi'
FIRST_PATH = '\\EFI\\BOOT\\BOOTX64.EFI'
SECOND_PATH = '\\EFI\\BOOT\\grubx64.efi'
LEVEL = 'sbat,1,2025021800\nshim,4\ngrub,5\n'
SBAT = b'sbat,1,x\ngrub,5,x\n'


def anchor(signer, year):
    return templates.Anchor(certificates.read(signer.encoded), year)


class SecureBootTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.old = signing.signer('CA 2011', ca=True)
        self.new = signing.signer('CA 2023', ca=True)
        self.windows = signing.signer('CA of Windows', ca=True)
        self.vendor = signing.signer('CA of a vendor', ca=True)
        self.other = signing.signer('CA of another vendor', ca=True)
        self.dbx = signature_lists.Signatures()

    def policy(self, whole=True):
        return secure_boot.Policy({
            'windows': templates.Template(
                'Windows', (anchor(self.windows, '2011'),), self.dbx),
            'linux': templates.Template(
                'Linux', (anchor(self.old, '2011'),
                          anchor(self.new, '2023')), self.dbx)}, whole)

    def image(self, files):
        return base.esp(guests.fat(files, clusters=400))

    def inspect(self, files, whole=True):
        result = disk.inspect_file(
            io.BytesIO(self.image(files)), self.policy(whole))
        self.assertEqual({}, result.defects)
        return result

    def assertStarts(self, years, files, problems=(), **options):
        verdict = self.inspect(files, **options).secure_boot['linux']
        self.assertEqual((True, years, [*problems]), (
            verdict.starts, verdict.certificates, [*verdict.problems]))

    def assertRefused(self, problem, detail, files, starts=False, **options):
        verdict = self.inspect(files, **options).secure_boot['linux']
        self.assertEqual({problem: detail}, verdict.problems)
        self.assertIs(starts, verdict.starts)

    def shim(self, *signers, trusted=None, revoked=b'', level=LEVEL):
        """Return a signed shim with the certificate of the vendor."""
        if trusted is None:
            trusted = self.vendor.encoded
        program = signing.program(
            vendor_cert=signing.vendor_cert(trusted, revoked),
            sbatlevel=signing.sbat_levels(level), sbat=SBAT)
        return sign(program, *signers or (self.old, self.new))

    def leaf(self, ca, name='Signer'):
        return signing.signer(name, ca)


def sign(program, *signers):
    """Return a program with a signature of each signer."""
    program = signing.prepare(program)
    return signing.attach(program, *(
        signing.entry(signing.pkcs7(program, signer))
        for signer in signers))


class FirmwareTestCase(SecureBootTestCase):

    def test_without_a_policy_nothing_is_verified(self):
        result = base.inspect(self.image({LOADER: signing.program()}))
        self.assertIsNone(result.secure_boot)
        self.assertIsNone(result.loaders[0].signatures)

    def test_a_disk_that_does_not_boot(self):
        result = disk.inspect_file(
            io.BytesIO(self.image({})), self.policy())
        self.assertEqual({}, result.secure_boot)

    def test_certificates_of_both_years(self):
        files = {LOADER: sign(signing.program(), self.old, self.new)}
        self.assertStarts(['2011', '2023'], files)
        loader, = self.inspect(files).loaders
        self.assertEqual(['Linux 2011', 'Linux 2023'], loader.trusted_by)
        self.assertEqual(
            [('CA 2011', 'CA 2011', 'sha256', True),
             ('CA 2023', 'CA 2023', 'sha256', True)],
            [(s.signer, s.issuer, s.hash, s.valid)
             for s in loader.signatures])

    def test_certificates_of_one_year(self):
        self.assertStarts(['2011'], {LOADER: sign(
            signing.program(), self.old)})
        self.assertStarts(
            ['2023'], {LOADER: sign(signing.program(), self.new)},
            ['loader-2023-only'])

    def test_the_template_of_another_system(self):
        result = self.inspect({LOADER: sign(signing.program(), self.windows)})
        self.assertTrue(result.secure_boot['windows'].starts)
        self.assertEqual(
            {'loader-not-trusted': f'{FIRST_PATH} is signed by CA of '
                                   'Windows'},
            result.secure_boot['linux'].problems)

    def test_unsigned(self):
        self.assertRefused('loader-unsigned', FIRST_PATH, {
            LOADER: signing.program()})

    def test_an_untrusted_signer(self):
        self.assertRefused(
            'loader-not-trusted', f'{FIRST_PATH} is signed by CA of a vendor',
            {LOADER: sign(signing.program(), self.leaf(self.vendor))})

    def test_a_changed_program(self):
        data = bytearray(sign(signing.program(), self.leaf(self.old, 'A')))
        data[600] ^= 1
        self.assertRefused(
            'signature-invalid', f'{FIRST_PATH}: the signature of A (CA '
            '2011): it does not cover the program',
            {LOADER: bytes(data)})

    def test_one_good_signature_is_enough(self):
        program = signing.prepare(signing.program())
        bad = signing.entry(signing.pkcs7(
            program, self.old, digest=bytes(32)))
        good = signing.entry(signing.pkcs7(program, self.new))
        foreign = signing.entry(signing.pkcs7(program, self.other))
        self.assertStarts(['2023'], {LOADER: signing.attach(
            program, bad, foreign, good)}, ['loader-2023-only'])

    def test_the_broken_signature_of_a_trusted_signer_is_the_cause(self):
        program = signing.prepare(signing.program())
        bad = signing.entry(signing.pkcs7(
            program, self.old, digest=bytes(32)))
        foreign = signing.entry(signing.pkcs7(program, self.other))
        self.assertRefused(
            'signature-invalid', f'{FIRST_PATH}: the signature of CA 2011 '
            '(CA 2011): it does not cover the program',
            {LOADER: signing.attach(program, foreign, bad)})

    def test_the_broken_signature_of_another_signer_is_not(self):
        program = signing.prepare(signing.program())
        bad = signing.entry(signing.pkcs7(
            program, self.other, digest=bytes(32)))
        foreign = signing.entry(signing.pkcs7(program, self.vendor))
        self.assertRefused(
            'loader-not-trusted', f'{FIRST_PATH} is signed by CA of a vendor',
            {LOADER: signing.attach(program, bad, foreign)})

    def test_a_damaged_table(self):
        program = signing.prepare(signing.program())
        entry = signing.entry(signing.pkcs7(program, self.old))
        self.assertRefused(
            'signature-invalid', f'{FIRST_PATH}: the certificate table is '
            f'damaged: its entries end at byte {len(entry)} of '
            f'{len(entry) + 8}',
            {LOADER: signing.attach(program, entry, bytes(8))})

    def test_a_table_without_signatures(self):
        program = signing.prepare(signing.program())
        self.assertRefused(
            'signature-invalid', f'{FIRST_PATH}: the table has no signature',
            {LOADER: signing.attach(program, signing.entry(
                b'anything', kind=1))})

    def test_a_key_of_another_kind_is_not_verified(self):
        program = signing.prepare(signing.program())
        curve = signing.signer('Curve', private=signing.ec_key('Curve'))
        self.assertRefused(
            'not-verified', f'{FIRST_PATH}: no RSA: Curve',
            {LOADER: signing.attach(program, signing.entry(signing.pkcs7(
                program, self.old, certificates=[curve], infos=[
                    signing.signer_info(self.old, b'', named=curve)])))},
            starts=None)

    def test_too_many_signatures_are_not_verified(self):
        program = signing.prepare(signing.program())
        self.assertRefused(
            'not-verified', f'{FIRST_PATH}: 17 signatures',
            {LOADER: signing.attach(
                program, *[signing.entry(b'garbage!')] * 17)}, starts=None)

    def test_a_revoked_program(self):
        data = sign(signing.program(), self.old)
        self.dbx = signature_lists.Signatures(hashes=frozenset((
            hashlib.sha256(signing.signed_ranges(data)).digest(),)))
        self.assertRefused(
            'loader-revoked', f'{FIRST_PATH}: the list of revoked programs '
            '(dbx) has it', {LOADER: data})

    def test_a_revoked_signer_beside_a_good_one(self):
        self.dbx = signature_lists.Signatures(
            (certificates.read(self.other.encoded),))
        self.assertRefused(
            'loader-revoked', f'{FIRST_PATH}: the signer CA of another '
            'vendor is revoked',
            {LOADER: sign(signing.program(), self.old, self.other)})


class ShimTestCase(SecureBootTestCase):

    def second(self, *signers, sbat=SBAT):
        sections = {} if sbat is None else {'sbat': sbat}
        return sign(signing.program(**sections), *signers)

    def test_the_vendor_signed_the_second_stage(self):
        files = {LOADER: self.shim(),
                 SECOND: self.second(self.leaf(self.vendor))}
        self.assertStarts(['2011', '2023'], files)
        self.assertEqual(['shim'], self.inspect(files).loaders[1].trusted_by)

    def test_a_certificate_of_the_template_signed_it(self):
        self.assertStarts(['2011'], {
            LOADER: self.shim(), SECOND: self.second(self.old)})
        self.assertStarts(
            ['2023'], {LOADER: self.shim(), SECOND: self.second(self.new)},
            ['loader-2023-only'])

    def test_loaders_of_one_year_each(self):
        self.assertStarts([], {
            LOADER: self.shim(self.new), SECOND: self.second(self.old)},
            ['loader-2023-only'])

    def test_another_vendor(self):
        self.assertRefused(
            'second-stage-not-trusted',
            f'{SECOND_PATH} is signed by CA of another vendor',
            {LOADER: self.shim(),
             SECOND: self.second(self.leaf(self.other))})

    def test_lists_of_a_vendor(self):
        second = self.second(self.leaf(self.vendor))
        lists = signing.signature_list(
            signing.X509, self.other.encoded) + signing.signature_list(
                signing.X509, self.vendor.encoded)
        self.assertStarts(['2011', '2023'], {
            LOADER: self.shim(trusted=lists), SECOND: second})
        revoked = signing.signature_list(signing.X509, self.vendor.encoded)
        self.assertRefused(
            'loader-revoked', f'{SECOND_PATH}: the signer Signer is revoked',
            {LOADER: self.shim(revoked=revoked), SECOND: second})

    def test_hashes_of_a_vendor(self):
        second = self.second(self.other)
        digest = hashlib.sha256(signing.signed_ranges(
            signing.program(sbat=SBAT))).digest()
        lists = signing.signature_list(signing.SHA256, digest)
        self.assertStarts(['2011', '2023'], {
            LOADER: self.shim(trusted=lists), SECOND: second})
        self.assertRefused(
            'loader-revoked', f'{SECOND_PATH}: the list of revoked programs '
            '(dbx) has it', {
                LOADER: self.shim(trusted=self.other.encoded, revoked=lists),
                SECOND: second})

    def test_shim_reads_sha256_alone(self):
        program = signing.program(sbat=SBAT)
        second = signing.sign(program, self.vendor, name='sha384')
        self.assertRefused(
            'signature-invalid', f'{SECOND_PATH}: the signature of CA of a '
            'vendor (CA of a vendor): shim reads no sha384',
            {LOADER: self.shim(), SECOND: second})

    def test_a_generation_that_shim_refuses(self):
        second = self.second(self.vendor, sbat=b'sbat,1,x\ngrub,4,x\n')
        self.assertRefused(
            'loader-revoked', f'{SECOND_PATH} is grub of generation 4, and 5 '
            'is the oldest that shim starts',
            {LOADER: self.shim(), SECOND: second})
        self.assertStarts(['2011', '2023'], {
            LOADER: self.shim(level='sbat,1,2024010900\ngrub,4\n'),
            SECOND: second})

    def test_a_second_stage_without_components(self):
        self.assertRefused(
            'loader-revoked', f'{SECOND_PATH} has no section .sbat, without '
            'which shim starts nothing',
            {LOADER: self.shim(),
             SECOND: self.second(self.vendor, sbat=None)})

    def test_firmware_knows_no_sbat(self):
        self.assertStarts(['2011'], {LOADER: self.second(
            self.old, sbat=b'sbat,1,x\ngrub,1,x\n')})

    def test_the_level_of_the_first_shim_stays(self):
        directory = 'EFI/debian/'
        files = {
            LOADER: self.shim(),
            'EFI/BOOT/fbx64.efi': self.second(self.vendor),
            f'{directory}BOOTX64.CSV': guests.boot_entries('shimx64.efi'),
            f'{directory}shimx64.efi': self.shim(
                level='sbat,1,2024010900\ngrub,4\n'),
            f'{directory}grubx64.efi': self.second(
                self.vendor, sbat=b'sbat,1,x\ngrub,4,x\n')}
        self.assertRefused(
            'loader-revoked', '\\EFI\\debian\\grubx64.efi is grub of '
            'generation 4, and 5 is the oldest that shim starts', files)

    def test_an_unsigned_second_stage(self):
        self.assertRefused('loader-unsigned', SECOND_PATH, {
            LOADER: self.shim(), SECOND: signing.program()})

    def test_a_loader_that_nothing_starts(self):
        self.assertStarts(['2011', '2023'], {
            LOADER: sign(signing.program(), self.old, self.new),
            'EFI/Microsoft/Boot/bootmgfw.efi': signing.program()})


class RemoteTestCase(SecureBootTestCase):
    """Only certificates are read."""

    def test_a_trusted_chain_is_not_verified(self):
        verdict = self.inspect(
            {LOADER: sign(signing.program(), self.old)},
            whole=False).secure_boot['linux']
        self.assertIsNone(verdict.starts)
        self.assertEqual(['2011'], verdict.certificates)
        self.assertEqual(
            {'not-verified': f'{FIRST_PATH} was not read as a whole, to be '
                             'compared with its signature'},
            verdict.problems)

    def test_an_untrusted_chain_is_refused(self):
        self.assertRefused(
            'loader-not-trusted', f'{FIRST_PATH} is signed by CA of a vendor',
            {LOADER: sign(signing.program(), self.vendor)}, whole=False)

    def test_a_signature_is_neither_valid_nor_invalid(self):
        loader, = self.inspect(
            {LOADER: sign(signing.program(), self.old)}, whole=False).loaders
        self.assertIsNone(loader.signatures[0].valid)

    def test_only_the_table_of_a_large_loader_is_read(self):
        size = 2 * 1024 * 1024
        data = self.image_of_size(size)
        fetched = []

        def fetch(offset, length):
            fetched.append(length)
            return data[offset:offset + length]

        result = disk.inspect_source(
            ranges.RangeSource(len(data), fetch), self.policy(whole=False))
        self.assertIsNone(result.secure_boot['linux'].starts)
        self.assertLess(sum(fetched), 600 * 1024)

    def image_of_size(self, size):
        loader = sign(signing.program(data=bytes(size)), self.old, self.new)
        volume = guests.fat({LOADER: loader}, clusters=3000, per_cluster=4)
        return guests.gpt([(guests.ESP, 64, volume)], size=8 * 1024 * 1024)

    def test_a_budget_that_is_spent_is_not_verified(self):
        size = 2 * 1024 * 1024
        data = self.image_of_size(size)

        class Source(base.Bytes):
            reads = 0

            def read(self, offset, length):
                Source.reads += 1
                if Source.reads > count:
                    raise ranges.BudgetExceededError('spent')
                return super().read(offset, length)

        count = 10_000
        disk.inspect_source(Source(data))
        count, Source.reads = Source.reads, 0
        verdict = disk.inspect_source(
            Source(data), self.policy()).secure_boot['linux']
        self.assertIsNone(verdict.starts)
        self.assertEqual(
            {'not-verified': f'{FIRST_PATH}: its signatures take too much '
                             'work: spent'}, verdict.problems)


class MenuTestCase(SecureBootTestCase):
    """What systemd-boot starts is verified by who has verified it."""

    ENTRY = 'EFI/Linux/os.efi'
    ENTRY_PATH = '\\EFI\\Linux\\os.efi'

    def menu(self, *signers):
        return sign(signing.program(
            sdmagic=b'#### LoaderInfo: systemd-boot 257 ####', sbat=SBAT),
            *signers)

    def entry(self, *signers, **sections):
        program = signing.program(osrel=b'NAME=OS', linux=b'x', **sections)
        return sign(program, *signers) if signers else program

    def test_by_firmware(self):
        menu = self.menu(self.old, self.new)
        self.assertStarts(
            ['2011'], {LOADER: menu, self.ENTRY: self.entry(self.old)})
        self.assertRefused('loader-unsigned', self.ENTRY_PATH, {
            LOADER: menu, self.ENTRY: self.entry()})
        self.assertRefused(
            'loader-not-trusted',
            f'{self.ENTRY_PATH} is signed by CA of a vendor',
            {LOADER: menu, self.ENTRY: self.entry(self.vendor)})

    def test_by_shim(self):
        files = {LOADER: self.shim(), SECOND: self.menu(self.vendor)}
        self.assertStarts(['2011', '2023'], {
            **files, self.ENTRY: self.entry(self.vendor)})
        self.assertRefused(
            'second-stage-not-trusted',
            f'{self.ENTRY_PATH} is signed by CA of another vendor',
            {**files, self.ENTRY: self.entry(self.other)})
        self.assertRefused(
            'loader-revoked', f'{self.ENTRY_PATH} is grub of generation 4, '
            'and 5 is the oldest that shim starts',
            {**files, self.ENTRY: self.entry(
                self.vendor, sbat=b'sbat,1,x\ngrub,4,x\n')})

    def test_one_of_several_entries_is_not_verified(self):
        self.assertStarts(['2011', '2023'], {
            LOADER: self.menu(self.old, self.new), self.ENTRY: self.entry(),
            'EFI/Linux/other.efi': self.entry()})
