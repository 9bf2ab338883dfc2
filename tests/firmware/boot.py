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
import threading

from tests.firmware import images
from tests.firmware import loaders

#: Seconds; many times the slowest boot on a busy computer.
TIME_LIMIT = 240

#: Control sequences of a console, which may be inside of a word.
_CURSOR = re.compile(r'\x1b\[[0-9;?=]*[A-Za-z]')
_DISK = 'if=none,id=disk'
_OVMF = pathlib.Path('/usr/share/OVMF')


class UndecidedError(Exception):
    """Neither the marker nor a message that booting ended was printed."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """A virtual machine, and the messages of firmware that does not boot."""

    arguments: tuple[str, ...]
    gives_up: tuple[str, ...]


def _uefi(code: str, variables: str, *extra: str) -> Machine:
    flash = f'if=pflash,format=raw,file={_OVMF}'
    return Machine(
        (*extra,
         '-drive', f'{flash}/{code},unit=0,readonly=on',
         # With snapshot=on, each boot is the first of a new machine.
         '-drive', f'{flash}/{variables},unit=1,snapshot=on'),
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
         'X64 Exception'))


UEFI = _uefi('OVMF_CODE_4M.fd', 'OVMF_VARS_4M.fd')
#: With Microsoft's keys in it.
SECURE_BOOT = _uefi(
    'OVMF_CODE_4M.secboot.fd', 'OVMF_VARS_4M.ms.fd',
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
    command = [
        'qemu-system-x86_64', '-machine', 'q35,accel=tcg', '-m', '256',
        '-nodefaults', '-display', 'none', '-no-reboot',
        '-serial', 'stdio', *machine.arguments,
        '-device', 'virtio-scsi-pci',
        '-drive', f'{_DISK},file={path},format={image_format},snapshot=on',
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
