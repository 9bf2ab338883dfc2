# SPDX-License-Identifier: Apache-2.0
"""Hosts from a cloud or a file, as the options of a command select them."""

from __future__ import annotations

import argparse
from collections.abc import Collection
import functools
import sys
from typing import Any

from hyperv_sched import compatibility
from hyperv_sched import inventory
from hyperv_sched import versions
from hyperv_sched.cli import base
from hyperv_sched.cli import compute_api
from hyperv_sched.cli import host_files
from hyperv_sched.cli import image_api
from hyperv_sched.cli import inputs
from hyperv_sched.cli import progress
from hyperv_sched.cli import rest


def policy(args: argparse.Namespace) -> compatibility.Policy:
    """Return the policy that options set."""
    return compatibility.Policy(
        generation_2_minimum=versions.Version(args.gen2_minimum_version),
        accept_unknown_version=args.unknown_host_version == 'accept')


class Source:
    """What a command reads: from a file, or from the cloud when needed.

    :param print_error: prints an error and raises the exit code
    :param quiet: print no progress
    """

    def __init__(self, app: Any, args: argparse.Namespace,
                 print_error: inputs.PrintError, quiet: bool) -> None:
        self._app = app
        self._args = args
        self._print_error = print_error
        self._quiet = quiet

    @functools.cached_property
    def _connection(self) -> Any:
        return rest.connect(self._app, self._args.os_cloud)

    @functools.cached_property
    def images(self) -> image_api.ImageAPI:
        """The Image API of the cloud."""
        return image_api.ImageAPI(rest.service(self._connection, 'image'))

    @functools.cached_property
    def compute(self) -> compute_api.Compute:
        """The Compute API of the cloud."""
        return compute_api.Compute(
            rest.service(self._connection, 'compute'))

    def progress(self, unit: str, total: int | None = None
                 ) -> progress.Progress:
        """Start a progress line."""
        return progress.Progress(
            None if self._quiet else sys.stderr, total, unit)

    def hosts(self) -> list[inventory.Host]:
        """Read all hosts, without traits if they are of a cloud.

        :raises base.UsageError: they cannot be read, or there is none.
        """
        if self._args.hosts:
            return host_files.read(self._args.hosts, self._print_error)
        line = self.progress('hosts')
        try:
            hosts = self.compute.hosts(self._print_error, line.count)
        finally:
            line.clear()
        if not hosts:
            raise base.UsageError('the cloud lists no host')
        return hosts

    def with_traits(self, hosts: list[inventory.Host],
                    traits: Collection[str]) -> list[inventory.Host]:
        """Return the hosts with their traits, if these can be read."""
        if self._args.hosts or self._args.skip_traits:
            return hosts
        try:
            placement = compute_api.Placement(
                rest.service(self._connection, 'placement'))
            return placement.read_traits(hosts, traits)
        except rest.CloudError as exc:
            self._print_error(
                f'the traits of hosts are unknown: {exc}. --skip-traits does '
                'without them')
            return hosts
