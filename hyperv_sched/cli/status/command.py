# SPDX-License-Identifier: Apache-2.0
"""The hyperv-sched-status command, based on oslo.upgradecheck."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import dataclasses
import enum
import io
import sys
import textwrap
from typing import Any
from typing import NoReturn
from typing import cast

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from hyperv_sched.cli import base
from hyperv_sched.cli.status import cloud_checks
from hyperv_sched.cli.status import configuration
from hyperv_sched.cli.status import configuration_checks
from hyperv_sched.cli.status import environment
from hyperv_sched.cli.status import glance_checks
from hyperv_sched.cli.status import nova_checks
from hyperv_sched.cli.status import results
from hyperv_sched.text import escape

#: No check was run. Results of checks have lower codes.
EXIT_UNEXPECTED = 255

EPILOG = '''\
exit codes:
  0    every check passes, or does not apply to this host
  1    a warning: something works in part, or could not be checked
  2    a failure: rules are not enforced, or a service does not start
  255  no check was run: wrong usage, a file that cannot be read, or no
       configuration found
'''

Check = Callable[[configuration.Deployment], Iterator[results.Problem]]

CHECKS: tuple[tuple[str, Check], ...] = (
    ('Glance import plugin', glance_checks.import_plugin),
    ('Glance image conversion', glance_checks.image_conversion),
    ('Glance API filter', glance_checks.api_filter),
    ('Glance parallel import', glance_checks.parallel_stores),
    ('Glance content check', glance_checks.format_match),
    ('Glance disk formats', glance_checks.disk_formats),
    ('Glance version', glance_checks.version),
    ('Nova available filters', nova_checks.available_filter),
    ('Nova enabled filters', nova_checks.enabled_filter),
    ('Nova compute driver', nova_checks.compute_driver),
    ('Nova enforced driver', nova_checks.enforced_driver),
    ('Nova config drive', nova_checks.config_drive),
    ('Nova image pre-filter', nova_checks.image_prefilter),
    ('Nova request filter', nova_checks.require_trait),
    ('Nova snapshots', nova_checks.snapshot_properties),
    ('Nova version', nova_checks.version),
    ('Traits of images and hosts', cloud_checks.traits),
    ('Nova compute versions', cloud_checks.compute_versions),
    ('Sections', configuration_checks.sections),
    ('Options of [hyperv_sched]', configuration_checks.options),
    ('Metrics file', configuration_checks.metrics_file),
)


class Skipped(enum.IntEnum):
    """Result of a check that does not apply, lower than all others."""

    SKIPPED = -1


#: Table in which oslo.upgradecheck looks up the text of a result.
_TITLES = cast(dict[int, str], upgradecheck.UPGRADE_CHECK_MSG_MAP)
_TITLES[Skipped.SKIPPED] = 'Skipped'

#: Width of the table of oslo.upgradecheck.
WIDTH = 60


class Checks(upgradecheck.UpgradeCommands):
    """All checks of one deployment."""

    display_title = 'hyperv-sched Status'

    def __init__(self, deployment: configuration.Deployment) -> None:
        super().__init__()
        self._deployment = deployment
        self._upgrade_checks = (
            ('Configuration files', Checks._files),
            *((name, (Checks._run, {'check': check}))
              for name, check in CHECKS))

    def _files(self) -> upgradecheck.Result:
        read = [f'{service.name}: {file}' for service in self._deployment
                for file in service.files]
        if self._deployment.paste:
            read.append(f'paste: {self._deployment.paste.path}')
        read += [f'not read: {path} (the services have another home '
                 'directory. Name it with --nova-conf or --glance-conf)'
                 for path in self._deployment.unread]
        return upgradecheck.Result(upgradecheck.Code.SUCCESS,
                                   '\n'.join(read))

    def _run(self, check: Check) -> upgradecheck.Result:
        try:
            problems = list(check(self._deployment))
        except results.NotApplicableError as exc:
            return upgradecheck.Result(
                cast(upgradecheck.Code, Skipped.SKIPPED), f'{exc}.')
        except results.OptionValueError as exc:
            problems = [results.failure(f'{exc}.')]
        if not problems:
            return upgradecheck.Result(upgradecheck.Code.SUCCESS)
        return upgradecheck.Result(
            max(problem.code for problem in problems),
            '\n'.join(problem.text for problem in problems))

    def _get_details(self,
                     upgrade_check_result: upgradecheck.Result) -> str | None:
        """Wrap details as oslo.upgradecheck does, but no commands or paths."""
        details = upgrade_check_result.details
        return details and '\n'.join(
            line for paragraph in details.splitlines()
            for line in (
                [paragraph] if paragraph.startswith(results.VERBATIM)
                else textwrap.wrap(
                    paragraph, WIDTH, subsequent_indent='  ',
                    break_long_words=False, break_on_hyphens=False)))


class _Formatter(argparse.HelpFormatter):
    """Help formatter that does not wrap the exit codes."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text == EPILOG else super()._fill_text(
            text, width, indent)


