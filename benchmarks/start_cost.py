# SPDX-License-Identifier: Apache-2.0
"""What the command costs from start to end, next to importing jsonschema.

    tox -e bench -- start_cost [RUNS]

Each figure is the time of whole processes of this interpreter, which take
turns, so that a busy moment of the machine hits all of them. "image lint" is
the installed command over the properties of one image.
"""

import pathlib
import statistics
import subprocess  # noqa: S404
import sys
import time

RUNS = 15

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
}


def spent(command):
    """Seconds of a process that must end well."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    return time.perf_counter() - start


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    for command in COMMANDS.values():
        spent(command)
    times = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, command in COMMANDS.items():
            times[name].append(spent(command))
    base = times['import jsonschema']
    print(f'{runs} runs' + ''.join(
        f'{head:>{width}}' for head, width in (
            ('min ms', 34), ('median ms', 12), ('to jsonschema: min', 22),
            ('median', 10))))
    for name, some in times.items():
        print(f'{name:<32}{min(some) * 1e3:>8.0f}'
              f'{statistics.median(some) * 1e3:>12.0f}'
              f'{min(some) / min(base):>22.2f}'
              f'{statistics.median(some) / statistics.median(base):>10.2f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
