# SPDX-License-Identifier: Apache-2.0
"""Values of image properties that Nova refuses.

Nova answers the request for a server with HTTP 400 where the image has such a
value (``nova/objects/image_meta.py``, ``nova/objects/fields.py``).

The enumerations are those of Nova 26 to 34 together: a value that one of them
takes is not refused. Not in here: hypervisor_type, hypervisor_version_requires
and hw_vm_mode, which rules of their own judge.
"""

from __future__ import annotations

from typing import Any

_BUSES = ('scsi', 'ide', 'sata', 'virtio', 'usb', 'fdc', 'xen', 'lxc', 'uml')
_ARCHITECTURES = (
    'x86_64', 'i686', 'aarch64', 'alpha', 'armv6', 'armv7b', 'armv7l',
    'cris', 'ia64', 'lm32', 'm68k', 'microblaze', 'microblazeel', 'mips',
    'mips64', 'mips64el', 'mipsel', 'openrisc', 'parisc', 'parisc64', 'ppc',
    'ppc64', 'ppc64le', 'ppcemb', 'ppcle', 's390', 's390x', 'sh4', 'sh4eb',
    'sparc', 'sparc64', 'unicore32', 'xtensa', 'xtensaeb')

#: By the names of image documents; of many values, the usual ones first.
ENUMERATIONS: dict[str, tuple[str, ...]] = {
    'architecture': _ARCHITECTURES,
    'hw_cdrom_bus': _BUSES,
    'hw_cpu_policy': ('shared', 'dedicated', 'mixed'),
    'hw_cpu_thread_policy': ('prefer', 'isolate', 'require'),
    'hw_disk_bus': _BUSES,
    'hw_emulation_architecture': _ARCHITECTURES,
    'hw_ephemeral_encryption_format': ('plain', 'luks', 'luksv2'),
    'hw_firmware_type': ('uefi', 'bios'),
    'hw_floppy_bus': _BUSES,
    'hw_input_bus': ('usb', 'virtio'),
    'hw_maxphysaddr_mode': ('passthrough', 'emulate'),
    'hw_mem_encryption_model': (
        'amd-sev', 'amd-sev-es', 'amd-sev-snp', 'intel-tdx'),
    'hw_pci_numa_affinity_policy': (
        'required', 'legacy', 'preferred', 'socket'),
    'hw_pointer_model': ('usbtablet',),
    'hw_rescue_bus': _BUSES,
    'hw_rescue_device': ('cdrom', 'disk', 'floppy', 'fs', 'lun'),
    'hw_rng_model': ('virtio',),
    'hw_scsi_model': (
        'virtio-scsi', 'vmpvscsi', 'buslogic', 'ibmvscsi', 'lsilogic',
        'lsisas1068', 'lsisas1078'),
    'hw_sound_model': (
        'virtio', 'usb', 'sb16', 'es1370', 'pcspk', 'ac97', 'ich6', 'ich9'),
    'hw_tpm_model': ('tpm-tis', 'tpm-crb'),
    'hw_tpm_version': ('1.2', '2.0'),
    'hw_usb_model': ('none', 'nec-xhci', 'qemu-xhci'),
    'hw_video_model': (
        'none', 'vga', 'virtio', 'bochs', 'cirrus', 'gop', 'qxl', 'vmvga',
        'xen'),
    'hw_vif_model': (
        'virtio', 'e1000', 'e1000e', 'rtl8139', 'vmxnet3', 'vmxnet',
        'pcnet', 'ne2k_pci', 'netfront', 'sriov', 'igb', 'lan9118',
        'spapr-vlan'),
    'hw_viommu_model': ('auto', 'intel', 'smmuv3', 'virtio'),
    'hw_watchdog_action': (
        'disabled', 'none', 'pause', 'poweroff', 'reset'),
    'img_config_drive': ('optional', 'mandatory'),
    'img_signature_hash_method': (
        'SHA-224', 'SHA-256', 'SHA-384', 'SHA-512'),
    'img_signature_key_type': (
        'RSA-PSS', 'DSA', 'ECC_SECP384R1', 'ECC_SECP521R1',
        'ECC_SECT409K1', 'ECC_SECT409R1', 'ECC_SECT571K1', 'ECC_SECT571R1'),
    'os_secure_boot': ('required', 'disabled', 'optional'),
    'os_type': ('windows', 'linux'),
}

