# SPDX-License-Identifier: Apache-2.0
"""A cloud: brought up, taken down, and service by service."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
import threading

from tools.cloud import config
from tools.cloud import errors
from tools.cloud import process
from tools.cloud import services
from tools.cloud import setup
from tools.cloud import software
from tools.cloud import state as cloud_state
from tools.cloud import steps

#: Called with each step and its seconds.
Done = Callable[[str, float], object]


class Cloud:
    """The cloud in a state directory.

    What changes it keeps other commands out meanwhile.
    """

    def __init__(self, state: cloud_state.State) -> None:
        self.state = state

    def up(self, done: Done, fresh: bool = False) -> bool:
        """Install, set up and start what is missing.

        :param fresh: begin with an empty cloud
        :returns: False where all was up already
        :raises CloudError: a step failed; those before it are done
        """
        with self.state.locked(create=True):
            if not fresh and self.state.exists and not self._down():
                return False
            if fresh or not self.state.exists:
                process.stop(self.state, patience=0)
                self.state.forget()
            # The code of a running service is not changed.
            if not process.leaders(self.state):
                self._run(software.install_steps(self.state), done)
            new = not self.state.exists
            if new:
                self.state.create()
                config.write(self.state)
            known = services.services(self.state)
            self._run([
                *(setup.setup_steps(self.state) if new else ()),
                *(self._start(known[name]) for name in (
                    known if new else self._down()))], done)
            self.state.completed()
            return True

    def _down(self) -> list[str]:
        running = process.leaders(self.state)
        return [name for name in services.services(self.state)
                if name not in running]

    def _run(self, todo: Iterable[steps.Step], done: Done) -> None:
        try:
            steps.run(todo, done)
        except KeyboardInterrupt:
            process.stop(self.state, patience=0)
            raise

    def _start(self, service: services.Service,
               wait: bool = True) -> steps.Step:
        def run(unwanted: threading.Event) -> None:
            # What is left of one that was killed.
            process.stop(self.state, [service.name], patience=0)
            services.start(self.state, service, unwanted, wait)
        return steps.Step(service.name, run, service.needs)

    def down(self) -> list[str]:
        """End all processes; return which had to be killed."""
        with self.state.locked(create=True):
            infrastructure = {'mariadb', 'rabbitmq', 'epmd'}
            others = {found.name for found in process.find(self.state)
                      } - infrastructure
            # Who loses the broker while ending waits for it.
            killed = process.stop(self.state, others)
            killed += process.stop(self.state, {'rabbitmq', 'mariadb'})
            return killed + process.stop(self.state)

    def start(self, names: Iterable[str], done: Done,
              wait: bool = True) -> None:
        """Start services, and wait until they are ready.

        :raises CloudError: one has ended, or does not get ready
        """
        with self.state.locked():
            self._start_all(names, done, wait)

    def stop(self, names: Iterable[str], kill: bool = False) -> None:
        """End services.

        :param kill: at once, without asking
        """
        with self.state.locked():
            process.stop(self.state, self._known(names),
                         patience=0 if kill else 20)

    def restart(self, names: Iterable[str], done: Done,
                wait: bool = True) -> None:
        """End services and start them again."""
        with self.state.locked():
            names = self._known(names)
            process.stop(self.state, names)
            self._start_all(names, done, wait)

    def _start_all(self, names: Iterable[str], done: Done,
                   wait: bool) -> None:
        known = services.services(self.state)
        running = process.leaders(self.state)
        self._run([self._start(known[name], wait)
                   for name in self._known(names)
                   if name not in running], done)

    def _known(self, names: Iterable[str]) -> list[str]:
        known = services.services(self.state)
        for name in names:
            if name not in known:
                raise errors.CloudError(
                    f'there is no service {name}; there are'
                    f' {", ".join(known)}')
        return list(names)

    def install(self) -> bool:
        """Install hyperv-sched from this checkout, under what runs.

        :returns: False where it is there already
        """
        with self.state.locked():
            return software.install_ours(self.state, threading.Event())

    def purge(self) -> None:
        """End all processes and remove all that is on disk."""
        with self.state.locked(create=True):
            process.stop(self.state, patience=0)
            self.state.purge()
