# SPDX-License-Identifier: Apache-2.0
"""The cost of HyperVGenerationFilter, compared with that of Nova's filters.

    tox -e bench -- filter_cost [--plot FILE]

All figures are the fastest of several runs in this one process, over
HostState objects that Nova made from compute nodes. "compare" is a list
comprehension that compares hypervisor_version with a number: the minimum for
any filter. "compare both" compares hypervisor_type as well: the minimum for
a correct one. "default filters" are those that Nova enables by default, run
as select_destinations runs them; that it does more makes the share of this
filter smaller still.
"""

import argparse
import datetime
import gc
import itertools
import logging
import sys
import time
import uuid

from nova import objects
from nova.scheduler import filters as nova_filters
from nova.scheduler import host_manager
from nova.scheduler.filters import image_props_filter
from oslo_config import cfg
from oslo_utils import timeutils

from hyperv_sched import filters

CONF = cfg.CONF

SIZES = (10, 100, 1_000, 10_000, 100_000)
SIZE = 10_000
TURNS = 8
RUNS_IN_TURN = 5

GENERATION_2 = {'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'hyperv',
                'hypervisor_version_requires': '>=6.3'}

#: The types and versions that the hosts of a cloud report, repeated.
CLOUDS = {
    'all 2016 and newer': (('hyperv', 10000),),
    'mixed, 30% cannot': (
        ('hyperv', 10000), ('hyperv', 10000), ('hyperv', 6003),
        ('hyperv', 10000), ('hyperv', 6002), ('hyperv', 10000),
        ('hyperv', 6003), ('hyperv', 6002), ('hyperv', 10000),
        ('QEMU', 8002000)),
}


def make_hosts(number, reports):
    """Return HostStates made as by the scheduler, all compute nodes first."""
    now = datetime.datetime(2026, 1, 1)
    service = {'disabled': False, 'host': 'host', 'topic': 'compute',
               'last_seen_up': timeutils.utcnow()}
    nodes = [
        objects.ComputeNode(
            id=index, uuid=str(uuid.UUID(int=index)), host=f'host{index}',
            # As in rows of a database, no two nodes share an object.
            hypervisor_type=''.join(list(kind)),
            hypervisor_version=int(str(version)),
            hypervisor_hostname=f'host{index}', updated_at=now,
            free_disk_gb=100, local_gb=100, local_gb_used=0, memory_mb=4096,
            free_ram_mb=4096, disk_available_least=None, vcpus=8,
            vcpus_used=0, numa_topology=None, pci_device_pools=None,
            host_ip='192.0.2.1', cpu_info='{}', metrics=None, stats={},
            supported_hv_specs=[objects.HVSpec.from_list(
                ['x86_64', 'hyperv', 'hvm'])],
            ram_allocation_ratio=1.0, cpu_allocation_ratio=1.0,
            disk_allocation_ratio=1.0)
        for index, (kind, version) in zip(
            range(number), itertools.cycle(reports))]
    hosts = []
    for node in nodes:
        host = host_manager.HostState(node.host, node.host, node.uuid)
        host.update(compute=node, service=service, aggregates=[], inst_dict={})
        hosts.append(host)
    return hosts


def request(properties):
    return objects.RequestSpec(
        image=objects.ImageMeta.from_dict({
            'id': str(uuid.UUID(int=1)), 'disk_format': 'vhdx',
            'properties': properties}),
        flavor=objects.Flavor(extra_specs={}), instance_group=None,
        scheduler_hints={}, num_instances=1)


def fastest(calls):
    """Return the seconds of the fastest run of each call.

    The calls alternate, a few runs each, so that a busy moment of the
    machine affects all of them. Garbage collection is off.
    """
    best = [float('inf')] * len(calls)
    gc.collect()
    gc.disable()
    try:
        for _ in range(TURNS):
            for index, call in enumerate(calls):
                for _ in range(RUNS_IN_TURN):
                    start = time.perf_counter()
                    call()
                    spent = time.perf_counter() - start
                    best[index] = min(best[index], spent)
    finally:
        gc.enable()
    return best


def row(*cells):
    print(f'{cells[0]:<46}' + ''.join(f'{cell:>14}' for cell in cells[1:]))


def compare(hosts):
    return [host for host in hosts if host.hypervisor_version >= 6003]


def compare_both(hosts):
    return [host for host in hosts
            if host.hypervisor_type == 'hyperv'
            and host.hypervisor_version >= 6003]


