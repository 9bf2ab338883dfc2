# SPDX-License-Identifier: Apache-2.0
"""What a command is given to judge: files, documents and options."""

from __future__ import annotations

import collections
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import glob
import json
import os
import re
import sys
from typing import Any
from typing import BinaryIO

from hyperv_sched import document as image_document
from hyperv_sched import rules
from hyperv_sched import text
from hyperv_sched.cli import base
from hyperv_sched.text import escape

#: A document of the Image API is a few kilobytes.
MAX_JSON_SIZE = 64 * 1024 * 1024

#: More than any cloud has; a list of nothing could hold millions.
MAX_DOCUMENTS = 200_000

#: A list of what are no images says so for the first ones.
MAX_COMPLAINTS = 20


@dataclasses.dataclass(frozen=True)
class Subject:
    """One image to judge."""

    raw: dict[str, Any]
    """Its properties under the names that it has them by."""
    name: str | None = None
    """What findings call it; None: by the id or name that it has."""
    file: str | None = None
    """What it was found in, as given; None for standard input and options."""
    content: dict[str, Any] | None = None
    unread: str | None = None
    """Why there is content that nobody has seen."""

    @property
    def label(self) -> str:
        """What findings call it."""
        return self.name or image_document.label(self.raw)

    @property
    def title(self) -> str:
        """What people call it: the label, and the name beside an id."""
        name = self.raw.get('name')
        if self.name or not name or str(name) == self.label:
            return self.label
        return f'{self.label} ({str(name)[:image_document.MAX_LABEL]})'

    @property
    def assumes_generation_1(self) -> bool:
        """Whether a disk was read that no property assigns a generation."""
        return (self.content is not None
                and 'hw_machine_type' not in self.raw
                and self.document().get('hypervisor_type', 'hyperv')
                == 'hyperv')

    def document(self) -> dict[str, Any]:
        """The image document that the rules judge."""
        document = image_document.normalize(self.raw)
        if self.content is not None:
            document['content'] = self.content
        return document

    def findings(self) -> list[rules.Finding]:
        """Judge it; what was not seen is unknown, never a pass."""
        from hyperv_sched import validators

        document = self.document()
        findings = validators.validate(document, self.name)
        if self.unread is not None:
            findings.append(rules.CATALOGUE['HV226'].finding(
                self.label, self.unread,
                message='the content of the image was not read: '
                        f'{escape(self.unread, 500)}'))
        return findings


Complain = Callable[[object], None]
"""Is told of what cannot be read; the rest is still worth judging."""


def subjects(files: Sequence[str], json_file: str | None,
             given: Mapping[str, Any],
             complain: Complain) -> tuple[int, Iterator[Subject]]:
    """Read all that is to be judged, and say how much it is.

    :param files: disk images
    :param given: properties and options, which every image shall have
    :raises base.UsageError: there is nothing to judge, or files and
        documents do not go together.
    """
    if not (files or json_file or given):
        raise base.UsageError(
            'Nothing to judge: give a FILE, --property, --image-json or '
            '--image')
    documents = [{}] if json_file is None else _read_json(json_file)
    if not documents:
        raise base.UsageError(f'{json_file}: holds no image')
    if files and len(documents) > 1:
        raise base.UsageError(
            f'{json_file}: holds {len(documents)} images; with a FILE, give '
            'the document of one')
    found = flat(documents, json_file, given, complain,
                 bare=json_file is None or bool(files))
    if files:
        files = expand(files, complain)
        return len(files), _inspected(files, found, complain)
    source = None if json_file == '-' else json_file
    return len(documents), (Subject(one, file=source) for one in found)


def in_documents(files: Sequence[str], given: Mapping[str, Any],
                 complain: Complain) -> Iterator[Subject]:
    """Read files that hold documents; see :func:`subjects`.

    Findings name the file, and which of its documents if it has several.
    """
    for file in expand(files, complain):
        try:
            documents = _read_json(file)
        except base.UsageError as exc:
            complain(exc)
            continue
        if not documents:
            complain(f'{file}: holds 0 images')
        for one in flat(documents, file, given, complain):
            name = (file if len(documents) == 1
                    else f'{file}#{image_document.label(one)}')
            yield Subject(one, name=name, file=file)


def flat(documents: Sequence[object], source: str | None,
         given: Mapping[str, Any], complain: Complain,
         bare: bool = False) -> Iterator[dict[str, Any]]:
    """Documents with what is given, in one level.

    :param bare: a document may say nothing of the image
    """
    bad = 0
    for number, raw in enumerate(documents, 1):
        try:
            one = {**image_document.flatten(raw),
                   **image_document.flatten(given)}
            if not (bare or image_document.is_image(one)):
                raise image_document.InvalidDocumentError(
                    'is no image document: "openstack image show -f json" '
                    'and GET /v2/images print such')
        except image_document.InvalidDocumentError as exc:
            bad += 1
            if bad <= MAX_COMPLAINTS:
                complain(f'{source or "command line"}: image {number}: {exc}')
        else:
            yield one
    if bad > MAX_COMPLAINTS:
        complain(f'{source}: {bad - MAX_COMPLAINTS} more cannot be judged')


