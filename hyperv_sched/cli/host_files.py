# SPDX-License-Identifier: Apache-2.0
"""Hosts from a file: the answer of Nova, or the same written by hand.

The shape is that of ``GET /os-hypervisors/detail``, in JSON or YAML, with
three members more; ``etc/hyperv-sched/hosts.schema.json`` describes it.
"""

from __future__ import annotations

import json
import re
from typing import Any

from hyperv_sched import inventory
from hyperv_sched import names
from hyperv_sched import traits
from hyperv_sched.cli import base
from hyperv_sched.cli import input_files
from hyperv_sched.cli import inputs
from hyperv_sched.text import escape

#: Bytes of a file. Nova describes 5,000 hosts in some 10 MB.
MAX_SIZE = 64 * 1024 * 1024
MAX_HOSTS = 100_000
#: Nova's number for version 1.0 of a hypervisor.
_MIN_NUMBER = 1000


def read(path: str, print_error: inputs.PrintError) -> list[inventory.Host]:
    """Read hosts from a file; - is standard input.

    :raises base.UsageError: the file cannot be read, or a host is described
        wrongly.
    """
    document = _parse(input_files.read(path, MAX_SIZE), path)
    raw = document.get('hypervisors') if isinstance(document, dict) else None
    if not isinstance(raw, list):
        raise base.UsageError(
            f'{path}: must be an object with the list "hypervisors", as in '
            'the response to GET /os-hypervisors/detail')
    if len(raw) > MAX_HOSTS:
        raise base.UsageError(f'{path}: holds more than {MAX_HOSTS} hosts')
    if not raw:
        raise base.UsageError(f'{path}: holds no host')
    return unique(_hosts(raw, path), print_error)


def _hosts(raw: list[Any], path: str) -> list[inventory.Host]:
    hosts = []
    for number, member in enumerate(raw, 1):
        try:
            hosts.append(_check(inventory.from_document(member)))
        except inventory.InvalidHostError as exc:
            raise base.UsageError(f'{path}: host {number}: {exc}') from None
    return hosts


def _check(host: inventory.Host) -> inventory.Host:
    """Return a host whose values are those that Nova reports.

    :raises inventory.InvalidHostError: other ones are written.
    """
    kind, number = host.hypervisor_type, host.hypervisor_version
    is_hyperv = host.capability.is_hyperv
    if kind and not is_hyperv and re.sub('[^a-z]', '', kind.lower()) == (
            names.HYPERV):
        raise inventory.InvalidHostError(
            f'hypervisor_type must be {names.HYPERV}, not {kind}')
    if is_hyperv and number and number < _MIN_NUMBER:
        raise inventory.InvalidHostError(
            f'hypervisor_version {number} is not as Nova has it, 10000 for '
            'Windows Server 2016 and newer or 6003 for 2012 R2')
    if host.windows_version is not None:
        build = traits.parse_build(host.windows_version)
        if build is None:
            raise inventory.InvalidHostError(
                f'windows_version {host.windows_version} has no build, as '
                '10.0.20348 has')
        major, minor, _ = build.release
        if number and number != major * 1000 + minor:
            raise inventory.InvalidHostError(
                f'windows_version {host.windows_version} contradicts '
                f'hypervisor_version {number}')
    return host


def unique(hosts: list[inventory.Host],
           print_error: inputs.PrintError) -> list[inventory.Host]:
    """Drop hosts that are listed twice; report those that contradict."""
    found: dict[tuple[str, str], inventory.Host] = {}
    for host in hosts:
        first = found.setdefault((host.name, host.service_host), host)
        if first is not host and first != host:
            print_error(f'the host {host.name} is listed twice, with '
                        'different values. The first ones are used')
    return [*found.values()]


def _parse(data: bytes, path: str) -> Any:
    try:
        if data.lstrip()[:1] in (b'{', b'['):
            return json.loads(data)
        return _parse_yaml(data)
    except (ValueError, RecursionError) as exc:
        raise base.UsageError(
            f'{path}: is neither JSON nor YAML: {escape(exc, 300)}') from None


def _parse_yaml(data: bytes) -> Any:
    """Parse YAML.

    :raises ValueError: it is not YAML, or has aliases, or is too large.
    """
    import yaml

    loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
    try:
        input_files.check_yaml(data, loader)
        return yaml.load(data, Loader=loader)  # noqa: S506 (a safe loader)
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError,
            TypeError) as exc:
        # For a wrong value of a tag such as !!bool, PyYAML raises the others.
        raise ValueError(str(exc) or type(exc).__name__) from None
