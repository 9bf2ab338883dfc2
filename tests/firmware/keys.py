# SPDX-License-Identifier: Apache-2.0
"""Variables of firmware that hold the keys of a Secure Boot template.

virt-firmware writes them; what firmware decides by them is OVMF's own.
"""

import pathlib
import struct
import subprocess
import sys
import tempfile
import uuid

from hyperv_sched.disk import templates
from tests import signing

_EMPTY = pathlib.Path('/usr/share/OVMF/OVMF_VARS_4M.fd')
_OWNER = uuid.UUID('77fa9abd-0359-4d32-bd60-28f4e78f784b')
#: The time and the signature that precede an update of a variable, which
#: virt-firmware does not verify.
_AUTHENTICATION = struct.pack(
    '<HBBBBBxIhBx', 2026, 1, 1, 0, 0, 0, 0, 0, 0) + struct.pack(
    '<IHH16s', 24, 0x200, 0xef1,
    uuid.UUID('4aafd29d-68df-49ee-8aa9-347d375665a7').bytes_le)


def write_variables(template: templates.Template,
                    target: pathlib.Path) -> None:
    """Write the variables of a new machine with the keys of a template.

    Who may change the keys (PK, KEK) has no effect on what starts.
    """
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        platform = directory / 'platform.pem'
        platform.write_bytes(signing.signer('Platform', ca=True).pem)
        arguments = ['--set-pk', _OWNER, platform,
                     '--add-kek', _OWNER, platform]
        for number, anchor in enumerate(template.db):
            file = directory / f'{number}.der'
            file.write_bytes(anchor.certificate.encoded)
            arguments += ['--add-db', _OWNER, file]
        revoked = directory / 'dbx'
        revoked.write_bytes(
            _AUTHENTICATION
            + signing.signature_list(
                signing.SHA256, *sorted(template.dbx.hashes))
            + b''.join(signing.signature_list(
                signing.X509, certificate.encoded)
                for certificate in template.dbx.certificates))
        subprocess.run(
            [sys.executable, '-m', 'virt.firmware.vars', '-i', _EMPTY,
             '-o', target, '--sb', *map(str, arguments),
             '--set-dbx', revoked],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
