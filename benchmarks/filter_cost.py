# SPDX-License-Identifier: Apache-2.0
"""What HyperVGenerationFilter costs a host, next to Nova's own filter.

    tox -e bench -- filter_cost [--plot FILE]

All figures are the fastest of several runs in this one process, over
HostState objects that Nova made from compute nodes. "compare" is a list
comprehension that compares hypervisor_version with a number: the least that
any filter does. "type too" compares hypervisor_type as well: the least that a
right one does.
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
from nova.scheduler import host_manager
from nova.scheduler.filters import image_props_filter

from hyperv_sched import filters

SIZES = (10, 100, 1_000, 10_000, 100_000)
SIZE = 10_000
TURNS = 8
RUNS_IN_TURN = 5

GENERATION_2 = {'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'hyperv',
                'hypervisor_version_requires': '>=6.3'}

#: What the hosts of a cloud report, in turn.
CLOUDS = {
    'all 2016 and newer': (('hyperv', 10000),),
    'mixed, 30% cannot': (
        ('hyperv', 10000), ('hyperv', 10000), ('hyperv', 6003),
        ('hyperv', 10000), ('hyperv', 6002), ('hyperv', 10000),
        ('hyperv', 6003), ('hyperv', 6002), ('hyperv', 10000),
        ('QEMU', 8002000)),
}


def make_hosts(number, reports):
    """HostStates as the scheduler makes them: all compute nodes first."""
    now = datetime.datetime(2026, 1, 1)
    nodes = [
        objects.ComputeNode(
            id=index, uuid=str(uuid.UUID(int=index)), host=f'host{index}',
            # No two nodes share a string or a number: each is a row read.
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
        host.update(compute=node, service={}, aggregates=[], inst_dict={})
        hosts.append(host)
    return hosts


def request(properties):
    return objects.RequestSpec(
        image=objects.ImageMeta.from_dict({
            'id': str(uuid.UUID(int=1)), 'disk_format': 'vhdx',
            'properties': properties}),
        num_instances=1)


def fastest(calls):
    """Seconds of the fastest run of each call.

    The calls take turns, a few runs each, so that a busy moment of the
    machine hits all of them; collections of garbage do not count.
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


def compare_type_too(hosts):
    return [host for host in hosts
            if host.hypervisor_type == 'hyperv'
            and host.hypervisor_version >= 6003]


def against_others(ours, novas):
    """The filter next to Nova's and next to a bare comparison."""
    spec = request(GENERATION_2)
    for cloud, reports in CLOUDS.items():
        hosts = make_hosts(SIZE, reports)
        bare, typed, mine, nova = fastest([
            lambda: compare(hosts),  # noqa: B023
            lambda: compare_type_too(hosts),  # noqa: B023
            lambda: ours.filter_all(hosts, spec),  # noqa: B023
            lambda: list(novas.filter_all(hosts, spec)),  # noqa: B023
        ])
        print()
        row(f'{SIZE} hosts, {cloud}', 'us a host', 'to compare', 'to ours')
        for name, cost in (('compare', bare), ('type too', typed),
                           ('HyperVGenerationFilter', mine),
                           ('ImagePropertiesFilter', nova)):
            row(name, f'{cost / SIZE * 1e6:.3f}', f'{cost / bare:.1f}',
                f'{cost / mine:.1f}')


def growth(ours):
    """How the cost grows with the hosts; returns rows for the plot."""
    print()
    row('hosts (mixed)', 'request us', 'us a host', 'asks nothing')
    hosts = make_hosts(SIZES[-1], CLOUDS['mixed, 30% cannot'])
    asks, asks_nothing = request(GENERATION_2), request({})
    costs = []
    for size in SIZES:
        some = hosts[:size]
        judged, unasked = fastest([
            lambda: ours.filter_all(some, asks),  # noqa: B023
            lambda: ours.filter_all(some, asks_nothing),  # noqa: B023
        ])
        row(f'{size}', f'{judged * 1e6:.0f}', f'{judged / size * 1e6:.3f}',
            f'{unasked * 1e6:.0f}')
        costs.append((size, judged * 1e6, unasked * 1e6))
    return costs


def plot(costs, path):
    """Both costs over the number of hosts, on logarithmic axes."""
    import matplotlib
    matplotlib.use('svg')
    from matplotlib import pyplot

    matplotlib.rcParams['svg.hashsalt'] = 'hyperv-sched'
    figure, axes = pyplot.subplots(figsize=(6, 4))
    sizes = [size for size, _, _ in costs]
    axes.loglog(sizes, [judged for _, judged, _ in costs], marker='o',
                label='generation 2, >=6.3')
    axes.loglog(sizes, [unasked for _, _, unasked in costs], marker='s',
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
    ours = filters.HyperVGenerationFilter()
    against_others(ours, image_props_filter.ImagePropertiesFilter())
    costs = growth(ours)
    if args.plot:
        plot(costs, args.plot)
    return 0


if __name__ == '__main__':
    sys.exit(main())
