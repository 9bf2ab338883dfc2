# SPDX-License-Identifier: Apache-2.0
"""Hyper-V hosts on which a real driver spawns.

What decides is the driver's and os-win's own. What acts (WMI, the disks, the
network) is mocked, as the drivers' own tests do.
"""

import contextlib
import functools
import os
import tempfile
import types
from unittest import mock

from compute_hyperv.nova import block_device_manager as ch_block_devices
from compute_hyperv.nova import imagecache as ch_imagecache
from compute_hyperv.nova import pdk as ch_pdk
from compute_hyperv.nova import vmops as ch_vmops
from nova import context as nova_context
from nova import objects
from nova.scheduler.filters import image_props_filter
from nova.tests.unit import fake_instance
from nova.virt.hyperv import block_device_manager as nova_block_devices
from nova.virt.hyperv import imagecache as nova_imagecache
from nova.virt.hyperv import vmops as nova_vmops
from os_win import utilsfactory
from oslo_utils import importutils
from oslo_utils.fixture import uuidsentinel

from tests import samples

#: The kernel's version, and what the drivers report of it.
RELEASES = {'6.2.9200': 6002, '6.3.9600': 6003, '10.0.20348': 10000}
NEWEST = '10.0.20348'

#: Methods of os-win that decide without asking Windows for more than its
#: version.
_DECIDING = {
    'hostutils': ('check_min_windows_version', 'get_default_vm_generation',
                  'get_supported_vm_types', 'supports_nested_virtualization'),
    'vhdutils': ('get_vhd_format', '_get_vhd_format_by_signature'),
    'vmutils': ('enable_secure_boot', '_set_secure_boot'),
}


class Driver:
    """The modules of a driver, and how Nova calls it."""

    def __init__(self, vmops, imagecache, block_devices, meta):
        self.vmops = vmops
        self.imagecache = imagecache
        self.block_devices = block_devices
        self.meta = meta


def _raw(image):
    """compute-hyperv asks Glance itself (driver.py _recreate_image_meta)."""
    return image


COMPUTE_HYPERV = Driver(ch_vmops, ch_imagecache, ch_block_devices, _raw)
NOVA_28 = Driver(nova_vmops, nova_imagecache, nova_block_devices,
                 objects.ImageMeta.from_dict)


def os_win(release):
    """What makes os-win's classes, as on this release; they act on nothing.

    :returns: a stand-in for os_win.utilsfactory._get_class
    """
    version = float('.'.join(release.split('.')[:2]))

    @functools.cache
    def get_class(class_type, *args, **kwargs):
        path, = (
            variant['path'] for variant in utilsfactory.utils_map[class_type]
            if variant.get('min_version', 0) <= version
            < (variant.get('max_version') or 100))
        real = importutils.import_class(path)
        fake = mock.create_autospec(real, instance=True)
        for name in _DECIDING.get(class_type, ()):
            setattr(fake, name, types.MethodType(getattr(real, name), fake))
        if class_type == 'hostutils':
            fake.get_windows_version.return_value = release
            fake._DEFAULT_VM_GENERATION = real._DEFAULT_VM_GENERATION
            fake.is_host_guarded.return_value = version >= 10
            fake.get_memory_info.return_value = (2 ** 23, 2 ** 22)
            fake.get_cpus_info.return_value = [{
                'Architecture': 9, 'Name': 'a CPU', 'Manufacturer': 'a maker',
                'NumberOfCores': 2, 'NumberOfLogicalProcessors': 4}]
            fake.get_numa_nodes.return_value = []
            fake.get_pci_passthrough_devices.return_value = []
        elif class_type == 'diskutils':
            fake.get_disk_capacity.return_value = (
                100 * samples.GIB, 50 * samples.GIB)
        elif class_type == 'vhdutils':
            size = {'VirtualSize': samples.GIB}
            fake.get_vhd_size.return_value = size
            fake.get_vhd_info.return_value = size
            fake.get_internal_vhd_size_by_file_size.return_value = samples.GIB
        elif class_type == 'vmutils':
            fake.vm_exists.return_value = False
        return fake
    return get_class