class _Parser(argparse.ArgumentParser):
    """Parser that exits with 255: code 2 is a failure of a check."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(epilog=EPILOG, allow_abbrev=False,
                         formatter_class=_Formatter, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Print the usage and an error, and exit."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_UNEXPECTED, f'{self.prog}: error: {message}\n')


def build_parser() -> argparse.ArgumentParser:
    """Return the parser, with the form of "nova-status upgrade check"."""
    top = _Parser(
        prog='hyperv-sched-status',
        description='Check that Nova and Glance on this host are configured '
                    'to enforce the Hyper-V rules.')
    top.add_argument(
        '--version', action='version', version='%(prog)s '
        f'{environment.version(environment.DISTRIBUTION) or "not installed"}')
    upgrade = top.add_subparsers(required=True, metavar='upgrade').add_parser(
        'upgrade', description='See: hyperv-sched-status upgrade check -h')
    check = upgrade.add_subparsers(required=True, metavar='check').add_parser(
        'check',
        description='Read the configuration of nova-scheduler, nova-compute '
                    'and glance-api on this host, and report problems. With '
                    '--nova-conf or --glance-conf only these files are read, '
                    'and the paste file that they name.')
    check.add_argument(
        '--json', action='store_true', help='write JSON instead of a table')
    check.add_argument(
        '--nova-conf', metavar='FILE', action='append', default=[],
        help='read this file of the Nova services (repeat for more, in their '
             'order; default: the files that the services find, such as '
             '/etc/nova/nova.conf, except those in your home directory)')
    check.add_argument(
        '--glance-conf', metavar='FILE', action='append', default=[],
        help='read this file of glance-api (repeat for more, in its order; '
             'default: glance-image-import.conf and glance-api.conf in '
             '$OS_GLANCE_CONFIG_DIR or /etc/glance)')
    check.add_argument(
        '--glance-paste', metavar='FILE',
        help='read this paste file of glance-api (default: the one that its '
             'configuration names, or glance-api-paste.ini next to it)')
    check.add_argument(
        '--os-cloud', metavar='NAME',
        help='compare the images and hosts of this cloud of clouds.yaml, too '
             '(default: no request is sent)')
    check.add_argument(
        '--database', action='store_true',
        help='read the versions of all nova-compute services from the '
             'database that the configuration of Nova names, too')
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the checks and return the exit code."""
    base.escape_unencodable_output()
    parser = build_parser()
    try:
        code = _run(parser, argv)
    except SystemExit as exc:
        # argparse exits with integers only.
        code = cast(int, exc.code)
    return base.exit_code(parser.prog, code, EXIT_UNEXPECTED)


def _run(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    args = parser.parse_args(argv)
    try:
        deployment = configuration.read(
            args.nova_conf, args.glance_conf, args.glance_paste)
        deployment = dataclasses.replace(
            deployment, os_cloud=args.os_cloud,
            reads_database=args.database)
    except (results.FileError, results.OptionValueError) as exc:
        with base.stderr() as stream:
            print(f'{parser.prog}: {escape(exc, limit=1000)}',
                  file=stream)
        return EXIT_UNEXPECTED
    report = io.StringIO()
    with contextlib.redirect_stdout(report):
        code: int = upgradecheck.main(
            cfg.ConfigOpts(), 'hyperv-sched', Checks(deployment),
            ['upgrade', 'check', *(['--json'] if args.json else [])],
            default_config_files=[])
    try:
        print(report.getvalue(), end='', flush=True)
    except OSError as exc:
        # An error of the output does not change the result of the checks.
        base.flush_or_discard(sys.stdout)
        if not base.is_closed_pipe(exc):
            with base.stderr() as stream:
                print(f'{parser.prog}: {base.write_error_message(exc)}',
                      file=stream)
    return code
