# SPDX-License-Identifier: Apache-2.0
"""The images of a cloud, to judge them where they are."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import shutil
import tempfile
from typing import Any
from typing import BinaryIO
from typing import cast

from hyperv_sched import document as image_document
from hyperv_sched.cli import cloud
from hyperv_sched.cli import inputs
from hyperv_sched.cli import progress
from hyperv_sched.disk import ranges

ShowBytes = Callable[[int], progress.Progress]
"""Makes what shows how far a download of so many bytes is."""


def images(connection: cloud.Images, names: Iterable[str],
           complain: inputs.Complain) -> Iterator[dict[str, Any]]:
    """Get the images of ids or names; complain of those there are not."""
    for name in names:
        try:
            yield connection.find(name)
        except cloud.CloudError as exc:
            complain(exc)


def subjects(connection: cloud.Images, found: Iterable[dict[str, Any]],
             given: Mapping[str, Any], complain: inputs.Complain,
             show: ShowBytes | None) -> Iterator[inputs.Subject]:
    """Read the content of images of a cloud, where it counts.

    :param given: properties, which every image shall have
    :param show: download what cannot be read in ranges, and show how far
        it is; None: do not download
    """
    for image in found:
        for flat in inputs.flat([image], 'the cloud', given, complain):
            try:
                yield _subject(connection, image, flat, show)
            except cloud.Changed:
                complain(f'{image_document.label(flat)}: was deleted or '
                         'changed while it was read, or its content is lost')
            except cloud.CloudError as exc:
                if exc.status is None:
                    # The next one would fare no better.
                    raise
                complain(f'{image_document.label(flat)}: {exc}')
            except OSError as exc:
                complain(f'{image_document.label(flat)}: cannot be read: '
                         f'{exc.strerror or exc}')


def _subject(connection: cloud.Images, image: dict[str, Any],
             flat: dict[str, Any], show: ShowBytes | None) -> inputs.Subject:
    if not _has_disk(flat):
        return inputs.Subject(flat)
    try:
        return inputs.Subject(flat, content=_inspect(connection, image, show))
    except cloud.Unread as exc:
        return inputs.Subject(flat, unread=str(exc))


def _has_disk(flat: Mapping[str, Any]) -> bool:
    """Whether there is content, and Hyper-V shall run it."""
    from hyperv_sched import validators

    return flat.get('status') == 'active' and validators.concerns_hyperv(
        image_document.normalize(flat))


def _inspect(connection: cloud.Images, image: Mapping[str, Any],
             show: ShowBytes | None) -> dict[str, Any]:
    """See what an image is, by as little of it as will do.

    :raises cloud.Unread: it cannot be read so.
    """
    from hyperv_sched import disk

    try:
        return disk.inspect_source(connection.source(image)).as_dict()
    except (cloud.Unread, ranges.BudgetExceededError) as exc:
        if show is None:
            raise cloud.Unread(str(exc)) from None
    with tempfile.TemporaryFile() as file:
        _download(connection, image, cast(BinaryIO, file), show)
        return disk.inspect_file(cast(BinaryIO, file)).as_dict()


def _download(connection: cloud.Images, image: Mapping[str, Any],
              file: BinaryIO, show: ShowBytes) -> None:
    size = cloud.size_of(image)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if size > free:
        raise cloud.Unread(f'it has {size} bytes, {tempfile.gettempdir()} '
                           f'has room for {free}: set TMPDIR')
    shown = show(size)
    try:
        connection.download(image, file, shown)
    finally:
        shown.clear()
    file.flush()
