# SPDX-License-Identifier: Apache-2.0
"""Run the environments of tox.ini: all checks and tests."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import configparser
import contextlib
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

from tools.setup import console
from tools.setup import debian
from tools.setup import venvs

_DESCRIPTION = '''\
Run every check and test of tox.ini, or some of its environments. What is
missing is installed first: Debian packages as root or where sudo needs no
password, Python packages into .venv and .tox.
'''

_EPILOG = '''\
exit code: 0 all passed and no test was skipped; 1 something failed; 2 wrong
usage, or this machine lacks something, which the message names; 3 what ran
has passed, but environments were left out, which the last lines name
'''

_NIGHTLY_DESCRIPTION = '''\
Run every environment of tox.ini in full, as many at a time as there are
cores, and print one table. This takes hours.
'''

#: The environments of tox.ini in full, and what is passed to those that
#: would run for less time or want more. Those that take longest come first.
NIGHTLY = {
    'firmware': (), 'e2e': (), 'fuzz': ('-max_total_time=600',),
    'windows': (), 'mutation': (), 'soak': ('--minutes', '10'),
    'functional': (), 'nova26': (), 'nova28': (), 'nova31': (),
    'glance30': (), 'packaging': (), 'unit': (), 'lower-bounds': (),
    'release': ('--snapshot',), 'docs': (), 'browser': (), 'mypy': (),
    'pep8': (),
}

#: Beginnings of the names of environments with a cloud of processes. Its
#: state has one place.
_CLOUDS = ('e2e', 'soak')

_QEMU = 'qemu-utils'

#: Unpacked, not installed: installing them would change how this very
#: computer boots.
_LOADERS = ('grub-efi-amd64-signed', 'shim-helpers-amd64-signed',
            'shim-signed', 'syslinux-common')

#: Unpacked, not installed: prometheus is a service. Of bookworm: in newer
#: releases promtool is a package of its own.
_PROGRAMS = ('prometheus', 'shellcheck')

#: Signed loaders by the release of Debian or Ubuntu, for Secure Boot. They
#: differ in what they trust and refuse, and some are revoked.
_SIGNED = ('grub-efi-amd64-signed', 'shim-signed')
_RELEASES = {
    'bullseye': (*_SIGNED, 'shim-helpers-amd64-signed'),
    'bookworm': (*_SIGNED, 'shim-helpers-amd64-signed'),
    'trixie': (*_SIGNED, 'shim-helpers-amd64-signed'),
    'focal': _SIGNED,
    'noble': _SIGNED,
}
_UBUNTU = ('focal', 'noble')
_UBUNTU_URI = 'http://archive.ubuntu.com/ubuntu'
_DEBIAN_URI = 'http://deb.debian.org/debian'
#: Has the keys of Ubuntu, and is in Debian.
_UBUNTU_KEYRING = 'ubuntu-keyring'
_UBUNTU_KEYRING_FILE = 'usr/share/keyrings/ubuntu-archive-keyring.gpg'

#: Environments of releases that know no Python newer than 3.11, and the one
#: with a Python 3.11 for Windows.
_OLD = re.compile(r'(nova|glance)\d+|lower-bounds|windows')

#: Debian 12's Python 3.11, which runs on newer releases, too.
_BOOKWORM_PYTHON = ('libpython3.11-minimal', 'libpython3.11-stdlib',
                    'python3.11-minimal')
_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

#: MiB that an environment and its downloads take where uv cannot link them.
_ENVIRONMENT_SIZE = 250
#: MiB for a cloud of processes, and for disk images.
_SIZES = {'e2e': 1200, 'soak': 1200, 'firmware': 1000, 'windows': 3000}

#: The line of a log that tells most about a failure: that of a failed test,
#: otherwise that of an error, or one that begins with a place.
_CAUSES = (
    re.compile(r'\{\d+\} .* \.\.\. FAILED'),
    re.compile(r'error\b|ERROR\b|[\w.]+Error: |.*: error: '),
    re.compile(r'\s*(--> )?\S+:\d+(:\d+)?:?( |$)(?!.*Warning\b)'))

#: What tox says after the command has failed.
_TOX = re.compile(r'\S+: (exit|FAIL|commands_p)|  (\S+: |evaluation failed)')

_NO_OLD_PYTHON = (
    'Python 3.11 is needed, and is neither in PATH nor among the packages of'
    ' this system')

_TOX_HOME = venvs.TOP / '.venv/tox'
_LOGS = venvs.TOP / '.tox/log'


def main() -> int:
    """Run the environments of the command line; return the exit code."""
    return _main('tools/test', _DESCRIPTION, 'its envlist',
                 default_environments(), (os.cpu_count() or 1) + 1)


def nightly() -> int:
    """Run environments in full; return the exit code.

    Properties are tested with other examples each time.
    """
    os.environ.setdefault('HYPOTHESIS_PROFILE', 'random')
    return _main('tools/nightly', _NIGHTLY_DESCRIPTION, 'all', [*NIGHTLY],
                 os.cpu_count() or 1, NIGHTLY)


def _main(prog: str, description: str, default: str, names: list[str],
          together: int, posargs: Mapping[str, Sequence[str]] | None = None,
          ) -> int:
    """Run the environments of a command line; return the exit code.

    :param default: what ``names`` are, for the help
    :param names: the environments that run if none are named
    :param together: how many run at a time
    :param posargs: arguments of environments
    """
    parser = argparse.ArgumentParser(
        prog=prog, description=description, epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'environments', metavar='ENV[,ENV...]', nargs='?',
        help=f'names from tox.ini (default: {default})')
    asked = parser.parse_args().environments
    names = asked.split(',') if asked else names
    unknown = {*names} - {*environments()}
    if unknown:
        parser.error(f'tox.ini has no environment {", ".join(unknown)}; it'
                     f' has {", ".join(environments())}')
    posargs = posargs or {}
    try:
        _check_machine(names)
        env, left_out = _prepare(names)
        if left_out and asked:
            raise console.ToolError(
                f'{", ".join(left_out)}: {_NO_OLD_PYTHON}')
        names = [name for name in names if name not in left_out]
        results = (_run_alone(names[0], env, posargs) if len(names) == 1
                   else _run_side_by_side(names, env, together, posargs))
    except console.ToolError as exc:
        sys.stdout.flush()
        print(f'error: {exc}', file=sys.stderr)
        return 2
    return report(results, left_out)


def _read_tox_ini() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(venvs.TOP / 'tox.ini')
    return parser


def default_environments() -> list[str]:
    """Return the envlist of tox.ini."""
    return _read_tox_ini()['tox']['envlist'].split(',')


def environments() -> dict[str, configparser.SectionProxy]:
    """Return the section of each environment in tox.ini.

    ``testenv:nova{26,28}`` is that of two. ``testenv`` itself is unit's.
    """
    found = {}
    for name, section in _read_tox_ini().items():
        match = re.fullmatch(r'testenv:([^{]+)(?:\{(.*)\})?', name)
        if match:
            for factor in (match[2] or '').split(','):
                found[match[1] + factor] = section
        elif name == 'testenv':
            found['unit'] = section
    return found


def packages(names: Sequence[str]) -> list[str]:
    """Return the Debian packages that environments need."""
    needed = set()
    for line in (venvs.TOP / 'bindep.txt').read_text().splitlines():
        match = re.fullmatch(r'(\S+) \[platform:dpkg (.+)\]', line)
        if match and {name.partition('-')[0]
                      for name in names} & {*match[2].split()}:
            needed.add(match[1])
    if shutil.which('qemu-img'):
        # The command does, wherever it is from.
        needed.discard(_QEMU)
    if importlib.util.find_spec('ensurepip'):
        needed.discard('python3-venv')
    return sorted(needed)


def needs_old_python(name: str) -> bool:
    """Whether an environment runs on Python 3.11 only."""
    return bool(_OLD.fullmatch(name))


def _check_machine(names: Sequence[str]) -> None:
    """Refuse a machine that lacks something, or install it.

    :raises ToolError: the message has what to do
    """
    if re.search(r'\s', str(venvs.TOP)):
        raise console.ToolError(
            f'stestr does not work below a path with a blank: {venvs.TOP}.'
            ' Move the checkout.')
    wanted, free = 0, shutil.disk_usage(venvs.TOP).free >> 20
    for name in names:
        if not (venvs.TOP / '.tox' / name).exists():
            wanted += _ENVIRONMENT_SIZE
        wanted += _SIZES.get(name.partition('-')[0], 0)
    if free < wanted:
        raise console.ToolError(
            f'{wanted} MiB of disk space are needed below {venvs.TOP}, {free}'
            ' MiB are free. Make room.')
    if 'e2e' in names:
        _check_mounts()
    lacking = debian.missing(packages(names))
    if lacking:
        debian.install(lacking, venvs.TOP / '.venv/debian.log')


def _check_mounts() -> None:
    """Check that distributions can be installed, as e2e does.

    :raises ToolError: they cannot
    """
    tried = subprocess.run(
        ['unshare', '--mount', 'true'], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, check=False)
    if tried.returncode:
        raise console.ToolError(
            'e2e installs distributions, which needs a mount namespace'
            f' ({tried.stderr.strip()}). Run it as root and outside of a'
            ' chroot, or run e2e-ci, which installs none.')


def _prepare(names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Install tox and what the environments need beside Debian packages.

    :returns: variables for tox, and environments that cannot run here
    """
    venvs.make(_TOX_HOME, 'tox>=4.22', 'tox-uv>=1.16')
    env = venvs.uv_variables()
    # Tests run mkfs.fat and sgdisk, which Debian's users do not have there.
    env['PATH'] = f'{env["PATH"]}:/usr/sbin:/sbin'
    log = venvs.TOP / '.venv/debian.log'

    def unpack(packages: Sequence[str], home: pathlib.Path,
               source: str | None = None) -> None:
        progress = console.Progress(
            f'Unpacking {len(packages)} Debian packages')
        debian.unpack(packages, home, lambda *argv: console.run(
            argv, log, env, progress), source)
        progress.finish()

    _unpack_all(names, unpack)
    old = [name for name in names if needs_old_python(name)]
    if not old or _has_old_python(env):
        return env, []
    home, mirror = venvs.TOP / '.venv/python3.11', debian.mirror()
    try:
        if mirror and pathlib.Path(_KEYRING).exists():
            env['PATH'] = f'{home}/usr/bin:{env["PATH"]}'
            if not home.exists():
                unpack(_BOOKWORM_PYTHON, home,
                       f'deb [signed-by={_KEYRING}] {mirror} bookworm main')
        else:
            # uv has its own, from elsewhere.
            progress = console.Progress('Looking for Python 3.11')
            console.run([_TOX_HOME / 'bin/uv', 'python', 'install', '3.11'],
                        log, env, progress)
            progress.finish()
    except console.CommandError as exc:
        print(exc)
    if _has_old_python(env):
        return env, []
    print(f'{", ".join(old)}: left out. {_NO_OLD_PYTHON}.', flush=True)
    return env, old


