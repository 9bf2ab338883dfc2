# SPDX-License-Identifier: Apache-2.0
"""Targets of "image lint" that are images of a cloud."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import shutil
import tempfile
from typing import TYPE_CHECKING
from typing import Any
from typing import BinaryIO
from typing import cast

from hyperv_sched import document as image_document
from hyperv_sched.cli import image_api
from hyperv_sched.cli import inputs
from hyperv_sched.cli import progress
from hyperv_sched.cli import rest

if TYPE_CHECKING:
    from hyperv_sched.disk import secure_boot

StartProgress = Callable[[int], progress.Progress]
"""Starts the progress line of a download of so many bytes."""


def find_images(api: image_api.ImageAPI, names: Iterable[str],
                print_error: inputs.PrintError) -> Iterator[dict[str, Any]]:
    """Yield the images with these ids or names; report those not found."""
    for name in names:
        try:
            yield api.find(name)
        except rest.CloudError as exc:
            print_error(exc)


def read_targets(api: image_api.ImageAPI, images: Iterable[dict[str, Any]],
                 overrides: Mapping[str, Any],
                 print_error: inputs.PrintError,
                 certificate_years: Collection[str],
                 start_progress: StartProgress | None,
                 ) -> Iterator[inputs.LintTarget]:
    """Yield images with their content, which is read for Hyper-V only.

    :param overrides: properties that replace those of every image
    :param certificate_years: see :func:`inputs.secure_boot_policy`
    :param start_progress: for a download of content that the store does not
        return in ranges, or of an image with Secure Boot; None for no
        download
    """
    for image in images:
        for record in inputs.flatten_records(
                [image], 'the cloud', overrides, print_error):
            label = image_document.label(record)
            try:
                yield _read_target(
                    api, image, record, certificate_years, start_progress)
            except image_api.ImageChangedError:
                print_error(f'{label}: was deleted or changed while it was '
                            'read, or its content is lost')
            except rest.CloudError as exc:
                if exc.status is None:
                    # All further requests would fail as well.
                    raise
                print_error(f'{label}: {exc}')
            except OSError as exc:
                print_error(f'{label}: cannot be read: {exc.strerror or exc}')


def _read_target(api: image_api.ImageAPI, image: dict[str, Any],
                 record: image_document.Record,
                 certificate_years: Collection[str],
                 start_progress: StartProgress | None) -> inputs.LintTarget:
    if not _has_disk(record):
        return inputs.LintTarget(record)
    try:
        return inputs.LintTarget(
            record, content=_inspect(
                api, image, inputs.secure_boot_policy(
                    record, certificate_years,
                    whole=start_progress is not None), start_progress))
    except image_api.ContentUnavailableError as exc:
        return inputs.LintTarget(record, unread_reason=str(exc))


def _has_disk(record: image_document.Record) -> bool:
    """Return whether an image has content for Hyper-V."""
    from hyperv_sched import validators

    return record.get('status') == 'active' and validators.concerns_hyperv(
        image_document.normalize(record))


def _inspect(api: image_api.ImageAPI, image: Mapping[str, Any],
             policy: secure_boot.Policy | None,
             start_progress: StartProgress | None) -> dict[str, Any]:
    """Inspect the content of an image, in ranges if possible.

    Whole loaders are too large to be read in ranges.

    :raises image_api.ContentUnavailableError: it cannot be read.
    """
    from hyperv_sched import disk
    from hyperv_sched.disk import ranges

    if start_progress is None or policy is None:
        try:
            return disk.inspect_source(api.source(image), policy).as_dict()
        except (image_api.ContentUnavailableError,
                ranges.BudgetExceededError) as exc:
            if start_progress is None:
                raise image_api.ContentUnavailableError(str(exc)) from None
    with tempfile.TemporaryFile() as file:
        _download(api, image, cast(BinaryIO, file), start_progress)
        return disk.inspect_file(cast(BinaryIO, file), policy).as_dict()


def _download(api: image_api.ImageAPI, image: Mapping[str, Any],
              file: BinaryIO, start_progress: StartProgress) -> None:
    size = image_api.get_size(image)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if size > free:
        raise image_api.ContentUnavailableError(
            f'it has {size} bytes, and {tempfile.gettempdir()} has room for '
            f'{free}. Set TMPDIR to a larger directory')
    progress_line = start_progress(size)
    try:
        api.download(image, file, progress_line)
    finally:
        progress_line.clear()
    file.flush()
