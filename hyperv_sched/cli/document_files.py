# SPDX-License-Identifier: Apache-2.0
"""Image documents in JSON and YAML, in the formats of several programs."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import json
from typing import Any

from hyperv_sched.cli import base
from hyperv_sched.cli import input_files
from hyperv_sched.text import escape

#: Bytes of a JSON file. A document of the Image API has a few kilobytes.
MAX_JSON_SIZE = 64 * 1024 * 1024

#: Bytes of a YAML file, which takes more time.
MAX_YAML_SIZE = 4 * 1024 * 1024

#: Documents in a file or images in a cloud. A JSON file of the largest size
#: could hold millions of empty objects.
MAX_DOCUMENTS = 200_000

#: Columns of "openstack image list --long" by the member of the image.
_LISTED = {'id': 'ID', 'name': 'Name', 'disk_format': 'Disk Format',
           'container_format': 'Container Format', 'status': 'Status'}

#: Key of a document whose properties are not known.
WITHOUT_PROPERTIES = 'hyperv_sched.without_properties'


def read(path: str) -> list[Any]:
    """Read the documents in a file, or in standard input.

    :raises base.UsageError: the file cannot be read, or has other content.
    """
    data = input_files.read(path, MAX_JSON_SIZE)
    documents = _split(_parse(data, path))
    if len(documents) > MAX_DOCUMENTS:
        raise base.UsageError(
            f'{path}: holds more than {MAX_DOCUMENTS} images')
    return documents


def _parse(data: bytes, path: str) -> Any:
    is_yaml = path.lower().endswith(('.yml', '.yaml'))
    try:
        # json.loads detects UTF-8, UTF-16 (PowerShell) and UTF-32 of bytes.
        return json.loads(data, object_pairs_hook=_reject_duplicate_keys)
    except (ValueError, RecursionError) as exc:
        if not is_yaml:
            raise base.UsageError(f'{path}: is not JSON: {exc}') from None
    if len(data) > MAX_YAML_SIZE:
        raise base.UsageError(f'{path}: is larger than {MAX_YAML_SIZE} bytes')
    try:
        return _load_yaml(data)
    except (ValueError, RecursionError) as exc:
        raise base.UsageError(f'{path}: is not YAML: {exc}') from None


def _load_yaml(data: bytes) -> Any:
    """Load YAML as JSON has it: numbers and dates are text, as written.

    :raises ValueError: it is not YAML, or has aliases or repeated keys
    """
    import yaml

    loader: Any = getattr(yaml, 'CBaseLoader', yaml.BaseLoader)
    try:
        input_files.check_yaml(data, loader)
        root = yaml.compose(data, Loader=loader)
        return None if root is None else _construct(root)
    except yaml.YAMLError as exc:
        raise ValueError(' '.join(escape(exc, 300).split())) from None


def _construct(node: Any) -> Any:
    """Return the value of a node of YAML."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        return _reject_duplicate_keys(
            [(str(_construct(key)), _construct(value))
             for key, value in node.value])
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item) for item in node.value]
    plain = node.style in (None, '')
    if plain and node.value in ('', '~', 'null', 'Null', 'NULL'):
        return None
    if plain and node.value in ('true', 'True', 'TRUE', 'yes', 'on'):
        # Glance stores text; openstack-image-manager writes this one.
        return 'True'
    if plain and node.value in ('false', 'False', 'FALSE', 'no', 'off'):
        return 'False'
    return node.value


def _split(documents: Any) -> list[Any]:
    """Return the documents of images in a file."""
    if isinstance(documents, dict) and isinstance(
            documents.get('images'), list):
        # GET /v2/images, or openstack-image-manager
        documents = documents['images']
    if not isinstance(documents, list):
        documents = [documents]
    return [image for document in documents for image in _convert(document)]


def _convert(document: Any) -> Iterator[Any]:
    """Yield the images in a document, as the Image API has them."""
    if not isinstance(document, Mapping):
        yield document
    elif 'ID' in document and 'Name' in document:
        yield {WITHOUT_PROPERTIES: True, **{
            name: document[column] for name, column in _LISTED.items()
            if column in document}}
    elif isinstance(document.get('meta'), Mapping) and isinstance(
            document.get('versions'), list):
        yield from _managed(document, document['meta'], document['versions'])
    else:
        yield document


def _managed(image: Mapping[str, Any], meta: Mapping[str, Any],
             versions: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Yield the images that openstack-image-manager makes of one entry."""
    members = {'disk_format': image.get('format'), 'container_format': 'bare',
               'min_disk': image.get('min_disk')}
    for version in versions or [{}]:
        if not isinstance(version, Mapping):
            version = {}
        own = version.get('meta')
        name = str(image.get('name'))
        if 'version' in version:
            name += (f' ({version["version"]})'
                     if image.get('multi') == 'True'
                     else f'{image.get("separator", " ")}{version["version"]}')
        yield {**meta, **(own if isinstance(own, Mapping) else {}),
               **members, 'id': version.get('id'), 'name': name}


def _reject_duplicate_keys(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members.

    :raises ValueError: a key is repeated. Python would keep the last value.
    """
    values = dict(members)
    if len(values) < len(members):
        counts = collections.Counter(name for name, _ in members)
        (key, _), = counts.most_common(1)
        raise ValueError(f"the key '{escape(key)}' is repeated")
    return values
