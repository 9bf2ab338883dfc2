# SPDX-License-Identifier: Apache-2.0

from hyperv_sched import rules
from hyperv_sched.disk.defects import Defect
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
