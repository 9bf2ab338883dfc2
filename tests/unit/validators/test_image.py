# SPDX-License-Identifier: Apache-2.0

import gc
import weakref

import hypothesis
from hypothesis import strategies as st

from hyperv_sched import document as image_document
from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched.validators import keywords
from hyperv_sched.validators import schema
from tests.properties import GENERATION_2
from tests.unit import base
from tests.unit.validators.documents import prepared

GOOD = {**GENERATION_2, 'disk_format': 'vhdx'}
GENERATION_1 = {'hypervisor_type': 'hyperv', 'disk_format': 'vhd'}
VHDX = {'format': 'vhdx', 'file_size': 4096, 'virtual_size': 2 ** 30}

EMPTY = {**VHDX, 'firmware': 'none'}

#: What is added to GOOD (None takes away), and the codes that it brings.
GENERATION_2_CASES = (
    ({}, []),
    ({'hw_machine_type': 'hyperv-gen3'}, ['HV101']),
    ({'hw_machine_type': 'HYPERV-GEN2'}, ['HV101']),
    ({'hw_machine_type': 'hyperv-gen2\n'}, ['HV101']),
    ({'hw_machine_type': ' Hyper-V gen2'}, ['HV101']),
    ({'hw_machine_type': 'q35'}, ['HV101']),
    ({'hw_machine_type': 'gen2'}, ['HV101']),
    ({'architecture': 'x86_64'}, []),
    ({'architecture': 'i686'}, ['HV109']),
    ({'architecture': 'aarch64'}, ['HV128']),
    ({'architecture': 'armv7l'}, ['HV128']),
    ({'hypervisor_type': None}, ['HV102']),
    ({'hypervisor_type': 'qemu'}, ['HV103']),
    ({'hypervisor_type': 'Hyper-V'}, ['HV103']),
    ({'hypervisor_version_requires': '~=6.3'}, ['HV104']),
    ({'hypervisor_version_requires': ''}, ['HV104']),
    ({'hypervisor_version_requires': '>=6.3,' * 99}, ['HV104']),
    ({'hypervisor_version_requires': '>=10.0.17763'}, ['HV105']),
    ({'hypervisor_version_requires': '>=6.3,<6.3'}, ['HV105']),
    ({'hypervisor_version_requires': '<6.3'}, ['HV105']),
    ({'hypervisor_version_requires': None}, ['HV106']),
    ({'hypervisor_version_requires': '>=6.2'}, ['HV106']),
    ({'hypervisor_version_requires': '>6.2,!=6.3'}, []),
    ({'disk_format': 'qcow2'}, ['HV107']),
    ({'disk_format': 'VHDX'}, ['HV107']),
    ({'disk_format': 'vhd'}, ['HV108']),
    ({'disk_format': 'iso'}, []),
    ({'disk_format': None}, []),
    ({'content': VHDX}, []),
    ({'content': VHDX, 'disk_format': 'vhd'}, ['HV201']),
    ({'content': VHDX, 'disk_format': 'raw'}, ['HV201']),
    ({'content': {**VHDX, 'format': 'vhd'}, 'disk_format': 'vhd'},
     ['HV202']),
    ({'content': {**VHDX, 'format': 'vhd'}}, ['HV202']),
    ({'content': {**VHDX, 'format': 'qcow2'}, 'disk_format': 'qcow2'},
     ['HV203']),
    ({'content': {**VHDX, 'format': 'gzip'}}, ['HV203']),
    ({'content': {**VHDX, 'format': 'unknown'}}, ['HV204']),
    ({'content': {'format': 'unknown', 'file_size': 0}}, ['HV205']),
    ({'content': {**VHDX, 'format': 'iso'}, 'disk_format': 'iso'},
     ['HV222']),
    ({'content': VHDX, 'min_disk': 0}, []),
    ({'content': VHDX, 'min_disk': 1}, []),
    ({'content': {**VHDX, 'file_size': 2 ** 30}, 'min_disk': 1}, []),
    ({'content': {**VHDX, 'file_size': 2 ** 30 + 1}, 'min_disk': 1},
     ['HV224']),
    ({'content': {**VHDX, 'virtual_size': None}, 'min_disk': 1}, []),
    ({'content': {**VHDX, 'virtual_size': 2 ** 30 + 1}, 'min_disk': 1},
     ['HV224']),
)

