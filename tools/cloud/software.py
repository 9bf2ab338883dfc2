# SPDX-License-Identifier: Apache-2.0
"""What the cloud is made of: from PyPI, from Debian, from this checkout."""

from __future__ import annotations

from collections.abc import Iterable
import hashlib
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading

from tools.cloud import errors
from tools.cloud import process
from tools.cloud import state as cloud_state
from tools.cloud import steps
from tools.setup import source
from tools.setup import venvs

_HERE = pathlib.Path(__file__).parent
_REQUIREMENTS = _HERE / 'etc' / 'requirements.txt'
_CONSTRAINTS = _HERE / 'etc' / 'constraints.txt'

#: The services that Debian packages carry, and which packages of their
#: dependencies are unpacked even where they are installed: Erlang finds its
#: applications in one directory only. apt knows the names in each release.
_DEBIAN = ('mariadb-server', 'rabbitmq-server')
_UNPACKED = re.compile(r'mariadb-server-core\S*|rabbitmq-server|erlang-\S+')

#: For people's PATH, of all that the environment holds.
_COMMANDS = ('hyperv-sched', 'hyperv-sched-status', 'openstack')

#: Those that want to know where the configuration is.
_WITH_CONFIG = {'glance-manage': ('glance-api',),
                'nova-manage': ('nova-common', 'nova'),
                'nova-status': ('nova-common', 'nova')}


