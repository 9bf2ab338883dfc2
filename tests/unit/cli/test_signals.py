# SPDX-License-Identifier: Apache-2.0

import pathlib
import signal
from unittest import mock

from hyperv_sched.cli import signals
from tests.unit.cli import base


class GuardTestCase(base.CommandTestCase):

    def test_ctrl_break_and_a_closed_console_end_a_command(self):
        """Python has the signal on Windows alone."""
        number = getattr(signal, 'SIGBREAK', None) or signal.SIGUSR1
        source = pathlib.Path(signals.__file__).read_text()
        with mock.patch.object(signal, 'SIGBREAK', number, create=True):
            module = {'__name__': signals.__name__}
            exec(compile(source, signals.__file__, 'exec'), module)
        self.assertIn(number, module['ENDING'])
        with module['Guard']() as guard:
            guard.hold()
            signal.raise_signal(number)
            self.assertRaises(KeyboardInterrupt, guard.release)

    def test_states(self):
        guard = signals.Guard()
        with guard:
            for _ in range(2):
                self.assertRaises(KeyboardInterrupt, signal.raise_signal,
                                  signal.SIGTERM)
        with signals.Guard() as guard:
            guard.once()
            self.assertRaises(KeyboardInterrupt, signal.raise_signal,
                              signal.SIGINT)
            # Cleaning up continues.
            signal.raise_signal(signal.SIGINT)
            self.assertRaises(KeyboardInterrupt, guard.check)
        self.assertEqual(signal.SIG_DFL, signal.getsignal(signal.SIGTERM))
