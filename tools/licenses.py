# SPDX-License-Identifier: Apache-2.0
"""Check the licenses of what hyperv-sched installs.

``python -m tools.licenses`` prints the dependencies of hyperv-sched and of its
extras ``junit`` and ``openstack``, as installed in this environment. Extras
for tests are not checked: what they install is not part of the product.
"""

from __future__ import annotations

from collections.abc import Iterable
import importlib.metadata
import re
import sys

from packaging import requirements
from packaging import utils

DISTRIBUTION = 'hyperv-sched'
EXTRAS = ('junit', 'openstack')

#: Licenses that allow use with Apache-2.0, as SPDX expressions, classifiers
#: or the words that older releases of packages have.
ALLOWED = re.compile(
    r'Apache[ -]2(\.0)?|Apache( Software)? License( 2\.0|, Version 2\.0)?'
    r'|(The )?MIT( License)?|MIT-0|(BSD|BSD License|BSD-[23]-Clause)'
    # Of repoze.lru: BSD with a sentence about trademarks.
    r'|LicenseRef-Repoze-BSD-derived'
    r'|ISC( License \(ISCL\))?|PSF-2\.0|Python Software Foundation License'
    r'|Mozilla Public License 2\.0 \(MPL 2\.0\)|MPL-2\.0',
    re.IGNORECASE)


def dependencies(name: str, extras: Iterable[str] = ()) -> set[str]:
    """Return what a distribution installs here, without itself.

    :param name: an installed distribution
    :param extras: the extras of it that count
    :returns: canonical names
    :raises importlib.metadata.PackageNotFoundError: a dependency is missing
    """
    found: set[str] = set()
    waiting = [(name, frozenset(extras))]
    seen = set()
    while waiting:
        item = waiting.pop()
        if item in seen:
            continue
        seen.add(item)
        for text in importlib.metadata.requires(item[0]) or ():
            wanted = requirements.Requirement(text)
            if wanted.marker is None or any(
                    wanted.marker.evaluate({'extra': extra})
                    for extra in (*item[1], '')):
                found.add(utils.canonicalize_name(wanted.name))
                waiting.append((wanted.name, frozenset(wanted.extras)))
    return found - {utils.canonicalize_name(name)}


def licenses(name: str) -> list[str]:
    """Return the licenses that an installed distribution states."""
    metadata = importlib.metadata.metadata(name)
    expression = metadata.get('License-Expression')
    if expression:
        return re.split(r'\s+(?:AND|OR)\s+', expression.strip('()'))
    classifiers = [
        value.rpartition(' :: ')[2]
        for value in metadata.get_all('Classifier') or ()
        if value.startswith('License :: ')
        and value != 'License :: OSI Approved']
    return classifiers or [
        (metadata.get('License') or 'no license').splitlines()[0]]


def refused(stated: Iterable[str]) -> list[str]:
    """Return the licenses that are not allowed."""
    return [each for each in stated if not ALLOWED.fullmatch(each)]


def main() -> int:
    """Print all dependencies; return 1 if a license is not allowed."""
    code = 0
    for name in sorted(dependencies(DISTRIBUTION, EXTRAS)):
        stated = licenses(name)
        bad = refused(stated)
        code |= bool(bad)
        print(f'{"REFUSED" if bad else "ok":8}{name:28}'
              f'{importlib.metadata.version(name):20}{", ".join(stated)}')
    return code


if __name__ == '__main__':
    sys.exit(main())
