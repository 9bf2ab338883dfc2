# SPDX-License-Identifier: Apache-2.0
"""Checks of a whole cloud: its images, its hosts and its nova-computes.

Both are made on demand only. What needs a cloud or Nova is imported then.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import cast

from hyperv_sched import names
from hyperv_sched import text
from hyperv_sched.cli.status import configuration
from hyperv_sched.cli.status import environment
from hyperv_sched.cli.status import results
from hyperv_sched.cli.status.results import format_value
from hyperv_sched.text import escape

#: The function that reads versions, in a module that imports Nova.
READ_VERSIONS = 'hyperv_sched.cli.status.nova_database.read'


def traits(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that hosts report a trait before anything requires it."""
    if deployment.os_cloud is None:
        raise results.NotApplicableError(
            'no cloud was named. --os-cloud NAME compares its images and '
            'hosts')
    from hyperv_sched.cli import base

    errors: list[object] = []
    try:
        yield from _compare(deployment, deployment.os_cloud, errors.append)
    except base.UsageError as exc:
        errors.append(exc)
    for error in errors[:1]:
        yield results.warning(
            f'The cloud was not read completely: {escape(error, limit=1000)}.')


def _compare(deployment: configuration.Deployment, name: str,
             print_error: Callable[[object], None],
             ) -> Iterator[results.Problem]:
    from hyperv_sched import audit
    from hyperv_sched import compatibility
    from hyperv_sched import versions
    from hyperv_sched.cli import cloud
    from hyperv_sched.cli import inputs

    source = cloud.Source(
        None, argparse.Namespace(os_cloud=name, hosts=None, skip_traits=False),
        print_error, quiet=True)
    scheduler = deployment.scheduler
    policy = compatibility.Policy()
    if scheduler is not None:
        policy = compatibility.Policy(
            generation_2_minimum=versions.Version(scheduler.get(
                'hyperv_sched', 'gen2_minimum_version')),
            accept_unknown_version=scheduler.get(
                'hyperv_sched', 'unknown_host_version') == 'accept')
    hosts = source.with_traits(source.hosts(), {names.GENERATION_2_TRAIT})
    records = inputs.flatten_records(
        [*source.images.list_all()], 'the cloud', {}, print_error)
    result = audit.audit(((record, None, ()) for record in records), hosts,
                         (), policy)
    coverage = audit.find_coverage(result.host_groups, policy)
    if coverage is None:
        # The error is printed.
        return
    without = result.totals['images_without_trait']
    requiring = sum(
        len(group.images) for group in result.image_groups
        if group.requirement.generation == names.GENERATION_2) - without
    if not coverage.capable:
        yield results.information(
            'No host of the cloud can run generation 2.')
    elif coverage.lacking:
        yield _judge_lacking(coverage, requiring, scheduler)
    elif without and not _requires_trait(scheduler):
        yield results.information(
            'Every host that can run generation 2 reports '
            f'{names.GENERATION_2_TRAIT}. '
            f'{text.count(without, "image")} of generation 2 '
            f'{"does" if without == 1 else "do"} not require it. "hyperv-sched'
            ' cloud audit" has the commands (HV122).')


def _judge_lacking(coverage: Any, requiring: int,
                   scheduler: configuration.Service | None
                   ) -> results.Problem:
    lack = (f'{coverage.lacking} of '
            f'{text.count(coverage.capable, "host")} that can run generation '
            f'2 do not report {names.GENERATION_2_TRAIT}')
    fix = ('Let them report it first: "hyperv-sched cloud audit" lists them '
           '(HV408).')
    if scheduler is not None and _requires_trait(scheduler):
        title = scheduler.title('hyperv_sched', 'require_trait')
        return results.failure(
            f'{title} is true, and {lack}: they get no servers of generation '
            f'2. {fix}')
    if requiring:
        return results.warning(
            f'{lack}: they get no servers from the '
            f'{text.count(requiring, "image")} that require it. {fix}')
    return results.information(
        f'{lack}. No image requires it, and none should before they do.')


def _requires_trait(scheduler: configuration.Service | None) -> bool:
    return scheduler is not None and bool(
        scheduler.get('hyperv_sched', 'require_trait'))


def compute_versions(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that Nova starts with the nova-computes that are registered.

    ``nova.utils.raise_if_old_compute``.
    """
    scheduler = deployment.scheduler
    if not deployment.reads_database:
        raise results.NotApplicableError(
            'the database was not read. --database reads it')
    connection = scheduler and scheduler.get('api_database', 'connection')
    if scheduler is None or not connection:
        raise results.NotApplicableError(
            '[api_database] connection is not set: this is not a controller')
    if environment.version('nova') is None:
        raise results.NotApplicableError(
            'Nova is not installed in this Python environment')
    try:
        read = cast(Callable[[configuration.Service], tuple[int, int, int]],
                    environment.import_path(READ_VERSIONS))
        old, total, supported = read(scheduler)
    except (Exception, SystemExit) as exc:
        # It may have the password.
        reason = str(exc).replace(connection, '[api_database] connection')
        yield results.warning(
            'The database of Nova was not read: '
            f'{type(exc).__name__}: {escape(reason, limit=1000)}')
        return
    if not old:
        return
    problem = (f'{old} of {text.count(total, "nova-compute")} '
               f'{"is" if old == 1 else "are"} older than service version '
               f'{supported}, the oldest that Nova '
               f'{format_value(environment.version("nova"))} supports')
    name = 'disable_compute_service_check_for_ffu'
    if scheduler.get('workarounds', name):
        yield results.warning(
            f'{problem}. The services of Nova start, since '
            f'{scheduler.title("workarounds", name)} is true.')
    else:
        yield results.failure(
            f'{problem}: nova-api, nova-conductor and nova-scheduler do not '
            'start. Run a release of Nova that supports them, or set '
            f'[workarounds] {name} = true.')
