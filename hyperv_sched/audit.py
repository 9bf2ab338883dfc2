# SPDX-License-Identifier: Apache-2.0
"""Audit a cloud: all images, all hosts, all servers.

The decision is made for each kind of image and each group of equal hosts, not
for each image and each host. The result is plain data for any output.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import functools
import typing
from typing import Any

from hyperv_sched import compatibility
from hyperv_sched import document as image_document
from hyperv_sched import explanation
from hyperv_sched import inventory
from hyperv_sched import names
from hyperv_sched import objects
from hyperv_sched import rules
from hyperv_sched import text
from hyperv_sched.text import escape

#: Kinds of images for which changes are tried. A kind costs some dozens of
#: decisions.
MAX_CHANGED = 30

#: The longest id of an image in a command, and what replaces others.
MAX_ID = 64
ANY_IMAGE = 'IMAGE'

Subject = typing.Literal['image', 'host', 'server']

_hosts = functools.partial(text.count, noun='host')


@dataclasses.dataclass(frozen=True)
class Server:
    """A server that exists."""

    id: str
    name: str
    image: str
    """The id of its image; empty for a server that boots from a volume."""
    host: str
    """The host of its nova-compute."""


@dataclasses.dataclass(frozen=True)
class AuditedImage:
    """An image and the findings on it alone."""

    id: str
    name: str
    findings: tuple[rules.Finding, ...]


@dataclasses.dataclass(frozen=True)
class ImageGroup:
    """Images that no host tells apart."""

    images: tuple[AuditedImage, ...]
    requirement: objects.ImageRequirement
    verdicts: tuple[explanation.Verdict, ...]
    """One for each group of hosts."""
    accepted: int
    """The number of hosts that can run the images."""
    available: int
    """The number of those that are up and enabled."""


@dataclasses.dataclass(frozen=True)
class TraitCoverage:
    """How many hosts report the trait of generation 2."""

    capable: int
    """Hosts that can run generation 2."""
    lacking: int
    """Those of them that do not report the trait."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A finding on an image, a host or a server."""

    subject: Subject
    id: str
    name: str
    finding: rules.Finding


@dataclasses.dataclass(frozen=True)
class Audit:
    """The result of an audit."""

    host_groups: tuple[inventory.HostGroup, ...]
    image_groups: tuple[ImageGroup, ...]
    """Of the images for Hyper-V."""
    other_images: int
    """The number of images that ask nothing of Hyper-V."""
    servers: int
    unknown_servers: int
    """Servers whose image is not known: they boot from a volume, or the image
    is deleted."""
    entries: tuple[Entry, ...]

    @functools.cached_property
    def totals(self) -> dict[str, int]:
        """Numbers of images, hosts, servers and findings, by name."""
        codes = dict.fromkeys(
            ('HV122', 'HV403', 'HV408', 'HV409', 'HV410', 'HV507', 'HV508'),
            0)
        severities = dict.fromkeys(
            ('error', 'unknown', 'warning', 'info'), 0)
        for entry in self.entries:
            severities[entry.finding.severity] += 1
            if entry.finding.code in codes:
                codes[entry.finding.code] += 1
        images = sum(len(group.images) for group in self.image_groups)
        return {
            'images': images + self.other_images,
            'images_for_hyperv': images,
            'images_without_host': codes['HV409'],
            'images_with_few_hosts': codes['HV410'],
            'images_without_trait': codes['HV122'],
            'hosts': sum(len(group.hosts) for group in self.host_groups),
            'hyperv_hosts': sum(
                len(group.hosts) for group in self.host_groups
                if group.example.capability.is_hyperv),
            'hosts_without_version': codes['HV403'],
            'hosts_without_trait': codes['HV408'],
            'servers': self.servers,
            'servers_of_unknown_image': self.unknown_servers,
            'servers_without_destination': codes['HV507'],
            'servers_on_unsuitable_host': codes['HV508'],
            **severities,
        }


class _Kind:
    """Images of one kind while they are collected."""

    def __init__(self, image: explanation.Image) -> None:
        self.image = image
        self.members: list[AuditedImage] = []
        self.group: ImageGroup | None = None
        """The images and their verdicts; None for another hypervisor."""

    def compare(self, groups: Sequence[inventory.HostGroup]) -> None:
        """Compare the images with all hosts, if they are for Hyper-V."""
        if self.image.requirement.is_for_hyperv:
            verdicts = tuple(self.image.compare(group.example)
                             for group in groups)
            self.group = ImageGroup(
                tuple(self.members), self.image.requirement, verdicts,
                explanation.count_accepted(groups, verdicts),
                sum(len(group.hosts) for group, verdict in zip(
                    groups, verdicts, strict=True)
                    if verdict.accepted and group.example.is_available))


