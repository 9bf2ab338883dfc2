# SPDX-License-Identifier: Apache-2.0

import struct

from hyperv_sched.disk.vhdx import parent
from tests.unit import base


def locator(*pairs, count=None):
    """Return a locator with keys and values."""
    entries, texts = b'', b''
    first_text = 20 + 12 * len(pairs)
    for pair in pairs:
        key, value = (text.encode('utf-16-le') for text in pair)
        start = first_text + len(texts)
        entries += struct.pack(
            '<IIHH', start, start + len(key), len(key), len(value))
        texts += key + value
    count = len(pairs) if count is None else count
    return bytes(18) + struct.pack('<H', count) + entries + texts


class PathTestCase(base.TestCase):

    def test_relative_path_is_preferred(self):
        pairs = [('volume_path', '\\\\?\\Volume{1}\\base.vhdx'),
                 ('absolute_win32_path', 'C:\\base.vhdx'),
                 ('relative_path', '..\\base.vhdx')]
        for expected in ('..\\base.vhdx', 'C:\\base.vhdx',
                         '\\\\?\\Volume{1}\\base.vhdx'):
            self.assertEqual(expected, parent.path(locator(*pairs)))
            pairs.pop()
        self.assertIsNone(parent.path(locator(*pairs)))

    def test_locator_that_is_cut_off_has_no_path(self):
        data = locator(('relative_path', '..\\base.vhdx'))
        for size in (0, 19, 20, 31):
            self.assertIsNone(parent.path(data[:size]))

    def test_at_most_32_entries_are_read(self):
        others = [('parent_linkage', '')] * 32
        path = ('relative_path', 'a')
        self.assertEqual('a', parent.path(locator(*others[:31], path)))
        self.assertIsNone(parent.path(locator(*others, path)))

    def test_path_has_at_most_255_characters(self):
        for length in (255, 256):
            self.assertEqual('a' * 255, parent.path(
                locator(('relative_path', 'a' * length))))
