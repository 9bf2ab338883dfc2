# SPDX-License-Identifier: Apache-2.0
"""Rules over what Windows needs on a disk behind its boot loader (HV3xx)."""

from __future__ import annotations

from hyperv_sched.rules import references
from hyperv_sched.rules.model import Defect
from hyperv_sched.rules.model import Rule

RULES = (
    Rule('HV344', 'bcd-missing', 'error',
         'Windows Boot Manager finds no boot configuration: {actual}',
         '\\EFI\\Microsoft\\Boot\\BCD, a registry hive',
         'Write it on Windows, with W: as the Windows volume and S: as the '
         'EFI system partition: bcdboot W:\\Windows /s S: /f UEFI',
         references.BCDBOOT,
         scope='generation-2',
         clauses=[Defect(
             why='Firmware starts Windows Boot Manager, which reads '
                 '\\EFI\\Microsoft\\Boot\\BCD on the same partition and stops '
                 'without it.',
             example='no \\EFI\\Microsoft\\Boot\\BCD')]),
    Rule('HV345', 'os-volume-encrypted', 'warning',
         'BitLocker encrypts a volume of a Windows disk: {actual}. A new VM '
         'has no key in its TPM, and stops for the recovery key',
         'volumes that are not encrypted',
         'Decrypt the volume before sysprep (Disable-BitLocker), and set '
         'PreventDeviceEncryption=1 in the registry, since Windows 11 24H2 '
         'encrypts by itself',
         references.BITLOCKER,
         scope='generation-2',
         clauses=[Defect(
             why='The boot sector of the volume has the signature -FVE-FS-, '
                 'and its metadata hold no key in the clear.',
             example='partition 3')]),
)
