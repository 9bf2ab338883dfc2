# SPDX-License-Identifier: Apache-2.0
"""Starting, finding and ending the processes of a cloud.

Each carries a mark in its environment, and so do its children: what runs is
found by it, and processes of other users are never taken for ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import time

from tools.cloud import state as cloud_state

_MARK = 'DEVCLOUD_PROCESS'

#: To be reaped once they have ended.
_children: list[subprocess.Popen[bytes]] = []


@dataclasses.dataclass(frozen=True)
class Process:
    """One that runs now.

    :param leader: the one that was started, not a child of it
    :param started: seconds since the epoch
    :param memory: its own and its share of what it shares, in bytes
    """

    pid: int
    name: str
    leader: bool
    started: float

    @property
    def memory(self) -> int:
        """Return the proportional memory of the process in bytes."""
        try:
            text = pathlib.Path(f'/proc/{self.pid}/smaps_rollup').read_text()
        except OSError:
            return 0
        return sum(int(line.split()[1]) * 1024
                   for line in text.splitlines() if line.startswith('Pss:'))


def _boot_time() -> int:
    for line in pathlib.Path('/proc/stat').read_text().splitlines():
        if line.startswith('btime'):
            return int(line.split()[1])
    raise RuntimeError('/proc/stat has no btime')


def find(state: cloud_state.State) -> list[Process]:
    """All processes of a cloud."""
    mark = f'{_MARK}={state.root}:'.encode()
    boot_time, ticks = _boot_time(), os.sysconf('SC_CLK_TCK')
    found: dict[int, Process] = {}
    parents: dict[int, int] = {}
    for entry in pathlib.Path('/proc').iterdir():
        if not entry.name.isdigit():
            continue
        # Others', or gone meanwhile. That of a zombie is empty.
        with contextlib.suppress(OSError):
            environment = (entry / 'environ').read_bytes().split(b'\0')
            names = [value[len(mark):] for value in environment
                     if value.startswith(mark)]
            if names:
                # The second field is a name, with anything in it.
                fields = (entry / 'stat').read_text().rpartition(')')[2]
                _, parent, _, session, *more = fields.split()
                pid = int(entry.name)
                parents[pid] = int(parent)
                found[pid] = Process(
                    pid, names[0].decode(), session == entry.name,
                    boot_time + int(more[15]) / ticks)
    # RabbitMQ's children are sessions of their own, too.
    return [dataclasses.replace(process, leader=(
        process.leader and parents[pid] not in found))
        for pid, process in found.items()]


def leaders(state: cloud_state.State) -> dict[str, Process]:
    """Return running services; without its first process, none runs."""
    return {process.name: process for process in find(state)
            if process.leader}


def environment(state: cloud_state.State, name: str,
                more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a service, without that of the caller."""
    kept = {key: value for key, value in os.environ.items()
            if not key.startswith(('OS_', 'PYTHON', 'RABBITMQ_', 'ERL_'))}
    return {
        **kept,
        _MARK: f'{state.root}:{name}',
        # setproctitle would write over the mark.
        'SPT_NOENV': '1',
        'HOME': str(state.data / 'home'),
        'PATH': f'{state.bin}:{state.venv}/bin:{os.environ["PATH"]}',
        'PYTHONWARNINGS': 'ignore',
        **more}


def spawn(state: cloud_state.State, name: str, argv: Iterable[object],
          log: pathlib.Path, more: Mapping[str, str],
          stdin: str | None = None) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one and its terminal."""
    for child in _children:
        child.poll()
    with contextlib.ExitStack() as stack:
        log.touch(mode=0o600)
        output = stack.enter_context(open(log, 'ab'))
        source = stack.enter_context(open(stdin or os.devnull))
        child = subprocess.Popen(
            [str(word) for word in argv], stdin=source, stdout=output,
            stderr=subprocess.STDOUT, cwd=log.parent,
            start_new_session=True, env=environment(state, name, more),
            # Logs and databases of services may hold passwords.
            umask=0o077)
    _children.append(child)
    return child


def stop(state: cloud_state.State, names: Iterable[str] | None = None,
         patience: float = 20.0) -> list[str]:
    """End services, or all of them; return which had to be killed.

    :param patience: seconds until those that do not end are killed
    """
    wanted = None if names is None else set(names)

    def left() -> list[Process]:
        return [process for process in find(state)
                if wanted is None or process.name in wanted]

    deadline = time.monotonic() + patience
    asked: set[int] = set()
    while (processes := left()) and time.monotonic() < deadline:
        led = {process.name for process in processes if process.leader}
        for process in processes:
            # The first one of a service ends its children itself.
            if ((process.leader or process.name not in led)
                    and process.pid not in asked):
                asked.add(process.pid)
                _kill(process, signal.SIGTERM)
        _reap()
        time.sleep(0.05)
    killed = set()
    while processes := left():
        for process in processes:
            killed.add(process.name)
            _kill(process, signal.SIGKILL)
        _reap()
        time.sleep(0.05)
    return sorted(killed)


def _kill(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)


def _reap() -> None:
    for child in _children:
        child.poll()