GENERATION_1_CASES = (
    ({}, []),
    ({'architecture': 'i686'}, []),
    ({'architecture': 'ppc64le'}, ['HV128']),
    ({'hypervisor_version_requires': '<6.3'}, []),
    ({'hypervisor_version_requires': '>=10.0.1'}, ['HV105']),
    ({'disk_format': 'raw'}, ['HV107']),
    ({'content': {**VHDX, 'format': 'vhd', 'subformat': 'dynamic'}}, []),
    ({'content': {**VHDX, 'format': 'vhd', 'subformat': 'fixed'}},
     ['HV223']),
    ({'content': VHDX, 'disk_format': 'vhdx'}, []),
    ({'content': EMPTY, 'disk_format': 'vhdx'}, ['HV346']),
    ({'content': {**EMPTY, 'firmware': 'bios'}, 'disk_format': 'vhdx'}, []),
    ({'content': {**EMPTY, 'firmware': 'unknown'}, 'disk_format': 'vhdx'},
     []),
    ({'content': {**EMPTY, 'firmware': 'uefi'}, 'disk_format': 'vhdx'},
     ['HV341']),
    ({'content': {**VHDX, 'format': 'raw'}, 'disk_format': 'raw'},
     ['HV203']),
)


def codes(base_document, changes):
    document = {k: v for k, v in {**base_document, **changes}.items()
                if v is not None}
    return [f.code for f in validators.validate(document)]


VHD = {**VHDX, 'format': 'vhd', 'subformat': 'fixed'}
UEFI = {**VHDX, 'firmware': 'uefi', 'generation': 'hyperv-gen2'}


def broken(content, **defects):
    return {**content, 'defects': {
        name.replace('_', '-'): 'detail' for name in defects}}


#: A document, what its file is, and its findings by code and severity.
CAUSES = (
    # No conversion is advised of a VHD that it would take data from.
    (GOOD, broken(VHD, vhdx_has_parent=1), {'HV206': 'error'}),
    (GOOD, broken(VHD, vhd_malformed=1), {'HV225': 'error'}),
    (GOOD, broken(VHD, vhd_footer_copy=1), {'HV229': 'error'}),
    (GOOD, broken(VHD), {'HV202': 'error'}),
    (GENERATION_1, broken(VHD, vhdx_has_parent=1), {'HV206': 'error'}),
    (GENERATION_1, broken(VHD, vhd_malformed=1), {'HV225': 'error'}),
    (GENERATION_1, broken(VHD, vhd_footer_copy=1), {'HV229': 'warning'}),
    (GENERATION_1, broken(VHD), {'HV223': 'warning'}),
    # Data is missing, whatever starts.
    (GOOD, broken(UEFI, partition_cut_off=1), {'HV315': 'error'}),
    (GENERATION_1, broken({**VHD, 'subformat': 'dynamic'},
                          partition_cut_off=1), {'HV315': 'error'}),
    # Boot code that is not known is no proof.
    (GENERATION_1, {**UEFI, 'format': 'vhd'}, {'HV341': 'error'}),
    (GENERATION_1, {**UEFI, 'format': 'vhd', 'generation': None},
     {'HV341': 'warning'}),
    (GENERATION_1, {**UEFI, 'format': 'vhd', 'firmware': 'both',
                    'generation': None}, {}),
    (GENERATION_1, {**UEFI, 'format': 'vhd', 'firmware': 'unknown',
                    'generation': None}, {}),
    (GOOD, broken(UEFI, iso_not_a_disk=1), {'HV222': 'warning'}),
    (GOOD, broken(UEFI, mbr_partitioned=1), {'HV302': 'warning'}),
    (GOOD, broken({**VHDX, 'firmware': 'none'}, mbr_partitioned=1),
     {'HV302': 'error'}),
    (GOOD, broken({**VHDX, 'firmware': 'unknown'}, no_partition_table=1),
     {'HV301': 'error'}),
    # Sectors are those of a disk that Hyper-V runs.
    (GOOD, {**VHDX, 'format': 'raw', 'logical_sector_size': 4096},
     {'HV203': 'error'}),
    (GOOD, {**VHDX, 'logical_sector_size': 4096}, {'HV220': 'warning'}),
)

