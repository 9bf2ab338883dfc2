# SPDX-License-Identifier: Apache-2.0

import errno
import io
from unittest import mock

from hyperv_sched.cli import base as cli_base
from tests.unit.cli import base


class ClosedPipeTestCase(base.CommandTestCase):

    def test_closed_pipe_is_einval_on_windows(self):
        invalid = OSError(errno.EINVAL, 'Invalid argument')
        for exc, system, expected in (
                (BrokenPipeError(), 'posix', True), (invalid, 'nt', True),
                (invalid, 'posix', False), (None, 'nt', False),
                (OSError(errno.EINVAL, 'Invalid argument', 'disk'), 'nt',
                 False), (OSError(errno.ENOSPC, 'full'), 'nt', False),
                (ValueError(), 'nt', False)):
            self.assertEqual(
                expected, cli_base.is_closed_pipe(exc, system), repr(exc))

    def test_closed_pipe_is_not_reported(self):
        def windows(exc, closed=cli_base.is_closed_pipe):
            return closed(exc, 'nt')

        stdout = io.StringIO()
        stdout.write = stdout.flush = mock.Mock(
            side_effect=OSError(errno.EINVAL, 'Invalid argument'))
        with mock.patch.object(cli_base, 'is_closed_pipe', windows):
            for argv in (('metadefs', 'export'), ('rule', 'show', 'HV105'),
                         ('image', 'lint', '-f', 'json', '--property',
                          'hw_machine_type=hyperv-gen2')):
                code, _, err = self.run_command(*argv, stdout=stdout)
                self.assertEqual((141, ''), (code, err), argv)