def _unpack_all(names: Sequence[str], unpack: Callable[..., None]) -> None:
    """Unpack the Debian packages that environments need uninstalled."""
    loaders = venvs.TOP / '.venv/loaders'
    # For Windows, the same disks are built.
    if any(name.startswith(('firmware', 'windows')) for name in names):
        if not loaders.exists():
            unpack(_LOADERS, loaders)
        _unpack_releases(unpack)
    if 'e2e' in names:
        _unpack_ubuntu_keyring(unpack)
    programs = venvs.TOP / '.venv/programs'
    if 'functional' in names and not programs.exists():
        unpack(_PROGRAMS, programs,
               f'deb [signed-by={_KEYRING}] '
               f'{debian.mirror() or _DEBIAN_URI} bookworm main')


def _unpack_releases(unpack: Callable[..., None]) -> None:
    """Unpack the signed loaders of other releases."""
    debian_uri = debian.mirror() or _DEBIAN_URI
    for release, wanted in _RELEASES.items():
        home = venvs.TOP / f'.venv/loaders-{release}'
        if home.exists():
            continue
        signed_by, uri = pathlib.Path(_KEYRING), debian_uri
        if release in _UBUNTU:
            signed_by = _unpack_ubuntu_keyring(unpack)
            uri = _UBUNTU_URI
        unpack(wanted, home,
               f'deb [signed-by={signed_by}] {uri} {release} main')


