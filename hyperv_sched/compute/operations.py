# SPDX-License-Identifier: Apache-2.0
"""The operations that are enforced: their checks, and what a refusal does.

The class of the exception decides what Nova does: see
``nova/compute/manager.py`` ``_build_and_run_instance``, ``_build_resources``,
``_do_rebuild_instance_with_claim``, ``rescue_instance``,
``_error_out_instance_on_exception`` and
``_do_check_can_live_migrate_destination``.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
import dataclasses

from hyperv_sched import rules
from hyperv_sched import text
from hyperv_sched.compute import checks

Check = Callable[[checks.Request], rules.Finding | None]

#: The bytes of a fault that Nova stores (``nova/compute/utils.py``
#: ``exception_to_dict``).
_FAULT_SIZE = 255

#: What a user runs to read all about a rule.
_MORE = 'More: hyperv-sched rule show {}'


@dataclasses.dataclass(frozen=True)
class Effect:
    """What Nova does after a refusal."""

    exception: str
    """The name of the class in nova.exception that has this effect."""
    prefix: str = ''
    """What Nova writes before the reason; {} is the UUID of the server."""

    @property
    def room(self) -> int:
        """The bytes of a fault that are left for the reason."""
        return _FAULT_SIZE - len(self.prefix.replace('{}', 'x' * 36))


_ABORTED = 'Build of instance {} aborted: '
_PRE_CHECK = 'Migration pre-check error: '

#: Nova tries the next host. There may be 9999 attempts.
_RESCHEDULE = Effect(
    'ComputeResourcesUnavailable',
    'Exceeded maximum number of retries. Exceeded max scheduling attempts '
    '9999 for instance {}. Last exception: ')
#: The server is in ERROR after one attempt. Before a spawn Nova turns any
#: other class, ImageUnacceptable included, into "Failure prepping block
#: device" (``_build_resources``).
_ABORT_EARLY = Effect('InstanceUnacceptable', _ABORTED)
_ABORT = Effect('ImageUnacceptable', _ABORTED)
_ABORT_FOR_DISK = Effect('InvalidDiskInfo', _ABORTED)
#: The server is in ERROR.
_FAIL = Effect('ImageUnacceptable')
_FAIL_RESCUE = Effect('ImageUnacceptable',
                      'Instance {} cannot be rescued: Driver Error: ')
#: The volume stays detached.
_STAY_DETACHED = Effect('InvalidDiskInfo')
#: Nova tries the next host or answers with HTTP 400; the guest runs on.
_STAY = Effect('MigrationPreCheckError', _PRE_CHECK)
#: The server stays as it is, and the action has the reason.
_ROLL_BACK = Effect('InstanceFaultRollback',
                    'Instance rollback performed due to: ')

#: The checks of an image that a virtual machine is created from. The image
#: comes first: if it is at fault, Nova need not try another host.
_CREATE = (checks.check_image, checks.check_disk_buses,
           checks.check_generation_unchanged, checks.check_disk_format)
_HOST = (checks.check_host,)
#: The checks of a host that a virtual machine moves to as it is.
_DESTINATION = (checks.check_host, checks.check_release)

_ASK = ('Ask the administrator of the cloud: the disk of the guest is on this '
        'host')


@dataclasses.dataclass(frozen=True)
class Operation:
    """A method of the driver that is enforced."""

    method: str
    """The name that Nova calls it by."""
    checks: tuple[Check, ...]
    """In order: the first finding refuses the operation."""
    effect: Effect
    exceptions: Mapping[str, Effect] = dataclasses.field(
        default_factory=dict)
    """By code, where a refusal has another effect."""
    unread: Collection[str] = ()
    """Properties of the image that the driver does not read here."""
    host_fix: str | None = None
    """The fix for HV501 and HV506 where Nova tries no other host."""
    wrap: Callable[[rules.Finding], rules.Finding] | None = None
    """Return the finding that users see instead of that of a check."""

    def effect_of(self, code: str) -> Effect:
        """Return the effect of a refusal with a code."""
        return self.exceptions.get(code, self.effect)


#: Refusals after which another host may build the server.
_OF_THIS_HOST = {'HV501': _RESCHEDULE, 'HV509': _RESCHEDULE}

#: All operations by name: the method, except for an evacuation, which is a
#: rebuild on a host that has no guest to lose.
OPERATIONS = {
    'prepare_for_spawn': Operation(
        'prepare_for_spawn', checks=(checks.check_new_server,),
        effect=_ABORT_EARLY, exceptions=_OF_THIS_HOST),
    'spawn': Operation(
        'spawn', checks=_CREATE + _HOST, effect=_ABORT,
        exceptions={**_OF_THIS_HOST, 'HV503': _ABORT_FOR_DISK}),
    'rebuild': Operation(
        'rebuild', checks=_CREATE + _HOST, effect=_FAIL,
        host_fix='Rebuild with an image that this host can run',
        wrap=checks.rebuild_refused),
    'evacuate': Operation(
        'rebuild', checks=_CREATE + _HOST, effect=_FAIL),
    'rescue': Operation(
        'rescue', checks=(
            checks.check_image, checks.check_rescue_generation,
            checks.check_rescue_medium, checks.check_disk_format, *_HOST),
        effect=_FAIL_RESCUE,
        # The virtual machine exists, and keeps its firmware settings.
        unread=('os_secure_boot', 'os_vtpm', 'os_shielded_vm'),
        host_fix='Rescue with an image that this host can run'),
    'attach_volume': Operation(
        'attach_volume', checks=(checks.check_disk_buses,),
        effect=_STAY_DETACHED),
    'check_can_live_migrate_destination': Operation(
        'check_can_live_migrate_destination', checks=_DESTINATION,
        effect=_STAY),
    'pre_live_migration': Operation(
        'pre_live_migration', checks=_DESTINATION, effect=_STAY),
    # Here the host of the request is the destination.
    'migrate_disk_and_power_off': Operation(
        'migrate_disk_and_power_off', checks=_DESTINATION,
        effect=_ROLL_BACK),
    'finish_migration': Operation(
        'finish_migration', checks=_DESTINATION, effect=_FAIL,
        host_fix=_ASK),
    'finish_revert_migration': Operation(
        'finish_revert_migration', checks=_DESTINATION, effect=_FAIL,
        host_fix=_ASK),
}


def run_checks(name: str, request: checks.Request) -> rules.Finding | None:
    """Return the finding that refuses an operation, or None.

    :param name: a key of OPERATIONS
    """
    operation = OPERATIONS[name]
    request = dataclasses.replace(
        request.without(operation.unread), host_fix=operation.host_fix)
    finding = checks.first_finding(operation.checks, request)
    return finding and wrap(name, finding)


def wrap(name: str, finding: rules.Finding) -> rules.Finding:
    """Return the finding that users see instead of that of a check."""
    operation = OPERATIONS[name]
    return finding if operation.wrap is None else operation.wrap(finding)


def reason(finding: rules.Finding, size: int) -> str:
    """Word a finding for the limited room of a fault.

    Return whole sentences: code, cause and fix, or instead of a fix that is
    too long the command that shows it. Only a cause that is too long even
    then, because of the length of a value, is shortened.

    :param size: bytes of UTF-8
    """
    code, cause = finding.code, finding.message
    if finding.cause is not None:
        code = finding.cause.code
        cause = f'{code} {finding.cause.message}'
    more = _MORE.format(code)
    head = f'{finding.code}: '
    message, cause = text.sentence(finding.message), text.sentence(cause)
    for words in (str(finding), f'{head}{message} {finding.fix}',
                  f'{head}{cause} {finding.fix}', f'{head}{cause} {more}'):
        if len(words.encode()) <= size:
            return words
    room = size - len(f'{head} {more}'.encode())
    return f'{head}{text.shorten(cause, room)} {more}'