def audit(images: Iterable[tuple[image_document.Record,
                                 Mapping[str, Any] | None,
                                 Sequence[rules.Finding]]],
          hosts: Sequence[inventory.Host], servers: Sequence[Server],
          policy: compatibility.Policy) -> Audit:
    """Compare all images with all hosts.

    :param images: the record, the content (None if it was not read) and the
        findings of each
    """
    kinds: dict[tuple[object, ...], _Kind] = {}
    by_image: dict[str, _Kind] = {}
    entries: list[Entry] = []
    others = 0
    for record, content, findings in images:
        image = explanation.read_image(record, policy, content, findings)
        if not image.requirement.is_for_hyperv:
            others += 1
        kind = kinds.setdefault(image.kind, _Kind(image))
        audited = AuditedImage(
            image_document.label(record), str(record.get('name') or ''),
            tuple(findings))
        kind.members.append(audited)
        by_image[audited.id] = kind
        entries += (Entry('image', audited.id, audited.name, finding)
                    for finding in findings)
    groups = inventory.group(hosts, explanation.relevant_traits(
        kind.image for kind in kinds.values()))
    for kind in kinds.values():
        kind.compare(groups)
    entries += _image_entries(kinds.values(), groups)
    entries += _trait_entries(kinds.values(), groups, policy)
    entries += _host_entries(groups, policy)
    entries += _server_entries(servers, by_image, groups)
    return Audit(
        tuple(groups), tuple(
            kind.group for kind in kinds.values() if kind.group is not None),
        others, len(servers),
        sum(server.image not in by_image for server in servers),
        tuple(entries))


def _image_entries(kinds: Iterable[_Kind],
                   groups: Sequence[inventory.HostGroup]) -> Iterator[Entry]:
    total = sum(len(group.hosts) for group in groups)
    hyperv = sum(len(group.hosts) for group in groups
                 if group.example.capability.is_hyperv)
    tried = 0
    for kind in kinds:
        group = kind.group
        if group is None or not total:
            continue
        if not group.accepted:
            fix = None
            if tried < MAX_CHANGED:
                tried += 1
                changes = explanation.find_changes(
                    kind.image, groups, group.verdicts)
                if changes:
                    fix = (f'{str(changes[0])[:1].upper()}'
                           f'{str(changes[0])[1:]}: '
                           f'{changes[0].admitted} of {_hosts(total)} more')
            finding = _finding(
                'HV409', _reasons(groups, group.verdicts), _hosts(total), fix)
        elif group.accepted < hyperv:
            finding = rules.CATALOGUE['HV410'].finding(
                actual=group.accepted,
                required=text.count(hyperv, 'Hyper-V host'))
        else:
            continue
        for image in group.images:
            yield Entry('image', image.id, image.name,
                        dataclasses.replace(finding, image=image.id))


def _trait_entries(kinds: Iterable[_Kind],
                   groups: Sequence[inventory.HostGroup],
                   policy: compatibility.Policy) -> Iterator[Entry]:
    """Yield HV122 for images of generation 2 without its trait.

    A trait that some of the hosts lack would keep the image from these.
    """
    coverage = find_coverage(groups, policy)
    if coverage is None or not coverage.capable:
        return
    number, lacking = coverage.capable, coverage.lacking
    actual = (f'hosts that can run generation 2 lack it: {lacking} of {number}'
              if lacking else 'every host that can run generation 2 has it')
    for kind in kinds:
        image = kind.image
        if (names.GENERATION_2_TRAIT in image.traits
                or image.requirement.generation != names.GENERATION_2):
            continue
        for member in kind.members:
            yield Entry('image', member.id, member.name,
                        rules.CATALOGUE['HV122'].finding(
                            member.id, actual, fix=None if lacking
                            else _trait_command(member.id)))


