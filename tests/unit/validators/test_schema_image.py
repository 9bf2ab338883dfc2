# SPDX-License-Identifier: Apache-2.0

import json
import pathlib

from hyperv_sched.validators import schema_image
from tests.unit import base

SHIPPED = pathlib.Path(__file__).parents[3] / 'etc/glance/schema-image.json'


class FragmentTestCase(base.TestCase):

    def test_shipped_file_is_what_the_schema_says(self):
        self.assertEqual(schema_image.fragment(),
                         json.loads(SHIPPED.read_text()))
