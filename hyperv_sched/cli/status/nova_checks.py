# SPDX-License-Identifier: Apache-2.0
"""Checks of nova-scheduler and nova-compute."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import functools
from typing import cast

from hyperv_sched.cli.status import configuration
from hyperv_sched.cli.status import environment
from hyperv_sched.cli.status import results
from hyperv_sched.cli.status.results import format_value

GROUP = 'filter_scheduler'
FILTER = 'HyperVGenerationFilter'
FILTER_PATH = f'hyperv_sched.filters.{FILTER}'
ALL_FILTERS = 'nova.scheduler.filters.all_filters'
DRIVER = 'hyperv_sched.EnforcedDriver'

#: Image properties that the snapshot of a generation 2 server needs, to stay
#: generation 2 and to be scheduled. Names of Glance and of Nova.
SNAPSHOT_PROPERTIES = (
    'hw_machine_type', 'hypervisor_type', 'img_hv_type',
    'hypervisor_version_requires', 'img_hv_requested_version',
    'os_secure_boot', 'os_type')

#: The function that compares the request filters of Nova with the known ones.
TRAIT_REQUEST = 'hyperv_sched.filters.trait_request.find_difference'

#: Oldest release that filter and driver are tested with.
OLDEST_NOVA = 26


def available_filter(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that Nova finds the class of the filter."""
    scheduler = _scheduler(deployment)
    available = scheduler.get(GROUP, 'available_filters')
    title = scheduler.title(GROUP, 'available_filters')
    if FILTER_PATH not in available:
        near = results.find_misspelled(FILTER_PATH, available)
        yield results.failure(
            f'{title} lacks the filter. Add a line "available_filters = '
            f'{FILTER_PATH}".' if near is None else
            f'{title} has {format_value(near)}. Write "available_filters = '
            f'{FILTER_PATH}", on a line of its own.')
    else:
        yield from environment.try_import(
            FILTER_PATH, 'nova',
            functools.partial(environment.import_path, FILTER_PATH))
    if ALL_FILTERS not in available:
        offered = {path.rpartition('.')[2] for path in available} | {FILTER}
        missing = [name for name in scheduler.get(GROUP, 'enabled_filters')
                   if name not in offered]
        if missing:
            yield results.failure(
                f'{title} no longer has {ALL_FILTERS}, Nova\'s default, and '
                f'nova-scheduler does not start without '
                f'{format_value(missing)}. Add a line "available_filters = '
                f'{ALL_FILTERS}".')