def against_others(ours, novas):
    """Compare with ImagePropertiesFilter and with bare comparisons."""
    spec = request(GENERATION_2)
    for cloud, reports in CLOUDS.items():
        hosts = make_hosts(SIZE, reports)
        bare, typed, mine, nova = fastest([
            lambda: compare(hosts),  # noqa: B023
            lambda: compare_both(hosts),  # noqa: B023
            lambda: ours.filter_all(hosts, spec),  # noqa: B023
            lambda: list(novas.filter_all(hosts, spec)),  # noqa: B023
        ])
        print()
        row(f'{SIZE} hosts, {cloud}', 'us a host', 'to compare', 'to ours')
        for name, cost in (('compare', bare), ('compare both', typed),
                           ('HyperVGenerationFilter', mine),
                           ('ImagePropertiesFilter', nova)):
            row(name, f'{cost / SIZE * 1e6:.3f}', f'{cost / bare:.1f}',
                f'{cost / mine:.1f}')


def default_filters():
    """Return a function that runs Nova's default filters."""
    handler = nova_filters.HostFilterHandler()
    classes = {cls.__name__: cls for cls in handler.get_all_classes()}
    enabled = [classes[name]()
               for name in CONF.filter_scheduler.enabled_filters]
    return lambda hosts, spec: handler.get_filtered_objects(
        enabled, hosts, spec)


def against_request(ours):
    """Compare with all filters that Nova enables by default."""
    run_default = default_filters()
    hosts = make_hosts(SIZE, CLOUDS['mixed, 30% cannot'])
    spec, plain = request(GENERATION_2), request({})
    assert len(run_default(hosts, plain)) == SIZE  # noqa: S101
    mine, theirs = fastest([
        lambda: ours.filter_all(hosts, spec),
        lambda: run_default(hosts, plain)])
    print()
    row(f'a request, {SIZE} hosts, mixed', 'ms', 'to default')
    row('HyperVGenerationFilter', f'{mine * 1e3:.2f}',
        f'{mine / theirs:.2%}')
    row('default filters', f'{theirs * 1e3:.2f}')


def asks_nothing(ours, novas):
    """Compare the cost of an image that asks nothing of Hyper-V."""
    host, = make_hosts(1, CLOUDS['all 2016 and newer'])
    spec = request({'os_type': 'linux'})
    number = 1000
    mine, nova = fastest([
        lambda: [ours.filter_all([host], spec) for _ in range(number)],
        lambda: [novas.host_passes(host, spec) for _ in range(number)]])
    print()
    row('an image that asks nothing', 'us', 'to one host')
    row('HyperVGenerationFilter, a request', f'{mine / number * 1e6:.2f}',
        f'{mine / nova:.2f}')
    row('ImagePropertiesFilter, a host', f'{nova / number * 1e6:.2f}')


def growth(ours):
    """Print the cost by the number of hosts, and return it for the plot."""
    print()
    row('hosts (mixed)', 'request us', 'us a host', 'asks nothing')
    hosts = make_hosts(SIZES[-1], CLOUDS['mixed, 30% cannot'])
    demanding, plain = request(GENERATION_2), request({})
    costs = []
    for size in SIZES:
        some = hosts[:size]
        filtered, passed = fastest([
            lambda: ours.filter_all(some, demanding),  # noqa: B023
            lambda: ours.filter_all(some, plain),  # noqa: B023
        ])
        row(f'{size}', f'{filtered * 1e6:.0f}',
            f'{filtered / size * 1e6:.3f}', f'{passed * 1e6:.1f}')
        costs.append((size, filtered * 1e6, passed * 1e6))
    return costs


def plot(costs, path):
    """Plot both costs by the number of hosts, on logarithmic axes."""
    import matplotlib
    matplotlib.use('svg')
    from matplotlib import pyplot

    matplotlib.rcParams['svg.hashsalt'] = 'hyperv-sched'
    figure, axes = pyplot.subplots(figsize=(6, 4))
    sizes = [size for size, _, _ in costs]
    axes.loglog(sizes, [filtered for _, filtered, _ in costs], marker='o',
                label='generation 2, >=6.3')
    axes.loglog(sizes, [passed for _, _, passed in costs], marker='s',
                label='image that asks nothing of Hyper-V')
    axes.set_xlabel('hosts')
    axes.set_ylabel('microseconds a request')
    axes.grid(visible=True, which='both', alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={'Date': None})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--plot', metavar='FILE',
                        help='write the growth as an SVG')
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    objects.register_all()
    CONF([], project='nova', default_config_files=[])
    # The hosts report once, at the start.
    CONF.set_override('service_down_time', 10**6)
    ours = filters.HyperVGenerationFilter()
    novas = image_props_filter.ImagePropertiesFilter()
    against_others(ours, novas)
    against_request(ours)
    asks_nothing(ours, novas)
    costs = growth(ours)
    if args.plot:
        plot(costs, args.plot)
    return 0


if __name__ == '__main__':
    sys.exit(main())
