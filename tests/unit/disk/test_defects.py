# SPDX-License-Identifier: Apache-2.0

import json

from hyperv_sched import rules
from hyperv_sched.disk.defects import Defect
from hyperv_sched.disk.inspection import Inspection
from hyperv_sched.validators import schema
from tests.unit.disk import base


def schema_defects(part):
    """Yield the defects that a part of the image schema rules out."""
    if isinstance(part, dict):
        yield from part.get('defects', {}).get('properties', ())
        for value in part.values():
            yield from schema_defects(value)
    elif isinstance(part, list):
        for value in part:
            yield from schema_defects(value)


class DefectTestCase(base.TestCase):

    def test_each_defect_is_a_clause_of_the_schema(self):
        self.assertEqual({defect.value for defect in Defect},
                         set(schema_defects(schema.load())))

    def test_each_defect_has_the_name_of_a_rule(self):
        names = {rule.name for rule in rules.CATALOGUE.values()}
        self.assertEqual(
            set(), {defect.value for defect in Defect} - names)


class InspectionTestCase(base.TestCase):

    def test_first_detail_of_a_defect_is_kept(self):
        result = Inspection()
        result.add_defect(Defect.GPT_OVERLAP, 'partitions 1 and 2')
        result.add_defect(Defect.GPT_OVERLAP, 'partitions 3 and 4')
        self.assertEqual(
            {'gpt-overlap': 'partitions 1 and 2'}, result.defects)

    def test_defects_in_the_document_are_plain_names(self):
        result = Inspection()
        result.add_defect(Defect.ESP_MISSING, 'no ESP')
        name, = result.as_dict()['defects']
        self.assertIs(str, type(name))
        self.assertEqual(
            '{"esp-missing": "no ESP"}',
            json.dumps(result.as_dict()['defects']))
