# SPDX-License-Identifier: Apache-2.0
"""Boots of generation 2 in a cloud with more hosts than placement offers.

    tox -e bench -- placement_scale [--sizes N...] [--plot FILE]
                                    [--database URL]

A real placement and the real scheduler of Nova run in this process, over
SQLite; placement over another database with --database. One host of a hundred
can run generation 2; these have the highest ids, as in a cloud that has been
extended by newer hosts. The others run QEMU or Windows Server 2012.
[scheduler] max_placement_results is 1000. Each boot is one
select_destinations, with its claim in placement:

stock       Nova alone, with the filters that it enables by default
filter      HyperVGenerationFilter as well
random      filter, with [placement] randomize_allocation_candidates as well
trait       filter, with [hyperv_sched] require_trait as well
trait, 10   trait, where 10 hosts only have the traits

"CPU s" is the median of the seconds of processor time of this process for one
boot: other processes of a busy machine do not change it, and a database server
is not in it. "wall s" is the elapsed time. "placement" is the part of the
processor time for the allocation candidates, and "KiB" the size of that
response. "filter share" is the time of HyperVGenerationFilter in that of
select_destinations where placement offers every host.
"""

import argparse
from collections.abc import Callable
import contextlib
import dataclasses
import json
import logging
import resource
import statistics
import sys
import time
from unittest import mock
import uuid

# isort: off
import nova.tests.functional  # noqa: F401 (it selects the threads of Nova)
# isort: on

from nova import context as nova_context  # noqa: H306
from nova import exception
from nova import objects
from nova.db.api import api as api_db
from nova.db.api import models as api_models
from nova.db.main import api as main_db
from nova.db.main import models as main_models
from nova.scheduler import host_manager
from nova.scheduler import manager
from nova.scheduler.client import report
from oslo_config import cfg
from oslo_messaging.rpc import dispatcher
from oslo_utils import timeutils
from placement import db_api as placement_db
from placement import deploy
from placement.db.sqlalchemy import migration
from placement.db.sqlalchemy import models as placement_models
from placement.objects import resource_class
from placement.objects import trait
import sqlalchemy

from hyperv_sched import filters
from hyperv_sched import names
from hyperv_sched import traits
from tests.functional.nova import cloud

CONF = cfg.CONF

SIZES = (1_000, 5_000, 20_000)
#: Larger clouds whose whole answer takes minutes are not measured with it.
MAX_SHARE_SIZE = 5_000
SHARE_BOOTS = 3
CAPABLE = 0.01
FEW = 10
LIMIT = 1000
BOOTS = 10
#: Boots of a way without traits: this many hosts in sum.
HOSTS_IN_SUM = 10_000

DEFAULT_FILTERS = (
    'ComputeFilter', 'ComputeCapabilitiesFilter', 'ImagePropertiesFilter',
    'ServerGroupAntiAffinityFilter', 'ServerGroupAffinityFilter')
OURS = (DEFAULT_FILTERS[0], cloud.FILTER, *DEFAULT_FILTERS[1:])

#: The filters, whether placement selects at random, and whether traits are
#: required.
WAYS = {
    'stock': (DEFAULT_FILTERS, False, False),
    'filter': (OURS, False, False),
    'random': (OURS, True, False),
    'trait': (OURS, False, True),
    'trait, 10': (OURS, False, True),
}

#: What a boot takes, and what a host has.
RESOURCES = {'VCPU': (1, 64), 'MEMORY_MB': (512, 262144), 'DISK_GB': (1, 4000)}

#: Of all hosts that Nova offers to its own users.
OWNER = 'OWNER_NOVA'
WINDOWS = ('hyperv', 10000)
FILLER = str(uuid.UUID(int=4))


class EmptyCloud(cloud.HyperVCloud):
    """The services of a cloud, without a nova-compute."""

    hosts = ()


@contextlib.contextmanager
def database(url, conf):
    """Let placement use an empty database, and empty it at the end.

    :param url: None for that of the fixture, which is SQLite
    """
    if url is None:
        yield
        return
    engine = sqlalchemy.create_engine(url)
    if sqlalchemy.inspect(engine).get_table_names():
        raise SystemExit(f'{url.rpartition("@")[2]}: is not empty')
    facade = placement_db.placement_context_manager
    try:
        migration.create_schema(engine)
        restore = facade.patch_engine(engine)
        try:
            # They are in the database of the fixture.
            trait._TRAITS_SYNCED = False
            resource_class._RESOURCE_CLASSES_SYNCED = False
            deploy.update_database(conf)
            yield
        finally:
            restore()
    finally:
        tables = sqlalchemy.MetaData()
        tables.reflect(engine)
        tables.drop_all(engine)


