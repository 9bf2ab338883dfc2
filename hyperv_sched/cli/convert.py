# SPDX-License-Identifier: Apache-2.0
"""The "image convert" command."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import os
import sys
from typing import Any

from cliff import lister

from hyperv_sched import document as image_document
from hyperv_sched import inferred
from hyperv_sched import rules
from hyperv_sched import text
from hyperv_sched.cli import base
from hyperv_sched.cli import conversion
from hyperv_sched.cli import disk_files
from hyperv_sched.cli import findings as findings_output
from hyperv_sched.cli import inputs
from hyperv_sched.cli import options
from hyperv_sched.cli import qemu_img
from hyperv_sched.cli import repairs
from hyperv_sched.cli import signals
from hyperv_sched.cli import units
from hyperv_sched.text import escape

_EPILOG = '\n'.join((
    # Two colons: the documentation has it as a literal block.
    'examples::',
    '',
    '  hyperv-sched image convert debian-12.qcow2 debian-12.vhdx',
    '  hyperv-sched image convert --repair --grow 20G disk.vhd disk.vhdx',
    '',
    'Formats of the disk image: qcow2, raw, vhd, vhdx, vmdk, vdi, qed and '
    'parallels',
    '',
    'exit code:',
    '  0    converted; no finding of severity error or unknown',
    '  1    a finding of severity error or unknown: of the new file, which '
    'is kept, or of the disk image, which is not converted then',
    '  2    not converted: wrong usage, no space, or a file or a program '
    'fails',
    '  130  interrupted',
    '  141  standard output is a closed pipe',
    '',
    'The disk image is not changed. With exit code 2 or 130 there is no new',
    'file, unless standard error says that it is converted and only the',
    'output cannot be written. Only a process that is killed (SIGKILL) leaves',
    'a hidden directory whose name ends in .hyperv-sched-unfinished; remove',
    'it.'))


#: The command of each shell that removes a file.
_REMOVE = {'sh': ('rm',), 'windows': ('del',), 'cmd': ('del',),
           'powershell': ('Remove-Item', '-LiteralPath')}


class Convert(base.ExitCodes, lister.Lister):
    """Convert a disk image to a VHDX, and check that.

    The format of the disk image is detected by its content. qemu-img
    converts it to a dynamic VHDX with blocks of 1 MiB for Linux and 32 MiB
    for other systems. The new file is then checked as "image lint" does,
    with the properties that "image upload" infers.
    """

    _summary = ''
    _is_converted = False

    epilog = _EPILOG

    @property
    def formatter_namespace(self) -> str:
        """Return the entry point group of the output formats."""
        return 'hyperv_sched.formatter.findings'

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            'file', metavar='<file>', help='the disk image to convert')
        parser.add_argument(
            'output', metavar='<new-file>',
            help='the VHDX to write, which must not exist')
        conversion.add_options(parser)
        parser.add_argument(
            '--dry-run', action='store_true',
            help='print the commands, and write nothing')
        options.add_shell_option(parser)
        if os.name == 'nt':
            # A command has quotation marks, which the form for both shells
            # does not support.
            parser.set_defaults(shell='cmd')  # noqa: S604
        options.add_severity_options(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command with handlers for the signals that end it."""
        with signals.Guard() as self._guard:
            try:
                return super().run(parsed_args)
            except KeyboardInterrupt:
                self._guard.hold()
                self.print_message('interrupted: no file is written')
                raise

    def print_message(self, message: str) -> None:
        """Print a line to standard error."""
        with base.stderr() as stream:
            print(escape(message, None), file=stream)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            Sequence[str], Iterator[tuple[Any, ...]]]:
        """Convert the disk; return the columns and rows of the findings."""
        qemu_img.check_installed()
        findings_output.check_output(
            parsed_args.formatter, parsed_args.columns)
        conversion.check_target(parsed_args.output)
        path = disk_files.expand_single(parsed_args.file)
        overrides = options.severity_overrides(parsed_args)
        with disk_files.open_disk(path) as file:
            content = disk_files.inspect_file(file, path)
            findings = conversion.precondition_findings(
                path, content, parsed_args.input_format)
            if not findings:
                source = conversion.read_source(
                    path, content, parsed_args.input_format)
                conversion.check_source(file, source)
        if findings:
            self.raise_exit_code(base.EXIT_FINDINGS)
            self._summary = f'{path}: not converted'
        elif parsed_args.dry_run:
            self._print_plan(source, parsed_args)
        else:
            content = self._convert(source, parsed_args)
            findings = overrides.apply(_judge(parsed_args.output, content))
            self._is_converted = True
            if any(finding.severity in ('error', 'unknown')
                   for finding in findings):
                self.raise_exit_code(base.EXIT_FINDINGS)
            self._summary = _summarize(parsed_args.output, content)
        return findings_output.to_table(
            [{**findings_output.to_row(finding), 'file': finding.image,
              'title': finding.image} for finding in findings],
            parsed_args.formatter)

    def produce_output(self, parsed_args: argparse.Namespace,
                       column_names: Sequence[str],
                       data: Iterable[Sequence[Any]]) -> int:
        """Write the findings, and a summary to standard error."""
        if parsed_args.dry_run and not self._summary:
            return 0
        try:
            result: int = super().produce_output(
                parsed_args, column_names, data)
            self.app.stdout.flush()
        except Exception as exc:
            error = base.flush_or_discard(self.app.stdout) or exc
            if not self._is_converted or base.is_closed_pipe(error):
                raise
            reason = error.strerror if isinstance(error, OSError) else None
            raise base.UsageError(
                f'{parsed_args.output} is converted and checked, but the '
                f'output cannot be written: {reason or error}') from None
        if parsed_args.formatter == 'table':
            self.print_message(self._summary)
        return result

    def _print_plan(self, source: conversion.Source,
                    args: argparse.Namespace) -> None:
        """Print the commands that convert the disk."""
        plan = conversion.plan(source, args.output, args)
        required = conversion.required_space(source, args, self._guard)
        self.print_message(
            f'{source.path} ({source.description}): takes up to '
            f'{units.binary(required)}')
        for note in plan.notes:
            self.print_message(note)
        try:
            lines = [_command_line(command, args.shell)
                     for command in plan.commands]
            if plan.intermediate is not None:
                lines.append(text.command_line(
                    (*_REMOVE[args.shell], plan.intermediate), args.shell))
        except text.UnquotableError as exc:
            raise base.UsageError(
                f'no command can be printed: {exc}') from None
        for line in lines:
            self.app.stdout.write(f'{line}\n')

    def _convert(self, source: conversion.Source,
                 args: argparse.Namespace) -> dict[str, Any]:
        """Write the new file; return its content."""
        workspace = conversion.Workspace(
            *os.path.split(os.path.abspath(args.output)))
        self._guard.once()
        # A context manager written in Python would have gaps for a signal.
        try:
            workspace.create()
            finished = conversion.convert(
                source, workspace, args, self._guard, self.print_message,
                sys.stderr)
            content = disk_files.inspect_path(finished)
            self._guard.hold()
            conversion.publish(finished, args.output)
        finally:
            self._guard.hold()
            workspace.remove()
        return content


