# SPDX-License-Identifier: Apache-2.0
"""Processes of Linux that tests start."""

import pathlib
import time


def children(process):
    """Return the numbers of the children of a process."""
    path = pathlib.Path(f'/proc/{process.pid}/task/{process.pid}/children')
    return [int(number) for number in path.read_text().split()]


def command_line(number):
    """Return the command line of a process; empty if it has ended."""
    try:
        return pathlib.Path(f'/proc/{number}/cmdline').read_bytes()
    except OSError:
        return b''


def has_ended(number):
    """Return whether a process has no open files any more.

    It may have a number for longer than that: until its parent asks.
    """
    try:
        return not any(pathlib.Path(f'/proc/{number}/fd').iterdir())
    except OSError:
        return True


def wait_until_ended(number):
    """Wait for up to a minute until a process has ended."""
    deadline = time.monotonic() + 60
    while not has_ended(number):
        if time.monotonic() > deadline:
            raise AssertionError(f'{command_line(number)} does not end')
        time.sleep(0.01)