#: A word of the advice for each kind of file that is no disk for Hyper-V.
FORMATS = (
    *((name, 'hyperv-sched image convert IN OUT.vhdx') for name in (
        'qcow2', 'qed', 'vmdk', 'vdi', 'parallels', 'raw')),
    *((name, 'Unpack') for name in ('gzip', 'xz', 'bzip2', 'zstd', '7z',
                                    'zip', 'tar', 'ova')),
    ('luks', 'without encryption'), ('wim', 'DISM'))


class CauseTestCase(base.TestCase):

    def test_findings_are_causes(self):
        for document, content, expected in CAUSES:
            label = {} if content['format'] == 'raw' else {
                'disk_format': content['format']}
            self.assertEqual(expected, {
                f.code: f.severity for f in validators.validate(
                    {**document, **label, 'content': content})}, content)

    def test_advice_suits_the_file(self):
        for name, word in FORMATS:
            for document in (GOOD, GENERATION_1):
                finding, = validators.validate(
                    {**document, 'content': {**VHDX, 'format': name}})
                self.assertEqual('HV203', finding.code)
                self.assertIn(word, finding.fix)
                self.assertIn(name, finding.message)
        finding, = validators.validate({**GOOD, 'content': {
            **VHDX, 'format': 'raw', 'logical_sector_size': 4096}})
        self.assertNotIn(' convert ', finding.fix)

    def test_advice_names_the_generation_after_conversion(self):
        for name in ('qcow2', 'vmdk', 'raw'):
            for facts, result in (
                    ({'generation': 'hyperv-gen2', 'firmware': 'uefi'},
                     'it is generation 2 after conversion'),
                    ({'generation': 'hyperv-gen1', 'firmware': 'bios'},
                     'it is generation 1 after conversion'),
                    ({'firmware': 'both'},
                     'it boots as either generation after conversion'),
                    ({'firmware': 'none'},
                     'it boots as neither generation after conversion, see '
                     'the other findings')):
                finding, = (finding for finding in validators.validate(
                    {**GOOD, 'content': {'format': name, 'file_size': 4096,
                                         'virtual_size': 4096, **facts}})
                    if finding.code == 'HV203')
                self.assertEqual(
                    'Convert it: hyperv-sched image convert IN OUT.vhdx; '
                    + result, finding.fix)

    def test_a_file_that_cannot_be_converted_is_not_to_be_converted(self):
        for code, defect in (('HV230', 'container-needs-other-file'),
                             ('HV231', 'container-encrypted'),
                             ('HV232', 'container-malformed'),
                             ('HV233', 'container-truncated')):
            for name in ('qcow2', 'vmdk'):
                self.assertEqual([code], [
                    finding.code for finding in validators.validate({
                        **GOOD, 'content': {
                            'format': name, 'file_size': 4096,
                            'defects': {defect: 'x'}}})])

    def test_words_do_not_contradict_the_firmware(self):
        for name in ('mbr_partitioned', 'no_partition_table'):
            finding, = validators.validate(
                {**GOOD, 'content': broken(UEFI, **{name: 1})})
            self.assertIn('Nothing has to change', finding.fix)
            self.assertNotIn('hyperv-gen1', finding.fix)
            for words in ('no loader', 'as generation 1'):
                self.assertNotIn(words, finding.message)

    def test_min_disk_shows_the_larger_size(self):
        for virtual, size in ((3, 2), (2, 3)):
            finding, = validators.validate({**GOOD, 'min_disk': 1, 'content': {
                **VHDX, 'virtual_size': virtual * 2 ** 30,
                'file_size': size * 2 ** 30}})
            self.assertEqual(str(3 * 2 ** 30), finding.required)
            self.assertIn(str(3 * 2 ** 30), finding.message)


