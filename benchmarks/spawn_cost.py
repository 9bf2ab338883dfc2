# SPDX-License-Identifier: Apache-2.0
"""The time that enforcement adds to a build on a compute host.

    tox -e bench -- spawn_cost [RUNS]

A build is prepare_for_spawn and spawn of Nova's fake driver, which reports
Windows Server 2022. Builds with and without enforcement alternate. Glance is
replaced by a function that returns the first 64 KiB of the image, so that the
time does not include its response. A "short read" is one from an idle HTTP
server on this machine: the minimum for any read from Glance.
"""

import http.server
import statistics
import sys
import threading
import time
from unittest import mock

from nova import context as nova_context
from nova import objects
from nova.image import glance
from nova.virt import fake
from oslo_config import cfg
from oslo_utils.fixture import uuidsentinel
import requests

import hyperv_sched.compute.driver as enforced_driver

RUNS = 300
HEAD = b'vhdxfile' + bytes(65536 - 8)
HOST = 'ws2022'

GENERATION_2 = {'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'hyperv',
                'hypervisor_version_requires': '>=6.3'}
IMAGES = {
    'asks nothing': {},
    'generation 1': {'hw_machine_type': 'hyperv-gen1',
                     'hypervisor_type': 'hyperv'},
    'generation 2': GENERATION_2,
    'with Secure Boot': {**GENERATION_2, 'os_secure_boot': 'required',
                         'os_type': 'windows'},
}


class Driver(fake.FakeDriver):
    """Nova's fake driver, which reports Hyper-V."""

    def init_host(self, host):
        super().init_host(host)
        self.host_status_base.update(
            hypervisor_type='hyperv', hypervisor_version=10000)


# Nova loads drivers from below nova.virt only.
sys.modules['nova.virt.hyperv_sched_bench'] = sys.modules[__name__]


class Glance(http.server.BaseHTTPRequestHandler):
    """Return the first bytes of an image."""

    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', str(len(HEAD)))
        self.end_headers()
        self.wfile.write(HEAD)

    def log_message(self, *args):
        """Log nothing."""


def instance_of(properties):
    return objects.Instance(
        nova_context.get_admin_context(), id=1, uuid=uuidsentinel.server,
        host=HOST, node=HOST, image_ref=uuidsentinel.image, metadata={},
        vm_state='building',
        flavor=objects.Flavor(extra_specs={}, vcpus=1, memory_mb=64,
                              root_gb=1, ephemeral_gb=0),
        system_metadata={
            'image_base_image_ref': uuidsentinel.image,
            'image_disk_format': 'vhdx', 'image_container_format': 'bare',
            **{f'image_{name}': value
               for name, value in properties.items()}})


def build(driver, instance):
    """Return the seconds of a build."""
    meta = instance.image_meta
    meta.id = instance.image_ref
    context = instance.obj_context
    start = time.perf_counter()
    driver.prepare_for_spawn(instance)
    driver.spawn(context, instance, meta, [], None, {}, network_info=[],
                 block_device_info={'root_device_name': '/dev/sda'})
    return time.perf_counter() - start


def short_reads(runs):
    """Return the seconds of short reads of an image, on one connection."""
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Glance)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f'http://127.0.0.1:{server.server_port}/'
    times = []
    with requests.Session() as session:
        for _ in range(runs):
            start = time.perf_counter()
            with session.get(url, stream=True, timeout=10) as answer:
                next(answer.iter_content(65536))
            times.append(time.perf_counter() - start)
    server.shutdown()
    return times


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    objects.register_all()
    cfg.CONF([], project='nova', default_config_files=[])
    cfg.CONF.set_override('host', HOST)
    cfg.CONF.set_override('compute_driver', 'hyperv_sched_bench.Driver',
                          group='hyperv_sched')
    plain = Driver(None)
    enforced = enforced_driver.EnforcedDriver(None)
    for driver in (plain, enforced):
        driver.init_host(HOST)
    read = statistics.median(short_reads(runs))
    print(f'{runs} builds, medians in microseconds; a short read: '
          f'{read * 1e6:.0f}\n'
          f'{"":<20}{"plain":>8}{"enforced":>10}{"added":>8}'
          f'{"to a short read":>17}')
    with mock.patch.object(glance.API, 'download',
                           lambda *args, **kwargs: iter([HEAD])):
        for name, properties in IMAGES.items():
            instance = instance_of(properties)
            times = {plain: [], enforced: []}
            for _ in range(runs):
                for driver, some in times.items():
                    some.append(build(driver, instance))
            before, after = map(statistics.median, times.values())
            print(f'{name:<20}{before * 1e6:>8.0f}{after * 1e6:>10.0f}'
                  f'{(after - before) * 1e6:>8.0f}'
                  f'{(after - before) / read:>17.2f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
