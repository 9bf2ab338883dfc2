#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make hyperv_sched/disk/templates.json of files that Microsoft publishes.

    tools/secure_boot_data.py --dbx FILE --source TEXT --date YYYY-MM-DD
    tools/secure_boot_data.py --templates DIRECTORY --source TEXT --date ...

DIRECTORY is vm/devices/firmware/hyperv_secure_boot_templates of
microsoft/openvmm: *_Template.json. FILE, for revoked hashes that are newer
than the templates, is PreSignedObjects/DBX/dbx_info_msft_latest.json of
microsoft/secureboot_objects, or a binary DBXUpdate file of x64. SOURCE names
repository and commit, and DATE is that of the commit.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import json
import pathlib
import struct
import sys
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from hyperv_sched.disk import certificates  # noqa: E402
from hyperv_sched.disk import signature_lists  # noqa: E402

_PATH = (pathlib.Path(__file__).resolve().parents[1] / 'hyperv_sched' / 'disk'
         / 'templates.json')
#: The file and the name in Hyper-V, by os_type.
_TEMPLATES = {
    'windows': ('MicrosoftWindows', 'MicrosoftWindows'),
    'linux': ('MicrosoftUEFI', 'MicrosoftUEFICertificateAuthority')}
_LICENSE = 'MIT, Copyright (c) Microsoft Corporation'
_DBX_LICENSE = 'BSD-2-Clause-Patent, Copyright (c) Microsoft Corporation'
#: An authenticated variable begins with a time of 16 bytes and a certificate
#: (UEFI 2.10, 8.2.2), whose length comes first.
_TIME_SIZE = 16
_LENGTH = struct.Struct('<I')
_SIGNATURE_LIST_TYPES = (b'\x26\x16\xc4\xc1', b'\xa1\x59\xc0\xa5')


def main() -> int:
    """Write the file, and print the number of revoked hashes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    files = parser.add_mutually_exclusive_group(required=True)
    files.add_argument('--dbx', type=pathlib.Path)
    files.add_argument('--templates', type=pathlib.Path)
    parser.add_argument('--source', required=True)
    parser.add_argument('--date', required=True,
                        type=datetime.date.fromisoformat)
    args = parser.parse_args()
    data = json.loads(_PATH.read_text()) if _PATH.exists() else {}
    origin = {'source': args.source, 'date': args.date.isoformat()}
    if args.dbx:
        hashes = read_dbx(args.dbx.read_bytes())
        data['dbx'] = {**origin, 'license': _DBX_LICENSE, 'sha256': hashes}
    else:
        data = read_templates(args.templates, origin)
    if not data['dbx']['sha256']:
        print('error: the file has no SHA-256 hashes of x64 programs',
              file=sys.stderr)
        return 2
    _PATH.write_text(json.dumps(data, indent=1) + '\n')
    print(f'{len(data["dbx"]["sha256"])} revoked hashes')
    return 0


def read_templates(directory: pathlib.Path,
                   origin: dict[str, str]) -> dict[str, Any]:
    """Return the data of the templates, whose lists of hashes are equal."""
    templates = {}
    revoked = set()
    for os_type, (file, name) in _TEMPLATES.items():
        keys = json.loads((directory / f'{file}_Template.json').read_text())[
            'properties']['uefiSettings']['signatures']
        templates[os_type] = {'name': name, 'db': [
            _certificate(value) for group in keys['db']
            if group['type'] == 'x509' for value in group['value']]}
        revoked |= {base64.b64decode(value).hex() for group in keys['dbx']
                    if group['type'] == 'sha256' for value in group['value']}
    return {**origin, 'license': _LICENSE, 'templates': templates,
            'dbx': {**origin, 'license': _LICENSE,
                    'sha256': sorted(revoked)}}


def _certificate(value: str) -> dict[str, str]:
    name = certificates.read(base64.b64decode(value)).name
    # A certificate without a year came with those of 2023.
    return {'name': name, 'certificate': value,
            'year': '2011' if name.endswith('2011') else '2023'}


def read_dbx(data: bytes) -> list[str]:
    """Return the hashes of a file of either format, in order."""
    if data.lstrip().startswith(b'{'):
        return sorted({
            image['authenticodeHash'].lower()
            for image in json.loads(data)['images']['x64']
            if image.get('hashType', 'SHA256') == 'SHA256'})
    if not data.startswith(_SIGNATURE_LIST_TYPES):
        start = _TIME_SIZE + _LENGTH.unpack_from(data, _TIME_SIZE)[0]
        data = data[start:]
    return sorted(item.hex() for item in signature_lists.read(data).hashes)


if __name__ == '__main__':
    sys.exit(main())
