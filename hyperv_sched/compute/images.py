# SPDX-License-Identifier: Apache-2.0
"""Image documents of Nova's objects, and the first bytes of image files."""

from __future__ import annotations

from collections.abc import Generator
from collections.abc import Mapping
import contextlib
import io
import pathlib
from typing import Any

from nova import exception
from nova.image import glance
from oslo_config import cfg

from hyperv_sched import disk
from hyperv_sched import document as image_document
from hyperv_sched import rules
from hyperv_sched.compute import checks
from hyperv_sched.compute import compute_hyperv
from hyperv_sched.compute import hosts

CONF = cfg.CONF

#: The bytes that the format is read from: one chunk of Glance's client.
_HEAD_SIZE = 65536


def document(instance: Any, image: Any = None,
             flavor: Any = None) -> image_document.Document:
    """Return the image document of an operation.

    :param image: an ImageMeta or an ImageRecord; None for the image that
        the server was created from, as Nova has recorded it
    :param flavor: None for the server's own
    :raises document.InvalidDocumentError: Glance returns an invalid image.
    """
    if isinstance(image, compute_hyperv.ImageRecord):
        read = _from_record(instance, image)
    else:
        read = image_document.from_image_meta(
            instance.image_meta if image is None else image)
    if 'id' not in read and (
            not instance.image_ref
            or isinstance(image, compute_hyperv.ImageRecord)):
        # The root disk is a volume, in the format of Cinder's back end.
        read.pop('disk_format', None)
    return image_document.add_flavor(
        read, (flavor or instance.flavor).extra_specs)


def _from_record(instance: Any, record: Mapping[str, Any]
                 ) -> image_document.Document:
    read = image_document.normalize(
        {name: value for name, value in record.items() if value != ''})
    # compute-hyperv reads the key of a virtual TPM from the server first.
    read['img_pdk_reference'] = (
        instance.metadata.get('img_pdk_reference')
        or read.get('img_pdk_reference', ''))
    return read


def correct_image_meta(image_meta: Any, instance: Any) -> None:
    """Give an ImageMeta the generation in the server's corrected record.

    Nova makes the ImageMeta before it calls the driver, which may correct
    the record.
    """
    recorded = instance.image_meta.properties
    if (image_meta.properties.get('hw_machine_type')
            != recorded.get('hw_machine_type')):
        image_meta.properties = recorded


def read_content(document: Mapping[str, Any], context: Any,
                 host: hosts.Host) -> dict[str, Any]:
    """Return the format of an image's file, whatever its disk_format is.

    Read the driver's cached file, if there is one: the driver uses no other.
    Else read the first bytes from Glance, before the driver downloads all.

    :raises checks.ImageUnavailableError: the file cannot be read.
    """
    image_id = document['id']
    try:
        path = host.cached_image_path(image_id)
        if path is None:
            head = _download_head(context, image_id)
            label = document.get('disk_format')
        else:
            # The driver names the file by the format that it has read.
            label = pathlib.PurePath(path).suffix.removeprefix('.')
            with open(path, 'rb') as file:
                head = file.read(_HEAD_SIZE)
    except Exception as exc:
        raise checks.ImageUnavailableError(
            unavailable(image_id, exc)) from exc
    # Nothing but the format is read: the driver waits for this, and the
    # tenant decides on the content of the file.
    name = disk.read_format(io.BytesIO(head)).name
    if name in ('raw', 'unknown') and label == 'vhd':
        # The signature of a fixed VHD is at its end: the label is right.
        name = 'vhd'
    return {'format': name, 'file_size': len(head)}


def unavailable(image_id: str, exc: Exception) -> rules.Finding:
    """Return the finding for an error in reading an image."""
    match exc:
        case exception.ImageNotFound():
            return checks.image_not_found(image_id)
        case exception.ImageNotAuthorized():
            return checks.image_not_downloadable(image_id)
    return checks.image_unreadable(image_id, exc)


class _Head(io.BytesIO):
    """A file that keeps the first bytes of what is written to it."""

    def write(self, data: Any) -> int:
        """Write what there is room for."""
        super().write(data[:_HEAD_SIZE - self.tell()])
        return len(data)


def _download_head(context: Any, image_id: str) -> bytes:
    head = _Head()
    if _nova_verifies():
        # It reads all chunks before it returns them.
        glance.API().download(context, image_id, data=head)
        return head.getvalue()
    chunks = glance.API().download(context, image_id)
    with contextlib.closing(_closable(chunks)) as stream:
        # A proxy may make the chunks smaller.
        for chunk in stream:
            head.write(chunk)
            if head.tell() >= _HEAD_SIZE:
                break
    return head.getvalue()


def _nova_verifies() -> bool:
    """Return whether Nova verifies the signature of an image (its API)."""
    options = CONF.glance
    return bool(options.verify_glance_signatures or (
        options.enable_certificate_validation
        and options.default_trusted_certificate_ids))


def _closable(chunks: Any) -> Generator[bytes, None, None]:
    """Yield chunks, and close the connection afterwards."""
    try:
        yield from chunks or ()
    finally:
        getattr(chunks, 'close', lambda: None)()
