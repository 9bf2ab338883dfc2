# SPDX-License-Identifier: Apache-2.0
"""What the commands cost from start to end.

"image lint" is compared with importing jsonschema, and the openstack client
with itself without the commands of this package.

    tox -e bench -- start_cost [RUNS]

Each figure is the time of whole processes of this interpreter, which take
turns, so that a busy moment of the machine hits all of them. "image lint" is
the installed command over the properties of one image.
"""

import os
import pathlib
import statistics
import subprocess  # noqa: S404
import sys
import time

RUNS = 15

#: The openstack client, without entry points of the package in argv.
OPENSTACK = """
import sys
from stevedore import _cache
package = sys.argv.pop(1) + '.'
read = _cache.get_group_all
_cache.get_group_all = lambda group: [
    point for point in read(group) if not point.value.startswith(package)]
from openstackclient import shell
sys.exit(shell.main(sys.argv[1:]))
"""
WITH, WITHOUT = 'no_such_package', 'hyperv_sched'


def openstack(package, *argv):
    return [sys.executable, '-W', 'ignore', '-c', OPENSTACK, package, *argv]


COMMANDS = {
    'python -c pass': [sys.executable, '-c', 'pass'],
    'import jsonschema': [sys.executable, '-c', 'import jsonschema'],
    'import cliff.app, cliff.lister': [
        sys.executable, '-c', 'import cliff.app, cliff.lister'],
    'image lint': [
        str(pathlib.Path(sys.executable).with_name('hyperv-sched')),
        'image', 'lint', '--property', 'hw_machine_type=hyperv-gen2',
        '--property', 'hypervisor_type=hyperv',
        '--property', 'hypervisor_version_requires=>=6.3'],
    **{f'openstack {option}{label}': openstack(package, option)
       for option in ('--version', '--help')
       for label, package in ((', without it', WITHOUT), ('', WITH))},
}


#: Without it, each process would compile what has changed.
ENVIRON = {name: value for name, value in os.environ.items()
           if name != 'PYTHONDONTWRITEBYTECODE'}


def spent(command):
    """Seconds of a process that must end well."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True,  # noqa: S603
                   env=ENVIRON)
    return time.perf_counter() - start


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    for command in COMMANDS.values():
        spent(command)
    times = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, command in COMMANDS.items():
            times[name].append(spent(command))
    print(f'{runs} runs' + ''.join(
        f'{head:>{width}}' for head, width in (
            ('min ms', 44), ('median ms', 12), ('ratio: min', 14),
            ('median', 10))))
    for name, some in times.items():
        base = times.get(f'{name}, without it') or (
            some if name.endswith('without it')
            else times['import jsonschema'])
        print(f'{name:<42}{min(some) * 1e3:>8.0f}'
              f'{statistics.median(some) * 1e3:>12.0f}'
              f'{min(some) / min(base):>14.2f}'
              f'{statistics.median(some) / statistics.median(base):>10.2f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
