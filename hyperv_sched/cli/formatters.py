# SPDX-License-Identifier: Apache-2.0
"""cliff's formatters, where values come from an untrusted image."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Sequence
import csv
import re
from typing import Any
from typing import TextIO

from cliff.formatters import commaseparated
from cliff.formatters import shell

from hyperv_sched import text


class ShellFormatter(shell.ShellFormatter):
    """Assignments that a POSIX shell can evaluate without running a value.

    cliff's own puts values into double quotes, in which a shell expands
    ``$(...)``.
    """

    def emit_one(self, column_names: Sequence[str], data: Sequence[Any],
                 stdout: TextIO, parsed_args: argparse.Namespace) -> None:
        for column, value in zip(column_names, data, strict=True):
            name = re.sub('[^a-z0-9_]', '_', column.lower())
            if parsed_args.variables and name not in parsed_args.variables:
                continue
            stdout.write(f'{parsed_args.prefix}{name}='
                         f'{text.quote(str(value), "sh")}\n')


class CSVFormatter(commaseparated.CSVLister):
    """Rows that a spreadsheet takes for text.

    cliff's own ends lines with ``os.linesep``, which a text stream of Windows
    turns into CR CR LF.
    """

    def emit_list(self, column_names: Sequence[str],
                  data: Iterable[Sequence[Any]], stdout: TextIO,
                  parsed_args: argparse.Namespace) -> None:
        writer = csv.writer(
            stdout, quoting=self.QUOTE_MODES[parsed_args.quote_mode],
            lineterminator='\n', escapechar='\\')
        writer.writerow(column_names)
        writer.writerows(map(text.csv_cell, row) for row in data)
