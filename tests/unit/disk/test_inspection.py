# SPDX-License-Identifier: Apache-2.0

import json

from hyperv_sched.disk.defects import Defect
from hyperv_sched.disk.inspection import Inspection
from tests import guests
from tests.unit.disk import base


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
        self.assertEqual('{"esp-missing": "no ESP"}',
                         json.dumps(result.as_dict()['defects']))

    def test_document_of_a_disk_that_boots(self):
        content = base.inspect(base.esp(guests.loader())).as_dict()
        self.assertEqual({
            'format': 'raw', 'subformat': None, 'file_size': 1048576,
            'virtual_size': 1048576, 'logical_sector_size': 512,
            'physical_sector_size': None, 'block_size': None,
            'has_parent': None, 'log_dirty': None, 'partition_table': 'gpt',
            'partitions': [{'number': 1, 'type': guests.ESP,
                            'offset': 32768, 'size': 105472}],
            'loaders': [{'partition': 1,
                         'path': '\\EFI\\BOOT\\BOOTX64.EFI',
                         'machine': 'x64', 'subsystem': 'application',
                         'signed': False, 'started_by': 'firmware',
                         'signatures': None, 'trusted_by': None}],
            'operating_system': None, 'hyperv_drivers': None,
            'firmware': 'uefi', 'generation': 'hyperv-gen2',
            'secure_boot': None, 'defects': {},
            'bytes_read': content['bytes_read']}, content)
        self.assertEqual(content, json.loads(json.dumps(content)))