def kinds(number):
    """Return the type and version of each host, the capable ones last."""
    capable = max(1, round(number * CAPABLE))
    return [*(('QEMU', 8002000) if index % 2 else ('hyperv', 6002)
              for index in range(number - capable)),
            *(WINDOWS for _ in range(capable))]


def add_hosts(services, number):
    """Add hosts as nova-compute would, in few statements."""
    now = timeutils.utcnow()
    rows = [{'id': index + 1, 'uuid': str(uuid.UUID(int=index + 1)),
             'name': f'host{index}', 'type': kind, 'version': version}
            for index, (kind, version) in enumerate(kinds(number))]
    cell = services.cell_mappings['cell1']
    context = nova_context.get_admin_context()
    nova_context.set_target_cell(context, cell)
    with main_db.get_engine(context=context).begin() as connection:
        _insert(connection, main_models.Service, [{
            'uuid': row['uuid'], 'host': row['name'],
            'binary': 'nova-compute', 'topic': 'compute', 'report_count': 1,
            'disabled': False, 'last_seen_up': now, 'updated_at': now,
            'version': 74, 'deleted': 0} for row in rows])
        _insert(connection, main_models.ComputeNode, [{
            'id': row['id'], 'uuid': row['uuid'], 'host': row['name'],
            'hypervisor_hostname': row['name'], 'vcpus': 64,
            'memory_mb': 262144, 'local_gb': 4000, 'vcpus_used': 0,
            'memory_mb_used': 0, 'local_gb_used': 0, 'free_ram_mb': 262144,
            'free_disk_gb': 4000, 'disk_available_least': 4000,
            'current_workload': 0, 'running_vms': 0, 'cpu_info': '{}',
            'hypervisor_type': row['type'],
            'hypervisor_version': row['version'], 'host_ip': '192.0.2.1',
            'supported_instances': f'[["x86_64", "{row["type"].lower()}", '
                                   '"hvm"]]',
            'metrics': '[]', 'stats': '{}', 'mapped': 1, 'updated_at': now,
            'cpu_allocation_ratio': 1.0, 'ram_allocation_ratio': 1.0,
            'disk_allocation_ratio': 1.0, 'deleted': 0} for row in rows])
    with api_db.get_engine().begin() as connection:
        _insert(connection, api_models.HostMapping, [
            {'host': row['name'], 'cell_id': cell.id} for row in rows])
    _add_providers(services, rows)


def _add_providers(services, rows):
    for name in sorted(traits.CUSTOM):
        services.placement.put(f'/traits/{name}', {}, version='1.6')
    with placement_db.get_placement_engine().begin() as connection:
        ids, classes = _ids(connection)
        _insert(connection, placement_models.ResourceProvider, [{
            'id': row['id'], 'uuid': row['uuid'], 'name': row['name'],
            'generation': 1, 'root_provider_id': row['id']} for row in rows])
        _insert(connection, placement_models.Inventory, [{
            'resource_provider_id': row['id'],
            'resource_class_id': classes[name], 'total': total,
            'reserved': 0, 'min_unit': 1, 'max_unit': total, 'step_size': 1,
            'allocation_ratio': 1.0}
            for row in rows for name, (_, total) in RESOURCES.items()])
        _insert(connection, placement_models.ResourceProviderTrait, [
            {'resource_provider_id': row['id'], 'trait_id': ids[name]}
            for row in rows for name in _traits(row)])


def _traits(row):
    if row['type'] != WINDOWS[0]:
        return {OWNER}
    return {OWNER, names.HYPERV_TRAIT} | (
        traits.CUSTOM if row['version'] == WINDOWS[1] else set())


def _ids(connection):
    """Return the ids of all traits and resource classes by name."""
    return tuple(
        dict(connection.execute(sqlalchemy.select(
            model.name, model.id)).all())
        for model in (placement_models.Trait, placement_models.ResourceClass))


def fill(hosts):
    """Let other servers take all of these hosts, and none of the others."""
    allocations = placement_models.Allocation.__table__
    providers = placement_models.ResourceProvider
    with placement_db.get_placement_engine().begin() as connection:
        connection.execute(allocations.delete().where(
            allocations.c.consumer_id == FILLER))
        _, classes = _ids(connection)
        ids = dict(connection.execute(sqlalchemy.select(
            providers.uuid, providers.id)).all())
        if hosts:
            _insert(connection, placement_models.Allocation, [{
                'resource_provider_id': ids[host], 'consumer_id': FILLER,
                'resource_class_id': classes['VCPU'],
                'used': RESOURCES['VCPU'][1]} for host in hosts])


