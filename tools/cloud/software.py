# SPDX-License-Identifier: Apache-2.0
"""What the cloud is made of: from PyPI, from Debian, from this checkout."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

from tools.cloud import errors
from tools.cloud import process
from tools.cloud import state as cloud_state
from tools.cloud import steps

_HERE = pathlib.Path(__file__).parent
_REQUIREMENTS = _HERE / 'etc' / 'requirements.txt'
_CONSTRAINTS = _HERE / 'etc' / 'constraints.txt'

#: All that RabbitMQ needs is named, for some of it may be installed already
#: and the rest does not work without it.
_ERLANG = ('base', 'asn1', 'crypto', 'eldap', 'ftp', 'inets', 'mnesia',
           'os-mon', 'parsetools', 'public-key', 'runtime-tools', 'snmp',
           'ssl', 'syntax-tools', 'tftp', 'tools', 'xmerl')
_DEBIAN = ('mariadb-server-core', 'rabbitmq-server',
           *(f'erlang-{name}' for name in _ERLANG))

#: What a wheel of ours is built from.
_SOURCE = ('LICENSE', 'README.rst', 'hyperv_sched', 'nova', 'pyproject.toml',
           'setup.cfg')

#: For people's PATH, of all that the environment holds.
_COMMANDS = ('hyperv-sched', 'hyperv-sched-status', 'openstack')

#: Those that want to know where the configuration is.
_WITH_CONFIG = {'glance-manage': ('glance-api',),
                'nova-manage': ('nova-common', 'nova'),
                'nova-status': ('nova-common', 'nova')}

#: Nova 34 asks for it.
_PYTHONS = ('python3', 'python3.13', 'python3.12', 'python3.11')


def install_steps(state: cloud_state.State) -> list[steps.Step]:
    """What is not there yet, or is of another checkout."""
    return [
        steps.Step('debian-packages',
                   lambda unwanted: _install_debian(state, unwanted)),
        steps.Step('python-packages',
                   lambda unwanted: _install_python(state, unwanted),
                   ('debian-packages',) if _lacks_pip() else ()),
        steps.Step('hyperv-sched',
                   lambda unwanted: install_ours(state, unwanted),
                   ('python-packages',)),
        steps.Step('commands', lambda unwanted: _offer_commands(state),
                   ('debian-packages', 'hyperv-sched')),
    ]


def is_current(state: cloud_state.State) -> bool:
    """Whether hyperv-sched is as in this checkout."""
    return _read(state.software / 'hyperv-sched') == _hash_of_source()


def install_ours(state: cloud_state.State,
                 unwanted: threading.Event) -> bool:
    """Install this checkout as a wheel, under whatever runs.

    :returns: False where it is there already
    """
    mark, wanted = state.software / 'hyperv-sched', _hash_of_source()
    if _read(mark) == wanted:
        return False
    mark.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        source = copy_source(pathlib.Path(directory))
        _pip(state, unwanted, 'install', '--force-reinstall', '--no-deps',
             '--no-build-isolation', source)
    # Nova finds drivers below its own package only.
    packages, = state.venv.glob('lib/python3*/site-packages')
    shutil.copy(_HERE / 'virt.py', packages / 'nova' / 'virt' / 'devcloud.py')
    mark.write_text(wanted)
    return True


def copy_source(directory: pathlib.Path) -> pathlib.Path:
    """Copy what a wheel of ours is built from: that writes into the tree.

    :returns: where it is
    """
    source = directory / 'source'
    source.mkdir()
    for name in _SOURCE:
        if (cloud_state.TOP / name).is_dir():
            shutil.copytree(
                cloud_state.TOP / name, source / name,
                ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy(cloud_state.TOP / name, source)
    return source


def _hash_of_source() -> str:
    digest = hashlib.sha256(str(cloud_state.TOP).encode())
    for name in (*_SOURCE, 'tools/cloud/virt.py'):
        place = cloud_state.TOP / name
        for path in sorted(place.rglob('*')) if place.is_dir() else [place]:
            if path.is_file() and '__pycache__' not in path.parts:
                digest.update(str(path).encode() + path.read_bytes())
    return digest.hexdigest()


def _install_python(state: cloud_state.State,
                    unwanted: threading.Event) -> None:
    mark = state.software / 'python-packages'
    # An environment does not work in any other place.
    wanted = (f'{state.venv}\n{_REQUIREMENTS.read_text()}'
              f'{_CONSTRAINTS.read_text()}')
    if _read(mark) == wanted:
        return
    for path in (mark, state.software / 'hyperv-sched'):
        path.unlink(missing_ok=True)
    shutil.rmtree(state.venv, ignore_errors=True)
    state.software.mkdir(parents=True, exist_ok=True)
    python = _find_python()
    without_pip = _lacks_pip()
    # The newest pip takes half the time of Python 3.11's own.
    _run(state, unwanted, 'python-packages', python, '-m', 'venv',
         '--without-pip' if without_pip else '--upgrade-deps', state.venv)
    if without_pip:
        # Debian keeps it in a package of its own, and as a wheel, which
        # runs as it is.
        wheel = next((state.debian / 'usr/share/python-wheels').glob(
            'pip-*.whl'))
        _run(state, unwanted, 'python-packages',
             state.venv / 'bin/python', wheel / 'pip', 'install',
             '--no-index', wheel)
    _pip(state, unwanted, 'install', '--requirement', _REQUIREMENTS,
         '--constraint', _CONSTRAINTS)
    mark.write_text(wanted)


def _find_python() -> str:
    for name in (sys.executable, *_PYTHONS):
        path = shutil.which(name)
        if path and subprocess.run(
                [path, '-c', 'import sys; '
                 'sys.exit(sys.version_info < (3, 11))'],
                check=False, stderr=subprocess.DEVNULL).returncode == 0:
            return path
    raise errors.CloudError(
        'Python 3.11 or newer is needed (Nova 34 asks for it)')


def _lacks_pip() -> bool:
    return subprocess.run(
        [_find_python(), '-c', 'import ensurepip'], check=False,
        stderr=subprocess.DEVNULL).returncode != 0


def _install_debian(state: cloud_state.State,
                    unwanted: threading.Event) -> None:
    """Unpack packages below the state directory.

    Nothing is installed: that needs root, and would start a database and a
    broker of the machine's own.
    """
    packages = [*_DEBIAN]
    if not shutil.which('qemu-img'):
        packages.append('qemu-utils')
    if _lacks_pip():
        packages.append('python3-pip-whl')
    mark, wanted = state.software / 'debian-packages', ' '.join(packages)
    if _read(mark) == wanted:
        return
    mark.unlink(missing_ok=True)
    if not shutil.which('apt-get'):
        raise errors.CloudError(
            'MariaDB and RabbitMQ come from Debian packages, and there is no'
            ' apt-get here: Debian or Ubuntu is needed')
    shutil.rmtree(state.debian, ignore_errors=True)
    apt = state.software / 'apt'
    for name in ('lists/partial', 'cache/archives/partial'):
        (apt / name).mkdir(parents=True, exist_ok=True)
    # Lists and archives of our own: root's cannot be written.
    options = ['-o', f'Dir::State::Lists={apt}/lists',
               '-o', f'Dir::Cache={apt}/cache',
               '-o', 'Debug::NoLocking=true',
               # It would become another user, who may not write here.
               '-o', 'APT::Sandbox::User=']
    _run(state, unwanted, 'debian-packages',
         'apt-get', *options, '--quiet', 'update')
    _run(state, unwanted, 'debian-packages',
         'apt-get', *options, '--quiet', '--assume-yes', 'install',
         '--no-install-recommends', '--download-only', '--reinstall',
         *packages)
    for archive in sorted((apt / 'cache/archives').glob('*.deb')):
        _run(state, unwanted, 'debian-packages',
             'dpkg-deb', '--extract', archive, state.debian)
    shutil.rmtree(apt)
    mark.write_text(wanted)


def _offer_commands(state: cloud_state.State) -> None:
    """Make one directory for PATH, with what people want and no more."""
    shutil.rmtree(state.bin, ignore_errors=True)
    state.bin.mkdir()
    for name in _COMMANDS:
        (state.bin / name).symlink_to(state.venv / 'bin' / name)
    for name, configs in _WITH_CONFIG.items():
        files = ' '.join(f'--config-file {state.etc}/{config}.conf'
                         for config in configs)
        _script(state.bin / name, f'''
            PYTHONWARNINGS=ignore
            export PYTHONWARNINGS
            exec {state.venv}/bin/{name} {files} "$@"
            ''')
    # It knows nothing of clouds.yaml, and keeps schemas in the home of who
    # asks.
    _script(state.bin / 'glance', f'''
        . {state.etc}/openrc
        HOME={state.data}/home
        export HOME
        exec {state.venv}/bin/glance "$@"
        ''')
    # Debian's own has its place built in.
    _script(state.bin / 'erl', f'''
        ROOTDIR={state.debian}/usr/lib/erlang
        BINDIR=$(echo "$ROOTDIR"/erts-*/bin)
        EMU=beam PROGNAME=erl
        export ROOTDIR BINDIR EMU PROGNAME
        exec "$BINDIR/erlexec" "$@"
        ''')
    if (state.debian / 'usr/bin/qemu-img').exists():
        _script(state.bin / 'qemu-img', f'''
            LD_LIBRARY_PATH={library_path(state)}
            export LD_LIBRARY_PATH
            exec {state.debian}/usr/bin/qemu-img "$@"
            ''')


def library_path(state: cloud_state.State) -> str:
    """Where the unpacked packages have their libraries."""
    return ':'.join(str(path) for place in ('lib', 'usr/lib')
                    for path in (state.debian / place).glob('*-linux-gnu*'))


def _script(path: pathlib.Path, text: str) -> None:
    path.write_text('#!/bin/sh' + '\n'.join(
        line.strip() for line in text.splitlines()) + '\n')
    path.chmod(0o755)


def _pip(state: cloud_state.State, unwanted: threading.Event,
         *argv: object) -> None:
    _run(state, unwanted, 'python-packages', state.venv / 'bin/python', '-m',
         'pip', '--disable-pip-version-check', *argv)


def _run(state: cloud_state.State, unwanted: threading.Event, name: str,
         *argv: object) -> None:
    state.software.mkdir(parents=True, exist_ok=True)
    # pip's cache and configuration are those of whoever installs.
    run(state, unwanted, name, argv, state.software / f'{name}.log',
        {key: value for key, value in os.environ.items()
         if key in ('HOME', 'PATH') or key.startswith('PIP_')})


def run(state: cloud_state.State, unwanted: threading.Event, name: str,
        argv: tuple[object, ...], log: pathlib.Path,
        more: dict[str, str], stdin: str | None = None) -> None:
    """Run a command to its end.

    :raises CloudError: it fails
    """
    if unwanted.is_set():
        raise errors.Interrupted
    child = process.spawn(state, name, argv, log, more, stdin)
    while child.poll() is None:
        if unwanted.wait(0.05):
            process.stop(state, [name], patience=5)
            raise errors.Interrupted
    if child.returncode != 0:
        raise errors.CloudError(
            f'{name}: "{pathlib.Path(str(argv[0])).name}'
            f' {" ".join(str(word) for word in argv[1:3])} ..." failed'
            f' (exit code {child.returncode})', log)


def _read(path: pathlib.Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