#: Properties whose values Nova takes in any case, and other words that it
#: takes for a value (``canonicalize`` in ``nova/objects/fields.py``).
_OTHER_WORDS: dict[str, dict[str, str]] = {
    'architecture': dict.fromkeys(
        ('i386', 'i486', 'i586', 'x86_32', 'x86_32p'), 'i686') | {
            'amd64': 'x86_64'},
    'hw_scsi_model': {
        'lsilogicsas': 'lsisas1068', 'paravirtual': 'vmpvscsi'},
    'hw_vif_model': {
        'virtuale1000': 'e1000', 'virtuale1000e': 'e1000e',
        'virtualpcnet32': 'pcnet', 'virtualsriovethernetcard': 'sriov',
        'virtualvmxnet': 'vmxnet', 'virtualvmxnet3': 'vmxnet3'},
    'hw_vm_mode': {'pv': 'xen', 'hv': 'hvm', 'baremetal': 'hvm'},
    'hypervisor_type': {'xapi': 'xen'},
    'os_type': {},
}
_OTHER_WORDS['hw_emulation_architecture'] = _OTHER_WORDS['architecture']

INTEGERS = frozenset((
    'hw_cpu_cores', 'hw_cpu_max_cores', 'hw_cpu_max_sockets',
    'hw_cpu_max_threads', 'hw_cpu_sockets', 'hw_cpu_threads',
    'hw_device_id', 'hw_maxphysaddr_bits', 'hw_numa_nodes',
    'hw_redirected_usb_ports', 'hw_serial_port_count', 'hw_video_ram',
    'img_compression_level', 'img_version', 'vmware_image_version',
    'xenapi_device_id', 'xenapi_image_compression_level'))

#: What people write for a value that Nova has under another word.
_MEANT = {
    'architecture': {
        'x64': 'x86_64', 'x86-64': 'x86_64', 'intel64': 'x86_64',
        'x86': 'i686', 'arm64': 'aarch64'}}

#: Longer lists of values are cut, between two values.
_MAX_LISTED = 100


def canonical(name: str, value: str) -> str:
    """Return the value that Nova reads, for example i686 for i386.

    :param name: as image documents have it
    """
    words = _OTHER_WORDS.get(name)
    return value if words is None else words.get(value.lower(), value.lower())


def refuses(name: str, value: Any) -> bool:
    """Return whether Nova refuses a value of a property.

    :param name: as image documents have it
    """
    if name in INTEGERS:
        try:
            int(value)
        except (OverflowError, TypeError, ValueError):
            return True
        return False
    if name not in ENUMERATIONS:
        return False
    if isinstance(value, str):
        value = canonical(name, value)
    return value not in ENUMERATIONS[name]


def corrected(name: str, value: Any) -> str | None:
    """Return the accepted value that a refused one stands for.

    :returns: None where that would be a guess.
    """
    if not isinstance(value, str):
        return None
    word = value.strip().lower()
    word = _MEANT.get(name, {}).get(word, word)
    for allowed in ENUMERATIONS.get(name, ()):
        if word == allowed.lower() or (
                name == 'os_type' and word.startswith(allowed)):
            return allowed
    return None


def accepted(name: str, value: Any) -> str:
    """Return, in words, what Nova takes instead of a refused value."""
    if name in INTEGERS:
        return 'a whole number'
    spelled = corrected(name, value)
    if spelled is not None:
        return spelled
    listed = ', '.join(ENUMERATIONS[name])
    if len(listed) > _MAX_LISTED:
        listed = listed[:listed.rindex(', ', 0, _MAX_LISTED)] + ', ...'
    return f'one of {listed}'