def keep_traits(hosts):
    """Take the trait of generation 2 from all other hosts."""
    links = placement_models.ResourceProviderTrait.__table__
    providers = placement_models.ResourceProvider
    with placement_db.get_placement_engine().begin() as connection:
        ids, _ = _ids(connection)
        connection.execute(links.delete().where(
            links.c.trait_id == ids[names.GENERATION_2_TRAIT],
            links.c.resource_provider_id.not_in(
                sqlalchemy.select(providers.id).where(
                    providers.uuid.in_(hosts)))))


def _insert(connection, model, rows):
    connection.execute(model.__table__.insert(), rows)


def request():
    """Return the request for a server of generation 2, and its id."""
    server = str(uuid.uuid4())
    return server, objects.RequestSpec(
        image=objects.ImageMeta.from_dict({
            'id': str(uuid.UUID(int=1)), 'disk_format': 'vhdx',
            'properties': cloud.GENERATION_2}),
        flavor=objects.Flavor(
            extra_specs={}, vcpus=RESOURCES['VCPU'][0],
            memory_mb=RESOURCES['MEMORY_MB'][0], swap=0, ephemeral_gb=0,
            root_gb=RESOURCES['DISK_GB'][0]),
        num_instances=1, instance_uuid=server, scheduler_hints={},
        project_id=str(uuid.UUID(int=2)), user_id=str(uuid.UUID(int=3)),
        availability_zone=None, ignore_hosts=None, force_hosts=None,
        force_nodes=None, requested_destination=None, instance_group=None,
        is_bfv=False, retry=None, limits=objects.SchedulerLimits(),
        numa_topology=None, requested_resources=[], pci_requests=None,
        security_groups=objects.SecurityGroupList(objects=[]))


class Watch:
    """Sums up the processor time of a function, and keeps its results."""

    def __init__(self, function: Callable) -> None:
        self.function = function
        self.seconds = 0.0
        self.returned = []

    def __call__(self, *args, **kwargs):
        start = time.process_time()
        try:
            self.returned.append(self.function(*args, **kwargs))
        finally:
            self.seconds += time.process_time() - start
        return self.returned[-1]


@dataclasses.dataclass
class Boot:
    """One call of select_destinations."""

    host: str | None
    """The UUID of the host; None if no valid host was found."""
    cpu: float
    wall: float
    placement: float
    """Processor time for the allocation candidates."""
    offered: frozenset[str]
    """The UUIDs of the hosts that placement has offered."""
    size: int
    """Bytes of that response, about."""


def boot(scheduler):
    """Select a host for a server."""
    context = nova_context.RequestContext(
        str(uuid.UUID(int=3)), str(uuid.UUID(int=2)), is_admin=True)
    server, spec = request()
    client = report.SchedulerReportClient
    candidates = Watch(client.get_allocation_candidates)
    with mock.patch.object(client, 'get_allocation_candidates',
                           lambda *args: candidates(*args)):
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            (host, *_), = scheduler.select_destinations(
                context, spec_obj=spec, instance_uuids=[server],
                return_objects=True, return_alternates=True)
        except dispatcher.ExpectedException as exc:
            # RPC has it so.
            if not isinstance(exc.exc_info[1], exception.NoValidHost):
                raise
            host = None
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    (requests, summaries, _), = candidates.returned
    return Boot(
        host and host.compute_node_uuid, cpu, wall, candidates.seconds,
        frozenset(summaries), len(json.dumps([requests, summaries])))


def configure(services, way, size, limit=LIMIT):
    """Start the scheduler of a way in a cloud of some size."""
    enabled, randomize, require_trait = WAYS[way]
    CONF.set_override('max_placement_results', limit, 'scheduler')
    CONF.set_override('enabled_filters', list(enabled), 'filter_scheduler')
    CONF.set_override('require_trait', require_trait, 'hyperv_sched')
    services.placement.fixture.conf_fixture.config(
        randomize_allocation_candidates=randomize, group='placement')
    filters.hyperv_generation_filter.trait_request.configure(None)
    with mock.patch.object(
            host_manager.HostManager, '_init_instance_info'):
        scheduler = manager.SchedulerManager()
    # As after the first report of each nova-compute: the scheduler does not
    # read the servers of each host.
    scheduler.host_manager._instance_info = {
        f'host{index}': {'instances': {}, 'updated': True}
        for index in range(size)}
    return scheduler


@dataclasses.dataclass
class Result:
    """The boots of one way."""

    capable: int
    """Hosts that can run generation 2."""
    empty: list[Boot]
    """Boots in an empty cloud."""
    taken: int
    """Capable hosts that other servers fill."""
    filled: list[Boot]
    """Boots after that."""

    def offered(self, capable):
        """Return the capable hosts among those that placement offered."""
        return self.empty[0].offered & capable


