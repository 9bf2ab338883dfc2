# SPDX-License-Identifier: Apache-2.0
"""Variables of UEFI firmware with the keys of a Secure Boot template.

EDK II keeps its variables in flash memory, in a firmware volume (UEFI PI 1.8,
volume 3, 3.2.1) with a variable store (``VariableFormat.h`` of EDK II), all
little endian. The fields that are read:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
    16   16 GUID of a volume with variables
    32    8 size of the volume
    40    4 ``_FVH``
    48    2 size of the header, at whose end the store begins
====== ==== ==========================================================

====== ==== ==========================================================
offset size (in the store)
====== ==== ==========================================================
     0   16 GUID of a store of authenticated variables
    16    4 size of the store, with this header of 28 bytes
    20    1 0x5a, formatted
    21    1 0xfe, healthy
====== ==== ==========================================================

Behind the header are variables, each at a multiple of four bytes, and then
bytes of 0xff to the end of the store:

====== ==== ==========================================================
offset size (in a variable)
====== ==== ==========================================================
     0    2 0x55aa
     2    1 0x3f, added
     4    4 attributes
     8    8 counter, 0
    16   16 time of the last update
    32    4 index of a key, 0
    36    4 size of the name, in UTF-16 with a terminating zero
    40    4 size of the value
    44   16 GUID of the vendor
====== ==== ==========================================================
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import struct
import uuid

from hyperv_sched.disk import signature_lists
from hyperv_sched.disk import templates

_VOLUME = struct.Struct('<16x16sQ4s4xH')
_VOLUME_GUID = uuid.UUID('fff12b8d-7696-4c8b-a985-2747075b4f50').bytes_le
_STORE = struct.Struct('<16sIBB6x')
_STORE_GUID = uuid.UUID('aaf32c78-947b-439a-a180-2e144ec37792').bytes_le
_FORMATTED, _HEALTHY = 0x5a, 0xfe
_VARIABLE = struct.Struct('<HBxIQ16sIII16s')
_START, _ADDED = 0x55aa, 0x3f
_ERASED = b'\xff'

# GUIDs of vendors.
_GLOBAL = uuid.UUID('8be4df61-93ca-11d2-aa0d-00e098032b8c')
_SECURITY_DATABASE = uuid.UUID('d719b2cb-3d3a-4596-a3bc-dad00e67656f')
_SECURE_BOOT_ENABLE = uuid.UUID('f0a30bc7-af08-4556-99c4-001009c93a44')

# Attributes (UEFI 2.10, 8.2.1).
_STORED = 0x1 | 0x2
_SIGNED = _STORED | 0x4 | 0x20


class StoreError(Exception):
    """A file is no variable store, or has no room."""


@dataclasses.dataclass(frozen=True)
class Variable:
    """A variable of firmware."""

    name: str
    vendor: uuid.UUID
    attributes: int
    value: bytes


def secure_boot(template: templates.Template) -> tuple[Variable, ...]:
    """Return the variables of a machine with the keys of a template.

    The keys that may change db and dbx, PK and KEK, have no effect on what
    starts. A certificate of the template takes their places.
    """
    certificates = tuple(anchor.certificate for anchor in template.db)
    owner = signature_lists.encode(
        signature_lists.Signatures(certificates[:1]))
    return (
        Variable('PK', _GLOBAL, _SIGNED, owner),
        Variable('KEK', _GLOBAL, _SIGNED, owner),
        Variable('db', _SECURITY_DATABASE, _SIGNED, signature_lists.encode(
            signature_lists.Signatures(certificates))),
        Variable('dbx', _SECURITY_DATABASE, _SIGNED,
                 signature_lists.encode(template.dbx)),
        Variable('SecureBootEnable', _SECURE_BOOT_ENABLE, _STORED, b'\1'))


def fill(store: bytes, variables: Sequence[Variable]) -> bytes:
    """Return a variable store with these variables, and no others.

    :param store: the file of firmware for a new machine
    :raises StoreError: it is no variable store, or too small.
    """
    start, end = _find_store(store)
    content = b''.join(_encode(variable) for variable in variables)
    if len(content) > end - start:
        raise StoreError(f'has room for {end - start} bytes of variables, '
                         f'and the keys take {len(content)}')
    return (store[:start] + content.ljust(end - start, _ERASED)
            + store[end:])


def _find_store(store: bytes) -> tuple[int, int]:
    """Return the offsets of the first variable and of the end of the store.

    :raises StoreError: there is no store.
    """
    try:
        guid, volume_size, signature, header = _VOLUME.unpack_from(store)
        store_guid, size, formatted, healthy = _STORE.unpack_from(
            store, header)
    except struct.error:
        raise StoreError('is cut off') from None
    if (guid, signature, store_guid) != (
            _VOLUME_GUID, b'_FVH', _STORE_GUID) or (
            formatted, healthy) != (_FORMATTED, _HEALTHY):
        raise StoreError('is no store of authenticated variables')
    if not _STORE.size <= size <= min(volume_size, len(store)) - header:
        raise StoreError(f'the store has an invalid size: {size}')
    return header + _STORE.size, header + size


def _encode(variable: Variable) -> bytes:
    name = f'{variable.name}\0'.encode('utf-16-le')
    encoded = _VARIABLE.pack(
        _START, _ADDED, variable.attributes, 0, bytes(16), 0, len(name),
        len(variable.value), variable.vendor.bytes_le)
    encoded += name + variable.value
    return encoded.ljust(-(-len(encoded) // 4) * 4, _ERASED)
