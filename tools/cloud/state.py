# SPDX-License-Identifier: Apache-2.0
"""The state directory, with all files of the cloud."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import fcntl
import json
import os
import pathlib
import random
import re
import secrets
import shutil
import socket

from tools.cloud import errors

TOP = pathlib.Path(__file__).parents[2]

#: erlang is RabbitMQ's own; from web Glance may download.
PORTS = ('mariadb', 'epmd', 'erlang', 'rabbitmq', 'keystone', 'glance',
         'placement', 'nova-api', 'neutron', 'web')

#: All that a state directory holds.
_OURS = frozenset({'.gitignore', 'cloud', 'clouds.yaml', 'lock', 'software'})

#: Below the range of ports that the kernel assigns to clients.
_RANGE = range(20000, 32000)


def is_free(port: int) -> bool:
    """Whether a service could listen there now."""
    with socket.socket() as listener:
        # As the services do: connections of the past do not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(('127.0.0.1', port))
        except OSError:
            return False
    return True


def write_private(path: pathlib.Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)


class State:
    """Places, ports and passwords of one cloud.

    ``software`` is what was installed, ``data`` the cloud itself.

    :raises CloudError: services do not work below such a path
    """

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root.absolute()
        # Shell scripts of RabbitMQ, URLs of databases, oslo.config.
        if not re.fullmatch(r'[\w./+-]+', str(self.root), re.ASCII):
            raise errors.CloudError(
                f'{self.root}: choose a state directory (--state) whose path'
                ' has letters, digits and ._+-/ only: RabbitMQ does not'
                ' work below others')
        self.software = self.root / 'software'
        self.venv = self.software / 'venv'
        self.debian = self.software / 'debian'
        self.bin = self.software / 'bin'
        self.data = self.root / 'cloud'
        self.etc = self.data / 'etc'
        self.log = self.data / 'log'
        self.clouds_yaml = self.root / 'clouds.yaml'
        self._settings = self.data / 'settings.json'
        self._complete = self.data / 'complete'

    @property
    def exists(self) -> bool:
        """Whether all was set up that is set up once."""
        return self._complete.exists()

    def completed(self) -> None:
        """Record that the cloud is complete."""
        self._complete.touch(mode=0o600)

    def create(self) -> None:
        """Begin anew, with an empty cloud."""
        self.forget()
        # Passwords are below it. The directory around it may be shared.
        self.data.mkdir(parents=True, mode=0o700)
        self.etc.mkdir()
        self.log.mkdir()
        (self.data / 'home').mkdir()
        ports = iter(random.sample(_RANGE, len(_RANGE)))
        settings = {
            'password': secrets.token_hex(8),
            'ports': {name: next(port for port in ports if is_free(port))
                      for name in PORTS}}
        write_private(self._settings, json.dumps(settings, indent=2))

    def forget(self) -> None:
        """Remove the cloud, but not what was installed."""
        self.clouds_yaml.unlink(missing_ok=True)
        # A half removed one is not taken for whole.
        self._complete.unlink(missing_ok=True)
        shutil.rmtree(self.data, ignore_errors=True)

    def purge(self) -> None:
        """Remove all that is ours; the directory too, if nothing else is."""
        self.forget()
        shutil.rmtree(self.software, ignore_errors=True)
        for name in ('.gitignore', 'lock'):
            (self.root / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.root.rmdir()

    @property
    def ports(self) -> dict[str, int]:
        """Return the ports of the services by name."""
        ports: dict[str, int] = self._read()['ports']
        return ports

    @property
    def password(self) -> str:
        """Of every user, in Keystone, MariaDB and RabbitMQ."""
        return str(self._read()['password'])

    def _read(self) -> dict[str, dict[str, int]]:
        try:
            settings: dict[str, dict[str, int]] = json.loads(
                self._settings.read_text())
        except FileNotFoundError:
            raise errors.CloudError(
                f'there is no cloud in {self.root}: "tools/devcloud up"'
                ' makes one') from None
        return settings

    def url(self, service: str) -> str:
        """Return the URL of a service."""
        return f'http://127.0.0.1:{self.ports[service]}'

    @contextlib.contextmanager
    def locked(self, create: bool = False) -> Iterator[None]:
        """Keep other commands from changing the same cloud.

        :param create: the directory, if it is not there
        :raises CloudError: another one is at work, there is no cloud, or
            there are files of others in its place
        """
        if not create:
            self._read()
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        present = {*os.listdir(self.root)}
        if not ('lock' in present or self._settings.exists()) and (
                others := present & _OURS):
            # They would be replaced, and later removed.
            raise errors.CloudError(
                f'{self.root} has no cloud, but its own {min(others)}. Name'
                ' another directory (--state)')
        # --state may name a directory with files of others, or /tmp.
        if _OURS.issuperset(present):
            self.root.chmod(0o700)
        (self.root / '.gitignore').write_text('*\n')
        with open(self.root / 'lock', 'a+') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise errors.CloudError(
                    f'another devcloud command (pid {lock.read().strip()})'
                    f' is at work on {self.root}') from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield
