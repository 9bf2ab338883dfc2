# SPDX-License-Identifier: Apache-2.0
"""What has to hold for nova-scheduler and nova-compute."""

from __future__ import annotations

from collections.abc import Iterator
import functools

from hyperv_sched.cli.status import environment
from hyperv_sched.cli.status import problems
from hyperv_sched.cli.status import sources

GROUP = 'filter_scheduler'
FILTER = 'HyperVGenerationFilter'
FILTER_PATH = f'hyperv_sched.filters.{FILTER}'
ALL_FILTERS = 'nova.scheduler.filters.all_filters'
DRIVER = 'hyperv_sched.EnforcedDriver'

#: Image properties without which a snapshot of a generation 2 server is no
#: longer one, or finds hosts that cannot run it. Glance's names and Nova's.
SNAPSHOT_PROPERTIES = (
    'hw_machine_type', 'hypervisor_type', 'img_hv_type',
    'hypervisor_version_requires', 'img_hv_requested_version',
    'os_secure_boot', 'os_type')

#: Below it, the ways of Nova that the filter and the driver go are untested.
OLDEST_NOVA = 26


def available_filter(
        deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """Nova finds the filter's class."""
    scheduler = _scheduler(deployment)
    available = scheduler.get(GROUP, 'available_filters')
    title = scheduler.title(GROUP, 'available_filters')
    if FILTER_PATH not in available:
        near = problems.misspelt(FILTER_PATH, available)
        yield problems.failure(
            f'{title} lacks the filter. Add a line "available_filters = '
            f'{FILTER_PATH}".' if near is None else
            f'{title} has {problems.shown(near)}. Write "available_filters = '
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
            yield problems.failure(
                f'{title} no longer has {ALL_FILTERS}, Nova\'s default, and '
                f'nova-scheduler does not start without '
                f'{problems.shown(missing)}. Add a line "available_filters = '
                f'{ALL_FILTERS}".')


def enabled_filter(
        deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """Nova runs the filter, once, and where it can give the reason."""
    scheduler = _scheduler(deployment)
    enabled = scheduler.get(GROUP, 'enabled_filters')
    title = scheduler.title(GROUP, 'enabled_filters')
    if FILTER not in enabled:
        near = problems.misspelt(FILTER, enabled)
        yield problems.failure(
            f'{title} lacks the filter: images are not matched with the '
            f'hosts that can run them. Add {FILTER}, before '
            'ImagePropertiesFilter.' if near is None else
            f'{title} has {problems.shown(near)}: nova-scheduler does not '
            f'start. Write {FILTER}, the name of the class alone.')
        return
    if enabled.count(FILTER) > 1:
        yield problems.warning(
            f'{title} has {FILTER} {enabled.count(FILTER)} times, and Nova '
            'runs it as often. Leave one.')
    others = 'ImagePropertiesFilter'
    if others in enabled and enabled.index(others) < enabled.index(FILTER):
        yield problems.warning(
            f'{title} has {others} before {FILTER}: where it removes the '
            f'last host, the user is not told why. Put {FILTER} before it.')


def compute_driver(
        deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """nova-compute loads the enforced driver."""
    compute = _compute(deployment)
    name = compute.get(None, 'compute_driver')
    if name == DRIVER:
        yield from environment.try_import(
            f'nova.virt.{DRIVER}', 'nova',
            functools.partial(environment.import_driver, DRIVER))
        return
    title = compute.title(None, 'compute_driver')
    if name is None:
        yield problems.failure(
            f'{title} has no default: nova-compute does not start. Write '
            f'"compute_driver = {DRIVER}".')
    elif problems.misspelt(DRIVER, [name]):
        yield problems.failure(
            f'{title} is {problems.shown(name)}: nova-compute does not '
            f'start. Write "compute_driver = {DRIVER}"; Nova looks for it '
            'below nova.virt.')
    else:
        yield problems.failure(
            f'{title} is {problems.shown(name)}: nothing is enforced on this '
            f'host. Write "compute_driver = {DRIVER}" there, and '
            f'"compute_driver = {problems.shown(name)}" below '
            '[hyperv_sched].')


def enforced_driver(
        deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """The enforced driver finds the driver that it enforces on."""
    compute = _compute(deployment)
    name = compute.get('hyperv_sched', 'compute_driver')
    title = compute.title('hyperv_sched', 'compute_driver')
    if problems.misspelt(DRIVER, [name]):
        yield problems.failure(
            f'{title} is {problems.shown(name)}: that would enforce on '
            'itself. Name the driver that runs the servers, as '
            'compute_hyperv.driver.HyperVDriver.')
        return

    def load() -> None:
        # The first words of hyperv_sched.compute.driver.EnforcedDriver.
        base = environment.import_path('nova.virt.driver.ComputeDriver')
        driver = environment.import_driver(name)
        if not (isinstance(base, type) and isinstance(driver, type)
                and issubclass(driver, base)):
            raise TypeError('it is no driver of Nova')

    yield from environment.try_import(
        f'{problems.shown(name)}, named by {title},', 'nova', load)


def config_drive(
        deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """Hyper-V can attach the config drives that nova-compute makes."""
    compute = _compute(deployment)
    name = 'config_drive_format'
    if compute.get(None, name) != 'iso9660':
        yield problems.failure(
            f'{compute.title(None, name)} is '
            f'{problems.shown(compute.get(None, name))}: on Hyper-V every '
            'server with a config drive ends in ERROR. Set it to iso9660.')


def image_prefilter(
        deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """Nova does not ask for traits that Hyper-V hosts never report.

    ``nova.scheduler.request_filter.transform_image_metadata``.
    """
    scheduler = _scheduler(deployment)
    if scheduler.get('scheduler', 'image_metadata_prefilter'):
        yield problems.warning(
            f'{scheduler.title("scheduler", "image_metadata_prefilter")} is '
            'true: for an image with architecture, hw_disk_bus, '
            'hw_cdrom_bus, hw_video_model or hw_vif_model Nova requires a '
            'trait that no Hyper-V host reports, and finds no host. Set it '
            'to false.')


def snapshot_properties(
        deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """Snapshots keep the properties that say what they run on.

    ``nova.compute.utils.initialize_instance_snapshot_metadata``.
    """
    scheduler = _scheduler(deployment)
    name = 'non_inheritable_image_properties'
    lost = [wanted for wanted in SNAPSHOT_PROPERTIES
            if wanted in scheduler.get(None, name)]
    if lost:
        yield problems.warning(
            f'{scheduler.title(None, name)} has {problems.shown(lost)}: a '
            'snapshot or a shelved server loses that, and then counts as '
            'generation 1 or starts on the wrong host. Remove it from the '
            'list.')


def version(deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """Nova is of a release that the filter and the driver work with."""
    if deployment.scheduler is None and deployment.compute is None:
        raise problems.Skip('no configuration of Nova was found')
    installed = environment.version('nova')
    if installed is None:
        raise problems.Skip(
            'Nova is not installed in this Python environment')
    if environment.major(installed) < OLDEST_NOVA:
        yield problems.failure(
            f'Nova {problems.shown(installed)} is installed: hyperv-sched '
            f'works with Nova {OLDEST_NOVA} and newer.')


def _scheduler(deployment: sources.Deployment) -> sources.Service:
    scheduler = deployment.scheduler
    if scheduler is None:
        raise problems.Skip('no configuration of Nova was found')
    if not any(scheduler.is_set(GROUP, name) for name in (
            'available_filters', 'enabled_filters')) and _is_hyperv(
                scheduler):
        raise problems.Skip(
            'this is a Hyper-V host, and no scheduler is configured on it')
    return scheduler


def _compute(deployment: sources.Deployment) -> sources.Service:
    compute = deployment.compute
    if compute is None:
        raise problems.Skip('no configuration of Nova was found')
    if not _is_hyperv(compute):
        raise problems.Skip(
            'this is no Hyper-V host: neither compute_driver nor a group '
            '[hyperv] says so')
    return compute


def _is_hyperv(service: sources.Service) -> bool:
    driver = service.get(None, 'compute_driver') or ''
    return ('hyperv' in driver.lower()
            or problems.misspelt(DRIVER, [driver]) is not None
            or bool(service.groups.get('hyperv'))
            or service.is_set('hyperv_sched', 'compute_driver'))