def run(services, way, size, capable, boots):
    """Boot in an empty cloud, and where half of the capable hosts are full.

    Servers go to the hosts that placement offers: these are full first.
    """
    scheduler = configure(services, way, size)
    fill([])
    empty = [boot(scheduler) for _ in range(boots)]
    taken = sorted(empty[0].offered & capable)[:len(capable) // 2]
    fill(taken)
    filled = [boot(scheduler) for _ in range(boots)]
    for done in (*empty, *filled):
        assert done.host is None or done.host in capable  # noqa: S101
    return Result(len(capable), empty, len(taken), filled)


def measure(size, boots, url):
    """Return the results by way, and the share of the filter."""
    services = EmptyCloud('setUp')
    stack = contextlib.ExitStack()
    try:
        services.setUp()
        stack.enter_context(database(
            url, services.placement.fixture.conf_fixture.conf))
        logging.disable(logging.CRITICAL)
        CONF.set_override('service_down_time', 10**6)
        CONF.set_override('notification_format', 'unversioned',
                          'notifications')
        add_hosts(services, size)
        capable = frozenset(
            str(uuid.UUID(int=index + 1))
            for index, kind in enumerate(kinds(size)) if kind == WINDOWS)
        share = measure_share(services, size) if (
            size <= MAX_SHARE_SIZE) else None
        yield share
        for way, (*_, require_trait) in WAYS.items():
            if way.endswith(str(FEW)):
                capable = frozenset(sorted(capable)[:FEW])
                keep_traits(capable)
            number = boots if require_trait else max(
                1, min(boots, HOSTS_IN_SUM // size))
            yield way, run(
                services, way, size, capable, number), capable
    finally:
        stack.close()
        services.doCleanups()
        CONF.clear_override('require_trait', 'hyperv_sched')


def measure_share(services, size):
    """Return the share of the filter where every host is offered."""
    scheduler = configure(services, 'filter', size, limit=size)
    # The first has more to do.
    boot(scheduler)
    ours = Watch(filters.HyperVGenerationFilter.filter_all)
    with mock.patch.object(filters.HyperVGenerationFilter, 'filter_all',
                           lambda *args: ours(*args)):
        spent = sum(boot(scheduler).cpu for _ in range(SHARE_BOOTS))
    return ours.seconds / spent


def plot(measured, path):
    """Plot the processor time of a boot by the number of hosts."""
    import matplotlib
    matplotlib.use('svg')
    from matplotlib import pyplot

    matplotlib.rcParams['svg.hashsalt'] = 'hyperv-sched'
    figure, axes = pyplot.subplots(figsize=(6, 4))
    for way, marker in zip(WAYS, 'os^Dv', strict=True):
        axes.loglog(
            [*measured],
            [median(results[way], 'cpu') for results in measured.values()],
            marker=marker, label=way)
    axes.set_xlabel('hosts')
    axes.set_ylabel('seconds of processor time to choose a host')
    axes.grid(visible=True, which='both', alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={'Date': None})


def median(result, name):
    return statistics.median(
        getattr(done, name) for done in (*result.empty, *result.filled))


def placed(boots):
    return f'{sum(done.host is not None for done in boots)}/{len(boots)}'


def print_row(size, way, result, capable):
    offered = f'{len(result.offered(capable))}/{result.capable}'
    print(''.join(f'{cell:>11}' for cell in (
        size, way, offered, placed(result.empty),
        f'{result.taken}/{result.capable}', placed(result.filled),
        f'{median(result, "cpu"):.2f}', f'{median(result, "wall"):.2f}',
        f'{median(result, "placement"):.2f}',
        f'{median(result, "size") / 1024:.0f}')), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--sizes', metavar='N', type=int, nargs='+',
                        default=SIZES, help='numbers of hosts')
    parser.add_argument('--boots', metavar='N', type=int, default=BOOTS,
                        help='servers for each size, way and state; fewer '
                             'in large clouds without traits')
    parser.add_argument('--plot', metavar='FILE',
                        help='write the times as an SVG')
    parser.add_argument(
        '--database', metavar='URL',
        help='an empty database for placement, such as '
             'mysql+pymysql://user:password@host/name')
    args = parser.parse_args()
    print(''.join(f'{head:>11}' for head in (
        'hosts', 'way', 'offered', 'placed', 'full', 'placed', 'CPU s',
        'wall s', 'placement', 'KiB')), flush=True)
    measured = {}
    for size in args.sizes:
        rows = measure(size, args.boots, args.database)
        share = next(rows)
        measured[size] = {}
        for way, result, capable in rows:
            measured[size][way] = result
            print_row(size, way, result, capable)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f'{size:>11} filter share '
              f'{"-" if share is None else f"{share:.2%}"}, '
              f'{memory} MiB', flush=True)
    if args.plot:
        plot(measured, args.plot)
    return 0


if __name__ == '__main__':
    sys.exit(main())
