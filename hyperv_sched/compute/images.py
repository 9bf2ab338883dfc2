# SPDX-License-Identifier: Apache-2.0
"""The image of a server, as its driver will see it."""

from __future__ import annotations

from collections.abc import Generator
from collections.abc import Mapping
import contextlib
import contextvars
import io
import pathlib
from typing import Any

from nova import utils
from nova.image import glance

from hyperv_sched import disk
from hyperv_sched import document as image_document
from hyperv_sched.compute import hosts

#: As many bytes as tell any format: one chunk, as Glance's client reads them.
_HEAD_SIZE = 65536

#: What compute-hyperv gets where it would ask Glance.
_HANDED: contextvars.ContextVar[dict[str, Any] | None] = (
    contextvars.ContextVar('handed', default=None))


@contextlib.contextmanager
def handed(record: dict[str, Any] | None) -> Generator[None, None, None]:
    """Let a driver that asks Glance again get this, as long as it lasts."""
    token = _HANDED.set(record)
    try:
        yield
    finally:
        _HANDED.reset(token)


def handed_over() -> dict[str, Any] | None:
    """What a driver that asks Glance is to get instead, if anything."""
    return _HANDED.get()


def hand_to_reverts(driver: Any) -> None:
    """Let compute-hyperv's reverts, too, get what is handed.

    They ask Glance by a way of their own
    (``compute_hyperv/nova/migrationops.py`` ``finish_revert_migration``).
    """
    migrationops = getattr(driver, '_migrationops', None)
    cache = getattr(migrationops, '_imagecache', None)
    ask = getattr(cache, 'get_image_details', None)
    if cache is None or ask is None:
        return

    def details(context: Any, instance: Any) -> Any:
        record = handed_over()
        return ask(context, instance) if record is None else record

    cache.get_image_details = details


def own_record(instance: Any) -> dict[str, Any]:
    """A server's image as it was when the server was made of it.

    In the shape of Nova's Glance API, from what Nova keeps of it.
    """
    return {**utils.get_image_from_system_metadata(instance.system_metadata),
            'id': instance.image_ref}


def correct(image_meta: Any, instance: Any) -> None:
    """Make an ImageMeta of a server's image say what the server's records do.

    Nova makes it before it calls the driver, which may correct the records.
    """
    own = instance.image_meta.properties
    if (image_meta.properties.get('hw_machine_type')
            != own.get('hw_machine_type')):
        image_meta.properties = own


def cured(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of Glance in which the driver finds what was meant.

    compute-hyperv takes the Secure Boot template of Linux for all but
    'windows'; Nova and the API take 'Windows' for the same
    (``compute_hyperv/nova/vmops.py`` ``_requires_certificate``).
    """
    properties = dict(record.get('properties') or {})
    if 'os_type' in properties:
        properties['os_type'] = str(properties['os_type']).lower()
    return {**record, 'properties': properties}


def document(instance: Any, image_meta: Any = None,
             flavor: Any = None) -> dict[str, Any]:
    """The image document of Nova's ImageMeta.

    :param image_meta: None for the server's own image: there are drivers
        that spawn by themselves, as after a migration
    :param flavor: None for the server's own
    """
    read = image_document.from_image_meta(
        instance.image_meta if image_meta is None else image_meta)
    if not instance.image_ref and 'id' not in read:
        # The root is a volume, in whatever format Cinder made it.
        read.pop('disk_format', None)
    return _flavored(read, flavor or instance.flavor)


def document_of_record(instance: Any,
                       record: Mapping[str, Any]) -> dict[str, Any]:
    """The image document of what compute-hyperv goes by.

    :raises document.InvalidDocumentError: Glance does not answer as it should.
    """
    read = image_document.normalize(
        {name: value for name, value in record.items() if value != ''})
    if 'id' not in read:
        read.pop('disk_format', None)
    reference = instance.metadata.get('img_pdk_reference')
    if reference:
        # A virtual TPM's; compute-hyperv takes the server's, too.
        read.setdefault('img_pdk_reference', reference)
    return _flavored(read, instance.flavor)


def _flavored(read: dict[str, Any], flavor: Any) -> dict[str, Any]:
    """Add what a flavor can ask for in an image's place."""
    if flavor.extra_specs.get('os:secure_boot') == 'required':
        read['os_secure_boot'] = 'required'
    return read


class _Glimpse(dict[str, Any]):
    """What first bytes tell: so little that a verdict on it can be kept."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


def with_content(read: Mapping[str, Any], context: Any,
                 host: hosts.Host) -> dict[str, Any]:
    """Add what an image is by its first bytes, whatever its label says.

    They are the driver's own file's, where it has one: it will look no
    further. Else a short read of Glance, before the driver reads all.

    :raises Exception: what Nova's Glance API raises.
    :raises OSError: the driver's own file cannot be read.
    """
    path = host.cached_image(read['id'])
    if path is None:
        head, label = _head(context, read['id']), read.get('disk_format')
    else:
        # The driver names it by what it has found it to be.
        label = pathlib.PurePath(path).suffix.removeprefix('.')
        with open(path, 'rb') as file:
            head = file.read(_HEAD_SIZE)
    # Not more than the format: the driver waits for this, and tenants decide
    # what is in the file.
    name = disk.read_format(io.BytesIO(head)).name
    if name in ('raw', 'unknown') and label == 'vhd':
        # The mark of a fixed VHD is at the end: the label is right.
        name = 'vhd'
    return {**read, 'content': _Glimpse(format=name, file_size=len(head))}


def _head(context: Any, image_id: str) -> bytes:
    chunks = glance.API().download(context, image_id)
    head = bytearray()
    with contextlib.closing(_closable(chunks)) as stream:
        # What is between may hand them out in smaller pieces.
        for chunk in stream:
            head += chunk
            if len(head) >= _HEAD_SIZE:
                break
    return bytes(head)


def _closable(chunks: Any) -> Generator[bytes, None, None]:
    """Read chunks, and let go of the connection when that is enough."""
    try:
        yield from chunks or ()
    finally:
        getattr(chunks, 'close', lambda: None)()
