# SPDX-License-Identifier: Apache-2.0
"""Build the files of a release into dist/.

``tox -e release`` builds those of the tag that is checked out. With
``--snapshot`` it builds those of any commit, to try the build.
"""

from __future__ import annotations

import argparse
import hashlib
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[1]
DIST = TOP / 'dist'

#: Extras whose packages are in the list of components. The others are for
#: tests, or install a service.
EXTRAS = 'junit,openstack'


def main() -> int:
    """Build, check and describe the files; return the exit code."""
    parser = argparse.ArgumentParser(prog='tox -e release --',
                                     description=__doc__.splitlines()[0])
    parser.add_argument('--snapshot', action='store_true',
                        help='the commit that is checked out needs no tag')
    if not parser.parse_args().snapshot:
        problem = _problem()
        if problem:
            print(f'error: {problem}', file=sys.stderr)
            return 2
    shutil.rmtree(DIST, ignore_errors=True)
    with tempfile.TemporaryDirectory() as directory:
        # Nothing but what is committed, and nothing written into the
        # checkout. The wheel is built from the source distribution.
        _run('git', 'clone', '--quiet', TOP, directory)
        _run(sys.executable, '-m', 'build', '--outdir', DIST, directory)
    source, wheel = sorted(DIST.iterdir(), key=lambda path: path.suffix)
    _run('twine', 'check', '--strict', source, wheel)
    describe(wheel)
    for path in sorted(DIST.iterdir()):
        print(hashlib.sha256(path.read_bytes()).hexdigest(), path.name)
    return 0


def _problem() -> str:
    """Return why the checkout is not the one of a release, or nothing."""
    if _output('git', 'status', '--porcelain'):
        return 'the checkout has changes. Commit them.'
    tag = _output('git', 'tag', '--points-at', 'HEAD')
    if not re.fullmatch(r'\d+\.\d+\.\d+', tag):
        return (f'the checkout has the tags {tag or "(none)"}. Check out one'
                ' tag of the form 1.2.3.')
    return ''


def describe(wheel: pathlib.Path) -> None:
    """Write the CycloneDX list of what the wheel installs beside it."""
    target = wheel.with_name(
        '-'.join(wheel.name.split('-')[:2]) + '.cdx.json')
    with tempfile.TemporaryDirectory() as directory:
        python = pathlib.Path(directory, 'bin/python')
        _run('uv', 'venv', '--quiet', '--python', sys.executable, directory)
        _run('uv', 'pip', 'install', '--quiet', '--python', python,
             f'{wheel}[{EXTRAS}]')
        _run('cyclonedx-py', 'environment', '--output-reproducible',
             '--output-file', target, python)


def _run(*command: object) -> None:
    subprocess.run([*map(str, command)], check=True)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, cwd=TOP, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


if __name__ == '__main__':
    sys.exit(main())
