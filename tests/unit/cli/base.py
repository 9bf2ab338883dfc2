# SPDX-License-Identifier: Apache-2.0

import contextlib
import io
import sys
from unittest import mock

from hyperv_sched.cli import main
from tests import files
from tests import guests
from tests import samples
from tests.unit import base

BOOTABLE = samples.vhdx(
    block_size=samples.MIB, guest=guests.bootable())
#: One error for generation 2: HV202.
VHD = samples.fixed_vhd(guest=guests.bootable())
GENERATION_2 = ('--property', 'hw_machine_type=hyperv-gen2',
                '--property', 'hypervisor_type=hyperv',
                '--property', 'hypervisor_version_requires=>=6.3')


class CommandTestCase(files.FilesMixin, base.TestCase):

    def run_command(self, *argv, stdin='', stdout=None):
        """Run a command; return its exit code, output and messages."""
        out, err = stdout or io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), \
                contextlib.redirect_stderr(err), \
                mock.patch.object(sys, 'stdin', io.TextIOWrapper(
                    io.BytesIO(stdin if isinstance(stdin, bytes)
                               else stdin.encode()))):
            try:
                code = main.main(argv)
            except SystemExit as exc:
                code = exc.code
        return code, '' if stdout else out.getvalue(), err.getvalue()
