# SPDX-License-Identifier: Apache-2.0

import io
from unittest import mock

from hyperv_sched.cli import progress
from tests.unit import base
from tests.unit.cli.base import Terminal


class ProgressTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.now = 100.0
        patch = mock.patch('time.monotonic', lambda: self.now)
        patch.start()
        self.addCleanup(patch.stop)
        self.terminal = Terminal()

    def count(self, shown, seconds):
        self.now += seconds
        shown.count()

    def test_long_run_counts_on_one_line(self):
        shown = progress.Progress(self.terminal, 10_000)
        self.count(shown, 9)
        self.assertEqual('1 of 10000 images', self.terminal.screen())
        self.count(shown, 9)
        self.assertEqual('2 of 10000 images', self.terminal.screen())

    def test_unknown_total_is_left_out(self):
        shown = progress.Progress(self.terminal, None)
        self.count(shown, 9)
        self.assertEqual('1 images', self.terminal.screen())

    def test_short_run_says_nothing(self):
        shown = progress.Progress(self.terminal, 2)
        self.count(shown, 0.1)
        self.count(shown, 0.1)
        shown.clear()
        self.assertEqual('', self.terminal.getvalue())

    def test_line_is_not_written_for_each_image(self):
        shown = progress.Progress(self.terminal, 9)
        self.count(shown, 9)
        before = self.terminal.getvalue()
        self.count(shown, 0.01)
        self.assertEqual(before, self.terminal.getvalue())

    def test_clearing_leaves_nothing(self):
        shown = progress.Progress(self.terminal, 10)
        self.count(shown, 9)
        shown.clear()
        self.assertEqual('', self.terminal.screen())

    def test_silent_where_there_is_no_terminal(self):
        stream = io.StringIO()
        for target in (stream, None):
            shown = progress.Progress(target, 10)
            self.count(shown, 9)
            shown.clear()
        self.assertEqual('', stream.getvalue())


class LostTerminalTestCase(base.TestCase):

    def test_terminal_that_is_gone_ends_nothing(self):
        stream = mock.Mock()
        stream.isatty.return_value = True
        shown = progress.Progress(stream, 10)
        with mock.patch('time.monotonic', return_value=float('inf')):
            shown.count()
        stream.write.side_effect = OSError(5, 'Input/output error')
        with mock.patch('time.monotonic', return_value=float('inf')):
            shown.count()
        shown.clear()
        self.assertGreater(stream.write.call_count, 2)