def _unpack_ubuntu_keyring(unpack: Callable[..., None]) -> pathlib.Path:
    """Unpack the keys of Ubuntu's archive; return their file."""
    keyring = venvs.TOP / '.venv/ubuntu-keyring'
    if not keyring.exists():
        unpack([_UBUNTU_KEYRING], keyring,
               f'deb [signed-by={_KEYRING}] '
               f'{debian.mirror() or _DEBIAN_URI} trixie main')
    return keyring / _UBUNTU_KEYRING_FILE


def _has_old_python(env: dict[str, str]) -> bool:
    found = subprocess.run(
        [_TOX_HOME / 'bin/uv', 'python', 'find', '--no-python-downloads',
         '3.11'], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, check=False)
    return found.returncode == 0 and subprocess.run(
        [found.stdout.strip(), '-c', 'import ctypes, sqlite3, ssl'],
        stderr=subprocess.DEVNULL, check=False).returncode == 0


class Result:
    """What an environment came to.

    :ivar seconds: from its start to its end
    :ivar log: the file with its output
    :ivar cpu: seconds of processor time, without that of processes which
        outlived their parents; 0 if it was not measured
    """

    def __init__(self, code: int, seconds: float, log: pathlib.Path,
                 cpu: float = 0) -> None:
        self.code = code
        self.seconds = seconds
        self.log = log
        self.cpu = cpu
        self.text = log.read_text(errors='replace')

    def total(self, kind: str) -> int:
        """Return a sum over its runs of stestr.

        :param kind: Passed, Failed or Skipped
        """
        return sum(map(int, re.findall(
            rf'^ - {kind}: (\d+)$', self.text, re.MULTILINE)))

    def cause(self) -> str:
        """Return the line of its output that tells why it failed."""
        lines = [line.rstrip() for line in self.text.splitlines()
                 if line.strip() and not _TOX.match(line)]
        return next((line for cause in _CAUSES for line in lines
                     if cause.match(line)),
                    lines[-1] if lines else 'no output')


