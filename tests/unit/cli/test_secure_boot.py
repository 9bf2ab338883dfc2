# SPDX-License-Identifier: Apache-2.0
"""What the commands report of signatures, by templates of the test."""

import io
import json
from unittest import mock

from hyperv_sched.cli import cloud_images
from hyperv_sched.cli import progress
from hyperv_sched.disk import certificates
from hyperv_sched.disk import signature_lists
from hyperv_sched.disk import templates
from tests import guests
from tests import samples
from tests import signing
from tests.unit.cli import base
from tests.unit.cli import test_cloud_images

SECURE = ('--property', 'os_secure_boot=required',
          '--property', 'hypervisor_version_requires=>=10.0')


def anchor(signer, year):
    return templates.Anchor(certificates.read(signer.encoded), year)


class SecureBootTestCase(base.CommandTestCase):

    def setUp(self):
        super().setUp()
        self.old = signing.signer('CA 2011', ca=True)
        self.new = signing.signer('CA 2023', ca=True)
        windows = signing.signer('CA of Windows', ca=True)
        none = signature_lists.Signatures()
        patch = mock.patch.object(templates, 'load', return_value={
            'windows': templates.Template(
                'MicrosoftWindows', (anchor(windows, '2011'),), none),
            'linux': templates.Template('MicrosoftUEFI', (
                anchor(self.old, '2011'), anchor(self.new, '2023')), none)})
        patch.start()
        self.addCleanup(patch.stop)

    def image(self, *signers):
        program = signing.prepare(signing.program())
        if signers:
            program = signing.attach(program, *(
                signing.entry(signing.pkcs7(program, signer))
                for signer in signers))
        guest = guests.gpt([(guests.ESP, 64, guests.fat(
            {'EFI/BOOT/BOOTX64.EFI': program}, clusters=400))])
        return samples.vhdx(
            virtual_size=len(guest), block_size=samples.MIB, guest=guest)

    def lint(self, os_type, *signers, options=()):
        _, out, _ = self.run_command(
            'image', 'lint', '-f', 'json', *base.GENERATION_2, *SECURE,
            '--property', f'os_type={os_type}', *options,
            self.file('disk.vhdx', self.image(*signers)))
        return [(finding['code'], finding['severity'])
                for finding in json.loads(out)]

    def test_a_loader_that_the_template_trusts(self):
        self.assertEqual([], self.lint('linux', self.old, self.new))

    def test_os_type_selects_the_template(self):
        for os_type, expected in (
                ('linux', []), ('Windows', [('HV116', 'warning')]),
                ('windows', [('HV336', 'error')])):
            self.assertEqual(expected, self.lint(
                os_type, self.old, self.new), os_type)

    def test_without_os_type_neither_template_counts(self):
        _, out, _ = self.run_command(
            'image', 'lint', '-f', 'json', *base.GENERATION_2, *SECURE,
            self.file('disk.vhdx', self.image(self.old)))
        self.assertEqual(
            ['HV111'], [finding['code'] for finding in json.loads(out)])

    def test_without_secure_boot_nothing_is_verified(self):
        _, out, _ = self.run_command(
            'image', 'lint', '-f', 'json', *base.GENERATION_2,
            self.file('disk.vhdx', self.image(
                signing.signer('Anybody'))))
        self.assertEqual([], json.loads(out))

    def test_messages_name_loader_signer_template_and_correction(self):
        _, out, _ = self.run_command(
            'image', 'lint', '-f', 'json', *base.GENERATION_2, *SECURE,
            '--property', 'os_type=windows',
            self.file('disk.vhdx', self.image(self.old)))
        finding, = json.loads(out)
        self.assertEqual(
            'os_type selects the Secure Boot template MicrosoftWindows, '
            'which does not trust the loader: \\EFI\\BOOT\\BOOTX64.EFI is '
            'signed by CA 2011', finding['message'])
        self.assertIn('Set os_type=linux', finding['fix'])

    def test_an_unsigned_loader_has_one_finding(self):
        self.assertEqual([('HV335', 'error')], self.lint('linux'))

    def test_certificates_that_hosts_have(self):
        path = self.file(
            'lint.conf', b'[hyperv_sched]\nsecure_boot_certificates = 2011\n')
        option = '--secure-boot-certificate'
        for expected, options in (
                ([('HV337', 'warning')], ()),
                ([('HV337', 'warning')], (option, '2011', option, '2023')),
                ([], (option, '2023')),
                ([('HV336', 'error')], (option, '2011')),
                ([('HV336', 'error')], ('--config-file', path)),
                ([], ('--config-file', path, option, '2023'))):
            self.assertEqual(expected, self.lint(
                'linux', self.new, options=options), options)

    def test_inspect_shows_which_templates_start_the_disk(self):
        _, out, _ = self.run_command(
            'image', 'inspect',
            self.file('disk.vhdx', self.image(self.old, self.new)))
        self.assertRegex(
            out, r'secure_boot +\| windows no, linux yes \(2011, 2023\) ')
        self.assertIn('signers=CA 2011 (CA 2011), CA 2023 (CA 2023)', out)
        self.assertIn(
            'trusted_by=MicrosoftUEFI 2011, MicrosoftUEFI 2023', out)

    def test_inspect_shows_invalid_signatures(self):
        program = signing.prepare(signing.program())
        data = signing.attach(program, signing.entry(signing.pkcs7(
            program, self.old, digest=bytes(32))))
        guest = guests.gpt([(guests.ESP, 64, guests.fat(
            {'EFI/BOOT/BOOTX64.EFI': data}, clusters=400))])
        _, out, _ = self.run_command(
            'image', 'inspect', self.file('disk.raw', guest))
        self.assertIn('signers=CA 2011 (CA 2011) (invalid)', out)
        self.assertRegex(out, r'secure_boot +\| windows no, linux no ')

    def test_upload_proposes_the_system_whose_template_starts_it(self):
        for signers, expected in (((self.old,), True), ((), False)):
            _, out, _ = self.run_command(
                'image', 'upload', '--name', 'x', '--dry-run',
                self.file('disk.vhdx', self.image(*signers)))
            self.assertEqual(expected, 'os_type=linux' in out)

    def test_images_in_a_cloud(self):
        """Only a download shows that a signature is valid."""
        def start_progress(size):
            return progress.Progress(io.StringIO(), size)

        record = {
            'id': '0', 'status': 'active', 'disk_format': 'vhdx',
            'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'hyperv',
            'hypervisor_version_requires': '>=10.0', 'os_type': 'linux',
            'os_secure_boot': 'required'}
        for start, signer, expected in (
                (None, self.old, [('HV340', 'unknown')]),
                (start_progress, self.old, []),
                (None, signing.signer('Anybody'), [('HV336', 'error')])):
            data = self.image(signer)
            target, = cloud_images.read_targets(
                test_cloud_images.FakeAPI(data),
                [{**record, 'size': len(data)}], {}, self.fail,
                ['2011', '2023'], start)
            self.assertEqual(expected, [
                (finding.code, finding.severity)
                for finding in target.findings()])
