"""What each process counts and times for `/metrics`: requests, webhooks, blocks; shared through a folder.

Gauges are read from the database (`core.dashboard.vitals`), right whoever is asked. Counts are not there, so every
long-lived process keeps its own in a small file of one folder, and whoever answers `/metrics` adds them up: those of
web, watcher and workers of one machine, and of processes that have ended. No label holds what a stranger wrote.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.values import MultiProcessValue, MutexValue

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # where prometheus-client looks for the folder
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ATTEMPT_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)  # an attempt is cut off after 15 s
TELLING_BUCKETS = (0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 86_400)  # retries come after minutes and hours
BLOCK_BUCKETS = (50, 55, 60, 65, 70, 80, 90, 120, 180, 300, 900, 3600)  # 19 blocks of 3 s make one final: 57 s
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
DEAD = "dead"  # whose counts they were, once the process has ended
KINDS = ("counter", "histogram")  # each has a file of its own
FILE_SIZE = 1 << 20  # of one file: some 6,000 series, ten times what there are

log = logging.getLogger(__name__)


class Figures:
    """The counters and histograms of one process; with a folder, of all that share it."""

    def __init__(self, folder: Path | None = None) -> None:
        """folder: exists, and `FOLDER_VARIABLE` names it; None, or no room on its disk: nothing is shared."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._folder = folder if folder is not None and _has_room(folder, _process_name()) else None
        values.ValueClass = MutexValue if self._folder is None else _shared_values()
        self._registry = CollectorRegistry()
        self._requests = self._histogram(
            "paywharf_http_request_seconds", "Time to answer a request", REQUEST_BUCKETS, "route", "method", "status"
        )
        self._attempts = self._histogram(
            "paywharf_webhook_attempt_seconds", "Time a webhook's receiver took", ATTEMPT_BUCKETS, "result"
        )
        self._told = self._histogram(
            "paywharf_event_to_webhook_seconds", "From an event's record to the answer that took its webhook",
            TELLING_BUCKETS,
        )
        self._blocks = self._histogram(
            "paywharf_block_to_record_seconds", "From a block with money for us to its record; 57 s make it final",
            BLOCK_BUCKETS,
        )
        self._lost = self._counter("paywharf_lease_lost_total", "Webhooks written down by nobody: the lease was lost")
        self._failed_kicks = self._counter("paywharf_dispatch_errors_total", "Wake-ups that Redis did not take")

    def answered(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request by the rule it met."""
        word = method if method in METHODS else "other"
        self._requests.labels(route, word, f"{status // 100}xx").observe(seconds)

    def tried(self, *, http_status: int | None, seconds: float) -> None:
        """Count an attempt of a webhook."""
        result = "unreachable" if http_status is None else f"{http_status // 100}xx"
        self._attempts.labels(result).observe(seconds)

    def told(self, *, seconds: float) -> None:
        """Note how long an event took to be taken by a receiver."""
        self._told.observe(seconds)

    def recorded(self, *, seconds: float) -> None:
        """Note how old a block with money for us was when it was recorded."""
        self._blocks.observe(seconds)

    def lease_lost(self, count: int) -> None:
        """Count webhooks whose lease was lost."""
        self._lost.inc(count)

    def kick_failed(self) -> None:
        """Count a wake-up that was not taken."""
        self._failed_kicks.inc()

    def written(self) -> str:
        """Write all of it in Prometheus's text form, added up over the folder's processes."""
        if self._folder is None:
            return generate_latest(self._registry).decode()
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self._folder))  # type: ignore[no-untyped-call]
        with _locked(self._folder, fcntl.LOCK_SH):
            return generate_latest(registry).decode()

    def names(self) -> set[str]:
        """Name every series there can be, as alerts and dashboards write it."""
        found = set[str]()
        for metric in self._registry.collect():
            suffixes = ("_bucket", "_count", "_sum") if metric.type == "histogram" else ("_total",)
            found.update(metric.name + suffix for suffix in suffixes)
        return found

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, buckets=buckets, registry=self._registry)

    def _counter(self, name: str, meaning: str) -> Counter:
        return Counter(name, meaning, registry=self._registry)


def tidy(folder: Path) -> None:
    """Add the files of processes that have ended into one, so that a folder does not grow with every restart.

    Their counts stay: a sum that fell would look to Prometheus like a burst.
    """
    with _locked(folder, fcntl.LOCK_EX):
        if not _has_room(folder, DEAD):
            return
        for path in sorted(folder.glob("*.db")):
            kind, _, owner = path.stem.partition("_")
            if owner != DEAD and _has_ended(owner):
                _add_up(path, folder / f"{kind}_{DEAD}.db")
                path.unlink()


def _has_room(folder: Path, owner: str) -> bool:
    """Reserve the disk space of somebody's files: to write where a mapped file finds none ends the process (SIGBUS)."""
    try:
        for kind in KINDS:
            with (folder / f"{kind}_{owner}.db").open("ab") as file:
                file.write(bytes(max(FILE_SIZE - file.tell(), 0)))
    except OSError as err:
        log.warning("counts for /metrics are kept by each process alone: %s in %s", err.strerror, folder)
        return False
    return True


def _shared_values() -> Any:
    return MultiProcessValue(_process_name)  # type: ignore[no-untyped-call]


def _process_name() -> str:
    return f"{_host()}-{os.getpid()}"


def _host() -> str:
    return re.sub(r"[^0-9A-Za-z]+", "-", socket.gethostname()) or "host"


def _has_ended(owner: str) -> bool:
    """Tell whether a process of this machine is gone; what another machine's processes do cannot be told."""
    host, _, pid = owner.rpartition("-")
    if host != _host() or not pid.isdecimal() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _add_up(path: Path, into: Path) -> None:
    total = MmapedDict(str(into))  # type: ignore[no-untyped-call]
    try:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]
            before, _ = total.read_value(key)  # type: ignore[no-untyped-call]
            total.write_value(key, before + value, 0.0)  # type: ignore[no-untyped-call]
    finally:
        total.close()  # type: ignore[no-untyped-call]


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, how)
        yield