class ValidateTestCase(base.TestCase):

    def test_generation_2(self):
        for changes, expected in GENERATION_2_CASES:
            self.assertEqual(expected, codes(GOOD, changes), changes)

    def test_generation_1(self):
        for changes, expected in GENERATION_1_CASES:
            self.assertEqual(expected, codes(GENERATION_1, changes), changes)

    def test_other_hypervisors_pass_untouched(self):
        for document in (
                {}, {'disk_format': 'qcow2'},
                {'hw_machine_type': 'pc-q35-8.2', 'disk_format': 'raw',
                 'architecture': 'x86_64',
                 'hypervisor_version_requires': 'nonsense'},
                {'hypervisor_type': 'qemu', 'hw_machine_type': 'virt',
                 'content': {'format': 'qcow2', 'file_size': 1}}):
            self.assertEqual([], validators.validate(document), document)

    def test_generation_in_other_words_is_for_hyperv(self):
        for machine_type in ('gen2', 'Gen1', 'generation 2', 'Generation-2',
                             'V2', ' v1 ', '2', 'gen3'):
            self.assertEqual(
                ['HV101', 'HV102'],
                codes({}, {'hw_machine_type': machine_type}), machine_type)

    def test_machine_types_of_other_hypervisors_are_left_alone(self):
        for machine_type in (
                'pc', 'q35', 'pc-i440fx-8.2', 'virt', 'virt-9.0', 'none',
                's390-ccw-virtio', 'vexpress-a9', 'x-remote', 'pseries-2.12',
                'generic', 'v', 'versatilepb', '10', 'genesi2'):
            self.assertEqual(
                [], codes({}, {'hw_machine_type': machine_type,
                               'content': VHDX}), machine_type)

    def test_misspelled_name(self):
        for properties, expected in (
                ({'hypervisor-type': 'hyperv',
                  'hw-machine-type': 'hyperv-gen2'},
                 [('HV123', 'hypervisor-type', 'hypervisor_type'),
                  ('HV123', 'hw-machine-type', 'hw_machine_type')]),
                ({**GOOD, 'os_secureboot': 'required'},
                 [('HV123', 'os_secureboot', 'os_secure_boot')]),
                ({'hw_machine_type': 'q35', 'hypervisor-type': 'qemu'}, []),
                ({'hypervisor-type': 'qemu'}, [])):
            found = validators.validate(prepared(properties))
            self.assertEqual(sorted(expected), sorted(
                (f.code, prop, f.required) for f in found
                for prop in properties if f.message.startswith(
                    f'no property named {prop} ')), properties)
            self.assertEqual(len(expected), len(found))

    def test_many_misspelled_names_make_few_findings(self):
        found = validators.validate(prepared(
            {**GOOD, **{f'hw-machine-typ{n}': 'x' for n in range(10)},
             **{f'OS{"-" * n}TYPE': 'x' for n in range(40)}}))
        self.assertEqual(20, len(found))
        self.assertEqual({'HV123'}, {f.code for f in found})

    def test_requirement_that_a_shell_took_away_is_to_be_quoted(self):
        finding, = validators.validate(prepared(
            {**GOOD, 'hypervisor_version_requires': ''}))
        self.assertEqual('HV104', finding.code)
        self.assertIn('quote it in a shell', finding.fix)

    def test_line_break_in_a_requirement_is_reported(self):
        finding, = validators.validate(prepared(
            {**GOOD, 'hypervisor_version_requires': '>=6.3\r'}))
        self.assertEqual('HV120', finding.code)
        self.assertIn('no line break', finding.fix)

    def test_hostile_name_is_shown_on_one_line(self):
        finding, = validators.validate(prepared(
            {**GOOD, 'os\n\x1b[-type': 'x'}))
        self.assertTrue(str(finding).isprintable())

    def test_refused_value_is_judged_by_no_other_rule(self):
        for properties in (
                {'os_type': 'Windows2022'},
                {'os_type': 'freebsd', 'os_secure_boot': 'required'},
                {'hw_disk_bus': 'IDE'}, {'architecture': 'x64'},
                {'hw_firmware_type': 'BIOS'}, {'hw_vif_model': 'netvsc'}):
            self.assertEqual(
                ['HV124'], [f.code for f in validators.validate(prepared(
                    {**GOOD, **properties}))], properties)

    def test_both_sides_of_a_refused_value(self):
        finding, = validators.validate(prepared(
            {**GOOD, 'os_secure_boot': 'true'}))
        self.assertEqual(
            "os_secure_boot is 'true'. Nova answers every request for a "
            'server with HTTP 400', finding.message)
        self.assertEqual(
            'Set os_secure_boot to one of required, disabled, optional, or '
            'remove it', finding.fix)

    def test_version_that_nova_ignores(self):
        version = {'hypervisor_version_requires': '>=2.6'}
        for properties, expected in (
                (version, ['HV126']), ({**version, 'os_type': 'linux'},
                                       ['HV126']),
                ({'img_hv_requested_version': '>=2.6'}, ['HV126']),
                ({**version, 'hw_machine_type': 'q35'}, ['HV126']),
                ({**version, 'hypervisor_type': 'qemu'}, []),
                ({**version, 'architecture': 'x86_64'}, []),
                ({**version, 'vm_mode': 'hvm'}, []),
                # HV102 says it.
                ({**version, 'hw_machine_type': 'hyperv-gen1'}, ['HV102'])):
            self.assertEqual(
                expected, [f.code for f in validators.validate(
                    prepared(properties))], properties)

    def test_fix_names_what_applies_to_the_file(self):
        for container, converts in (('vhdx', False), ('vhd', True)):
            finding, = validators.validate(
                {'content': {**VHDX, 'format': container,
                             'firmware': 'uefi',
                             'generation': 'hyperv-gen2'}})
            self.assertEqual('HV341', finding.code)
            self.assertEqual(converts, 'Convert' in finding.fix)

    def test_file_without_properties_is_generation_1(self):
        self.assertEqual([], codes({}, {'content': VHDX}))
        self.assertEqual(
            ['HV203'], codes({}, {'content': {**VHDX, 'format': 'qcow2'}}))

    def test_all_findings_come_at_once(self):
        self.assertEqual(
            ['HV101', 'HV102', 'HV104', 'HV107'],
            codes({}, {'hw_machine_type': 'hyperv', 'disk_format': 'ami',
                       'hypervisor_version_requires': 'new'}))

    def test_finding_shows_both_sides(self):
        finding, = validators.validate(
            {**GOOD, 'content': VHDX, 'disk_format': 'raw'}, 'disk.vhdx')
        self.assertEqual('disk.vhdx', finding.image)
        self.assertEqual('raw', finding.actual)
        self.assertEqual('vhdx', finding.required)
        self.assertEqual('Upload with disk_format=vhdx', finding.fix)

    @hypothesis.given(st.dictionaries(
        st.sampled_from(sorted((*GOOD, 'min_disk', 'content', 'name', 'id'))),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(
                st.sampled_from(['format', 'file_size', 'virtual_size']),
                inner))))
    def test_any_document_ends_in_findings(self, raw):
        try:
            document = prepared(raw)
        except image_document.InvalidDocumentError:
            return
        for finding in validators.validate(document):
            self.assertIn(finding.code, rules.CATALOGUE)


