# SPDX-License-Identifier: Apache-2.0
"""Formatters of cliff, changed for values of untrusted images."""

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
    """Formatter of assignments that no POSIX shell runs as commands.

    The formatter of cliff puts values into double quotes, in which a shell
    expands ``$(...)``.
    """

    def emit_one(self, column_names: Sequence[str], data: Sequence[Any],
                 stdout: TextIO, parsed_args: argparse.Namespace) -> None:
        """Write an assignment for each column."""
        for column, value in zip(column_names, data, strict=True):
            name = re.sub('[^a-z0-9_]', '_', column.lower())
            if parsed_args.variables and name not in parsed_args.variables:
                continue
            stdout.write(f'{parsed_args.prefix}{name}='
                         f'{text.quote(str(value), "sh")}\n')


class CSVFormatter(commaseparated.CSVLister):
    """Formatter of rows that no spreadsheet evaluates as formulas.

    The formatter of cliff ends lines with ``os.linesep``, which a text stream
    of Windows writes as CR CR LF.
    """

    def emit_list(self, column_names: Sequence[str],
                  data: Iterable[Sequence[Any]], stdout: TextIO,
                  parsed_args: argparse.Namespace) -> None:
        """Write a header and the rows."""
        writer = csv.writer(
            stdout, quoting=self.QUOTE_MODES[parsed_args.quote_mode],
            lineterminator='\n', escapechar='\\')
        writer.writerow(column_names)
        writer.writerows(map(text.csv_cell, row) for row in data)
