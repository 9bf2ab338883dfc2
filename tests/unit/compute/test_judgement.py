# SPDX-License-Identifier: Apache-2.0

import itertools

from hyperv_sched import compatibility
from hyperv_sched.compute import judgement
from tests.unit import base

GENERATION_1 = {'hypervisor_type': 'hyperv'}
GENERATION_2 = {'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'hyperv',
                'hypervisor_version_requires': '>=6.3'}
SECURE = {**GENERATION_2, 'os_secure_boot': 'required', 'os_type': 'windows'}
SHIELDED = {**SECURE, 'os_vtpm': 'required', 'img_pdk_reference': 'secret'}
POLICY = compatibility.Policy()
REMOTEFX = {'os:resolution': '1920x1200'}


def unread():
    raise AssertionError('nobody has to ask the host')


def hyperv(number):
    return lambda: ('hyperv', number)


class TestCase(base.TestCase):

    def assertCause(self, cause, finding):
        """A finding has a cause of this code, or a reason that begins so."""
        if cause is None:
            self.assertIsNone(finding)
        elif finding.cause is not None:
            self.assertEqual(cause, finding.cause.code)
            self.assertIn(f'{cause} {finding.cause.message}',
                          finding.message)
            self.assertEqual(
                (finding.cause.actual, finding.cause.required),
                (finding.actual, finding.required))
        else:
            self.assertEqual(cause, finding.actual[:len(cause)])


class UnusableTestCase(TestCase):

    def assertUnusable(self, cause, document):
        found = judgement.unusable(document)
        self.assertCause(cause, found)
        if found is not None:
            self.assertEqual('HV502', found.code)

    def test_what_drivers_run_is_usable(self):
        for document in ({}, {'disk_format': 'qcow2'}, GENERATION_1,
                         GENERATION_2, SECURE, SHIELDED,
                         {**GENERATION_2, 'disk_format': 'vhd'},
                         {'hw_machine_type': 'hyperv-gen2'},
                         {'hw_machine_type': 'pc-q35-8.2',
                          'os_secure_boot': 'required'}):
            self.assertUnusable(None, document)

    def test_what_no_host_runs_is_not(self):
        for cause, document in (
                ('HV101', {'hw_machine_type': 'hyperv-gen3'}),
                ('HV103', {**GENERATION_2, 'hypervisor_type': 'qemu'}),
                ('HV104', {**GENERATION_2,
                           'hypervisor_version_requires': '~=6.3'}),
                ('HV107', {**GENERATION_1, 'disk_format': 'qcow2'}),
                ('HV109', {**GENERATION_2, 'architecture': 'i686'}),
                ('HV110', {**GENERATION_1, 'os_secure_boot': 'required'}),
                ('HV111', {**GENERATION_2, 'os_secure_boot': 'required'}),
                ('HV113', {**GENERATION_2, 'os_vtpm': 'required'}),
                ('HV117', {**GENERATION_1, 'interactive_serial_port': '3'}),
                ('HV202', {**GENERATION_2, 'content': {
                    'format': 'vhd', 'file_size': 512}}),
                ('HV203', {**GENERATION_2, 'content': {
                    'format': 'qcow2', 'file_size': 512}}),
                ('HV205', {**GENERATION_2, 'content': {
                    'format': 'unknown', 'file_size': 0}})):
            self.assertUnusable(cause, document)

    def test_finding_says_how_to_mend_its_cause(self):
        found = judgement.unusable({**GENERATION_2, 'architecture': 'i686'})
        self.assertIn('architecture', found.fix)

    def test_version_that_some_host_has_is_no_fault_of_the_image(self):
        self.assertUnusable(None, {**SECURE, 'os_type': 'linux'})
        self.assertUnusable(None, SHIELDED)


class UnsupportedHereTestCase(TestCase):

    def assertHere(self, cause, document, reported, extra_specs=()):
        found = judgement.unsupported_here(
            document, reported, dict(extra_specs), POLICY)
        self.assertCause(cause, found)
        if found is not None:
            self.assertEqual('HV501', found.code)

    def test_host_is_not_asked_where_nothing_is_asked_of_it(self):
        for document in ({}, {'hw_machine_type': 'pc-q35-8.2'}):
            self.assertHere(None, document, unread, REMOTEFX)

    def test_generation_and_requirement_are_the_filters(self):
        self.assertHere('HV402', GENERATION_2, hyperv(6002))
        self.assertHere('HV401', GENERATION_2, lambda: ('QEMU', 8002000))
        self.assertHere('HV403', GENERATION_2, hyperv(None))
        self.assertHere('HV404', {
            **GENERATION_2, 'hypervisor_version_requires': '>=10.0'},
            hyperv(6003))
        self.assertHere(None, GENERATION_2, hyperv(6003))

    def test_what_needs_10_0_needs_it_whatever_the_image_requires(self):
        for cause, document in (
                ('HV112', {**SECURE, 'os_type': 'linux'}),
                ('HV113', SHIELDED)):
            self.assertHere(cause, document, hyperv(6003))
            self.assertHere(None, document, hyperv(10000))
        self.assertHere(None, SECURE, hyperv(6003))

    def test_remotefx_is_refused_to_generation_2_before_10_0(self):
        for document, number in itertools.product(
                (GENERATION_1, GENERATION_2), (6003, 10000)):
            refused = document is GENERATION_2 and number == 6003
            self.assertHere('RemoteFX' if refused else None, document,
                            hyperv(number), REMOTEFX)


