# SPDX-License-Identifier: Apache-2.0
"""Boot a disk image with real firmware and see whether its loader runs.

A loader that runs prints a marker on the serial line. Firmware that finds
none says so there as well: no verdict is drawn from silence.
"""

import dataclasses
import os
import pathlib
import re
import subprocess
import tempfile
import threading

from hyperv_sched.cli import firmware
from hyperv_sched.disk import templates
from tests.firmware import images
from tests.firmware import loaders

#: Seconds; many times the slowest boot on a busy computer.
TIME_LIMIT = 240

#: Control sequences of a console, which may be inside of a word.
_CURSOR = re.compile(r'\x1b\[[0-9;?=]*[A-Za-z]')
_DISK = 'if=none,id=disk'


class UndecidedError(Exception):
    """Neither the marker nor a message that booting ended was printed."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """A virtual machine, and the messages of firmware that does not boot."""

    gives_up: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    uefi: bool = False
    template: templates.Template | None = None
    """The keys of Secure Boot, and no others; None without Secure Boot."""


def secure_boot(template: templates.Template | None) -> Machine:
    """Return a machine with the keys of a template and no others."""
    return Machine(
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
         'X64 Exception'), uefi=True, template=template)


UEFI = secure_boot(None)

#: Without a display, SeaBIOS has its console on the serial line as well.
BIOS = Machine(('No bootable device.',
                # The boot sectors of SYSLINUX and of mkfs.fat.
                'Missing OS', 'This is not a bootable disk'),
               ('-machine', 'graphics=off'))


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
        flash = []
        if machine.uefi:
            uefi = firmware.find(machine.template is not None)
            variables = pathlib.Path(directory, 'variables.fd')
            variables.write_bytes(uefi.new_variables(machine.template))
            flash = uefi.arguments(str(variables))
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
