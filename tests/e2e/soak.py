# SPDX-License-Identifier: Apache-2.0
"""Mixed load for a given time: is the memory of the services flat?

Runs against the cloud that is up. Exit code: 0 where every operation ended
as it should, nothing is held in placement for what is gone, and no service
has grown; 1 otherwise.

A service has grown where the median of its memory (PSS, with its children)
over the last third of the time is more than that over the second third, by
more than a twentieth and 4 MiB. The first third is for pools and caches to
fill.
"""

import argparse
import collections
from concurrent import futures
import itertools
import statistics
import sys
import threading
import time
import traceback

import openstack

from tests import samples
from tests.e2e import cloud as e2e_cloud
from tools.cloud import process

MIB = 2 ** 20

#: What is ours to keep flat; all others are shown.
JUDGED = ('glance', 'keystone', 'nova-', 'placement')

#: How much a service may grow: a part of it, and bytes.
ALLOWED = 0.05, 4 * MIB

#: Seconds between samples.
INTERVAL = 5


class WrongStateError(Exception):
    """An operation has not ended as it should."""


def check(expected, actual):
    if expected != actual:
        raise WrongStateError(f'expected {expected}, found {actual}')


def boot(cloud, **properties):
    image = cloud.image(**{**e2e_cloud.GENERATION_2, **properties})
    server = cloud.boot(image)
    check('ACTIVE', server.status)
    check(True, server.compute_host in e2e_cloud.NEW_ENOUGH)
    return image, server


def boot_generation_1(cloud):
    check('ACTIVE', cloud.boot(cloud.image(
        samples.bios_vhdx(), **e2e_cloud.GENERATION_1)).status)


def refuse_in_the_scheduler(cloud):
    image = cloud.image(**{
        **e2e_cloud.GENERATION_2, 'trait:CUSTOM_HYPERV_WS2019': 'required',
        'hypervisor_version_requires': '>=6.3,<10.0'})
    server = cloud.boot(image)
    check(('ERROR', True), (server.status, 'HV404' in cloud.fault(server)))


def refuse_on_the_host(cloud):
    image = cloud.image(user=cloud.admin, **e2e_cloud.GENERATION_2)
    server = cloud.boot(image, user=cloud.admin,
                        availability_zone='nova:ws2012')
    check(('ERROR', True), (server.status, 'HV501' in cloud.fault(server)))


def refuse_in_glance(cloud):
    for properties in ({'hw_disk_bus': 'ide'}, {'disk_format': 'vhd'}):
        try:
            cloud.image(**{**e2e_cloud.GENERATION_2, **properties})
        except openstack.exceptions.BadRequestException as exc:
            check(True, 'HV' in str(exc.response.text))
        else:
            raise WrongStateError(f'Glance has taken {properties}')


def import_both(cloud):
    for data, status in ((samples.uefi_vhdx(), 'active'),
                         (samples.bios_vhdx(), 'queued')):
        check(status, cloud.staged(data, **e2e_cloud.GENERATION_2).status)


def rebuild(cloud):
    _, server = boot(cloud)
    other = cloud.image(**e2e_cloud.GENERATION_2)
    cloud.demo.compute.rebuild_server(server.id, image=other.id)
    rebuilt = cloud.settle(server, 'ACTIVE', 'ERROR')
    check(('ACTIVE', other.id), (rebuilt.status, rebuilt.image.id))


def resize(cloud):
    # On hosts of one release: an older one refuses the server (HV506).
    _, server = boot(cloud, hypervisor_version_requires='>=10.0')
    compute = cloud.demo.compute
    compute.resize_server(server.id, compute.find_flavor('large').id)
    check('VERIFY_RESIZE', cloud.settle(
        server, 'VERIFY_RESIZE', 'ERROR').status)
    compute.confirm_server_resize(server.id)
    moved = cloud.settle(server, 'ACTIVE', 'ERROR')
    check('ACTIVE', moved.status)
    check(True, moved.compute_host in e2e_cloud.NEW_ENOUGH)


LOAD = (boot, refuse_in_the_scheduler, boot_generation_1, refuse_in_glance,
        import_both, refuse_on_the_host, rebuild, resize)


class Soak:

    def __init__(self, seconds, workers):
        self._deadline = time.monotonic() + seconds
        self._workers = workers
        self._turns = itertools.cycle(LOAD)
        self._lock = threading.Lock()
        self.done = collections.Counter()
        self.wrong = []
        #: MiB of each service, sample by sample.
        self.samples = collections.defaultdict(list)

    def _turn(self):
        """The next operation; None at the end."""
        with self._lock:
            return (next(self._turns)
                    if time.monotonic() < self._deadline else None)

    def _work(self):
        while (operation := self._turn()) is not None:
            try:
                with e2e_cloud.Cloud(alone=False) as cloud:
                    operation(cloud)
            except Exception:
                self.wrong.append(
                    f'{operation.__name__}: {traceback.format_exc()}')
            self.done[operation.__name__] += 1

    def run(self, state):
        with futures.ThreadPoolExecutor(self._workers) as pool:
            running = [pool.submit(self._work)
                       for _ in range(self._workers)]
            while not futures.wait(running, timeout=INTERVAL).done >= set(
                    running):
                self._sample(state)

    def _sample(self, state):
        memory = collections.Counter()
        for found in process.find(state):
            memory[found.name] += found.memory
        for name, size in memory.items():
            self.samples[name].append(size)

    def growth(self):
        """Name, median before, median in the end, whether it has grown."""
        for name, sizes in sorted(self.samples.items()):
            third = len(sizes) // 3
            before = statistics.median(sizes[third:2 * third])
            after = statistics.median(sizes[-third:])
            part, size = ALLOWED
            yield name, before, after, (
                name.startswith(JUDGED)
                and after - before > before * part + size)


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog='python -m tests.e2e.soak', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--minutes', type=float, default=30)
    parser.add_argument('--workers', type=int, default=4,
                        help='operations at a time (default: 4)')
    args = parser.parse_args(argv)
    if args.minutes * 60 < 12 * INTERVAL:
        parser.error('that is too short to tell anything')
    with e2e_cloud.Cloud() as cloud:
        soak = Soak(args.minutes * 60, args.workers)
        soak.run(cloud.state)
    for name, count in sorted(soak.done.items()):
        print(f'{name:<28}{count:>8}')
    for text in soak.wrong:
        print(text, file=sys.stderr)
    print(f'{"MiB":<28}{"2nd third":>10}{"last third":>12}')
    grown = False
    for name, before, after, wrong in soak.growth():
        print(f'{name:<28}{before / MIB:>10.1f}{after / MIB:>12.1f}'
              f'{"   has grown" if wrong else ""}')
        grown |= wrong
    print(f'{sum(soak.done.values())} operations, {len(soak.wrong)} went'
          ' wrong')
    return 1 if grown or soak.wrong else 0


if __name__ == '__main__':
    sys.exit(main())
