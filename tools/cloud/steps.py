# SPDX-License-Identifier: Apache-2.0
"""Steps that run at once, as far as one does not need the other."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from concurrent import futures
import dataclasses
import graphlib
import threading
import time


@dataclasses.dataclass(frozen=True)
class Step:
    """Something to do.

    :param needs: names of steps that come first, if they are to be done
    :param run: called with an event that is set on an interrupt
    """

    name: str
    run: Callable[[threading.Event], object]
    needs: tuple[str, ...] = ()


def run(steps: Iterable[Step], done: Callable[[str, float], object]) -> None:
    """Run all of them; after a failure none begins, and it is raised.

    :param done: called with each step and its seconds
    """
    by_name = {step.name: step for step in steps}
    graph = graphlib.TopologicalSorter({
        step.name: [name for name in step.needs if name in by_name]
        for step in by_name.values()})
    graph.prepare()
    unwanted = threading.Event()

    def timed(step: Step) -> float:
        begun = time.monotonic()
        step.run(unwanted)
        return time.monotonic() - begun

    pool = futures.ThreadPoolExecutor(max_workers=max(1, len(by_name)))
    running: dict[futures.Future[float], str] = {}
    try:
        while graph.is_active():
            for name in graph.get_ready():
                running[pool.submit(timed, by_name[name])] = name
            ended, _ = futures.wait(
                running, return_when=futures.FIRST_COMPLETED)
            for future in ended:
                name = running.pop(future)
                done(name, future.result())
                graph.done(name)
    finally:
        unwanted.set()
        pool.shutdown()
