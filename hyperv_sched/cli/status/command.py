# SPDX-License-Identifier: Apache-2.0
"""The hyperv-sched-status command, in the frame of oslo.upgradecheck."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
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
from hyperv_sched.cli.status import configuration_checks
from hyperv_sched.cli.status import environment
from hyperv_sched.cli.status import glance_checks
from hyperv_sched.cli.status import nova_checks
from hyperv_sched.cli.status import problems
from hyperv_sched.cli.status import sources
from hyperv_sched.text import escape

#: Apart from the results: nothing was checked.
EXIT_UNEXPECTED = 255

EPILOG = '''\
exit codes:
  0    all is as it should be (or does not apply here, and says so)
  1    a warning: something works less well than it could, or was not tried
  2    a failure: something is not enforced, or a service will not start
  255  nothing was checked: wrong usage, a file that cannot be read, or no
       configuration found
'''

Check = Callable[[sources.Deployment], Iterator[problems.Problem]]

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
    ('Nova snapshots', nova_checks.snapshot_properties),
    ('Nova version', nova_checks.version),
    ('Sections', configuration_checks.sections),
    ('Options of [hyperv_sched]', configuration_checks.options),
)


class Skipped(enum.IntEnum):
    """A result besides those of oslo.upgradecheck: never the worst."""

    SKIPPED = -1


#: oslo.upgradecheck looks up there what it writes for a result.
_TITLES = cast(dict[int, str], upgradecheck.UPGRADE_CHECK_MSG_MAP)
_TITLES[Skipped.SKIPPED] = 'Skipped'

#: The width of oslo.upgradecheck's own table.
WIDTH = 60


class Checks(upgradecheck.UpgradeCommands):
    """Every check, over one deployment."""

    display_title = 'hyperv-sched Status'

    def __init__(self, deployment: sources.Deployment) -> None:
        super().__init__()
        self._deployment = deployment
        self._upgrade_checks = (
            ('Configuration files', Checks._files),
            *((name, (Checks._run, {'judge': judge}))
              for name, judge in CHECKS))

    def _files(self) -> upgradecheck.Result:
        read = [f'{service.name}: {file}' for service in self._deployment
                for file in service.files]
        if self._deployment.paste:
            read.append(f'paste: {self._deployment.paste.path}')
        read += [f'not read: {path} (the services have another home '
                 'directory; name it with --nova-conf or --glance-conf)'
                 for path in self._deployment.unread]
        return upgradecheck.Result(upgradecheck.Code.SUCCESS,
                                   '\n'.join(read))

    def _run(self, judge: Check) -> upgradecheck.Result:
        try:
            found = list(judge(self._deployment))
        except problems.Skip as exc:
            return upgradecheck.Result(
                cast(upgradecheck.Code, Skipped.SKIPPED), f'{exc}.')
        except problems.InvalidOption as exc:
            found = [problems.failure(f'{exc}.')]
        if not found:
            return upgradecheck.Result(upgradecheck.Code.SUCCESS)
        return upgradecheck.Result(
            max(problem.code for problem in found),
            '\n'.join(problem.text for problem in found))

    def _get_details(self,
                     upgrade_check_result: upgradecheck.Result) -> str | None:
        """Wrap as oslo.upgradecheck does, and leave paths and names whole."""
        details = upgrade_check_result.details
        return details and '\n'.join(
            line for paragraph in details.splitlines()
            for line in (
                [paragraph] if paragraph.startswith(problems.VERBATIM)
                else textwrap.wrap(
                    paragraph, WIDTH, subsequent_indent='  ',
                    break_long_words=False, break_on_hyphens=False)))


class _Formatter(argparse.HelpFormatter):
    """Wraps everything at the width of the terminal but the exit codes."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text == EPILOG else super()._fill_text(
            text, width, indent)


class _Parser(argparse.ArgumentParser):
    """Ends with a code of its own: 2 is a failure of a check."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(epilog=EPILOG, allow_abbrev=False,
                         formatter_class=_Formatter, **kwargs)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_UNEXPECTED, f'{self.prog}: error: {message}\n')


def parser() -> argparse.ArgumentParser:
    """The command line, as that of Nova's and Glance's own commands."""
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
                    'and glance-api, as far as it is on this host, and tell '
                    'what is wrong with it. Once a file is named, only the '
                    'files named are read, and the paste file that they '
                    'lead to.')
    check.add_argument(
        '--json', action='store_true', help='write JSON instead of a table')
    check.add_argument(
        '--nova-conf', metavar='FILE', action='append', default=[],
        help="a file that Nova's services read; may be repeated, in their "
             'order (default: those that they find by themselves, such as '
             '/etc/nova/nova.conf; those in your home directory do not count)')
    check.add_argument(
        '--glance-conf', metavar='FILE', action='append', default=[],
        help='a file that glance-api reads; may be repeated, in its order '
             '(default: glance-image-import.conf and glance-api.conf in '
             '$OS_GLANCE_CONFIG_DIR or /etc/glance)')
    check.add_argument(
        '--glance-paste', metavar='FILE',
        help='the paste file of glance-api (default: the one that its '
             'configuration names, or glance-api-paste.ini beside it)')
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the checks and return the exit code."""
    base.tolerate_any_terminal()
    top = parser()
    try:
        code = _run(top, argv)
    except SystemExit as exc:
        # Of argparse, which ends with numbers alone.
        code = cast(int, exc.code)
    return base.finish(top.prog, code, EXIT_UNEXPECTED)


def _run(top: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    args = top.parse_args(argv)
    try:
        deployment = sources.read(
            args.nova_conf, args.glance_conf, args.glance_paste)
    except (problems.BadInput, problems.InvalidOption) as exc:
        with base.aside() as stream:
            print(f'{top.prog}: {escape(exc, limit=1000)}',
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
        # What was found stays found, whoever does not want to read it.
        base.settle(sys.stdout)
        if not base.is_closed_pipe(exc):
            with base.aside() as stream:
                print(f'{top.prog}: {base.unwritten(exc)}', file=stream)
    return code
