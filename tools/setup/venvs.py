# SPDX-License-Identifier: Apache-2.0
"""Virtual environments, made by uv.

uv needs neither pip nor ensurepip, which Debian keeps in packages of their
own, and links what its cache has into each environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import configparser
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from tools.setup import console
from tools.setup import debian

TOP = pathlib.Path(__file__).resolve().parents[2]

#: For all environments of this checkout.
_TOOLS = TOP / '.venv'

#: Nova 34 needs it.
PYTHON = (3, 11)

#: Options of pip and the variables in which uv expects the same.
_OPTIONS = {
    'cert': 'SSL_CERT_FILE',
    'constraint': 'UV_CONSTRAINT',
    'extra-index-url': 'UV_INDEX',
    'find-links': 'UV_FIND_LINKS',
    'index-url': 'UV_DEFAULT_INDEX',
    'no-index': 'UV_NO_INDEX',
    'proxy': 'ALL_PROXY',
    'timeout': 'UV_HTTP_TIMEOUT',
    'trusted-host': 'UV_INSECURE_HOST',
}

#: uv splits these at commas, the others at blanks.
_COMMAS = ('UV_FIND_LINKS',)


def python() -> str:
    """Return the interpreter for new environments, or a request for uv."""
    if sys.version_info >= PYTHON:
        return sys.executable
    return f'>={".".join(map(str, PYTHON))}'


def uv_variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return an environment in which uv installs as pip would.

    uv reads neither the configuration files nor the variables of pip, where
    a machine may have its package index.
    """
    variables = dict(environ)
    home = pathlib.Path(environ.get('HOME') or os.path.expanduser('~'))
    config = pathlib.Path(environ.get('XDG_CONFIG_HOME') or home / '.config')
    system = (environ.get('XDG_CONFIG_DIRS') or '/etc/xdg').split(':')
    # uv's own configuration counts more than pip's.
    if not any(pathlib.Path(path, 'uv/uv.toml').exists()
               for path in (f'{config}', *system, '/etc')):
        files = [*(f'{path}/pip/pip.conf' for path in reversed(system)),
                 '/etc/pip.conf', f'{home}/.pip/pip.conf',
                 f'{config}/pip/pip.conf',
                 environ.get('PIP_CONFIG_FILE', os.devnull)]
        for name, value in _pip_options(files, environ).items():
            separator = ',' if name in _COMMAS else ' '
            variables.setdefault(name, separator.join(value.split()))
        # pip takes the best version of all indexes.
        if 'UV_INDEX' in variables:
            variables.setdefault('UV_INDEX_STRATEGY', 'unsafe-best-match')
    variables.setdefault('UV_CACHE_DIR', _cache(variables, home))
    variables['UV_NO_PROGRESS'] = 'true'
    return variables


def _pip_options(files: Sequence[str],
                 environ: Mapping[str, str]) -> dict[str, str]:
    """Return the options of pip under the names of uv's variables."""
    parser = configparser.RawConfigParser()
    for file in files:
        try:
            parser.read(file)
        except (OSError, UnicodeDecodeError, configparser.Error):
            # pip reports the error.
            continue
    options: dict[str, str] = {}
    for section in ('global', 'install'):
        if parser.has_section(section):
            options.update(parser.items(section))
    for option in _OPTIONS:
        name = f'PIP_{option.upper().replace("-", "_")}'
        if environ.get(name):
            options[option] = environ[name]
    if environ.get('PIP_DEFAULT_TIMEOUT'):
        options['timeout'] = environ['PIP_DEFAULT_TIMEOUT']
    return {_OPTIONS[option]: value for option, value in options.items()
            if option in _OPTIONS and value.strip()}


def _cache(environ: Mapping[str, str], home: pathlib.Path) -> str:
    """Return uv's own cache, or one in the checkout if that is read-only."""
    default = pathlib.Path(
        environ.get('XDG_CACHE_HOME') or home / '.cache') / 'uv'
    try:
        default.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=default):
            return str(default)
    except OSError:
        return str(_TOOLS / 'cache')


def find_uv(home: pathlib.Path, run: debian.Run) -> pathlib.Path:
    """Return the uv command: the one in PATH, or one that is installed now.

    :param home: the directory to install uv into
    :param run: runs each command
    """
    path = shutil.which('uv')
    if path and subprocess.run(
            [path, '--version'], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, check=False).returncode == 0:
        return pathlib.Path(path)
    uv = home / 'bin/uv'
    # An environment does not work in any other directory.
    mark, wanted = home / 'made', str(home)
    if not mark.exists() or mark.read_text() != wanted:
        shutil.rmtree(home, ignore_errors=True)
        pip: list[object] = [home / 'bin/python', '-m', 'pip']
        lacks_pip = _lacks_pip()
        run(sys.executable, '-m', 'venv',
            *(['--without-pip'] if lacks_pip else []), home)
        if lacks_pip:
            # A wheel, which runs as it is.
            debian.unpack(['python3-pip-whl'], home / 'debian', run)
            wheel = next((home / 'debian/usr/share/python-wheels').glob(
                'pip-*.whl'))
            pip = [home / 'bin/python', wheel / 'pip']
        run(*pip, 'install', '--disable-pip-version-check', '--no-cache-dir',
            'uv')
        mark.write_text(wanted)
    return uv


def _lacks_pip() -> bool:
    """Whether this Python cannot make an environment that has pip."""
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        return True
    return False


def make(home: pathlib.Path, *requirements: object) -> None:
    """Make an environment, unless it exists with the same requirements.

    :param home: its directory
    :param requirements: arguments for ``uv pip install``
    :raises ToolError: it cannot be made
    """
    mark = home / 'made'
    wanted = '\n'.join([str(home), *map(str, requirements),
                        (TOP / 'setup.cfg').read_text()])
    if mark.exists() and mark.read_text() == wanted:
        return
    progress = console.Progress(f'Installing into {home.relative_to(TOP)}')
    log = _TOOLS / f'{home.name}.log'
    log.unlink(missing_ok=True)
    env = uv_variables()

    def run(*argv: object) -> None:
        console.run(argv, log, env, progress)

    shutil.rmtree(home, ignore_errors=True)
    try:
        uv = find_uv(_TOOLS / 'uv', run)
        run(uv, 'venv', '--python', python(), home)
        run(uv, 'pip', 'install', '--python', home / 'bin/python',
            *requirements)
    except console.CommandError as exc:
        progress.clear()
        raise console.ToolError(
            f'{exc}\nCan this machine reach its package index? pip and uv'
            ' take it from their usual configuration.') from None
    finally:
        # What building leaves in the tree; the environment has its own.
        shutil.rmtree(TOP / 'hyperv_sched.egg-info', ignore_errors=True)
    mark.write_text(wanted)
    progress.finish()
