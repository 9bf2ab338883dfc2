# SPDX-License-Identifier: Apache-2.0
"""Private names of compute-hyperv, and of the driver that Nova 28 ships.

Both keep os-win's utilities and their image cache under the same names.
Other drivers have none of these names: a function then returns None.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

from nova import utils

from hyperv_sched.compute import devices

if TYPE_CHECKING:
    from nova.virt.driver import ComputeDriver as _Driver
else:
    _Driver = object


class ImageRecord(dict[str, Any]):
    """An image in the form of Nova's Glance API that was checked.

    compute-hyperv takes it in place of an ImageMeta, and does not read the
    image from Glance again.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        super().__init__(record)
        properties = self['properties'] = dict(record.get('properties') or {})
        if 'os_type' in properties:
            # compute-hyperv uses the Secure Boot template of Linux for all
            # but 'windows'; Nova and the API accept 'Windows', too
            # (``compute_hyperv/nova/vmops.py`` ``_requires_certificate``).
            properties['os_type'] = str(properties['os_type']).lower()

    @classmethod
    def of_server(cls, instance: Any) -> ImageRecord:
        """Return the image that a server was created from.

        Nova keeps a copy of its properties in system_metadata.
        """
        return cls({
            **utils.get_image_from_system_metadata(instance.system_metadata),
            'id': instance.image_ref})


class DriverMixin(_Driver):
    """Give compute-hyperv the image that was checked.

    Its driver reads the image from Glance whenever it creates or rescues a
    virtual machine: the image may have been edited since Nova read it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        migrationops = getattr(self, '_migrationops', None)
        image_cache: Any = getattr(migrationops, '_imagecache', None)
        if hasattr(image_cache, 'get_image_details'):
            # Its one caller is finish_revert_migration, which no override
            # of the driver reaches (``compute_hyperv/nova/migrationops.py``).
            image_cache.get_image_details = (
                lambda context, instance: ImageRecord.of_server(instance))

    def _recreate_image_meta(self, context: Any, instance: Any,
                             image_meta: Any) -> Any:
        """Return the image that was checked, instead of asking Glance."""
        if isinstance(image_meta, ImageRecord):
            return image_meta
        return super()._recreate_image_meta(context, instance, image_meta)

    @property
    def reads_image_records(self) -> bool:
        """Whether the driver reads images from Glance by itself."""
        return hasattr(super(), '_recreate_image_meta')

    @property
    def remakes_moved_guests(self) -> bool:
        """Whether a cold migration makes another virtual machine.

        Nova's own driver does (``nova/virt/hyperv/migrationops.py``
        ``finish_migration``); compute-hyperv imports the same one.
        """
        migrationops = getattr(self, '_migrationops', None)
        return migrationops is not None and not hasattr(
            migrationops, '_import_and_setup_vm')

    def read_image_record(self, context: Any, instance: Any,
                          image_meta: Any) -> ImageRecord:
        """Read an image as compute-hyperv does.

        :raises Exception: what Nova's Glance API raises.
        """
        return ImageRecord(
            super()._recreate_image_meta(context, instance, image_meta))

    def server_image(self, instance: Any, image_meta: Any) -> Any:
        """Return the image that a server was created from, for the driver.

        :param image_meta: the same as Nova passes it, for other drivers
        """
        return (ImageRecord.of_server(instance) if self.reads_image_records
                else image_meta)


def hypervisor_version(driver: Any) -> object:
    """Return the version as Nova stores it, without a query of Windows.

    os-win keeps it. get_available_resource makes a dozen WMI queries.
    """
    hostops = getattr(driver, '_hostops', None)
    read = getattr(hostops, '_get_hypervisor_version', None)
    return read and read()


def windows_version(driver: Any) -> object:
    """Return the version of Windows with its build, 10.0.20348 or similar."""
    hostops = getattr(driver, '_hostops', None)
    hostutils = getattr(hostops, '_hostutils', None)
    return hostutils and hostutils.get_windows_version()


def vm_generation(driver: Any, instance: Any) -> int | None:
    """Return the generation of a server's virtual machine, 1 or 2.

    :returns: None also where this host has no virtual machine for the server
    :raises Exception: what os-win raises where Windows does not answer.
    """
    vmutils = getattr(getattr(driver, '_vmops', None), '_vmutils', None)
    if vmutils is None or not vmutils.vm_exists(instance.name):
        return None
    generation: int = vmutils.get_vm_generation(instance.name)
    return generation


def cached_image_path(driver: Any, image_id: str) -> str | None:
    """Return the file of an image that the driver does not download again."""
    image_cache = getattr(driver, '_imagecache', None)
    pathutils = getattr(image_cache, '_pathutils', None)
    path: str | None = pathutils and pathutils.get_image_path(image_id)
    return path


def normalize_disk_buses(info: devices.BlockDeviceInfo | None) -> None:
    """Write disk buses in upper case, into the devices themselves.

    Nova's API accepts 'scsi', compute-hyperv 'SCSI' only
    (``compute_hyperv/nova/block_device_manager.py``
    ``_check_and_update_bdm``, which writes into the devices as well).
    """
    for device in devices.all_devices(info):
        if device.get('disk_bus'):
            device['disk_bus'] = device['disk_bus'].upper()
