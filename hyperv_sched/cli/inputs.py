# SPDX-License-Identifier: Apache-2.0
"""Targets of "image lint" from files, documents and options."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import os
import re
import stat
from typing import TYPE_CHECKING
from typing import Any

from hyperv_sched import document as image_document
from hyperv_sched import names
from hyperv_sched import rules
from hyperv_sched import text
from hyperv_sched.cli import base
from hyperv_sched.cli import disk_files
from hyperv_sched.cli import document_files
from hyperv_sched.cli import input_files
from hyperv_sched.text import escape

if TYPE_CHECKING:
    from hyperv_sched.disk import secure_boot

#: Files in directories, and levels of directories.
MAX_FILES = 200_000
MAX_DEPTH = 32

#: Names of disk images that are linted whatever their content is.
_DISK_NAME = re.compile(
    r'(?i).*\.(iso|qcow2|raw|vdi|vhd|vhds|vhdx|vmdk)')
_DOCUMENT_NAME = re.compile(r'(?i).*\.(json|yaml|yml)')

#: Documents of a file whose errors are printed one by one.
MAX_PRINTED_ERRORS = 20


@dataclasses.dataclass(frozen=True)
class LintTarget:
    """One image to lint."""

    record: image_document.Record
    """Properties and other members of the image, under their own names."""
    name: str | None = None
    """Name of the image in findings; None for its id or name."""
    file: str | None = None
    """Path as given; None for standard input, options and clouds."""
    content: dict[str, Any] | None = None
    """Result of :func:`hyperv_sched.disk.inspect`, as a dictionary."""
    unread_reason: str | None = None
    """Why content that exists was not read."""
    has_properties: bool = True
    """False if the properties are not known, and no rule is validated."""

    @property
    def label(self) -> str:
        """Return the name of the image in findings."""
        return self.name or image_document.label(self.record)

    @property
    def title(self) -> str:
        """Return the label, with the name of the image next to an id."""
        name = self.record.get('name')
        if self.name or not name or str(name) == self.label:
            return self.label
        return f'{self.label} ({str(name)[:image_document.MAX_LABEL]})'

    @property
    def assumes_generation_1(self) -> bool:
        """Return whether a disk was read and no property has a generation."""
        return (self.content is not None
                and 'hw_machine_type' not in self.record
                and self.document().get('hypervisor_type', names.HYPERV)
                == names.HYPERV)

    def document(self) -> image_document.Document:
        """Return the image document that the rules validate."""
        document = image_document.normalize(self.record)
        if self.content is not None:
            document['content'] = self.content
        return document

    def findings(self) -> list[rules.Finding]:
        """Validate the image; unread content is a finding, never a pass."""
        from hyperv_sched import validators

        if not self.has_properties:
            return [rules.CATALOGUE['HV226'].finding(
                self.label, message='the properties of the image are not '
                'known: "openstack image list" prints none',
                fix='Lint the output of "openstack image show -f json", or '
                'use --image or --all-images')]
        document = self.document()
        findings = validators.validate(document, self.name)
        if self.unread_reason is not None:
            findings.append(rules.CATALOGUE['HV226'].finding(
                self.label, self.unread_reason,
                message='the content of the image was not read: '
                        f'{escape(self.unread_reason, 500)}'))
        return findings


PrintError = Callable[[object], None]
"""Prints an error of one target. The other targets are still linted."""


def read_targets(files: Sequence[str], json_file: str | None,
                 overrides: Mapping[str, Any], print_error: PrintError,
                 skipped: list[str],
                 certificate_years: Collection[str],
                 ) -> tuple[int, Iterator[LintTarget]]:
    """Return the number of targets and an iterator that reads them.

    :param files: disk images, and directories
    :param json_file: image documents; None for none
    :param overrides: properties and members from options, which replace
        those of every document
    :param skipped: receives the files in directories that are not linted
    :param certificate_years: see :func:`secure_boot_policy`
    :raises base.UsageError: there is no target, or several documents for a
        disk image.
    """
    if not (files or json_file or overrides):
        raise base.UsageError(
            'Nothing to lint: give a FILE, --property, --image-json or '
            '--image')
    documents = [{}] if json_file is None else document_files.read(json_file)
    if not documents:
        raise base.UsageError(f'{json_file}: holds no image')
    if files and len(documents) > 1:
        raise base.UsageError(
            f'{json_file}: holds {len(documents)} images; with a FILE, give '
            'the document of one')
    records = flatten_records(
        documents, json_file, overrides, print_error,
        allow_empty=json_file is None or bool(files))
    if files:
        paths = FileFinder(_is_disk, print_error, skipped).find(files)
        return len(paths), _inspect_files(
            paths, records, print_error, certificate_years)
    source = None if json_file == '-' else json_file
    return len(documents), (
        _document_target(record, None, source) for record in records)


def read_document_files(files: Sequence[str], overrides: Mapping[str, Any],
                        print_error: PrintError, skipped: list[str],
                        ) -> Iterator[LintTarget]:
    """Yield a target for each document in files; see :func:`read_targets`.

    Findings name the file, and the document if the file has several.
    """
    for file in FileFinder(_is_document, print_error, skipped).find(files):
        try:
            documents = document_files.read(file)
        except base.UsageError as exc:
            print_error(exc)
            continue
        if not documents:
            print_error(f'{file}: holds 0 images')
        for record in flatten_records(
                documents, file, overrides, print_error):
            name = (file if len(documents) == 1
                    else f'{file}#{image_document.label(record)}')
            yield _document_target(record, name, file)


def _document_target(record: image_document.Record, name: str | None,
                     file: str | None) -> LintTarget:
    return LintTarget(
        record, name, file, has_properties=not record.pop(
            document_files.WITHOUT_PROPERTIES, False))


class FileFinder:
    """Expands patterns and directories to the files to lint.

    Links and special files in directories are not followed.

    :param accept: returns whether a file in a directory is to be linted
    :param skipped: receives the paths of the other files
    """

    def __init__(self, accept: Callable[[str], bool],
                 print_error: PrintError, skipped: list[str]) -> None:
        self._accept = accept
        self._print_error = print_error
        self._skipped = skipped

    def find(self, names: Sequence[str]) -> list[str]:
        """Return the files, those of a directory in order of their names."""
        files: list[str] = []
        for name in disk_files.expand_patterns(names, self._print_error):
            if os.path.isdir(name):
                before = len(files)
                self._add_directory(name, files, 0)
                if len(files) == before:
                    self._print_error(
                        f'{name}: the directory has no file to lint')
            else:
                files.append(name)
        return files

    def _add_directory(self, directory: str, files: list[str],
                       depth: int) -> None:
        try:
            entries = sorted(os.listdir(directory))
        except OSError as exc:
            self._print_error(f'{directory}: cannot be read: '
                              f'{text.file_error(exc, directory)}')
            return
        for name in entries:
            path = os.path.join(directory, name)
            if len(files) + len(self._skipped) >= MAX_FILES:
                raise base.UsageError(
                    f'{directory}: more than {MAX_FILES} files')
            try:
                mode = os.lstat(path).st_mode
                if stat.S_ISDIR(mode):
                    if depth == MAX_DEPTH:
                        raise base.UsageError(
                            f'{path}: more than {MAX_DEPTH} directories in '
                            'each other')
                    self._add_directory(path, files, depth + 1)
                elif stat.S_ISREG(mode) and self._accept(path):
                    files.append(path)
                else:
                    self._skipped.append(path)
            except OSError as exc:
                self._print_error(input_files.read_error(exc, path))


def _is_disk(path: str) -> bool:
    from hyperv_sched import disk

    if _DISK_NAME.fullmatch(path):
        return True
    try:
        with disk_files.open_disk(path) as file:
            return disk.read_format(file).name != 'unknown'
    except base.UsageError:
        # The inspection reports it.
        return True


def _is_document(path: str) -> bool:
    return _DOCUMENT_NAME.fullmatch(path) is not None


def flatten_records(documents: Sequence[object], source: str | None,
                    overrides: Mapping[str, Any], print_error: PrintError,
                    allow_empty: bool = False,
                    ) -> Iterator[image_document.Record]:
    """Yield each document as a flat record with the overrides applied.

    :param source: name of the file, for errors; None for options
    :param allow_empty: accept documents without any member of an image
    """
    errors = 0
    for number, document in enumerate(documents, 1):
        try:
            record = image_document.Record({
                **image_document.flatten(document),
                **image_document.flatten(overrides)})
            if not (allow_empty or image_document.is_image(record)):
                raise image_document.InvalidDocumentError(
                    'is not an image document. Use the output of "openstack '
                    'image show -f json" or of GET /v2/images')
        except image_document.InvalidDocumentError as exc:
            errors += 1
            if errors <= MAX_PRINTED_ERRORS:
                print_error(
                    f'{source or "command line"}: image {number}: {exc}')
        else:
            yield record
    if errors > MAX_PRINTED_ERRORS:
        print_error(f'{source}: {errors - MAX_PRINTED_ERRORS} more cannot be '
                    'linted')


def _inspect_files(files: Sequence[str],
                   records: Iterable[image_document.Record],
                   print_error: PrintError, certificate_years: Collection[str],
                   ) -> Iterator[LintTarget]:
    for record in records:
        for file in files:
            try:
                yield LintTarget(record, file, file, disk_files.inspect_path(
                    file, secure_boot_policy(record, certificate_years)))
            except base.UsageError as exc:
                print_error(exc)


def secure_boot_policy(record: Mapping[str, Any], years: Collection[str],
                       whole: bool = True) -> secure_boot.Policy | None:
    """Return what to verify of an image; None without Secure Boot.

    :param years: those of the certificates that hosts have
    :param whole: see :class:`hyperv_sched.disk.secure_boot.Policy`
    """
    if not image_document.requires_secure_boot(record):
        return None
    from hyperv_sched.disk import secure_boot

    return secure_boot.Policy.of_years(years, whole)
