# SPDX-License-Identifier: Apache-2.0
"""Counters of refusals for Prometheus, in a file that node-exporter reads.

All processes of a host that name one file add to the counters in it. A lock
file next to it lets one process write at a time; the lock ends with its
process. The counters continue after a restart.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import os
import re
import stat
import threading
import time
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from hyperv_sched import conf
from hyperv_sched import files
from hyperv_sched import rules
from hyperv_sched.text import escape

LOG = logging.getLogger(__name__)
CONF = cfg.CONF

REFUSALS = 'hyperv_sched_refusals_total'
REPORT_ONLY = 'hyperv_sched_report_only_refusals_total'
AUDIT_FINDINGS = 'hyperv_sched_audit_findings'

#: Description of each metric by its name.
HELP = {
    REFUSALS: 'Refusals, once for each rule that caused one.',
    REPORT_ONLY: 'Requests that the Glance API filter would refuse without '
                 'report_only, once for each rule that caused one.',
    AUDIT_FINDINGS: 'Findings of the last audit of the cloud, by rule.',
}

#: Bytes of a file of metrics. Each rule at each moment has some 100 bytes.
MAX_SIZE = 1024 * 1024

#: Attempts to lock the file, and seconds between them. Another process holds
#: the lock for a millisecond.
_ATTEMPTS, _INTERVAL = 100, 0.005

_LABEL = re.compile('[a-zA-Z0-9_-]{1,64}')

Counts = collections.Counter[tuple[str, str, str]]
"""Values by metric, moment and code."""


def count_refusal(moment: str, findings: Iterable[rules.Finding],
                  report_only: bool = False) -> None:
    """Count a refusal once for each rule that caused it.

    Nothing is counted unless ``[hyperv_sched] metrics_file`` is set. An error
    is logged once, and never raised. Counts that cannot be written are added
    at the next refusal.

    :param moment: ``scheduling``, a method of Nova's driver, or an operation
        of the Image API
    """
    try:
        path = CONF[conf.GROUP.name].metrics_file
        if path:
            name = REPORT_ONLY if report_only else REFUSALS
            codes = {root_cause(finding).code for finding in findings}
            _WRITER.add(path, ((name, moment, code) for code in codes))
    except Exception as exc:
        _WRITER.warn(exc)


def root_cause(finding: rules.Finding) -> rules.Finding:
    """Return the finding that all others of a chain of causes follow from."""
    while finding.cause is not None:
        finding = finding.cause
    return finding


def write_audit(path: str, counts: Mapping[str, int]) -> None:
    """Replace a file by gauges of the findings of an audit.

    :param counts: numbers of findings by the code of the rule
    :raises OSError: the file cannot be written
    :raises ValueError: the file exists and has other content
    """
    _read_own(path, AUDIT_FINDINGS)
    _replace(path, {(AUDIT_FINDINGS, 'audit', code): number
                    for code, number in counts.items()})


def format_metrics(values: Mapping[tuple[str, str, str], float]) -> bytes:
    """Format values by metric, moment and code as Prometheus reads them."""
    # 30 ms, which a process without refusals does not spend.
    from prometheus_client import exposition
    from prometheus_client import metrics_core
    from prometheus_client import registry

    families: dict[str, Any] = {}
    for (name, moment, code), value in sorted(values.items()):
        family = families.get(name)
        if family is None:
            kind = (metrics_core.CounterMetricFamily
                    if name.endswith('_total')
                    else metrics_core.GaugeMetricFamily)
            family = families[name] = kind(
                name, HELP[name], labels=('moment', 'code'))
        family.add_metric((moment, code), value)

    class Collected:
        def collect(self) -> Iterable[Any]:
            return families.values()

    collected = registry.CollectorRegistry()
    # Older releases have no base class of collectors.
    collector: Any = Collected()
    collected.register(collector)
    return exposition.generate_latest(collected)


class _Writer:
    """Adds to the counters in a file, from any thread of one process."""

    def __init__(self) -> None:
        self._warned: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """Drop counts that are not written: those of the parent process."""
        self._lock = threading.Lock()
        self._pending = Counts()
        self._late = False

    def add(self, path: str, keys: Iterable[tuple[str, str, str]]) -> None:
        """Add 1 to counters, and write them to a file."""
        with self._lock:
            self._pending.update(keys)
        # Others do not wait for the lock while this is imported.
        import prometheus_client.parser  # noqa: F401
        # A process that is stopped with the lock delays one refusal only.
        attempts = 1 if self._late else _ATTEMPTS
        self._late = True
        with _locked(path, attempts):
            self._late = False
            with self._lock:
                pending, self._pending = self._pending, Counts()
            try:
                _replace(path, _parse(read_counters(path)) + pending)
            except BaseException:
                with self._lock:
                    self._pending.update(pending)
                raise

    def warn(self, exc: Exception) -> None:
        """Log an error, unless it was logged before."""
        reason = f'{type(exc).__name__}: {escape(exc, 500)}'
        if reason not in self._warned and len(self._warned) < 10:
            self._warned.add(reason)
            LOG.warning('[hyperv_sched] metrics_file is not updated: %s',
                        reason)


def read_counters(path: str) -> str:
    """Return the text of a file with counters of refusals.

    :returns: empty if the file does not exist, or is empty
    :raises OSError: the file cannot be read
    :raises ValueError: the file has other content: the option may name the
        wrong file
    """
    return _read_own(path, REFUSALS, REPORT_ONLY)


def _read_own(path: str, *names: str) -> str:
    """Return the text of a file that begins with one of these metrics."""
    try:
        # To open a pipe would wait for its other end.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ValueError(f'{path} is not a regular file')
        with open(path, 'rb') as file:
            data = file.read(MAX_SIZE + 1)
    except FileNotFoundError:
        return ''
    starts = tuple(f'# HELP {name} '.encode() for name in names)
    if len(data) > MAX_SIZE or data and not data.startswith(starts):
        raise ValueError(f'{path} has other content and is not replaced')
    return data.decode(errors='replace')


def _parse(text: str) -> Counts:
    """Return the counters in a file; none if the file is damaged."""
    from prometheus_client import parser

    counts = Counts()
    try:
        for family in parser.text_string_to_metric_families(text):
            for name, labels, value, *_ in family.samples:
                key = name, labels.get('moment', ''), labels.get('code', '')
                if name in (REFUSALS, REPORT_ONLY) and 0 < value < 2 ** 53 \
                        and all(map(_LABEL.fullmatch, key)):
                    counts[key] += int(value)
    except Exception:
        LOG.debug('The counters start again', exc_info=True)
        return Counts()
    return counts


def _replace(path: str, values: Mapping[tuple[str, str, str], float]) -> None:
    """Replace a file by another one, which all users can read."""
    files.replace(path, format_metrics(values), 0o644)


@contextlib.contextmanager
def _locked(path: str, attempts: int) -> Iterator[None]:
    """Lock the file of a path against other threads and processes.

    :raises OSError: another process has the lock, or the lock file cannot be
        created
    """
    # Another user can lock a file that is readable only.
    file = os.open(f'{path}.lock', os.O_RDWR | os.O_CREAT
                   if os.name == 'nt' else os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        for attempt in range(attempts):
            try:
                _lock(file)
                break
            except OSError:
                if attempt + 1 == attempts:
                    raise
                time.sleep(_INTERVAL)
        yield
    finally:
        # This also unlocks the file.
        os.close(file)


def _lock(file: int) -> None:
    """Lock an open file without waiting.

    :raises OSError: it is locked
    """
    if os.name == 'nt':
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


_WRITER = _Writer()
if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_WRITER.reset)
