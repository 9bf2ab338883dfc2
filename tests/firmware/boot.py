# SPDX-License-Identifier: Apache-2.0
"""Boot a disk image with real firmware and see whether its loader runs.

A loader that runs prints a marker on the serial line. Firmware that finds
none says so there as well: no verdict is drawn from silence.
"""

from collections.abc import Callable
import dataclasses
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading

from hyperv_sched.disk import templates
from tests.firmware import images
from tests.firmware import keys
from tests.firmware import loaders

#: Seconds; many times the slowest boot on a busy computer.
TIME_LIMIT = 240

#: Control sequences of a console, which may be inside of a word.
_CURSOR = re.compile(r'\x1b\[[0-9;?=]*[A-Za-z]')
_DISK = 'if=none,id=disk'
_OVMF = pathlib.Path('/usr/share/OVMF')
_FLASH = 'if=pflash,format=raw,file='

#: Writes a file with the variables of firmware.
Variables = Callable[[pathlib.Path], None]


class UndecidedError(Exception):
    """Neither the marker nor a message that booting ended was printed."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """A virtual machine, and the messages of firmware that does not boot."""

    arguments: tuple[str, ...]
    gives_up: tuple[str, ...]
    variables: Variables | None = None


def _uefi(code: str, variables: Variables, *extra: str) -> Machine:
    return Machine(
        (*extra, '-drive', f'{_FLASH}{_OVMF}/{code},unit=0,readonly=on'),
        ('EFI Internal Shell', 'No bootable option or device was found',
         # shim with its fallback, and with an unsigned second stage.
         'LoadImage failed', 'Security Violation',
         # shim that finds neither a second stage nor the default one.
         'start_image() returned Not Found\r',
         # GRUB without a configuration.
         'grub>', 'grub rescue>',
         # shim that started itself until memory was full.
         'start_image() returned Out of Resources',
         # The program crashed.
         'X64 Exception'), variables)


def _copy_variables(target: pathlib.Path) -> None:
    """Write the variables of a new machine without keys."""
    shutil.copy(_OVMF / 'OVMF_VARS_4M.fd', target)


UEFI = _uefi('OVMF_CODE_4M.fd', _copy_variables)


def secure_boot(template: templates.Template) -> Machine:
    """Return a machine with the keys of a template and no others."""
    return _uefi(
        'OVMF_CODE_4M.secboot.fd',
        functools.partial(keys.write_variables, template),
        '-machine', 'smm=on',
        '-global', 'driver=cfi.pflash01,property=secure,value=on',
        '-global', 'ICH9-LPC.disable_s3=1')


#: Without a display, SeaBIOS has its console on the serial line as well.
BIOS = Machine(('-machine', 'graphics=off'),
               ('No bootable device.',
                # The boot sectors of SYSLINUX and of mkfs.fat.
                'Missing OS', 'This is not a bootable disk'))


def starts(machine: Machine, image: images.Image,
           in_container: bool = True) -> bool:
    """Return whether firmware boots a loader that runs.

    An image that QEMU cannot open is one without.

    :param in_container: start the file; else the disk that went into it.
    :raises UndecidedError: nothing was heard in time.
    """
    path, image_format = (
        (image.path, image.format) if in_container else (image.disk, 'raw'))
    with tempfile.TemporaryDirectory() as directory:
        variables = pathlib.Path(directory, 'variables.fd')
        flash = []
        if machine.variables:
            machine.variables(variables)
            flash = ['-drive', f'{_FLASH}{variables},unit=1']
        return _run(machine, image, [
            *flash,
            '-drive', f'{_DISK},file={path},format={image_format},'
                      'snapshot=on'])


def _run(machine: Machine, image: images.Image, drives: list[str]) -> bool:
    command = [
        'qemu-system-x86_64', '-machine', 'q35,accel=tcg', '-m', '256',
        '-nodefaults', '-display', 'none', '-no-reboot',
        '-serial', 'stdio', *machine.arguments,
        '-device', 'virtio-scsi-pci',
        *drives,
        '-device', f'scsi-{image.medium},drive=disk,'
                   f'logical_block_size={image.sector_size},'
                   f'physical_block_size={image.sector_size}']
    with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT) as process:
        alarm = threading.Timer(TIME_LIMIT, process.kill)
        alarm.start()
        try:
            return _verdict(machine, process)
        finally:
            alarm.cancel()
            process.kill()


def _verdict(machine: Machine, process: subprocess.Popen) -> bool:
    console = said = ''
    while chunk := os.read(process.stdout.fileno(), 4096):
        console += chunk.decode('ascii', 'replace')
        said = _CURSOR.sub('', console)
        if loaders.MARKER in said:
            return True
        if any(words in said for words in machine.gives_up):
            return False
    # QEMU ends by itself where it cannot open the image, and where what was
    # started requests a reset.
    if process.wait() == 0 or f'-drive {_DISK}' in said:
        return False
    raise UndecidedError(said)