class ServerTestCase(TestCase):
    """An image and the server that it is for."""

    def test_image_may_not_change_its_generation_under_way(self):
        for then, now in itertools.product(
                ({}, GENERATION_1, GENERATION_2), repeat=2):
            changed = (then is GENERATION_2) != (now is GENERATION_2)
            found = judgement.edited(now, then)
            self.assertEqual('HV502' if changed else None,
                             found and found.code)

    def test_rescue_needs_the_generation_of_the_server(self):
        found = judgement.other_generation({}, GENERATION_2, hyperv(10000))
        self.assertEqual(('HV504', 'hyperv-gen1 (the default)'),
                         (found.code, found.actual))
        self.assertIsNone(judgement.other_generation(
            GENERATION_2, GENERATION_2, unread))
        self.assertIsNone(judgement.other_generation(
            {}, GENERATION_2, lambda: ('QEMU', 8002000)))

    def test_ide_is_generation_1s_however_it_is_written(self):
        for bus in ('ide', 'IDE', 'Ide'):
            self.assertEqual('HV503', judgement.on_ide(
                GENERATION_2, ['scsi', bus]).code)
            self.assertIsNone(judgement.on_ide(GENERATION_1, [bus]))
        self.assertIsNone(judgement.on_ide(GENERATION_2, ['scsi', 'SCSI']))

    def test_rebuild_tells_the_cause_once_and_its_way_out(self):
        for cause, code in (
                (judgement.unusable({**GENERATION_2, 'architecture': 'i686'}),
                 'HV109'),
                (judgement.unsupported_here(
                    GENERATION_2, hyperv(6002), {}, POLICY),
                 'HV402'),
                (judgement.on_ide(GENERATION_2, ['ide']),
                 'HV503')):
            found = judgement.destructive(cause)
            self.assertEqual('HV505', found.code)
            self.assertCause(code, found)
            words = f'the guest could not come back: {code} '
            self.assertEqual(words, found.message[:len(words)])
            self.assertNotIn('Another host', found.fix)


class BriefTestCase(base.TestCase):
    """Words for a place with little room."""

    VHD = judgement.unusable({**GENERATION_2, 'content': {
        'format': 'vhd', 'file_size': 512}})
    CAUSE = ('HV202 the file is VHD, generation 2 runs only from VHDX. ')
    MORE = 'More: hyperv-sched rule show HV202'

    def test_all_that_fits_is_said(self):
        whole = str(self.VHD)
        size = len(whole)
        self.assertEqual(f'HV502 image-unusable: {self.CAUSE}{self.VHD.fix}',
                         whole)
        self.assertEqual(whole, judgement.brief(self.VHD, size))
        self.assertEqual(f'HV502: {self.CAUSE}{self.VHD.fix}',
                         judgement.brief(self.VHD, size - 1))

    def test_fix_that_does_not_fit_becomes_the_command_that_tells_it(self):
        shortest = f'HV502: {self.CAUSE}{self.VHD.fix}'
        self.assertEqual(shortest,
                         judgement.brief(self.VHD, len(shortest)))
        self.assertEqual(f'HV502: {self.CAUSE}{self.MORE}',
                         judgement.brief(self.VHD, len(shortest) - 1))

    def test_value_of_any_length_leaves_room_for_it(self):
        found = judgement.unusable({
            **GENERATION_2, 'hw_machine_type': 'hyperv-' + '漢' * 500})
        for size in (255, 187, 118, 100):
            brief = judgement.brief(found, size)
            self.assertLessEqual(len(brief.encode()), size)
            self.assertGreater(len(brief.encode()), size - 6)
            start = "HV502: HV101 hw_machine_type is 'hyperv-"
            self.assertEqual(start, brief[:len(start)])
            end = '... More: hyperv-sched rule show HV101'
            self.assertEqual(end, brief[-len(end):])

    def test_cause_of_this_host_is_enough(self):
        found = judgement.unsupported_here(
            GENERATION_2, hyperv(6002), {}, POLICY)
        self.assertEqual(
            'HV501: HV402 the host runs Hyper-V 6.2, generation 2 needs '
            '>=6.3. Another host may do', judgement.brief(found, 115))

    def test_fix_names_no_other_host_where_there_is_none(self):
        found = judgement.unsupported_here(
            GENERATION_2, hyperv(6002), {}, POLICY)
        for method, words in (
                ('spawn', 'Another host may do'),
                ('rescue', 'Rescue with an image that this host can run'),
                ('finish_migration', 'The disk of the guest is on this host'),
                ('finish_revert_migration',
                 'The disk of the guest is on this host')):
            fix = judgement.without_other_host(found, method).fix
            self.assertEqual(words, fix[:len(words)])

    def test_image_that_is_withheld_is_there(self):
        self.assertIn('no such image', judgement.gone('id').message)
        withheld = judgement.withheld('id')
        self.assertIn('deactivated', withheld.message)
        self.assertNotIn('no such image', withheld.message)

    def test_sentence_of_another_ends_once(self):
        for words in ('Glance is down', 'Glance is down.'):
            found = judgement.unread('id', RuntimeError(words))
            self.assertIn('it cannot be read: Glance is down. Try again',
                          str(found))