def _inspected(files: Sequence[str], documents: Iterable[dict[str, Any]],
               complain: Complain) -> Iterator[Subject]:
    for one in documents:
        for file in files:
            try:
                yield Subject(one, file, file, inspect(file))
            except base.UsageError as exc:
                complain(exc)


def expand(names: Sequence[str], complain: Complain,
           system: str = os.name) -> list[str]:
    """Return the files that the arguments of a command stand for.

    Shells of Windows pass on ``*.vhdx`` as it is.

    :param complain: called for a pattern that matches nothing
    :param system: as :data:`os.name` has it
    """
    if system != 'nt':
        return [*names]
    files = []
    for name in names:
        # Brackets are common in names, and no pattern of Windows.
        pattern = glob.escape(name)
        for escaped, wildcard in (('[*]', '*'), ('[?]', '?')):
            pattern = pattern.replace(escaped, wildcard)
        if name.startswith('\\\\?\\') or not re.search('[*?]', name):
            files.append(name)
        elif matching := sorted(glob.glob(pattern)):
            files += matching
        else:
            complain(f'{name}: no file matches the pattern')
    return files


def one_file(name: str, system: str = os.name) -> str:
    """Return the one file that an argument stands for; see :func:`expand`.

    :raises base.UsageError: there is none, or more than one.
    """
    reasons: list[object] = []
    files = expand([name], reasons.append, system)
    if len(files) != 1:
        raise base.UsageError(
            reasons[0] if reasons else
            f'{name}: {len(files)} files match the pattern; give one')
    return files[0]


def inspect(path: str) -> dict[str, Any]:
    """Inspect a disk image.

    :raises base.UsageError: it cannot be read.
    """
    with open_disk(path) as file:
        return inspect_file(file, path)


def open_disk(path: str) -> BinaryIO:
    """Open a disk image; see :func:`hyperv_sched.disk.open_file`.

    :raises base.UsageError: it cannot be opened.
    """
    from hyperv_sched import disk

    try:
        return disk.open_file(path)
    except (OSError, ValueError) as exc:
        raise unreadable(exc, path) from None


def inspect_file(file: BinaryIO, path: str) -> dict[str, Any]:
    """Inspect an open disk image.

    :raises base.UsageError: it cannot be read.
    """
    from hyperv_sched import disk

    try:
        return disk.inspect_file(file).as_dict()
    except OSError as exc:
        raise unreadable(exc, path) from None


def unreadable(exc: Exception, path: str) -> base.UsageError:
    """Return the error for a file that cannot be opened or read."""
    if os.path.isdir(path):
        return base.UsageError(
            f'{path}: is a directory. Name the files in it, for example '
            f'{os.path.join(path, "*.vhdx")}')
    if path == '-':
        return base.UsageError(
            '-: disk images are not read from standard input. Save the image '
            'to a file')
    if re.match('[A-Za-z][A-Za-z0-9+.-]+://', path):
        return base.UsageError(
            f'{path}: URLs are not opened. Download the image to a file')
    reason = (text.file_error(exc, path) if isinstance(exc, OSError)
              else exc)
    return base.UsageError(f'{path}: cannot be read: {reason}')


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
        raise unreadable(exc, path) from None
    if len(data) > MAX_JSON_SIZE:
        raise base.UsageError(f'{path}: is larger than {MAX_JSON_SIZE} bytes')
    try:
        # Of bytes, any UTF, with a mark or without, as PowerShell writes it.
        documents = json.loads(data, object_pairs_hook=_object)
    except (ValueError, RecursionError) as exc:
        raise base.UsageError(f'{path}: is not JSON: {exc}') from None
    if isinstance(documents, dict) and isinstance(
            documents.get('images'), list):
        # GET /v2/images
        documents = documents['images']
    if not isinstance(documents, list):
        return [documents]
    if len(documents) > MAX_DOCUMENTS:
        raise base.UsageError(
            f'{path}: holds more than {MAX_DOCUMENTS} images')
    return documents


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values under one name nobody knows which is meant."""
    made = dict(members)
    if len(made) < len(members):
        counts = collections.Counter(name for name, _ in members)
        (twice, _), = counts.most_common(1)
        raise ValueError(f"'{escape(twice)}' stands in it twice")
    return made
