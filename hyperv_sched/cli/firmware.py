# SPDX-License-Identifier: Apache-2.0
"""UEFI firmware for QEMU, as distributions install it.

Each firmware has a description, whose format is ``firmware.json`` of QEMU.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import glob
import json
import os
from typing import TYPE_CHECKING
from typing import Any

from hyperv_sched.cli import base
from hyperv_sched.cli import input_files

if TYPE_CHECKING:
    from hyperv_sched.disk import templates

#: Directories of descriptions. A file in the first one replaces a file of the
#: same name in the second one.
DIRECTORIES = ('/etc/qemu/firmware', '/usr/share/qemu/firmware')

_MAX_DESCRIPTION = 64 * 1024
#: Bytes of the file of variables, of which OVMF has 540,672.
_MAX_VARIABLES = 16 * 1024 ** 2

_SECURE_BOOT, _SMM, _KEYS = 'secure-boot', 'requires-smm', 'enrolled-keys'


@dataclasses.dataclass(frozen=True)
class Firmware:
    """Files of a UEFI firmware for x64."""

    code: str
    variables: str
    """The variables of a new machine, without keys."""
    smm: bool
    """Whether it needs System Management Mode, which protects the keys."""

    def arguments(self, variables: str) -> list[str]:
        """Return the arguments of QEMU.

        :param variables: the file of the variables of the machine
        """
        flash = 'if=pflash,format=raw,file='
        arguments = [
            '-drive', f'{flash}{escape(self.code)},unit=0,readonly=on',
            '-drive', f'{flash}{escape(variables)},unit=1']
        if self.smm:
            arguments += [
                '-machine', 'smm=on',
                '-global', 'driver=cfi.pflash01,property=secure,value=on',
                '-global', 'ICH9-LPC.disable_s3=1']
        return arguments

    def new_variables(self, template: templates.Template | None) -> bytes:
        """Return the variables of a new machine.

        :param template: its keys; None without Secure Boot
        :raises base.UsageError: the file cannot be read, or has no room.
        """
        from hyperv_sched.cli import uefi_variables

        data = input_files.read(self.variables, _MAX_VARIABLES)
        try:
            return uefi_variables.fill(data, () if template is None else (
                uefi_variables.secure_boot(template)))
        except uefi_variables.StoreError as exc:
            raise base.UsageError(f'{self.variables}: {exc}') from None


def escape(path: str) -> str:
    """Return a path as an option of QEMU, in which a comma is doubled."""
    return path.replace(',', ',,')


def find(secure_boot: bool,
         directories: Sequence[str] = DIRECTORIES) -> Firmware:
    """Return the installed firmware with or without Secure Boot.

    :raises base.UsageError: none is installed.
    """
    names: dict[str, str] = {}
    for directory in reversed(directories):
        for path in glob.glob(os.path.join(directory, '*.json')):
            names[os.path.basename(path)] = path
    for _, path in sorted(names.items()):
        firmware = _read(path, secure_boot)
        if firmware is not None:
            return firmware
    raise base.UsageError(
        f'no UEFI firmware for QEMU {"with" if secure_boot else "without"} '
        f'Secure Boot is installed (descriptions in {directories[-1]}). '
        'Install the package ovmf (Debian, Ubuntu), edk2-ovmf (Fedora, Red '
        'Hat) or qemu-ovmf-x86_64 (openSUSE)')


def _read(path: str, secure_boot: bool) -> Firmware | None:
    """Return the firmware of a description; None if it is another kind."""
    try:
        description = json.loads(input_files.read(path, _MAX_DESCRIPTION))
        features = description['features']
        machines = [
            machine for target in description['targets']
            if target['architecture'] == 'x86_64'
            for machine in target['machines']]
        code, variables = (
            _file(description['mapping'][name])
            for name in ('executable', 'nvram-template'))
    except (base.UsageError, AttributeError, KeyError, TypeError,
            ValueError):
        # Other firmware: of another mapping, or a format of a later QEMU.
        return None
    if (not any(str(machine).startswith(('pc-q35', 'q35'))
                for machine in machines)
            or (_SECURE_BOOT in features) != secure_boot
            or _KEYS in features
            or not (os.path.exists(code) and os.path.exists(variables))):
        return None
    return Firmware(code, variables, _SMM in features)


def _file(description: Any) -> str:
    """Return the path of a raw file.

    :raises ValueError: it is not raw.
    """
    if description.get('format', 'raw') != 'raw':
        raise ValueError
    return str(description['filename'])