#: Values that rules speak of, right ones and wrong ones, of any type.
VALUES = {
    'hw_machine_type': ('hyperv-gen1', 'hyperv-gen2', 'hyperv', 'q35'),
    'hypervisor_type': ('hyperv', 'HyperV', 'qemu'),
    'hypervisor_version_requires': ('>=6.3', '>=6.2', '>=10', 'new', 6.3),
    'disk_format': ('vhd', 'vhdx', 'iso', 'raw'),
    'os_secure_boot': ('required', 'optional'),
    'os_type': ('linux', 'Windows'),
    'hw_disk_bus': ('scsi', 'ide', True),
    'min_disk': (0, 1, 2, True, 1.0),
    'interactive_serial_port': ('1', 1, '3'),
    'content': (
        VHDX, {**VHDX, 'firmware': 'uefi', 'loaders': [{'signed': False}]},
        {**VHDX, 'firmware': 'none', 'defects': {'esp-missing': '.'}},
        {'format': 'vhd', 'subformat': 'fixed', 'virtual_size': 2 ** 31}),
    'overridden': ({'os_type': 'x'},)}


class KeptVerdictsTestCase(base.TestCase):

    @hypothesis.given(st.lists(st.fixed_dictionaries({}, optional={
        name: st.sampled_from(values) for name, values in VALUES.items()}),
        min_size=1, max_size=4))
    def test_agree_with_the_schema_as_a_whole(self, documents):
        whole = keywords.Validator(
            schema.load(), format_checker=keywords.FORMATS)
        for document in documents:
            broken = {
                schema.load()['allOf'][error.absolute_schema_path[1]]['x-rule']
                for error in whole.iter_errors(document)
                if error.absolute_schema_path[0] == 'allOf'}
            self.assertEqual(
                broken, {f.code for f in validators.validate(document)})