def find_coverage(groups: Iterable[inventory.HostGroup],
                  policy: compatibility.Policy) -> TraitCoverage | None:
    """Count the hosts that can run generation 2, and those without its trait.

    :returns: None if the traits of such a host are unknown
    """
    capable = lacking = 0
    for group in groups:
        if compatibility.check_host(
                compatibility.generation_2(), group.example.capability,
                policy) is not None:
            continue
        if group.example.traits is None:
            return None
        capable += len(group.hosts)
        if names.GENERATION_2_TRAIT not in group.example.traits:
            lacking += len(group.hosts)
    return TraitCoverage(capable, lacking)


def _trait_command(image_id: str) -> str:
    """Return the command that lets an image require the trait."""
    is_shown = len(image_id) <= MAX_ID and image_id.isprintable()
    return text.command_line((
        'openstack', 'image', 'set', '--property',
        f'trait:{names.GENERATION_2_TRAIT}=required', '--',
        image_id if is_shown else ANY_IMAGE), 'sh')


def _finding(code: str, reasons: str, required: str | None = None,
             fix: str | None = None) -> rules.Finding:
    """Return a finding whose message has all reasons, which are codes."""
    rule = rules.CATALOGUE[code]
    return rule.finding(
        actual=reasons, required=required, fix=fix,
        message=rule.message.format(actual=reasons, required=required))


def _reasons(groups: Sequence[inventory.HostGroup],
             verdicts: Sequence[explanation.Verdict]) -> str:
    """Return the codes that reject hosts, the most frequent first."""
    counts: dict[str, int] = {}
    for finding, count in explanation.count_rejected(
            groups, verdicts).items():
        key = f'{finding.code} {finding.name}'
        if finding.cause is not None:
            key += f' ({finding.cause.code} {finding.cause.name})'
        counts[key] = counts.get(key, 0) + count
    return ', '.join(
        f'{key}: {_hosts(count)}' for key, count
        in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _host_entries(groups: Sequence[inventory.HostGroup],
                  policy: compatibility.Policy) -> Iterator[Entry]:
    for group in groups:
        host, findings = group.example, []
        cause = compatibility.check_host(
            compatibility.generation_2(), host.capability, policy)
        if cause is not None and cause.code == 'HV403':
            findings.append(cause)
        if cause is None and host.traits is not None and (
                names.GENERATION_2_TRAIT not in host.traits):
            findings.append(rules.CATALOGUE['HV408'].finding())
        if host.capability.is_hyperv and not host.is_available:
            findings += explanation.host_warnings(host)
        for member in group.hosts:
            for finding in findings:
                yield Entry('host', member.name, member.name,
                            dataclasses.replace(finding, image='-'))


def _server_entries(
        servers: Iterable[Server], by_image: Mapping[str, _Kind],
        groups: Sequence[inventory.HostGroup]) -> Iterator[Entry]:
    """Yield findings on servers of generation 2."""
    group_of = {host.service_host: index
                for index, group in enumerate(groups) for host in group.hosts}
    for server in servers:
        kind = by_image.get(server.image)
        image = kind.group if kind is not None else None
        if image is None or not server.host or (
                image.requirement.generation != names.GENERATION_2
                and image.requirement.invalid is None):
            continue
        verdicts, count = image.verdicts, image.available
        own = group_of.get(server.host)
        verdict = None if own is None else verdicts[own]
        if own is not None and verdicts[own].accepted and (
                groups[own].example.is_available):
            count -= 1
        if verdict and verdict.errors:
            yield Entry('server', server.id, server.name,
                        rules.CATALOGUE['HV508'].finding(
                            '-', cause=verdict.errors[0]))
        if count < 1:
            yield Entry('server', server.id, server.name,
                        _finding('HV507', _other_hosts(groups, verdicts, own)))


def _other_hosts(groups: Sequence[inventory.HostGroup],
                 verdicts: Sequence[explanation.Verdict],
                 own: int | None) -> str:
    """Say what prevents the other hosts."""
    refused = _reasons(groups, verdicts)
    down = sum(len(group.hosts) - (index == own)
               for index, (group, verdict) in enumerate(zip(
                   groups, verdicts, strict=True))
               if verdict.accepted and not group.example.is_available)
    parts = [refused] if refused else []
    if down:
        parts.append(f'{_hosts(down)} down or disabled')
    return ', '.join(parts) or 'there is no other host'


def title(subject: AuditedImage | Entry) -> str:
    """Return the id of a subject, with its name next to it, escaped."""
    if not subject.name or subject.name == subject.id:
        return escape(subject.id, None)
    return f'{escape(subject.id, None)} ({escape(subject.name)})'
