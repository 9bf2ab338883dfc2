# SPDX-License-Identifier: Apache-2.0
"""Names of image properties that are read, and of their values.

Glance takes a property of any name, so a misspelled one does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
import functools
import re

from hyperv_sched import caching

#: The value of hypervisor_type for Hyper-V, and what its driver reports.
HYPERV = 'hyperv'

#: The values of hw_machine_type.
GENERATION_1 = 'hyperv-gen1'
GENERATION_2 = 'hyperv-gen2'

#: The values of os_type, and the systems that boot loaders belong to.
WINDOWS, LINUX = 'windows', 'linux'

#: The trait of every Hyper-V host, and that of those which run generation 2.
#: EnforcedDriver reports them, or a provider.yaml.
HYPERV_TRAIT = 'CUSTOM_HYPERV'
GENERATION_2_TRAIT = 'CUSTOM_HYPERV_GEN2'

#: The key in the system_metadata of a server that has the version of Windows
#: on which its virtual machine was made. Nova keeps it when the server moves.
RELEASE_KEY = 'hyperv_sched_release'

#: Traits of os-traits for the firmware of virtual machines.
BIOS_TRAIT = 'COMPUTE_FIRMWARE_BIOS'
UEFI_TRAIT = 'COMPUTE_FIRMWARE_UEFI'
#: Nova requires it of the host of a server with Secure Boot
#: (``nova/scheduler/utils.py`` ``_translate_secure_boot_request``).
SECURE_BOOT_TRAIT = 'COMPUTE_SECURITY_UEFI_SECURE_BOOT'

#: The years of Microsoft's certificates for Secure Boot. Templates of older
#: hosts have those of 2011 alone.
CERTIFICATES_2011 = '2011'
CERTIFICATE_YEARS = (CERTIFICATES_2011, '2023')

#: Old names by Nova's own (``_legacy_property_map`` in
#: ``nova/objects/image_meta.py``). Where both are set, Nova takes its own.
LEGACY = {
    'hw_architecture': 'architecture',
    'img_hv_type': 'hypervisor_type',
    'img_hv_requested_version': 'hypervisor_version_requires',
    'hw_vm_mode': 'vm_mode',
}

#: The names that rules use, which are those that people use, by Nova's own.
USED = {
    'hw_architecture': 'architecture',
    'img_hv_type': 'hypervisor_type',
    'img_hv_requested_version': 'hypervisor_version_requires',
}

#: The names that Nova's scheduler and API, a Hyper-V driver or this package
#: read for a Hyper-V image, and the members that an image has itself.
READ = (
    'architecture', 'container_format', 'disk_format', 'hw_architecture',
    'hw_cdrom_bus', 'hw_cpu_features', 'hw_disk_bus', 'hw_firmware_type',
    'hw_machine_type', 'hw_numa_nodes', 'hw_vm_mode', 'hypervisor_type',
    'hypervisor_version_requires', 'img_hv_requested_version',
    'img_hv_type', 'img_pdk_reference', 'interactive_serial_port',
    'logging_serial_port', 'min_disk', 'min_ram', 'os_secure_boot',
    'os_shielded_vm', 'os_type', 'os_vtpm', 'vm_mode')

#: No longer name is compared: it resembles none that is read.
MAX_LENGTH = 64

#: With fewer letters, one letter more or another one makes a word of its own:
#: vm_model is not vm_mode.
_LONG = 8

_SEPARATORS = re.compile('[^a-z0-9]+')
_PREFIX = re.compile('(?:hw|img|os)[^a-z0-9]+')


def created_generation(machine_type: object) -> str:
    """Return the generation that drivers create for a hw_machine_type."""
    return GENERATION_2 if machine_type == GENERATION_2 else GENERATION_1


def _letters(name: str) -> str:
    return _SEPARATORS.sub('', name.lower())


def _without_prefix(name: str) -> str:
    return _letters(_PREFIX.sub('', name.lower(), count=1))


def _one_less(letters: str) -> Iterator[str]:
    """Yield the texts that one missing letter makes."""
    for index in range(len(letters)):
        yield letters[:index] + letters[index + 1:]


@functools.cache
def _index() -> tuple[dict[str, str], dict[str, str]]:
    """Return what matches as it is, and what matches with a letter less."""
    exact: dict[str, str] = {}
    near: dict[str, str] = {}
    for name in READ:
        stem = _without_prefix(name)
        keys = {_letters(name)} | ({stem} if len(stem) >= _LONG else set())
        for key in keys:
            exact.setdefault(key, name)
            table = near if len(key) >= _LONG else exact
            for text in (key, *_one_less(key)):
                table.setdefault(text, name)
    return exact, near


@caching.cache_small
def resembled(name: str) -> str | None:
    """Return the name that is read and that this one resembles.

    Case, separators and a prefix (``hw_``, ``img_``, ``os_``) do not count;
    one letter may be missing, added, replaced or in another place. The work
    is linear in the length of the name.

    :returns: None for a name that is read, and for one of its own.
    """
    if name in READ or len(name) > MAX_LENGTH:
        return None
    exact, near = _index()
    for letters in (_letters(name), _without_prefix(name)):
        if letters in exact:
            return exact[letters]
        for text in (letters, *_one_less(letters)):
            if text in near:
                return near[text]
    return None
