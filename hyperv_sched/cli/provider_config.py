# SPDX-License-Identifier: Apache-2.0
"""The "host provider-config" command.

Both command lines import it whenever they start: what is only needed to run
it is in provider_files.py.
"""

from __future__ import annotations

import argparse

from cliff import command

from hyperv_sched.cli import base
from hyperv_sched.cli import options

_EPILOG = '\n'.join((
    'examples::',
    '',
    '  hyperv-sched host provider-config --os-cloud NAME > hyperv.yaml',
    '  hyperv-sched host provider-config --hosts hosts.yaml HOST',
    '',
    'exit code:',
    '  0  the file is complete',
    '  2  wrong usage, or something that cannot be read or written'))


class ProviderConfig(base.ExitCodes, command.Command):
    """Write a provider.yaml that gives hosts their traits in placement.

    It is for hosts whose driver reports no traits of Hyper-V. Copy it to
    /etc/nova/provider_config on these hosts and restart nova-compute. A host
    with hyperv_sched.EnforcedDriver reports the traits itself, and is left
    out.
    """

    epilog = _EPILOG

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            'names', metavar='<host>', nargs='*',
            help='write this host only, by its hypervisor_hostname (repeat '
                 'for more; the default is every Hyper-V host)')
        options.add_host_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Read the hosts and write the file."""
        from hyperv_sched.cli import provider_files

        provider_files.run(self.app, parsed_args, self._stdout(),
                           self.print_error)
