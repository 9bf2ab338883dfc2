# SPDX-License-Identifier: Apache-2.0
"""The "cloud audit" command.

Both command lines import it whenever they start: what is only needed to run
it is in audits.py.
"""

from __future__ import annotations

import argparse

from cliff import command

from hyperv_sched.cli import base
from hyperv_sched.cli import options

_EPILOG = '\n'.join((
    'examples::',
    '',
    '  hyperv-sched cloud audit --os-cloud NAME',
    '  hyperv-sched cloud audit --os-cloud NAME --content --output '
    'report.html',
    '  hyperv-sched cloud audit --hosts hosts.yaml --images images.json '
    '-f json',
    '',
    'exit code:',
    '  0  no finding of the severity of --fail-on, or a worse one',
    '  1  at least one such finding',
    '  2  wrong usage, or something that cannot be read or written'))


class Audit(base.ExitCodes, command.Command):
    """Compare all images of a cloud with all of its hosts.

    Reports images that no host or only some hosts can run, wrong properties,
    hosts without a version or trait, and servers of generation 2 that no
    other host can run. Nothing is changed.
    """

    epilog = _EPILOG

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.add_host_options(parser)
        options.add_severity_options(parser)
        parser.add_argument(
            '--images', metavar='<file>',
            help='read the images from a file, as GET /v2/images returns '
                 'them; - reads standard input')
        parser.add_argument(
            '--content', action='store_true',
            help='read the content of the images for Hyper-V, too, by HTTP '
                 'ranges: as far as needed, without a download')
        parser.add_argument(
            '--skip-servers', action='store_true',
            help='do not read servers, which needs the right '
                 'os_compute_api:servers:detail:get_all_tenants')
        parser.add_argument(
            '--output', metavar='<file>',
            help='write a page of HTML into this file, too')
        parser.add_argument(
            '--prometheus', metavar='<file>',
            help='write the number of findings of each rule into this file, '
                 'too, for the textfile collector of node-exporter')
        parser.add_argument(
            '--fail-on', default='error', choices=('error', 'warning'),
            help='exit with 1 for findings of this severity; unknown counts '
                 'as error; the default is error')
        options.add_report_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Audit the cloud and write the result."""
        from hyperv_sched.cli import audits

        if not audits.run(self.app, parsed_args, self._stdout(),
                          self.print_error):
            self.raise_exit_code(base.EXIT_FINDINGS)
