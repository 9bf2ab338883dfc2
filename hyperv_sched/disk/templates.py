# SPDX-License-Identifier: Apache-2.0
"""The Secure Boot templates of Hyper-V, and what their keys trust.

A VM gets the keys of one template. Of the two that OpenStack's drivers use,
one trusts Windows Boot Manager and one what Microsoft signs for others, such
as shim; neither trusts both. ``templates.json`` holds the certificates and the
revoked hashes, with their sources; ``tools/secure_boot_data.py`` makes it.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from collections.abc import Mapping
import dataclasses
import functools
import json
import pkgutil

from hyperv_sched.disk import certificates
from hyperv_sched.disk import signature_lists

_FILE = 'templates.json'


@dataclasses.dataclass(frozen=True)
class Anchor:
    """A certificate that a template trusts."""

    certificate: certificates.Certificate
    year: str
    """One of :data:`hyperv_sched.names.CERTIFICATE_YEARS`."""


@dataclasses.dataclass(frozen=True)
class Template:
    """The keys of a template."""

    name: str
    db: tuple[Anchor, ...]
    dbx: signature_lists.Signatures

    def restrict(self, years: Collection[str]) -> Template:
        """Return the template of hosts with certificates of some years."""
        return dataclasses.replace(self, db=tuple(
            anchor for anchor in self.db if anchor.year in years))


@functools.cache
def load() -> Mapping[str, Template]:
    """Return the templates by the systems that they are for.

    compute-hyperv selects that of :data:`hyperv_sched.names.WINDOWS` for this
    os_type, and that of :data:`hyperv_sched.names.LINUX` for any other value
    (``compute_hyperv/nova/vmops.py``, ``_requires_certificate``).
    """
    data = json.loads(pkgutil.get_data(__package__, _FILE) or b'')
    dbx = signature_lists.Signatures(hashes=frozenset(
        map(bytes.fromhex, data['dbx']['sha256'])))
    templates = {}
    for os_type, template in data['templates'].items():
        db = tuple(Anchor(certificates.read(base64.b64decode(
            item['certificate'])), item['year']) for item in template['db'])
        templates[os_type] = Template(template['name'], db, dbx)
    return templates
