# SPDX-License-Identifier: Apache-2.0
"""What a command is given to judge: files, documents and options."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import json
import sys
from typing import Any

from hyperv_sched import disk
from hyperv_sched import document as image_document
from hyperv_sched.cli import base

#: A document of the Image API is a few kilobytes.
MAX_JSON_SIZE = 64 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Subject:
    """One image to judge."""

    name: str | None
    """The file as given; None for a document, which has an id or a name."""
    raw: dict[str, Any]
    """Its properties under the names that it has them by."""
    content: dict[str, Any] | None = None

    def document(self) -> dict[str, Any]:
        """The image document that the rules judge."""
        document = image_document.normalise(self.raw)
        if self.content is not None:
            document['content'] = self.content
        return document


def subjects(files: Sequence[str], json_file: str | None,
             given: Mapping[str, Any],
             complain: Callable[[object], None]) -> Iterator[Subject]:
    """Read all that is to be judged.

    :param given: properties and options, which every image shall have
    :param complain: is told of what cannot be read; the rest is still worth
        judging
    :raises base.UsageError: there is nothing to judge, or files and
        documents do not go together.
    """
    if not (files or json_file or given):
        raise base.UsageError(
            'Nothing to judge: give a FILE, --property or --image-json')
    documents = [{}] if json_file is None else _read_json(json_file)
    if not documents or files and len(documents) > 1:
        raise base.UsageError(
            f'{json_file}: holds {len(documents)} images; with a FILE, give '
            'the document of one')
    for number, raw in enumerate(documents, 1):
        try:
            flat = {**image_document.flatten(raw),
                    **image_document.flatten(given)}
            if json_file and not files and not image_document.is_image(flat):
                raise image_document.InvalidDocument(
                    'is no image document: "openstack image show -f json" '
                    'and GET /v2/images print such')
        except image_document.InvalidDocument as exc:
            complain(f'{json_file or "command line"}: image {number}: {exc}')
        else:
            yield from _inspected(files, flat, complain) if files else [
                Subject(None, flat)]


def _inspected(files: Sequence[str], flat: dict[str, Any],
               complain: Callable[[object], None]) -> Iterator[Subject]:
    for file in files:
        try:
            yield Subject(file, flat, inspect(file))
        except base.UsageError as exc:
            complain(exc)


def inspect(path: str) -> dict[str, Any]:
    """See what a file is.

    :raises base.UsageError: it cannot be read.
    """
    try:
        return disk.inspect(path).as_dict()
    except OSError as exc:
        raise base.UsageError(
            f'{path}: cannot be read: {exc.strerror or exc}') from None


def _read_json(path: str) -> list[Any]:
    """Read one document or a list of them."""
    try:
        if path != '-':
            with open(path, 'rb') as source:
                data = source.read(MAX_JSON_SIZE + 1)
        elif sys.stdin is None:
            raise base.UsageError('-: standard input is closed')
        else:
            data = sys.stdin.buffer.read(MAX_JSON_SIZE + 1)
    except OSError as exc:
        raise base.UsageError(
            f'{path}: cannot be read: {exc.strerror or exc}') from None
    if len(data) > MAX_JSON_SIZE:
        raise base.UsageError(f'{path}: is larger than {MAX_JSON_SIZE} bytes')
    try:
        # Of bytes, any UTF, with a mark or without, as PowerShell writes it.
        documents = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise base.UsageError(f'{path}: is not JSON: {exc}') from None
    if isinstance(documents, dict) and isinstance(
            documents.get('images'), list):
        # GET /v2/images
        documents = documents['images']
    return documents if isinstance(documents, list) else [documents]
