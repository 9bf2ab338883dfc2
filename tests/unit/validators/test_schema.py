# SPDX-License-Identifier: Apache-2.0

import json
import pathlib

import jsonschema

from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched.validators import keywords
from hyperv_sched.validators import schema
from tests.unit import base
from tests.unit.validators.documents import prepared

SHIPPED = pathlib.Path(__file__).parents[3].joinpath(
    'etc/hyperv-sched/image-document.schema.json')


class SchemaTestCase(base.TestCase):

    def test_is_valid_json_schema(self):
        jsonschema.Draft202012Validator.check_schema(schema.load())

    def test_every_clause_carries_a_rule_and_says_what_for(self):
        for clause in schema.load()['allOf']:
            self.assertIn(clause['x-rule'], rules.CATALOGUE)
            self.assertTrue(clause['description'])

    def found(self, example):
        """Return the findings of an example, without one of every ISO."""
        is_iso = example.get('content', {}).get('format') == 'iso'
        return [finding for finding in validators.validate(prepared(example))
                if not is_iso or finding.code != 'HV222']

    def test_wrong_example_of_each_clause_breaks_its_rule_alone(self):
        for clause in schema.load()['allOf']:
            self.assertTrue(clause['x-wrong'])
            for example in clause['x-wrong']:
                if example.get('content', {}).get('format') == 'iso' and (
                        clause['x-rule'] == 'HV222'):
                    continue
                self.assertEqual(
                    {(clause['x-rule'], clause['x-severity'])},
                    {(f.code, f.severity) for f in self.found(example)},
                    example)

    def test_every_iso_breaks_the_rule_on_installation_media(self):
        for firmware in ('uefi', 'bios', 'both', 'none'):
            self.assertIn('HV222', {f.code for f in validators.validate(
                prepared({'hypervisor_type': 'hyperv', 'content': {
                    'format': 'iso', 'firmware': firmware}}))})

    def test_right_example_of_each_clause_is_free_of_findings(self):
        for clause in schema.load()['allOf']:
            self.assertTrue(clause['x-right'])
            for example in clause['x-right']:
                self.assertEqual([], self.found(example), example)

    def test_each_clause_is_needed_for_its_wrong_example(self):
        for clause in schema.load()['allOf']:
            others = {**schema.load(), 'allOf': [
                other for other in schema.load()['allOf']
                if other is not clause]}
            validator = keywords.Validator(
                others, format_checker=keywords.FORMATS)
            for example in clause['x-wrong']:
                self.assertNotIn(
                    (clause['x-rule'], clause.get('x-actual')),
                    [(c['x-rule'], c.get('x-actual')) for c in (
                        others['allOf'][error.absolute_schema_path[1]]
                        for error in validator.iter_errors(
                            prepared(example)))])

    def test_shipped_file_is_made_from_the_catalogue(self):
        self.assertEqual(json.loads(json.dumps(schema.load())),
                         json.loads(SHIPPED.read_text()),
                         'write it anew: tox -e genconfig')

    def test_stock_validator_knows_all_clauses_but_those_marked(self):
        marked = set()
        for clause in json.loads(SHIPPED.read_text())['allOf']:
            whole = {**schema.load(), 'allOf': [clause]}
            validator = jsonschema.Draft202012Validator(whole)
            for example in clause['x-right']:
                self.assertTrue(validator.is_valid(prepared(example)))
            marked.update(clause.get('x-needs', ()))
            if 'x-needs' not in clause:
                for example in clause['x-wrong']:
                    self.assertFalse(validator.is_valid(prepared(example)),
                                     example)
        self.assertEqual({
            'format hyperv-version', 'format hyperv-version-generation-2',
            'format hyperv-version-only-10',
            'format hyperv-version-only-generation-2',
            'format nova-version-portable', 'format nova-version-predicate',
            'x-min-disk-holds'}, marked)

    def test_variants_are_those_of_the_rules(self):
        used = {}
        for clause in schema.load()['allOf']:
            if 'x-variant' in clause:
                used.setdefault(clause['x-rule'], set()).add(
                    clause['x-variant'])
        self.assertEqual(used, {
            code: set(rule.variants) for code, rule
            in rules.CATALOGUE.items() if rule.variants})

    def test_every_rule_over_images_is_in_the_schema(self):
        self.assertEqual(
            {code for code in rules.CATALOGUE if code < 'HV4'}
            # They depend on the cloud, too.
            - {'HV122', 'HV226'},
            {clause['x-rule'] for clause in schema.load()['allOf']})
