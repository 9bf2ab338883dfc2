# SPDX-License-Identifier: Apache-2.0
"""A start of a disk image in QEMU, and the result of the linter beside it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
import tempfile
import time
from typing import Any
from typing import BinaryIO

from hyperv_sched import document as image_document
from hyperv_sched import files
from hyperv_sched import inferred
from hyperv_sched import names
from hyperv_sched import rules
from hyperv_sched.cli import base
from hyperv_sched.cli import boot_stages
from hyperv_sched.cli import conversion
from hyperv_sched.cli import disk_files
from hyperv_sched.cli import firmware
from hyperv_sched.cli import input_files
from hyperv_sched.cli import inputs
from hyperv_sched.cli import signals
from hyperv_sched.cli import virtual_machine
from hyperv_sched.disk import secure_boot
from hyperv_sched.disk import templates

#: Seconds in which a kernel draws a screen.
_SCREEN_TIME = 10
_MAX_SCREENSHOT = 64 * 1024 ** 2
#: Lines of the console in the result.
_LINES = 12

#: Rules over the label and the format of a file, which a conversion changes.
_CONTAINER_RULES = frozenset(('HV201', 'HV202', 'HV203'))
#: Warnings and errors on what a loader starts.
_BEHIND_LOADER = frozenset(('HV342', 'HV343', 'HV344'))


def run(args: argparse.Namespace, guard: signals.Guard,
        print_error: inputs.PrintError) -> dict[str, Any]:
    """Start the disk image; return the members of the result.

    :param args: those of "image boot"
    :param print_error: called if the screenshot cannot be written
    :raises base.UsageError: QEMU or firmware is missing or fails, or the
        file cannot be read.
    """
    virtual_machine.check_installed()
    template = templates.load().get(args.secure_boot or '')
    uefi = firmware.find(template is not None)
    path = disk_files.expand_single(args.file)
    # QEMU reads this file, whatever the path names later.
    with disk_files.open_disk(path) as file:
        source, medium = _check(args.input_format, file, path)
        findings = _findings(source, args.secure_boot)
        if _is_broken(findings):
            # What QEMU reads of a broken container, Hyper-V does not.
            result, console, seconds = None, boot_stages.Console(), 0.0
        else:
            result, console, seconds = _start(
                args, file, source, medium, uefi, template, guard,
                print_error)
    predicted = _predict(source, findings)
    return {
        'image': path,
        'firmware': os.path.basename(uefi.code),
        'template': template.name if template is not None else None,
        'reached': (result.stage.value if result is not None
                    else 'not started'),
        'detail': (result.detail if result is not None
                   else 'the disk image is damaged or incomplete'),
        'boots': result.boots if result is not None else None,
        'lint_boots': predicted,
        'agree': _agree(result, predicted, findings),
        'findings': [{
            'code': finding.code, 'name': finding.name,
            'severity': finding.severity, 'message': finding.message}
            for finding in findings],
        'seconds': round(seconds, 1),
        'console': console.lines(_LINES),
    }


def _check(input_format: str | None, file: BinaryIO, path: str,
           ) -> tuple[conversion.Source, str]:
    """Return the disk and its kind of drive.

    :raises base.UsageError: QEMU cannot read it, or it names other files.
    """
    content = disk_files.inspect_file(file, path, secure_boot.Policy.of_years(
        names.CERTIFICATE_YEARS))
    if content['format'] == 'iso':
        return conversion.Source(path, 'raw', content), 'cd'
    source = conversion.read_source(path, content, input_format)
    if not _is_broken(_findings(source, None)):
        conversion.check_references(file, source)
    return source, 'hd'


def _start(args: argparse.Namespace, file: BinaryIO,
           source: conversion.Source, medium: str,
           uefi: firmware.Firmware, template: templates.Template | None,
           guard: signals.Guard, print_error: inputs.PrintError,
           ) -> tuple[boot_stages.Result, boot_stages.Console, float]:
    """Start the disk; return the result, the console and the seconds."""
    variables = uefi.new_variables(template)
    workspace = conversion.Workspace(
        tempfile.gettempdir(), os.path.basename(source.path))
    console = boot_stages.Console()
    guard.once()
    # A context manager written in Python would have gaps for a signal.
    try:
        workspace.create()
        store = workspace.path('variables')
        with open(store, 'xb') as new:
            new.write(variables)
        begin = time.monotonic()
        with virtual_machine.start(
                [*uefi.arguments(store), *virtual_machine.disk_arguments(
                    source.format, medium,
                    source.content['logical_sector_size'] or 512)],
                file, workspace.directory, guard) as machine:
            result = _observe(machine, console, args.timeout)
            seconds = time.monotonic() - begin
            if args.screenshot:
                _take_screenshot(machine, result, workspace, args.screenshot,
                                 print_error)
    except virtual_machine.EndedError as exc:
        raise base.UsageError(
            f'{source.path}: QEMU cannot start the disk: {exc}') from None
    finally:
        guard.hold()
        workspace.remove()
    guard.release()
    return result, console, seconds


def _observe(machine: virtual_machine.Machine, console: boot_stages.Console,
             timeout: float) -> boot_stages.Result:
    """Return how far the machine comes.

    :raises base.UsageError: firmware starts nothing in the time.
    :raises virtual_machine.EndedError: QEMU fails.
    """
    try:
        for state in machine.states(timeout):
            console.add(state.console)
            if state.kernel is not None:
                return boot_stages.Result(
                    boot_stages.Stage.KERNEL,
                    f'a kernel runs at 0x{state.kernel:016x}')
            end = console.find_end()
            if end is not None:
                return end
            if state.resets > boot_stages.MAX_RESETS:
                return boot_stages.Result(
                    boot_stages.Stage.ERROR, 'the machine resets itself '
                    'again and again')
    except virtual_machine.EndedError as exc:
        if str(exc):
            raise
        return boot_stages.Result(
            boot_stages.Stage.ERROR, 'the machine turns itself off')
    result = console.find_last()
    if result is None:
        raise base.UsageError(
            f'firmware did not start the disk in {timeout} seconds. Set a '
            'longer --timeout')
    return result


def _take_screenshot(machine: virtual_machine.Machine,
                     result: boot_stages.Result,
                     workspace: conversion.Workspace, path: str,
                     print_error: inputs.PrintError) -> None:
    """Write the screen of a machine to a file.

    An error is printed, and does not change the result.
    """
    picture = workspace.path('screen.png')
    try:
        if result.stage == boot_stages.Stage.KERNEL:
            # The screen of a kernel is empty at first.
            for _ in machine.states(_SCREEN_TIME):
                pass
        machine.request('screendump', filename=picture, format='png')
        files.replace(path, input_files.read(picture, _MAX_SCREENSHOT))
    except virtual_machine.EndedError as exc:
        reason = str(exc) or 'the machine is off'
    except base.UsageError as exc:
        reason = str(exc)
    except OSError as exc:
        reason = exc.strerror or str(exc)
    else:
        return
    print_error(f'{path}: cannot be written: {reason}')


def _findings(source: conversion.Source, os_type: str | None,
              ) -> list[rules.Finding]:
    """Return the findings on whether the disk boots as generation 2.

    :param os_type: selects the template of Secure Boot; None without
    """
    properties = inferred.properties_of_generation(names.GENERATION_2)
    if os_type is not None:
        properties.update(os_type=os_type, os_secure_boot='required')
    return [finding for finding in inputs.LintTarget(
        image_document.Record(properties), source.path, source.path,
        dict(source.content)).findings()
        if finding.code[:3] in ('HV2', 'HV3')
        and finding.code not in _CONTAINER_RULES
        and (finding.severity in ('error', 'unknown')
             or finding.code in _BEHIND_LOADER)]


def _is_broken(findings: Sequence[rules.Finding]) -> bool:
    return any(rules.CATALOGUE[finding.code].prevents_conversion
               for finding in findings)


def _predict(source: conversion.Source,
             findings: Sequence[rules.Finding]) -> bool | None:
    """Return whether the linter finds that the disk boots.

    It reads no disk in formats such as VDI, and then has no findings.
    """
    if any(finding.severity != 'unknown' for finding in findings):
        return False
    return True if source.content['loaders'] and not findings else None


def _agree(result: boot_stages.Result | None, predicted: bool | None,
           findings: Sequence[rules.Finding]) -> bool | None:
    """Return whether linter and firmware agree; None if that is unknown."""
    if result is None or predicted is None:
        return None
    if result.stage == boot_stages.Stage.LOADER and predicted is False and (
            {finding.code for finding in findings} <= _BEHIND_LOADER):
        # The loader may wait at an error on its screen.
        return None
    return result.boots == predicted
