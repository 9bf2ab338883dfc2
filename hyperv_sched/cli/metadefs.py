# SPDX-License-Identifier: Apache-2.0
"""hyperv-sched metadefs export."""

from __future__ import annotations

import argparse
import json

from cliff import command


class Export(command.Command):
    """Print the Glance metadata definitions as JSON.

    Load them with "glance-manage db load_metadefs --path /ABSOLUTE/FILE
    --merge --overwrite" or "glance md-namespace-import".
    """

    auth_required = False

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        from hyperv_sched.validators import metadefs

        self.app.stdout.write(
            json.dumps(metadefs.namespace(), indent=2) + '\n')