def _tox(*argv: str) -> list[str]:
    return [str(_TOX_HOME / 'bin/tox'), *argv]


def _arguments(name: str, posargs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return tox's arguments for an environment."""
    given = posargs.get(name)
    return ['-e', name, *(['--', *given] if given else [])]


def _run_alone(name: str, env: dict[str, str],
               posargs: Mapping[str, Sequence[str]]) -> dict[str, Result]:
    """Run one environment and print its output as it comes."""
    started, log = time.monotonic(), _LOGS / f'{name}.log'
    _LOGS.mkdir(parents=True, exist_ok=True)
    with open(log, 'wb') as file, subprocess.Popen(
            _tox('run', *_arguments(name, posargs)), env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT) as child:
        for line in child.stdout or ():
            file.write(line)
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
    return {name: Result(child.returncode,
                         time.monotonic() - started, log)}


def _install(names: Sequence[str], env: dict[str, str]) -> dict[str, Result]:
    """Install all environments, before any runs.

    Building this package writes into the checkout, where tests would see it.

    :returns: the environments that cannot be installed
    """
    progress = console.Progress(f'Installing {len(names)} environments')
    log, failed = _LOGS / 'install.log', {}
    shutil.rmtree(_LOGS, ignore_errors=True)
    _LOGS.mkdir(parents=True)
    summary = _LOGS / 'install.json'
    try:
        console.run(
            _tox('run-parallel', '--notest', '--parallel-no-spinner',
                 '--parallel', '4', '--result-json', str(summary),
                 '-e', ','.join(names)), log, env, progress)
    except console.CommandError:
        # The error names no environment.
        if not summary.exists():
            raise
    records = json.loads(summary.read_text())['testenvs']
    for name in names:
        record = records[name]
        if not record['result']['success']:
            output = _LOGS / f'{name}.log'
            output.write_text('\n'.join(
                f'$ {" ".join(step["command"])}\n{step["output"]}'
                f'{step["err"]}' for step in record['setup']))
            failed[name] = Result(record['result']['exit_code'],
                                  record['result']['duration'], output)
    progress.finish()
    return failed


def _run_side_by_side(names: Sequence[str], env: dict[str, str],
                      together: int, posargs: Mapping[str, Sequence[str]],
                      ) -> dict[str, Result]:
    """Run environments, several at a time.

    The output of one that fails is printed when it ends. That of the others
    is in their logs.

    :param together: how many at a time
    :param posargs: arguments of environments
    """
    results = _install(names, env)
    for name in results:
        _print_failed(name, results[name])
    waiting = [name for name in names if name not in results]
    running: dict[str, _Running] = {}
    progress = console.Progress('Running the environments')
    try:
        while waiting or running:
            while (len(running) < together
                   and (first := next_environment(waiting, running))):
                waiting.remove(first)
                running[first] = _Running(first, env, posargs)
            for name, child in list(running.items()):
                if (result := child.result()) is not None:
                    del running[name]
                    results[name] = result
                    progress.clear()
                    if result.code:
                        _print_failed(name, result)
                    else:
                        print(_line(name, result), flush=True)
            progress.update(', '.join(running))
            time.sleep(0.3)
    finally:
        for child in running.values():
            child.interrupt()
        for child in running.values():
            child.wait()
        if any(map(_has_cloud, running)):
            _stop_cloud(env)
    progress.clear()
    return {name: results[name] for name in names}


def _has_cloud(name: str) -> bool:
    return name.startswith(_CLOUDS)


def next_environment(waiting: Iterable[str],
                     running: Iterable[str]) -> str | None:
    """Return the first environment that can run beside others, if any."""
    clouds = any(map(_has_cloud, running))
    return next((name for name in waiting
                 if not (clouds and _has_cloud(name))), None)


def _stop_cloud(env: dict[str, str]) -> None:
    """Stop the cloud of an interrupted run: tox skips commands_post then."""
    state = env.get('DEVCLOUD_STATE', str(venvs.TOP / '.tox/devcloud'))
    if pathlib.Path(state).exists():
        console.run([sys.executable, venvs.TOP / 'tools/devcloud', 'down'],
                    _LOGS / 'devcloud.log', {**env, 'DEVCLOUD_STATE': state},
                    console.Progress('Stopping the cloud'))


def _yield_to_cloud() -> None:
    """Lower the priority of this process.

    A cloud mostly waits, for longer than all else runs. It is to have the
    processor when it needs it.
    """
    os.nice(10)
    # Linux may compare sessions first, and their processes only then.
    with contextlib.suppress(OSError):
        pathlib.Path('/proc/self/autogroup').write_text('10')


class _Running:
    """An environment that runs, in a session of its own."""

    def __init__(self, name: str, env: dict[str, str],
                 posargs: Mapping[str, Sequence[str]]) -> None:
        self._started = time.monotonic()
        self._log = _LOGS / f'{name}.log'
        with open(self._log, 'wb') as file:
            self._child = subprocess.Popen(
                _tox('run', '--skip-pkg-install', *_arguments(name, posargs)),
                env=env, stdin=subprocess.DEVNULL, stdout=file,
                stderr=subprocess.STDOUT, start_new_session=True,
                preexec_fn=None if _has_cloud(name) else _yield_to_cloud)

    def result(self) -> Result | None:
        """Return what it came to, or None while it runs."""
        pid, status, usage = os.wait4(self._child.pid, os.WNOHANG)
        if not pid:
            return None
        self._child.returncode = os.waitstatus_to_exitcode(status)
        return Result(self._child.returncode,
                      time.monotonic() - self._started, self._log,
                      usage.ru_utime + usage.ru_stime)

    def interrupt(self) -> None:
        """Let tox end what it runs."""
        self._child.send_signal(signal.SIGINT)

    def wait(self) -> None:
        """Wait until tox has ended, and end what it has left.

        stestr does not end its workers.
        """
        self._child.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGTERM)


