# SPDX-License-Identifier: Apache-2.0
"""Findings as reports of CI systems: JUnit XML and GitLab code quality."""

from __future__ import annotations

import abc
import argparse
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import hashlib
import json
import os
import pathlib
from typing import Any
from typing import TextIO

from cliff.formatters import base as formatters

from hyperv_sched.cli import base
from hyperv_sched.text import escape

#: Severities of GitLab.
_GITLAB = {'error': 'critical', 'unknown': 'major', 'warning': 'minor',
           'info': 'info'}


class _ReportFormatter(formatters.ListFormatter):
    """Formatter of a report with a fixed form."""

    name = ''

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """Add no options."""

    def emit_list(self, column_names: Sequence[str],
                  data: Iterable[Sequence[Any]], stdout: TextIO,
                  parsed_args: argparse.Namespace) -> None:
        """Write the report.

        :raises base.UsageError: the user selects columns.
        """
        if parsed_args.columns:
            raise base.UsageError(f'-f {self.name} has no columns. Remove -c')
        self.write([dict(zip(column_names, row, strict=True))
                    for row in data], stdout)

    @abc.abstractmethod
    def write(self, findings: Sequence[Mapping[str, Any]],
              stdout: TextIO) -> None:
        """Write the findings."""


def import_junitparser() -> Any:
    """Return the module junitparser.

    :raises base.UsageError: it is not installed.
    """
    try:
        import junitparser
    except ImportError:
        raise base.UsageError(
            '-f junit requires junitparser. Run: pip install '
            'junitparser') from None
    return junitparser


class JUnitFormatter(_ReportFormatter):
    """Formatter of JUnit XML: a suite for each image, a case for each finding.

    Errors are failures and unread content is an error; warnings pass, with
    their text as output. Without findings there is one case, which passes.
    """

    name = 'junit'

    def write(self, findings: Sequence[Mapping[str, Any]],
              stdout: TextIO) -> None:
        """Write the findings as XML.

        :raises base.UsageError: junitparser is not installed.
        """
        junitparser = import_junitparser()
        suites: dict[str, Any] = {}
        for finding in findings:
            image = escape(finding['image'], None)
            suite = suites.setdefault(image, junitparser.TestSuite(image))
            case = junitparser.TestCase(
                f'{finding["code"]} {finding["name"]}', image, 0)
            text = f'{finding["message"]}\n{finding["fix"]}'
            if finding['severity'] == 'error':
                case.result = [_result(junitparser.Failure, finding, text)]
            elif finding['severity'] == 'unknown':
                case.result = [_result(junitparser.Error, finding, text)]
            else:
                case.system_out = f'{finding["severity"]}: {text}'
            suite.add_testcase(case)
        if not suites:
            suites['-'] = junitparser.TestSuite('image lint')
            suites['-'].add_testcase(
                junitparser.TestCase('no findings', 'image lint', 0))
        report: Any = junitparser.JUnitXml('hyperv-sched image lint')
        for suite in suites.values():
            report.add_testsuite(suite)
        text = report.tostring().decode()
        # References instead of characters suit any encoding.
        stdout.write('<?xml version="1.0"?>\n' + text.encode(
            'ascii', 'xmlcharrefreplace').decode() + '\n')


def _result(kind: Any, finding: Mapping[str, Any], text: str) -> Any:
    result = kind(finding['message'], finding['code'])
    result.text = text
    return result


class GitLabFormatter(_ReportFormatter):
    """Formatter of a code quality report of GitLab.

    The path of an image without a file is its id or name.
    """

    name = 'gitlab'

    def write(self, findings: Sequence[Mapping[str, Any]],
              stdout: TextIO) -> None:
        """Write the findings as JSON."""
        seen: dict[str, int] = {}
        report = []
        for finding in findings:
            image = escape(finding['image'], None)
            path = image if finding['file'] is None else _path(finding['file'])
            identity = '\0'.join((path, image, finding['code'],
                                  str(finding['message'])))
            # GitLab drops findings with the same fingerprint.
            number = seen[identity] = seen.get(identity, 0) + 1
            label = '' if image in ('-', path, finding['file']) else (
                f'{image}: ')
            report.append({
                'description': f'{label}{finding["message"]}. '
                               f'{finding["fix"]}',
                'check_name': finding['code'],
                'fingerprint': hashlib.sha256(
                    f'{identity}\0{number}'.encode()).hexdigest(),
                'severity': _GITLAB[finding['severity']],
                'location': {'path': path, 'lines': {'begin': 1}}})
        json.dump(report, stdout, indent=2)
        stdout.write('\n')


def _path(name: str) -> str:
    """Return the path of a file, relative to the working directory.

    GitLab accepts no path that begins with "./".
    """
    if os.path.isabs(name):
        # The path may be on another drive of Windows.
        with contextlib.suppress(ValueError):
            name = os.path.relpath(name)
    return escape(pathlib.PurePath(os.path.normpath(name)).as_posix(), None)
