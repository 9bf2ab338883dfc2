# SPDX-License-Identifier: Apache-2.0

from hyperv_sched.cli.status import paste
from hyperv_sched.cli.status import results
from tests import files
from tests.unit import base


class ReadTestCase(files.FilesMixin, base.TestCase):

    def test_paste_file_in_the_encoding_of_the_system(self):
        # Glance reads it as UTF-8, and the other files in that encoding.
        path = self.directory / 'paste.ini'
        path.write_bytes(b'[app:a]\n# \xe9\n')
        error = self.assertRaises(results.FileError, paste.read, str(path))
        self.assertEqual(f'{path} is not UTF-8 text', str(error))