def install_steps(state: cloud_state.State) -> list[steps.Step]:
    """Return the steps for missing software, or that of another checkout."""
    return [
        steps.Step('debian-packages',
                   lambda unwanted: _install_debian(state, unwanted)),
        steps.Step('python-packages',
                   lambda unwanted: _install_python(state, unwanted)),
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
        _install(state, unwanted, '--reinstall', '--no-deps',
                 '--no-build-isolation', source.copy(pathlib.Path(directory)))
    # Nova finds drivers below its own package only.
    drivers = locate(state.venv, "Nova's drivers",
                     'lib*/python3*/site-packages/nova/virt')
    shutil.copy(_HERE / 'virt.py', drivers / 'devcloud.py')
    mark.write_text(wanted)
    return True


def _hash_of_source() -> str:
    digest = hashlib.sha256(str(cloud_state.TOP).encode())
    for name in (*source.NAMES, 'tools/cloud/virt.py'):
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
    _run(state, unwanted, 'python-packages', _find_uv(state, unwanted),
         'venv', '--python', venvs.python(), state.venv)
    _install(state, unwanted, '--requirement', _REQUIREMENTS,
             '--constraint', _CONSTRAINTS)
    mark.write_text(wanted)


def _find_uv(state: cloud_state.State,
             unwanted: threading.Event) -> pathlib.Path:
    return venvs.find_uv(
        state.software / 'uv',
        lambda *argv: _run(state, unwanted, 'python-packages', *argv))


def _install_debian(state: cloud_state.State,
                    unwanted: threading.Event) -> None:
    """Unpack packages below the state directory.

    Nothing is installed: that needs root, and would start a database and a
    broker of the machine's own.
    """
    packages = [*_DEBIAN]
    if not shutil.which('qemu-img'):
        packages.append('qemu-utils')
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
    options = ('-o', f'Dir::State::Lists={apt}/lists',
               '-o', f'Dir::Cache={apt}/cache',
               '-o', 'Debug::NoLocking=true',
               # It would become another user, who may not write here.
               '-o', 'APT::Sandbox::User=')
    _run(state, unwanted, 'debian-packages',
         'apt-get', *options, '--quiet', 'update')
    _run(state, unwanted, 'debian-packages',
         'apt-get', *options, '--quiet', '--assume-yes', 'install',
         '--no-install-recommends', '--download-only', '--reinstall',
         *packages_to_unpack(_list_dependencies(options)),
         *(name for name in packages if name not in _DEBIAN))
    for archive in sorted((apt / 'cache/archives').glob('*.deb')):
        _run(state, unwanted, 'debian-packages',
             'dpkg-deb', '--extract', archive, state.debian)
    shutil.rmtree(apt)
    mark.write_text(wanted)


def _list_dependencies(options: Iterable[str]) -> str:
    """Return what ``apt-cache depends`` prints for the services."""
    return subprocess.run(
        ['apt-cache', *options, 'depends', '--recurse', '--important',
         *_DEBIAN],
        check=False, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT).stdout


def packages_to_unpack(dependencies: str) -> list[str]:
    """Select the packages to unpack from ``apt-cache depends`` output.

    :raises CloudError: a service is missing from this release
    """
    # Dependencies are indented, and virtual packages in angle brackets.
    found = [line for line in dependencies.splitlines()
             if _UNPACKED.fullmatch(line)]
    for prefix in ('mariadb-server-core', 'rabbitmq-server', 'erlang-base'):
        if not any(name.startswith(prefix) for name in found):
            raise errors.CloudError(
                f'apt has no package {prefix} among the dependencies of'
                f' {" and ".join(_DEBIAN)}. Check /etc/apt/sources.list and'
                f' /etc/apt/sources.list.d. apt-cache printed: '
                f'{dependencies.strip()[-500:] or "nothing"}')
    return found


def locate(directory: pathlib.Path, what: str,
           *patterns: str) -> pathlib.Path:
    """Return the path of a file or directory whose place depends on releases.

    :param what: its name in the error message
    :param patterns: globs below the directory. The first that matches wins;
        of several matches the last in alphabetical order
    :raises CloudError: none matches
    """
    for pattern in patterns:
        matches = sorted(directory.glob(pattern))
        if matches:
            return matches[-1]
    raise errors.CloudError(
        f'{what} was not found below {directory}. Looked for: '
        f'{", ".join(patterns)}')


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
    runtime = erlang_runtime(state)
    _script(state.bin / 'erl', f'''
        ROOTDIR={runtime.parents[1]}
        BINDIR={runtime}
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


def erlang_runtime(state: cloud_state.State) -> pathlib.Path:
    """Return the directory of ``erlexec`` and ``epmd``."""
    return locate(state.debian, "Erlang's runtime system",
                  'usr/lib*/erlang/erts-*/bin/erlexec',
                  'usr/lib*/*/erlang/erts-*/bin/erlexec').parent


def mariadb_server(state: cloud_state.State) -> pathlib.Path:
    """Return the path of MariaDB's server."""
    return locate(state.debian, "MariaDB's server", 'usr/sbin/mariadbd',
                  'usr/bin/mariadbd', 'usr/libexec/mariadbd')


def mariadb_file(state: cloud_state.State, name: str) -> pathlib.Path:
    """Return the path of one of the files that MariaDB's server reads.

    MariaDB 11 renamed the directory, and "mysql" in the names of files.

    :param name: below MariaDB's directory, with that word as ``{}``
    """
    return locate(state.debian, f"MariaDB's {name.format('mariadb')}", *(
        f'usr/share/{directory}/{name.format(word)}'
        for directory in ('mariadb', 'mysql')
        for word in ('mariadb', 'mysql')))


def library_path(state: cloud_state.State) -> str:
    """Where the unpacked packages have their libraries."""
    return ':'.join(str(path) for place in ('lib', 'usr/lib')
                    for path in (state.debian / place).glob('*-linux-gnu*'))


def _script(path: pathlib.Path, text: str) -> None:
    path.write_text('#!/bin/sh' + '\n'.join(
        line.strip() for line in text.splitlines()) + '\n')
    path.chmod(0o755)


def _install(state: cloud_state.State, unwanted: threading.Event,
             *argv: object) -> None:
    _run(state, unwanted, 'python-packages', _find_uv(state, unwanted),
         'pip', 'install', '--python', state.venv / 'bin/python', *argv)


def _run(state: cloud_state.State, unwanted: threading.Event, name: str,
         *argv: object) -> None:
    state.software.mkdir(parents=True, exist_ok=True)
    # Cache and configuration are those of the user.
    run(state, unwanted, name, argv, state.software / f'{name}.log',
        {key: value for key, value in venvs.uv_variables().items()
         if key in ('HOME', 'PATH', 'SSL_CERT_FILE', 'ALL_PROXY')
         or key.startswith(('PIP_', 'UV_', 'XDG_'))})


def run(state: cloud_state.State, unwanted: threading.Event, name: str,
        argv: tuple[object, ...], log: pathlib.Path,
        more: dict[str, str], stdin: str | None = None) -> None:
    """Run a command to its end.

    :raises CloudError: it fails
    """
    if unwanted.is_set():
        raise errors.InterruptedStepError
    child = process.spawn(state, name, argv, log, more, stdin)
    while child.poll() is None:
        if unwanted.wait(0.05):
            process.stop(state, [name], patience=5)
            raise errors.InterruptedStepError
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
