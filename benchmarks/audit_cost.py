# SPDX-License-Identifier: Apache-2.0
"""The cost of an audit of 2,000 images and 5,000 hosts from files.

    tox -e bench -- audit_cost

"parse" is what json.loads takes for the same two files, the minimum for any
program that reads them. "kinds" are images of as many kinds as there are
images: the worst case. "usual" are images of ten kinds. All figures are of
this one process.
"""

import contextlib
import io
import json
import pathlib
import resource
import tempfile
import time

from hyperv_sched.cli import main

IMAGES, HOSTS = 2_000, 5_000
REPORTS = (('hyperv', 6002), ('hyperv', 6003), ('hyperv', 10000),
           ('QEMU', 8002000), ('hyperv', 0))


def make_hosts():
    """Return hosts as Nova describes them."""
    for index in range(HOSTS):
        kind, version = REPORTS[index % len(REPORTS)]
        yield {'id': f'{index:032x}', 'hypervisor_hostname': f'host-{index}',
               'hypervisor_type': kind, 'hypervisor_version': version,
               'state': 'down' if index % 97 == 0 else 'up',
               'status': 'enabled', 'vcpus': 64, 'memory_mb': 524288,
               'service': {'host': f'host-{index}', 'id': index},
               'cpu_info': {'arch': 'x86_64', 'features': ['a'] * 40}}


def make_images(kinds):
    """Return images as Glance describes them."""
    for index in range(IMAGES):
        yield {'id': f'{index:032x}', 'name': f'image {index}',
               'status': 'active', 'disk_format': 'vhdx',
               'container_format': 'bare', 'hypervisor_type': 'hyperv',
               'hw_machine_type': 'hyperv-gen2',
               'hypervisor_version_requires': f'>=6.3,!=7.{index % kinds}'}


def measure(directory, kinds):
    """Print the seconds of parsing, of an audit, and their ratio."""
    paths = []
    for name, document in (
            ('hosts', {'hypervisors': [*make_hosts()]}),
            ('images', {'images': [*make_images(kinds)]})):
        path = directory / f'{name}.json'
        path.write_text(json.dumps(document))
        paths.append(path)
    start = time.perf_counter()
    for path in paths:
        json.loads(path.read_bytes())
    parsed = time.perf_counter() - start
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        main.main(['cloud', 'audit', '--hosts', str(paths[0]), '--images',
                   str(paths[1]), '-f', 'json', '--output',
                   str(directory / 'report.html')])
    seconds = time.perf_counter() - start
    print(f'{kinds:>5} kinds: parse {parsed:.2f} s, audit {seconds:.2f} s, '
          f'ratio {seconds / parsed:.0f}')


def run():
    """Measure both clouds."""
    with tempfile.TemporaryDirectory() as name:
        for kinds in (10, IMAGES):
            measure(pathlib.Path(name), kinds)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f'most memory: {memory // 1024} MiB')


if __name__ == '__main__':
    run()