def enabled_filter(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that Nova runs the filter once, before ImagePropertiesFilter."""
    scheduler = _scheduler(deployment)
    enabled = scheduler.get(GROUP, 'enabled_filters')
    title = scheduler.title(GROUP, 'enabled_filters')
    if FILTER not in enabled:
        near = results.find_misspelled(FILTER, enabled)
        yield results.failure(
            f'{title} lacks the filter: images are not matched with the '
            f'hosts that can run them. Add {FILTER}, before '
            'ImagePropertiesFilter.' if near is None else
            f'{title} has {format_value(near)}: nova-scheduler does not '
            f'start. Write {FILTER}, the name of the class alone.')
        return
    if enabled.count(FILTER) > 1:
        yield results.warning(
            f'{title} has {FILTER} {enabled.count(FILTER)} times, and Nova '
            'runs it each time. Keep one.')
    others = 'ImagePropertiesFilter'
    if others in enabled and enabled.index(others) < enabled.index(FILTER):
        yield results.warning(
            f'{title} has {others} before {FILTER}: if it removes the last '
            f'host, the user gets no reason. Put {FILTER} before it.')


def compute_driver(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that nova-compute loads the enforced driver."""
    compute = _compute(deployment)
    name = compute.get(None, 'compute_driver')
    if name == DRIVER:
        yield from environment.try_import(
            f'nova.virt.{DRIVER}', 'nova',
            functools.partial(environment.import_driver, DRIVER))
        return
    title = compute.title(None, 'compute_driver')
    if name is None:
        yield results.failure(
            f'{title} has no default: nova-compute does not start. Write '
            f'"compute_driver = {DRIVER}".')
    elif results.find_misspelled(DRIVER, [name]):
        yield results.failure(
            f'{title} is {format_value(name)}: nova-compute does not '
            f'start. Write "compute_driver = {DRIVER}", without nova.virt.')
    else:
        yield results.failure(
            f'{title} is {format_value(name)}: rules are not enforced on '
            f'this host. Write "compute_driver = {DRIVER}" there, and '
            f'"compute_driver = {format_value(name)}" in '
            '[hyperv_sched].')


def enforced_driver(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that the enforced driver finds the driver that it extends."""
    compute = _compute(deployment)
    name = compute.get('hyperv_sched', 'compute_driver')
    title = compute.title('hyperv_sched', 'compute_driver')
    if results.find_misspelled(DRIVER, [name]):
        yield results.failure(
            f'{title} is {format_value(name)}: it cannot extend itself. '
            'Set it to the driver that runs the servers, for example '
            'compute_hyperv.driver.HyperVDriver.')
        return

    def load() -> None:
        # As hyperv_sched.compute.driver.EnforcedDriver does.
        base = environment.import_path('nova.virt.driver.ComputeDriver')
        driver = environment.import_driver(name)
        if not (isinstance(base, type) and isinstance(driver, type)
                and issubclass(driver, base)):
            raise TypeError('it is not a driver of Nova')

    yield from environment.try_import(
        f'{format_value(name)}, named by {title},', 'nova', load)


def config_drive(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that Hyper-V can attach config drives."""
    compute = _compute(deployment)
    name = 'config_drive_format'
    if compute.get(None, name) != 'iso9660':
        yield results.failure(
            f'{compute.title(None, name)} is '
            f'{format_value(compute.get(None, name))}: on Hyper-V every '
            'server with a config drive ends in ERROR. Set it to iso9660.')


def image_prefilter(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that Nova does not require traits that Hyper-V hosts lack.

    ``nova.scheduler.request_filter.transform_image_metadata``.
    """
    scheduler = _scheduler(deployment)
    if scheduler.get('scheduler', 'image_metadata_prefilter'):
        yield results.warning(
            f'{scheduler.title("scheduler", "image_metadata_prefilter")} is '
            'true: for an image with architecture, hw_disk_bus, '
            'hw_cdrom_bus, hw_video_model or hw_vif_model Nova requires a '
            'trait that no Hyper-V host reports, and finds no host. Set it '
            'to false.')


def require_trait(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that this Nova takes the request filter for traits."""
    scheduler = _scheduler(deployment)
    if (not scheduler.get('hyperv_sched', 'require_trait')
            or environment.version('nova') is None):
        return
    title = scheduler.title('hyperv_sched', 'require_trait')
    if FILTER not in scheduler.get(GROUP, 'enabled_filters'):
        yield results.failure(
            f'{title} has no effect without {FILTER}. Add the filter to '
            'enabled_filters.')
    try:
        find = environment.import_path(TRAIT_REQUEST)
    except Exception:
        # The check of the filter reports it.
        return
    difference = cast(Callable[[], str | None], find)()
    if difference is not None:
        yield results.failure(
            f'{title} has no effect: {difference}. Remove it, and let images '
            'require the trait CUSTOM_HYPERV_GEN2.')


def snapshot_properties(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that snapshots keep the properties for scheduling.

    ``nova.compute.utils.initialize_instance_snapshot_metadata``.
    """
    scheduler = _scheduler(deployment)
    name = 'non_inheritable_image_properties'
    dropped = [wanted for wanted in SNAPSHOT_PROPERTIES
               if wanted in scheduler.get(None, name)]
    if dropped:
        yield results.warning(
            f'{scheduler.title(None, name)} has {format_value(dropped)}: '
            'snapshots and shelved servers lose these properties, and become '
            'generation 1 or are scheduled to hosts that cannot run them. '
            'Remove the properties from the list.')


def version(deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that the release of Nova is supported."""
    if deployment.scheduler is None and deployment.compute is None:
        raise results.NotApplicableError(
            'no configuration of Nova was found')
    installed = environment.version('nova')
    if installed is None:
        raise results.NotApplicableError(
            'Nova is not installed in this Python environment')
    if environment.major(installed) < OLDEST_NOVA:
        yield results.failure(
            f'Nova {format_value(installed)} is installed: hyperv-sched '
            f'supports Nova {OLDEST_NOVA} and newer.')


def _scheduler(deployment: configuration.Deployment) -> configuration.Service:
    scheduler = deployment.scheduler
    if scheduler is None:
        raise results.NotApplicableError(
            'no configuration of Nova was found')
    if not any(scheduler.is_set(GROUP, name) for name in (
            'available_filters', 'enabled_filters')) and _is_hyperv(
                scheduler):
        raise results.NotApplicableError(
            'this is a Hyper-V host without a configured scheduler')
    return scheduler


def _compute(deployment: configuration.Deployment) -> configuration.Service:
    compute = deployment.compute
    if compute is None:
        raise results.NotApplicableError(
            'no configuration of Nova was found')
    if not _is_hyperv(compute):
        raise results.NotApplicableError(
            'this is not a Hyper-V host: compute_driver is another driver, '
            'and there is no section [hyperv]')
    return compute


def _is_hyperv(service: configuration.Service) -> bool:
    driver = service.get(None, 'compute_driver') or ''
    return ('hyperv' in driver.lower()
            or results.find_misspelled(DRIVER, [driver]) is not None
            or bool(service.groups.get('hyperv'))
            or service.is_set('hyperv_sched', 'compute_driver'))
