# SPDX-License-Identifier: Apache-2.0
"""Lists of certificates and hashes (UEFI 2.10, 32.4.1), little endian.

The variables db and dbx are such lists, and so is what shim trusts. A list:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0   16 type, a GUID
    16    4 size of the list
    20    4 size of the header
    24    4 size of a signature
    28      header, then signatures: an owner of 16 bytes, and data
====== ==== ==========================================================
"""

from __future__ import annotations

import dataclasses
import struct
import uuid

from hyperv_sched.disk import certificates
from hyperv_sched.disk import der

_HEADER = struct.Struct('<16sIII')
_OWNER_SIZE = 16
_X509 = uuid.UUID('a5c059a1-94e4-4aa7-87b5-ab155c2bf072').bytes_le
_SHA256 = uuid.UUID('c1c41626-504c-4092-aca9-41f936934328').bytes_le
_SHA256_SIZE = 32
#: Certificates of one list. Those of Canonical have eight.
MAX_CERTIFICATES = 64


@dataclasses.dataclass(frozen=True)
class Signatures:
    """Certificates, and SHA-256 hashes of programs."""

    certificates: tuple[certificates.Certificate, ...] = ()
    hashes: frozenset[bytes] = frozenset()


def read(data: bytes) -> Signatures:
    """Return the certificates and the hashes of lists.

    Lists of another type, and certificates that cannot be decoded, are left
    out. What follows a list of an invalid size is not read.
    """
    known: list[certificates.Certificate] = []
    hashes: set[bytes] = set()
    offset = 0
    while len(data) - offset >= _HEADER.size:
        kind, size, header, item = _HEADER.unpack_from(data, offset)
        first = offset + _HEADER.size + header
        end = offset + size
        if item <= _OWNER_SIZE or first > end or end > len(data):
            break
        if kind in (_X509, _SHA256):
            for start in range(first, end - item + 1, item):
                value = data[start + _OWNER_SIZE:start + item]
                if kind == _SHA256:
                    hashes.add(value)
                elif len(known) < MAX_CERTIFICATES:
                    known += _certificate(value)
        offset = end
    return Signatures(tuple(known), frozenset(hashes))


def encode(signatures: Signatures) -> bytes:
    """Return lists of certificates and hashes, without an owner.

    Each certificate has a list of its own, since all items of a list have
    one size.
    """
    lists = [(_X509, certificate.encoded)
             for certificate in signatures.certificates]
    if signatures.hashes:
        lists.append((_SHA256, bytes(_OWNER_SIZE).join(
            sorted(signatures.hashes))))
    return b''.join(_HEADER.pack(
        kind, _HEADER.size + _OWNER_SIZE + len(data), 0,
        _OWNER_SIZE + (_SHA256_SIZE if kind == _SHA256 else len(data)),
    ) + bytes(_OWNER_SIZE) + data for kind, data in lists)


def _certificate(data: bytes) -> list[certificates.Certificate]:
    try:
        return [certificates.read(data)]
    except der.DERError:
        return []