def _command_line(command: repairs.Command, shell: str) -> str:
    """Return a line that runs a command, with its input and variables.

    :raises text.UnquotableError: there is none for the shell.
    """
    line = text.command_line(command.words, shell)
    if command == repairs.Command(command.words):
        return line
    if shell != 'sh':
        raise text.UnquotableError(
            f'{command.words[0]} is run in a directory, with variables or '
            'with input: use --shell sh')
    if command.environment:
        line = text.command_line(('env', *(
            f'{name}={value}' for name, value in command.environment.items()
        )), shell) + f' {line}'
    if command.directory is not None:
        directory = text.command_line(('cd', command.directory), shell)
        line = f'({directory} && {line})'
    if command.answers:
        answers = text.command_line(
            ('printf', '%s\\n', *command.answers.split()), shell)
        line = f'{answers} | {line}'
    return line


def _judge(path: str, content: dict[str, Any]) -> list[rules.Finding]:
    """Check a file as an image with the properties that it needs."""
    return inputs.LintTarget(
        image_document.Record(inferred.infer_members(content, {})), path,
        path, content).findings()


def _summarize(path: str, content: Mapping[str, Any]) -> str:
    """Return a line on the new file."""
    generation = {
        'hyperv-gen1': 'a BIOS boots it: generation 1',
        'hyperv-gen2': 'UEFI boots it: generation 2'}.get(
        content['generation'] or '')
    if generation is None:
        generation = ('no firmware boots it'
                      if content['firmware'] == 'none'
                      else f'firmware that boots it: {content["firmware"]}')
    return (f'{path}: {units.binary(content["file_size"])} for a disk of '
            f'{units.binary(content["virtual_size"] or 0)}; {generation}')
