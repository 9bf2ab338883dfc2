# SPDX-License-Identifier: Apache-2.0
"""The properties that put an image right, where the right value is no guess.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import re
from typing import Any

from hyperv_sched import document as image_document
from hyperv_sched import inferred
from hyperv_sched import nova_values
from hyperv_sched import rules
from hyperv_sched import text
from hyperv_sched import versions

Document = Mapping[str, Any]

#: Each round puts a property right that hid another: there are not many.
_MAX_ROUNDS = 5

_GIB = 1024 ** 3

#: A generation under another name: "Generation 2", "V2", "HyperV-Gen2".
_GENERATION = re.compile(
    r'(hyper[-_ ]?v)?[-_ ]*(gen(eration)?|v)?[-_ ]*([12])')


def _generation(document: Document) -> dict[str, str]:
    spelt = _GENERATION.fullmatch(document['hw_machine_type'].strip().lower())
    return {'hw_machine_type': f'hyperv-gen{spelt[4]}'} if spelt else {}


def _refused(document: Document) -> dict[str, str]:
    """Return the values that others spell in a way that Nova refuses."""
    return {
        name: value for name, member in document['refused'].items()
        if (value := nova_values.meant(name, member['actual'])) is not None}


def _generation_of_disk(document: Document) -> dict[str, str]:
    """Return the properties of the generation that the disk boots as.

    That is no way out where the disk has to be converted, or where another
    property asks for the wrong generation.
    """
    decided = inferred.infer_properties(document.get('content') or {})
    generation = decided.get('hw_machine_type')
    if generation == inferred.GENERATION_2:
        usable = document['content']['format'] == 'vhdx'
    else:
        usable = (document.get('os_secure_boot') != 'required'
                  and document.get('hw_firmware_type') != 'uefi')
    if not usable or generation == document.get('hw_machine_type'):
        return {}
    # Hosts have the trait only where the compute side is enforced.
    decided.pop('trait:CUSTOM_HYPERV_GEN2', None)
    return {name: value for name, value in decided.items()
            if name == 'hw_machine_type' or name not in document}


def _hypervisor_type(document: Document) -> dict[str, str]:
    """Hyper-V under a name of its own; another hypervisor is no slip."""
    letters = ''.join(filter(str.isalnum, document['hypervisor_type']))
    return ({'hypervisor_type': inferred.HYPERV}
            if letters.lower() == inferred.HYPERV else {})


def _at_least(minimum: str) -> Callable[[Document], dict[str, str]]:
    """Keep what is required, and add a minimum to it."""
    def fix(document: Document) -> dict[str, str]:
        required = document.get('hypervisor_version_requires')
        if required is None:
            return {'hypervisor_version_requires': f'>={minimum}'}
        narrowed = f'{required},>={minimum}'
        if len(narrowed) > versions.MAX_REQUIREMENT_LENGTH:
            return {}
        return {'hypervisor_version_requires': narrowed}
    return fix


def _linux_secure_boot(document: Document) -> dict[str, str]:
    """Newer hosts, unless the system is Windows once it is spelt right."""
    if document['os_type'].lower() == 'windows':
        return {}
    return _at_least(str(versions.WINDOWS_SERVER_2016))(document)


def _disk_bus(document: Document) -> dict[str, str]:
    return {name: 'scsi' for name in ('hw_disk_bus', 'hw_cdrom_bus')
            if document.get(name, '').lower() == 'ide'}


_FIXES: dict[str, Callable[[Document], dict[str, str]]] = {
    'HV101': _generation,
    'HV102': lambda _: {'hypervisor_type': inferred.HYPERV},
    'HV103': _hypervisor_type,
    'HV106': _at_least(str(versions.GENERATION_2_MINIMUM)),
    'HV112': _linux_secure_boot,
    'HV115': _disk_bus,
    'HV116': lambda document: {'os_type': document['os_type'].lower()},
    'HV121': lambda _: {'hw_vm_mode': 'hvm'},
    'HV124': _refused,
    'HV202': _generation_of_disk,
    'HV302': _generation_of_disk,
    'HV321': _generation_of_disk,
    'HV341': _generation_of_disk,
}


def properties(
        raw: Document, judge: Callable[[Document], Iterable[rules.Finding]],
        content: Document | None = None) -> dict[str, str]:
    """What to set so that findings of a document go away.

    A property put right may bring others to light: a generation that is
    spelt right is judged as what it is.

    :param raw: the document under the names that the image itself has
    :param judge: finds fault with a normalized document; it is asked again
    :param content: as :func:`hyperv_sched.disk.inspect` returns it; None:
        nobody has read it
    :returns: values by name; min_disk is no property but part of the image
    """
    current = image_document.flatten(raw)
    fixed: dict[str, str] = {}
    for _ in range(_MAX_ROUNDS):
        document = image_document.normalize(current)
        if content is not None:
            document['content'] = content
        values: dict[str, str] = {}
        findings = {finding.code: finding for finding in judge(document)}
        for code, finding in findings.items():
            if code in _FIXES:
                values.update((_name_in(current, name), value) for name, value
                              in _FIXES[code](document).items())
            elif code == 'HV118':
                values.update(_agreeing(document))
            elif code == 'HV224':
                values['min_disk'] = str(-(-int(finding.required) // _GIB))
        values = {name: value for name, value in values.items()
                  if _is_word(value)}
        if not values:
            break
        fixed.update(values)
        current.update(values)
    return fixed


def _agreeing(document: Document) -> dict[str, str]:
    """Let old names say what Nova reads under the new ones."""
    return {
        legacy: document[image_document.NAMES.get(name, name)]
        for name, legacy in image_document.LEGACY_NAMES.items()
        if legacy in document['overridden']}


def _name_in(raw: Document, name: str) -> str:
    """The name that Nova reads a property by, as this image has it."""
    for modern, used in image_document.NAMES.items():
        if used == name and modern in raw:
            return modern
    return name


def command(document: Document, values: Mapping[str, str],
            shell: str) -> str:
    """Return the openstack command that sets properties, to be pasted.

    An image whose name cannot be written for the shell is left for the reader
    to name.

    :param shell: one of :data:`hyperv_sched.text.SHELLS`
    :raises text.UnquotableError: a value cannot be written for the shell.
    """
    words = ['openstack', 'image', 'set']
    for name, value in values.items():
        words += (['--min-disk', value] if name == 'min_disk'
                  else ['--property', f'{name}={value}'])
    image = image_document.label(document)
    try:
        if image == '-':
            image = 'IMAGE'
        quoted = text.quote(image, shell)
    except text.UnquotableError:
        quoted = 'IMAGE'
    return f'{text.command_line((*words, "--"), shell)} {quoted}'


def _is_word(value: str) -> bool:
    """Whether a program can be given it: no NUL, no half of a character."""
    try:
        return b'\0' not in value.encode(errors='surrogateescape')
    except UnicodeEncodeError:
        return False
