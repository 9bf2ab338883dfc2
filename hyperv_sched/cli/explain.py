# SPDX-License-Identifier: Apache-2.0
"""The "host explain" command.

Both command lines import it whenever they start: what is only needed to run
it is in explanations.py.
"""

from __future__ import annotations

import argparse

from cliff import command

from hyperv_sched.cli import base
from hyperv_sched.cli import options

_EPILOG = '\n'.join((
    'examples::',
    '',
    '  hyperv-sched host explain --os-cloud NAME --image IMAGE',
    '  hyperv-sched host explain --os-cloud NAME --server SERVER',
    '  hyperv-sched host explain --hosts hosts.yaml --image-json image.json',
    '  hyperv-sched host explain --hosts hosts.yaml disk.vhdx',
    '',
    'exit code:',
    '  0  a host that is up and enabled can run the image',
    '  1  no such host can run the image',
    '  2  wrong usage, or something that cannot be read or written'))


class Explain(base.ExitCodes, command.Command):
    """Explain which hosts can run an image, and why the others cannot.

    The decision is that of HyperVGenerationFilter and of the enforced driver.
    Nothing is changed, and no server is needed.
    """

    epilog = _EPILOG

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument('file', metavar='<file>', nargs='?',
                            help='a disk image that is not uploaded yet')
        parser.add_argument(
            '--image', metavar='<image>',
            help='an image in a cloud, by id or name')
        parser.add_argument(
            '--server', metavar='<server>',
            help='a server in a cloud, by id or name: explain its failure')
        parser.add_argument(
            '--image-json', metavar='<file>',
            help='a document of the Image API, or of "openstack image show '
                 '-f json"; - reads standard input')
        options.add_host_options(parser)
        options.add_image_options(parser)
        options.add_report_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Compare one image with all hosts and write the result."""
        from hyperv_sched.cli import explanations

        if not explanations.run(self.app, parsed_args, self._stdout(),
                                self.print_error):
            self.raise_exit_code(base.EXIT_FINDINGS)
