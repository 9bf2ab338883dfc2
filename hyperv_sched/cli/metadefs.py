# SPDX-License-Identifier: Apache-2.0
"""The "metadefs export" command."""

from __future__ import annotations

import argparse
import json

from cliff import command

from hyperv_sched.cli import base


class Export(base.ExitCodes, command.Command):
    """Print the Glance metadata definitions as JSON.

    Load them with "glance-manage db load_metadefs --path /ABSOLUTE/FILE
    --merge --overwrite" or "glance md-namespace-import".
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            '--schema-image', action='store_true',
            help='print schema-image.json instead, with which glance-api '
                 'refuses unknown Hyper-V machine types')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write the definitions to standard output."""
        from hyperv_sched.validators import metadefs
        from hyperv_sched.validators import schema_image

        document = (schema_image.fragment() if parsed_args.schema_image
                    else metadefs.namespace())
        self.app.stdout.write(json.dumps(document, indent=2) + '\n')
