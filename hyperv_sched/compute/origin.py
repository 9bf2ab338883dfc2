# SPDX-License-Identifier: Apache-2.0
"""The image that a guest was made from.

Nova's API writes the properties of the new image into the server's
system_metadata before a rebuild is scheduled (``nova/compute/api.py``
``rebuild``). Where the rebuild is then refused, the guest is still the old
one, image_ref at most goes back, and the properties stay. Nova takes them for
those of the guest: at a rescue, a migration, an unshelve, an evacuation, and
in each snapshot. So the properties that a guest was made with are kept under
keys that Nova leaves alone, and put back.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any

from nova import utils
from nova.compute import utils as compute_utils
from nova.image import glance
from oslo_log import log as logging

from hyperv_sched.compute import hosts
from hyperv_sched.objects import image_requirement

LOG = logging.getLogger(__name__)

_IMAGE = utils.SM_IMAGE_PROP_PREFIX

#: Before the name of each key of system_metadata that is kept.
_KEPT = 'hyperv_sched:'

#: Has the image_ref that the kept properties belong to.
_REF = f'{_KEPT}ref'

#: The longest key that Nova stores.
_MAX_KEY = 255

#: Tells the generation of a server.
_MACHINE_TYPE = f'{_IMAGE}hw_machine_type'

#: Nova sets it to the new image at every rebuild.
_BASE = f'{_IMAGE}base_image_ref'

#: Properties that each snapshot has, and so may the image of a server.
_OF_SNAPSHOTS = ('image_type', 'user_id')

_GENERATIONS = {1: image_requirement.GENERATION_1,
                2: image_requirement.GENERATION_2}


@dataclasses.dataclass(frozen=True)
class Origin:
    """What a server says of the image that it was made from."""

    image_ref: str
    """Empty where the root disk is a volume."""
    properties: Mapping[str, str]
    """The keys of system_metadata that Nova has for an image, as they are."""

    @property
    def generation(self) -> str:
        """The generation that the drivers make of it."""
        # A value that is no generation makes no guest.
        return (image_requirement.GENERATION_2
                if self.properties.get(_MACHINE_TYPE)
                == image_requirement.GENERATION_2
                else image_requirement.GENERATION_1)

    def is_of(self, made: Origin) -> bool:
        """Tell whether the properties are those of the same image.

        Other properties than the generation may have been edited.
        """
        # Nova sets the reference to the server's image before a migration.
        base = self.properties.get(_BASE)
        return self.generation == made.generation and (
            base is None or base in (made.properties.get(_BASE),
                                     made.image_ref))


def _current(instance: Any) -> Origin:
    """Return what Nova's own records say."""
    return Origin(instance.image_ref or '', {
        key: value for key, value in instance.system_metadata.items()
        if key.startswith(_IMAGE)})


def _kept(instance: Any) -> Origin | None:
    """Return what was kept; None for a guest of an older release."""
    metadata = instance.system_metadata
    if _REF not in metadata:
        return None
    return Origin(metadata[_REF], {
        key.removeprefix(_KEPT): value for key, value in metadata.items()
        if key.startswith(_KEPT) and key != _REF})


def keep(instance: Any) -> None:
    """Keep what Nova's records say as what the guest is made from.

    Nova saves the instance after the call of the driver that this is for.
    """
    _keep(instance, _current(instance))


def _keep(instance: Any, origin: Origin) -> None:
    metadata = instance.system_metadata
    for key in [key for key in metadata if key.startswith(_KEPT)]:
        del metadata[key]
    metadata[_REF] = origin.image_ref
    metadata.update({
        f'{_KEPT}{key}': value for key, value in origin.properties.items()
        if len(_KEPT) + len(key) <= _MAX_KEY})


def restore_for_spawn(instance: Any) -> None:
    """Make Nova's records say what a guest that comes back was made from.

    A server without a kept record is new. An unshelve has the snapshot as
    image_ref, which stays. Nova saves the instance.
    """
    kept = _kept(instance)
    if kept is None:
        keep(instance)
    elif not _current(instance).is_of(kept):
        _show(instance, kept)


def restore_after_refusal(instance: Any, host: hosts.Host) -> None:
    """Make Nova's records say what they said before a refused rebuild."""
    current = _current(instance)
    made = _as_made(_kept(instance) or current, host.vm_generation(instance))
    if made != current:
        _correct(instance, current, made)


def restore(instance: Any, host: hosts.Host) -> Origin | None:
    """Make Nova's records say what the guest was made from.

    The virtual machine has the last word on its generation, where the driver
    knows it. Else what was kept counts, unless image_ref has changed since:
    Nova takes that back where a rebuild is refused before it reaches the
    host, so the guest was rebuilt while nothing was enforced.

    :returns: what the records said, if that was wrong
    """
    current, kept = _current(instance), _kept(instance)
    generation = host.vm_generation(instance)
    made = (kept if kept is not None
            and kept.image_ref == current.image_ref else current)
    if (kept is not None and generation is not None
            and kept.generation == _GENERATIONS.get(generation)
            != made.generation):
        made = kept
    made, unkept = _as_made(made, generation), made is not kept
    if made.image_ref != current.image_ref or not current.is_of(made):
        _correct(instance, current, made)
        return current
    if unkept and generation is not None:
        # A guest of an older release, or from a host without enforcement.
        keep(instance)
        instance.save()
    return None


def _as_made(origin: Origin, generation: int | None) -> Origin:
    """Return an origin with the generation of the virtual machine.

    One of the other generation is of another image, with all that this asks
    for: what is true of any image remains.

    :param generation: None where that is unknown
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


def _correct(instance: Any, current: Origin, made: Origin) -> None:
    """Save what a guest was made from where Nova's records say otherwise."""
    LOG.warning('The server was made as %(made)s, from image %(image)s. Its '
                'record said %(wrong)s, from image %(other)s, and is '
                'corrected',
                {'made': made.generation,
                 'image': made.properties.get(_BASE),
                 'wrong': current.generation,
                 'other': current.properties.get(_BASE)}, instance=instance)
    _show(instance, made)
    if made.image_ref != current.image_ref:
        instance.image_ref = made.image_ref
    _keep(instance, made)
    instance.save()


def _show(instance: Any, origin: Origin) -> None:
    """Let Nova take these properties for those of the server's image."""
    metadata = instance.system_metadata
    for key in [key for key in metadata if key.startswith(_IMAGE)]:
        del metadata[key]
    metadata.update(origin.properties)


def correct_snapshot(context: Any, instance: Any, image_id: str,
                     wrong: Origin) -> None:
    """Give a new snapshot the properties of the guest's own image.

    Nova's API made its record in Glance before the driver was called.

    :param wrong: what the server's records said then
    :raises Exception: what Nova's Glance API raises
    """
    api = glance.API()
    image = api.get(context, image_id)
    taken = utils.get_image_from_system_metadata(
        dict(wrong.properties))['properties']
    own = {name: value for name, value in image['properties'].items()
           if name in _OF_SNAPSHOTS or taken.get(name) != value}
    right = compute_utils.initialize_instance_snapshot_metadata(
        context, instance, image['name'])['properties']
    api.update(context, image_id, {'properties': {**right, **own}},
               purge_props=True)
