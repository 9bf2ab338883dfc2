# SPDX-License-Identifier: Apache-2.0

import hypothesis
from hypothesis import strategies as st
import jsonschema

from hyperv_sched import document as image_document
from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched.validators import keywords
from hyperv_sched.validators import schema
from tests.unit import base

GOOD = {'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'hyperv',
        'hypervisor_version_requires': '>=6.3', 'disk_format': 'vhdx'}
GENERATION_1 = {'hypervisor_type': 'hyperv', 'disk_format': 'vhd'}
VHDX = {'format': 'vhdx', 'file_size': 4096, 'virtual_size': 2 ** 30}

#: What is added to GOOD (None takes away), and the codes that it brings.
GENERATION_2_CASES = (
    ({}, []),
    ({'hw_machine_type': 'hyperv-gen3'}, ['HV101']),
    ({'hw_machine_type': 'HYPERV-GEN2'}, ['HV101']),
    ({'hw_machine_type': 'hyperv-gen2\n'}, ['HV101']),
    ({'hw_machine_type': ' Hyper-V gen2'}, ['HV101']),
    ({'hw_machine_type': 'q35'}, ['HV101']),
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
    ({'content': {**VHDX, 'virtual_size': 2 ** 30 + 1}, 'min_disk': 1},
     ['HV224']),
)

GENERATION_1_CASES = (
    ({}, []),
    ({'hypervisor_version_requires': '<6.3'}, []),
    ({'hypervisor_version_requires': '>=10.0.1'}, ['HV105']),
    ({'disk_format': 'raw'}, ['HV107']),
    ({'content': {**VHDX, 'format': 'vhd', 'subformat': 'dynamic'}}, []),
    ({'content': {**VHDX, 'format': 'vhd', 'subformat': 'fixed'}},
     ['HV223']),
    ({'content': VHDX, 'disk_format': 'vhdx'}, []),
    ({'content': {**VHDX, 'format': 'raw'}, 'disk_format': 'raw'},
     ['HV203']),
)


def prepared(example):
    """A document as the commands make it: the content is not its own."""
    content = {k: v for k, v in example.items() if k == 'content'}
    return {**image_document.normalise(example), **content}


def codes(base_document, changes):
    document = {k: v for k, v in {**base_document, **changes}.items()
                if v is not None}
    return [f.code for f in validators.validate(document)]


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
                 'hypervisor_version_requires': 'nonsense'},
                {'hypervisor_type': 'qemu', 'hw_machine_type': 'virt',
                 'content': {'format': 'qcow2', 'file_size': 1}}):
            self.assertEqual([], validators.validate(document), document)

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
        except image_document.InvalidDocument:
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
                ({'disk_format': 'qcow2'}, False), ({}, False)):
            self.assertIs(
                expected, validators.concerns_hyperv(document), document)


class SchemaTestCase(base.TestCase):

    def test_is_valid_json_schema(self):
        jsonschema.Draft202012Validator.check_schema(schema.load())

    def test_every_clause_carries_a_rule_and_says_what_for(self):
        for clause in schema.load()['allOf']:
            self.assertIn(clause['x-rule'], rules.CATALOGUE)
            self.assertTrue(clause['description'])

    def found(self, example):
        return validators.validate(prepared(example))

    def test_wrong_example_of_each_clause_breaks_its_rule_alone(self):
        for clause in schema.load()['allOf']:
            example = clause['x-wrong']
            self.assertEqual({clause['x-rule']},
                             {f.code for f in self.found(example)}, example)

    def test_right_example_of_each_clause_is_free_of_findings(self):
        for clause in schema.load()['allOf']:
            self.assertEqual([], self.found(clause['x-right']))

    def test_each_clause_is_needed_for_its_wrong_example(self):
        for clause in schema.load()['allOf']:
            others = {**schema.load(), 'allOf': [
                other for other in schema.load()['allOf']
                if other is not clause]}
            left = keywords.Validator(
                others, format_checker=keywords.FORMATS).iter_errors(
                    prepared(clause['x-wrong']))
            self.assertNotIn(
                (clause['x-rule'], clause['x-actual']),
                [(c['x-rule'], c['x-actual']) for c in (
                    others['allOf'][error.absolute_schema_path[1]]
                    for error in left)])

    def test_every_rule_over_images_is_in_the_schema(self):
        self.assertEqual(
            {code for code in rules.CATALOGUE if code < 'HV4'},
            {clause['x-rule'] for clause in schema.load()['allOf']})
