# SPDX-License-Identifier: Apache-2.0
"""The image that a guest was created from, kept in the server's metadata.

Before a rebuild is scheduled, Nova's API writes the properties of the new
image into the server's system_metadata (``nova/compute/api.py``
``rebuild``). If the rebuild is then refused, the old guest remains, but Nova
restores at most image_ref. It uses the properties of the refused image from
then on: in a rescue, a migration, an unshelve, an evacuation and in each
snapshot. Here a copy of the properties of the guest's own image is kept under
keys that Nova does not touch, and restored.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any

from nova import utils
from nova.compute import utils as compute_utils
from nova.image import glance
from oslo_log import log as logging

from hyperv_sched import names
from hyperv_sched.compute import hosts

LOG = logging.getLogger(__name__)

_IMAGE = utils.SM_IMAGE_PROP_PREFIX

#: The prefix of the copies in system_metadata.
_COPY = 'hyperv_sched:'

#: The key of the image_ref that the copied properties belong to.
_COPY_REF = f'{_COPY}ref'

#: The longest key that Nova stores.
_MAX_KEY = 255

#: The key that has the generation of a server.
_MACHINE_TYPE = f'{_IMAGE}hw_machine_type'

#: The key that Nova sets to the new image at every rebuild.
_BASE = f'{_IMAGE}base_image_ref'

#: Properties of every snapshot, and so of servers created from one.
_SNAPSHOT_PROPERTIES = ('image_type', 'user_id')

_GENERATIONS = {1: names.GENERATION_1,
                2: names.GENERATION_2}


@dataclasses.dataclass(frozen=True)
class Origin:
    """The image that a server was created from, as a record has it."""

    image_ref: str
    """Empty if the root disk is a volume."""
    properties: Mapping[str, str]
    """The entries of system_metadata that Nova has for the image."""

    @property
    def generation(self) -> str:
        """The generation that drivers create for these properties."""
        # With an unknown machine type no guest is created.
        return names.created_generation(self.properties.get(_MACHINE_TYPE))

    def is_same_image(self, other: Origin) -> bool:
        """Return whether both records are of the same image.

        Properties other than the generation may have been edited.
        """
        # Nova sets the reference to the server's image before a migration.
        base = self.properties.get(_BASE)
        return self.generation == other.generation and (
            base is None or base in (other.properties.get(_BASE),
                                     other.image_ref))


def _read(instance: Any) -> Origin:
    """Return Nova's own record."""
    return Origin(instance.image_ref or '', {
        key: value for key, value in instance.system_metadata.items()
        if key.startswith(_IMAGE)})


def _read_copy(instance: Any) -> Origin | None:
    """Return the copy; None for a guest of a host without enforcement."""
    metadata = instance.system_metadata
    if _COPY_REF not in metadata:
        return None
    return Origin(metadata[_COPY_REF], {
        key.removeprefix(_COPY): value for key, value in metadata.items()
        if key.startswith(_COPY) and key != _COPY_REF})


def record(instance: Any) -> None:
    """Copy Nova's record of the image that a guest is created from.

    Nova saves the instance after the driver's method that calls this.
    """
    _write_copy(instance, _read(instance))


def _write_copy(instance: Any, origin: Origin) -> None:
    metadata = instance.system_metadata
    for key in [key for key in metadata if key.startswith(_COPY)]:
        del metadata[key]
    metadata[_COPY_REF] = origin.image_ref
    metadata.update({
        f'{_COPY}{key}': value for key, value in origin.properties.items()
        if len(_COPY) + len(key) <= _MAX_KEY})


def restore_for_spawn(instance: Any) -> None:
    """Restore Nova's record of a guest that is created again.

    A server without a copy is new. An unshelve has the snapshot as
    image_ref, which stays. Nova saves the instance.
    """
    copy = _read_copy(instance)
    if copy is None:
        record(instance)
    elif not _read(instance).is_same_image(copy):
        _write(instance, copy)


def restore_after_refusal(instance: Any, host: hosts.Host) -> None:
    """Restore Nova's record after a rebuild that was refused."""
    current = _read(instance)
    correct = _with_generation(
        _read_copy(instance) or current, host.vm_generation(instance))
    if correct != current:
        _correct(instance, current, correct)


def restore(instance: Any, host: hosts.Host) -> Origin | None:
    """Restore Nova's record of the image that a guest was created from.

    The generation of the virtual machine is decisive, if the driver knows
    it. Else the copy is, unless image_ref has changed since: Nova restores
    that if a rebuild is refused before it reaches the host, so the guest was
    rebuilt by a driver without enforcement.

    :returns: the record before, if it was wrong
    """
    current, copy = _read(instance), _read_copy(instance)
    generation = host.vm_generation(instance)
    correct = (copy if copy is not None
               and copy.image_ref == current.image_ref else current)
    if (copy is not None and generation is not None
            and copy.generation == _GENERATIONS.get(generation)
            != correct.generation):
        correct = copy
    is_copied = correct is copy
    correct = _with_generation(correct, generation)
    if (correct.image_ref != current.image_ref
            or not current.is_same_image(correct)):
        _correct(instance, current, correct)
        return current
    if not is_copied and generation is not None:
        # A guest of an older release, or from a host without enforcement.
        record(instance)
        instance.save()
    return None


def _with_generation(origin: Origin, generation: int | None) -> Origin:
    """Return an origin with the generation of the virtual machine.

    If it has the other generation, it is of another image, whose properties
    are unknown: only those that hold for any image are kept.

    :param generation: None if it is unknown
    """
    machine_type = (None if generation is None
                    else _GENERATIONS.get(generation))
    if machine_type is None or machine_type == origin.generation:
        return origin
    properties = {
        key: value for key, value in origin.properties.items()
        if key.removeprefix(_IMAGE) in utils.SM_INHERITABLE_KEYS}
    if origin.image_ref:
        properties[_BASE] = origin.image_ref
    properties[_MACHINE_TYPE] = machine_type
    return Origin(origin.image_ref, properties)


def _correct(instance: Any, current: Origin, correct: Origin) -> None:
    """Save the right record, and log what it replaces."""
    LOG.warning("The server's record has %(wrong)s, image %(other)s. It is "
                'corrected to %(right)s, image %(image)s, which the server '
                'was created from',
                {'right': correct.generation,
                 'image': correct.properties.get(_BASE),
                 'wrong': current.generation,
                 'other': current.properties.get(_BASE)}, instance=instance)
    _write(instance, correct)
    if correct.image_ref != current.image_ref:
        instance.image_ref = correct.image_ref
    _write_copy(instance, correct)
    instance.save()


def _write(instance: Any, origin: Origin) -> None:
    """Replace the image properties in Nova's record."""
    metadata = instance.system_metadata
    for key in [key for key in metadata if key.startswith(_IMAGE)]:
        del metadata[key]
    metadata.update(origin.properties)


def correct_snapshot(context: Any, instance: Any, image_id: str,
                     wrong: Origin) -> None:
    """Give a new snapshot the properties of the guest's own image.

    Nova's API creates the image in Glance before it calls the driver.

    :param wrong: the server's record at that time
    :raises Exception: what Nova's Glance API raises.
    """
    api = glance.API()
    image = api.get(context, image_id)
    inherited = utils.get_image_from_system_metadata(
        dict(wrong.properties))['properties']
    own = {name: value for name, value in image['properties'].items()
           if name in _SNAPSHOT_PROPERTIES or inherited.get(name) != value}
    right = compute_utils.initialize_instance_snapshot_metadata(
        context, instance, image['name'])['properties']
    api.update(context, image_id, {'properties': {**right, **own}},
               purge_props=True)
