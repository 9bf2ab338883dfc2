# SPDX-License-Identifier: Apache-2.0

from hyperv_sched.cli import boot_stages
from hyperv_sched.cli.boot_stages import Stage
from tests.unit import base

DISK = ('"UEFI QEMU QEMU HARDDISK " from PciRoot(0x0)/Pci(0x2,0x0)/'
        'Scsi(0x0,0x0)')
SHELL = 'BdsDxe: loading Boot0002 "EFI Internal Shell" from Fv(7CB8)\r\n'
STARTING = f'BdsDxe: starting Boot0001 {DISK}\r\n'
NOTHING = 'BdsDxe: No bootable option or device was found.\r\n'


def failed(action, reason):
    return f'BdsDxe: failed to {action} Boot0001 {DISK}: {reason}\r\n'


class ConsoleTestCase(base.TestCase):

    def console(self, *parts):
        console = boot_stages.Console()
        for part in parts:
            console.add(part if isinstance(part, bytes) else part.encode())
        return console

    def check(self, stage, detail, *parts):
        self.assertEqual(boot_stages.Result(stage, detail),
                         self.console(*parts).find_end())

    def test_firmware_goes_on(self):
        for parts in ((), (STARTING,), (failed('load', 'Not Found'),),
                      (STARTING, 'Welcome to GRUB!')):
            self.assertIsNone(self.console(*parts).find_end())

    def test_firmware_finds_no_loader(self):
        detail = 'firmware failed to load the loader: Not Found'
        self.check(Stage.NO_LOADER, detail, failed('load', 'Not Found'),
                   SHELL)
        self.check(Stage.NO_LOADER, 'firmware made no boot option', NOTHING)

    def test_firmware_refuses_a_loader(self):
        self.check(
            Stage.REFUSED,
            'firmware failed to load the loader: Access Denied',
            failed('load', 'Access Denied'), SHELL)

    def test_loader_of_another_kind(self):
        self.check(
            Stage.ERROR, 'firmware failed to load the loader: Unsupported',
            failed('load', 'Unsupported'), NOTHING)

    def test_loader_ends(self):
        self.check(Stage.ERROR, 'it ended', STARTING, SHELL)
        self.check(
            Stage.ERROR, 'firmware failed to start the loader: Not Found; '
            'error: no such device: x.', STARTING,
            'error: no such device: x.\r\n', failed('start', 'Not Found'),
            SHELL)

    def test_failure_of_the_shell_is_not_that_of_the_disk(self):
        self.check(
            Stage.NO_LOADER, 'firmware made no boot option', SHELL,
            'BdsDxe: failed to start Boot0002 "EFI Internal Shell" from '
            'Fv(7CB8): Security Violation\r\n', NOTHING)

    def test_shim_refuses_what_it_starts(self):
        for text in ('Verification failed: (0x1A) Security Violation',
                     'SBAT self-check failed: Security Policy Violation',
                     'error: bad shim signature.'):
            self.assertEqual(Stage.REFUSED, self.console(
                STARTING, text).find_end().stage)

    def test_prompt(self):
        for text in ('grub> ', 'grub rescue> '):
            self.assertEqual(Stage.PROMPT, self.console(
                STARTING, text).find_end().stage)

    def test_error_is_explained(self):
        self.check(
            Stage.ERROR, 'error: you need to load the kernel first; error: '
            "file `/vmlinuz' not found.", STARTING,
            "error: file `/vmlinuz' not found.\r\n",
            'error: you need to load the kernel first.\r\n')

    def test_message_with_control_sequences_in_parts(self):
        self.assertEqual(Stage.PROMPT, self.console(
            STARTING, b'gr\x1b[0', b'm\x1b[1;2Hx\x1b[30mgr\x1b[01mub', b'> ',
        ).find_end().stage)

    def test_end_of_the_time(self):
        self.assertIsNone(self.console('boot').find_last())
        self.assertEqual(
            boot_stages.Result(Stage.LOADER, 'no kernel ran in the time'),
            self.console(STARTING).find_last())
        self.assertEqual(
            boot_stages.Result(Stage.ERROR, 'error: disk is full.'),
            self.console(STARTING, 'error: disk is full.\r\n').find_last())

    def test_errors_are_found_in_any_number_of_empty_lines(self):
        for flood in ('\n' * 16000, '\r \r' * 5000, '\n' + ' ' * 16000):
            for error in ('error: disk is full.', 'Failed to open x',
                          'Could not read x',
                          'x: start_image() returned Not Found'):
                self.assertEqual(
                    boot_stages.Result(Stage.ERROR, error),
                    self.console(STARTING, flood, f'\n  {error}\r\n',
                                 flood[:50]).find_last())
        self.assertEqual(Stage.LOADER, self.console(
            STARTING, 'no error: here\n', 'error:\n').find_last().stage)

    def test_flood_keeps_the_first_messages(self):
        console = self.console(
            failed('load', 'Access Denied'), *['x' * 5000] * 10, SHELL)
        self.assertEqual(Stage.REFUSED, console.find_end().stage)
        self.assertLessEqual(len(console.text), 16 * 1024)

    def test_lines_are_escaped_and_have_text(self):
        self.assertEqual(
            ['b\\x07', 'c'], self.console(
                b'a\r\n\xda\xc4\xc4\x1b[3;1H\xb3\r\nb\x07\n\rc\n').lines(2))

    def test_what_boots(self):
        self.assertEqual(
            {Stage.LOADER, Stage.KERNEL},
            {stage for stage in Stage if boot_stages.Result(stage).boots})