def _line(name: str, result: Result) -> str:
    tests = ', '.join(
        f'{result.total(kind)} {kind.lower()}'
        for kind in ('Passed', 'Failed', 'Skipped') if result.total(kind))
    state = 'FAILED' if result.code else 'ok'
    cpu = f'({result.cpu:.0f} s of CPU)' if result.cpu else ''
    return (f'  {name:<14}{state:<8}{result.seconds:6.0f} s  {cpu:<17}'
            f'{tests}').rstrip()


def _print_failed(name: str, result: Result) -> None:
    print(f'===== {name} failed after {result.seconds:.0f} s:\n'
          f'{result.text.rstrip()}\n===== end of {name}', flush=True)


def report(results: dict[str, Result], left_out: Sequence[str]) -> int:
    """Print the outcome of a run; return the exit code.

    The last line is the one that CI reads.

    :param left_out: environments that cannot run on this machine
    """
    print('\nsummary:')
    for name, result in results.items():
        print(_line(name, result))
        if result.code:
            print(f'    {result.cause()[:200]}\n    log: {result.log}')
    for name in left_out:
        print(f'  {name:<14}LEFT OUT  {_NO_OLD_PYTHON}')
    passed, failed, skipped = (
        sum(result.total(kind) for result in results.values())
        for kind in ('Passed', 'Failed', 'Skipped'))
    # Windows lacks what some tests are about: each says what.
    lost = skipped - sum(result.total('Skipped')
                         for name, result in results.items()
                         if name == 'windows')
    code = (1 if lost or any(r.code for r in results.values())
            else 3 if left_out else 0)
    if code:
        print(f'exit code {code}: ' + (
            'not all has passed' if code == 1
            else 'what ran has passed, and something was left out'))
    print(f'tests: {passed} passed, {failed} failed, {skipped} skipped',
          flush=True)
    return code
