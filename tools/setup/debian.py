# SPDX-License-Identifier: Apache-2.0
"""Packages of Debian and Ubuntu: installed, or unpacked without root."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import os
import pathlib
import platform
import shutil
import subprocess
import tempfile

from tools.setup import console

#: Runs a command to its end and raises an exception where it fails.
Run = Callable[..., None]


def missing(packages: Sequence[str]) -> list[str]:
    """Return the packages that are not installed."""
    if not packages or not shutil.which('dpkg-query'):
        return [*packages]
    done = subprocess.run(
        ['dpkg-query', '-W', '-f', '${Package} ${db:Status-Status}\n',
         *packages], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, check=False)
    installed = {line.split()[0] for line in done.stdout.splitlines()
                 if line.endswith(' installed')}
    return [name for name in packages if name not in installed]


def install(packages: Sequence[str], log: pathlib.Path) -> None:
    """Install packages as root, or with sudo where it asks no password.

    :raises ToolError: they cannot be installed. The message has the command
        that installs them.
    """
    command = ['apt-get', 'install', '--no-install-recommends', *packages]
    prefix, reason = _root()
    if reason:
        raise console.ToolError(
            f'these Debian packages are needed: {" ".join(packages)}.\n'
            f'{reason} As root, run:\n    {" ".join(command)}')
    progress = console.Progress(
        f'Installing {len(packages)} Debian packages')
    env = {**os.environ, 'DEBIAN_FRONTEND': 'noninteractive'}
    try:
        console.run([*prefix, 'apt-get', 'update'], log, env, progress)
        # sudo drops the variable from the environment.
        console.run([*prefix, 'env', 'DEBIAN_FRONTEND=noninteractive',
                     *command, '--yes'], log, env, progress)
    except console.CommandError as exc:
        raise console.ToolError(
            f'these Debian packages are needed: {" ".join(packages)}.\n'
            f'{exc}') from None
    progress.finish()


def _root() -> tuple[list[str], str]:
    """Return what makes a command root's, or the reason why nothing does."""
    if not shutil.which('apt-get'):
        return [], 'This system has no apt-get.'
    if os.geteuid() == 0:
        return [], ''
    if not shutil.which('sudo'):
        return [], 'This user is not root, and sudo is not installed.'
    done = subprocess.run(['sudo', '-n', 'true'], stderr=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode:
        errors = done.stderr.strip().splitlines() or ['sudo failed']
        return [], f'This user is not root ({errors[-1]}).'
    return ['sudo', '-n'], ''


def unpack(packages: Sequence[str], home: pathlib.Path, run: Run,
           source: str | None = None) -> None:
    """Download packages and unpack them, without installing anything.

    apt checks the signatures as always, but keeps its lists in a directory
    of this user's.

    :param home: the directory to unpack into. It is replaced.
    :param run: runs each command
    :param source: a line in the format of sources.list that replaces the
        configured sources
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as directory:
        apt = pathlib.Path(directory)
        archives = apt / 'cache/archives'
        for path in (apt / 'lists/partial', archives / 'partial'):
            path.mkdir(parents=True)
        options = ['-o', f'Dir::State::Lists={apt}/lists',
                   '-o', f'Dir::Cache={apt}/cache',
                   '-o', 'Debug::NoLocking=true',
                   # Another user could not write into the directory.
                   '-o', 'APT::Sandbox::User=',
                   '-o', 'Acquire::Languages=none', '--quiet']
        if source is not None:
            sources = apt / 'sources.list'
            sources.write_text(f'{source}\n')
            options += ['-o', f'Dir::Etc::SourceList={sources}',
                        '-o', 'Dir::Etc::SourceParts=/dev/null']
        run('apt-get', *options, 'update')
        run('env', '-C', archives, 'apt-get', *options, 'download',
            *packages)
        new = apt / 'new'
        for archive in sorted(archives.glob('*.deb')):
            run('dpkg-deb', '--extract', archive, new)
        shutil.rmtree(home, ignore_errors=True)
        new.rename(home)


def mirror() -> str | None:
    """Return the URI of the archive that this Debian is installed from.

    :returns: None where this is not Debian, or apt does not tell
    """
    try:
        release = platform.freedesktop_os_release()
        done = subprocess.run(
            ['apt-get', 'indextargets', '--format',
             '$(REPO_URI) $(RELEASE) $(CODENAME) $(COMPONENT)',
             'Created-By: Packages'],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    codename = release.get('VERSION_CODENAME')
    if release.get('ID') != 'debian' or not codename:
        return None
    for line in done.stdout.splitlines():
        uri, *releases, component = line.split()
        if codename in releases and component == 'main':
            return uri
    return None
