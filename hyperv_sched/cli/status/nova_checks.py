# SPDX-License-Identifier: Apache-2.0
"""What has to hold for nova-scheduler and nova-compute."""

from __future__ import annotations

from collections.abc import Iterator
import functools

from hyperv_sched import conf as own_options
from hyperv_sched.cli.status import environment
from hyperv_sched.cli.status import problems
from hyperv_sched.cli.status import sources

GROUP = 'filter_scheduler'
FILTER = 'HyperVGenerationFilter'
FILTER_PATH = f'hyperv_sched.filters.{FILTER}'
ALL_FILTERS = 'nova.scheduler.filters.all_filters'
DRIVER = 'hyperv_sched.EnforcedDriver'

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
        path = f'nova.virt.{DRIVER}'
        yield from environment.try_import(
            path, 'nova', functools.partial(environment.import_path, path))
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
        driver = environment.import_path(f'nova.virt.{name}')
        if not (isinstance(base, type) and isinstance(driver, type)
                and issubclass(driver, base)):
            raise TypeError('it is no driver of Nova')

    yield from environment.try_import(
        f'{problems.shown(name)}, named by {title},', 'nova', load)


def options(deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """Every option of [hyperv_sched] is one, and has a value it can have."""
    known = [opt.name for _, opts in own_options.list_opts() for opt in opts]
    group = own_options.GROUP.name
    # nova-scheduler and nova-compute read most files alike.
    found: dict[problems.Problem, None] = {}
    for service in deployment:
        where = ', '.join(service.files)
        for name in known:
            try:
                service.get(group, name)
            except problems.InvalidOption as exc:
                found[problems.failure(
                    f'{exc}. The services do not start with it.')] = None
        for name in service.groups:
            if name != group and problems.misspelt(group, [name]):
                found[problems.warning(
                    f'[{problems.shown(name)}] in {where} is read by nobody. '
                    f'Write [{group}].')] = None
        for name in service.groups.get(group, ()):
            if name not in known:
                near = problems.misspelt(name, known)
                found[problems.warning(
                    f'[{group}] {problems.shown(name)} in {where} is no '
                    'option, and has no effect. '
                    + (f'Write {near}.' if near else 'Remove it.'))] = None
    yield from found


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