class Host:
    """A driver on a release of Windows, which is a guarded one from 10.0.

    :param root: a directory of its own
    """

    def __init__(self, driver, release, root):
        self.driver = driver
        self.release = release
        self.root = root
        vmops = driver.vmops
        fakes = [(utilsfactory, '_get_class', os_win(release)),
                 (vmops.pathutils, 'PathUtils', self._paths)]
        fakes += [(owner, name, mock.create_autospec(getattr(owner, name)))
                  for owner, name in (
                      (vmops.volumeops, 'VolumeOps'),
                      (vmops.serialconsoleops, 'SerialConsoleOps'),
                      (vmops.vif_utils, 'HyperVVIFDriver'))]
        with contextlib.ExitStack() as stack:
            for owner, name, fake in fakes:
                stack.enter_context(mock.patch.object(owner, name, fake))
            self.vmops = vmops.VMOps(virtapi=mock.MagicMock())
        # What follows a decision, with a database or a running VM.
        for name in ('destroy', 'power_on', 'set_boot_order',
                     'update_device_metadata', '_save_device_metadata'):
            if hasattr(self.vmops, name):
                setattr(self.vmops, name, mock.Mock())

    def _paths(self):
        paths = mock.MagicMock()
        paths.get_base_vhd_dir.return_value = str(self.root)
        paths.get_instance_dir.return_value = str(self.root / 'instance')
        paths.get_root_vhd_path.side_effect = (
            lambda name, kind, rescue=False: str(self.root / f'root.{kind}'))
        paths.exists.side_effect = os.path.exists
        paths.rename.side_effect = os.rename
        paths.remove.side_effect = os.remove
        paths.temporary_file = self._temporary_file
        return paths

    @contextlib.contextmanager
    def _temporary_file(self, suffix=None):
        # Windows refuses to open a file that is open to be deleted.
        with tempfile.TemporaryDirectory(dir=self.root) as directory:
            yield os.path.join(directory, f'file{suffix or ""}')

    def gets(self, meta):
        """Whether Nova's own filter lets this host have an image."""
        state = mock.Mock(
            hypervisor_version=RELEASES[self.release],
            supported_instances=[('i686', 'hyperv', 'hvm'),
                                 ('x86_64', 'hyperv', 'hvm')])
        return image_props_filter.ImagePropertiesFilter().host_passes(
            state, objects.RequestSpec(image=meta))

    def spawn(self, image, path, volumes=()):
        """Make a server of an image.

        :param image: as Nova has it from Glance
        :param path: its file
        :param volumes: the buses that its volumes ask for
        :raises Exception: what the driver refuses it with.
        """
        instance = fake_instance.fake_instance_obj(
            nova_context.get_admin_context(), image_ref=uuidsentinel.image,
            expected_attrs=['system_metadata', 'metadata', 'flavor',
                            'pci_requests', 'trusted_certs',
                            'numa_topology'],
            system_metadata={'image_disk_format': image['disk_format']})
        instance.config_drive = ''
        instance.old_flavor = None
        instance.pci_requests = objects.InstancePCIRequests(requests=[])
        devices = {
            'root_device_name': '/dev/sda', 'ephemerals': [],
            'block_device_mapping': [
                {'mount_device': f'/dev/sd{chr(98 + index)}',
                 'disk_bus': bus, 'boot_index': None, 'connection_info': {}}
                for index, bus in enumerate(volumes)]}

        def fetch(context, image_id, destination, *args):
            os.link(path, destination)

        try:
            with mock.patch.object(self.driver.imagecache.images, 'fetch',
                                   fetch), \
                    mock.patch.multiple(
                        ch_pdk.PDK, _get_pdk_container=mock.Mock(),
                        _get_pdk_data=mock.Mock(return_value=b'')):
                self.vmops.spawn(
                    instance._context, instance, self.driver.meta(image),
                    [], None, [], devices)
        finally:
            for left in self.root.glob(f'{uuidsentinel.image}*'):
                left.unlink()