class _Text(str):
    """A string that can be referred to weakly."""


class MemoryTestCase(base.TestCase):

    def test_large_values_are_freed_without_the_garbage_collector(self):
        members = {member for clause in schema.load()['allOf']
                   for member in schema.members(clause)}
        self.assertIn('hw_machine_type', members)
        gc.disable()
        self.addCleanup(gc.enable)
        for judge in (validators.validate, validators.concerns_hyperv):
            for member in members - {'content', 'overridden', 'min_disk'}:
                for others in ({}, GOOD, GENERATION_1):
                    document = {**others, member: _Text('x' * 4096)}
                    value = weakref.ref(document[member])
                    judge(document)
                    del document
                    self.assertFalse(value() and (member, others))


class ConcernTestCase(base.TestCase):

    def test_what_a_cloud_has_for_hyperv(self):
        for document, expected in (
                ({'hw_machine_type': 'hyperv-gen2'}, True),
                ({'hw_machine_type': 'Hyper-V gen9'}, True),
                ({'hypervisor_type': 'hyperv', 'disk_format': 'raw'}, True),
                ({'disk_format': 'vhd'}, True),
                ({'disk_format': 'raw', 'content': {'format': 'vhdx'}}, True),
                ({'disk_format': 'raw', 'content': {'format': 'raw'}}, False),
                ({'disk_format': 'vhdx', 'hypervisor_type': 'qemu'}, False),
                ({'disk_format': 'vhd', 'hw_machine_type': 'q35'}, False),
                ({'disk_format': 'vhd', 'hw_vm_mode': 'xen'}, False),
                ({'disk_format': 'vhd', 'hw_vm_mode': 'hvm'}, True),
                ({'hypervisor_type': 'hyperv', 'hw_vm_mode': 'xen'}, True),
                ({'disk_format': 'qcow2'}, False), ({}, False)):
            self.assertIs(
                expected, validators.concerns_hyperv(document), document)
