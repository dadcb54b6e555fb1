"""A hub in a process of its own that kills itself with SIGKILL at a chosen point of a payment in flight.

`python -m tests.faults.hub_process` pays once what a start costs, then forks once per line it is told, a `Job` in
JSON: every run is a real process with nothing in it yet, and dies as one. What the hub waits for is said on standard
output as a JSON line, and answered by a line when the world has done it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from importlib import import_module
from ipaddress import ip_network

from core.app import ROOMS
from core.chain.node import HttpNode
from core.clock import SystemClock
from core.db import Database, open_database
from core.http import GuardedHttp
from core.hub import Hub
from core.testing.crashpoints import CrashPoints, PointedNode, kill, with_crash_points
from core.testing.hubs import make_hub, make_settings, with_network
from tests.faults.flight import Bill, Keys, Outside, fly

LOOPBACK = ip_network("127.0.0.0/8")


class ClockAhead(SystemClock):
    """The machine's clock, some seconds ahead: as if a lease's time had gone by."""

    def __init__(self, ahead_s: int) -> None:
        self._ahead = timedelta(seconds=ahead_s)

    def now(self) -> datetime:
        """Return a moment to come."""
        return super().now() + self._ahead


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a hub: where everything is, the point to die at, and how far its clock is ahead."""

    database_url: str
    node_url: str
    usdt_contract: str
    key: str
    secret: str = field(repr=False)
    crash_at: int | None = None
    ahead_s: int = 0


def main() -> None:
    """Fork one run for each job, and say how it ended."""
    for room in ROOMS:  # loaded once here rather than in every run
        import_module(room)
    _say("ready")
    while line := _heard():
        job = Job(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            _run_and_exit(job)
        _, status = os.waitpid(pid, 0)
        _say("ended", os.waitstatus_to_exitcode(status))


def build_hub(job: Job, database: Database) -> Hub:
    """Build a hub that may reach loopback."""
    settings = with_network(make_settings(job.database_url), urls=[job.node_url], usdt_contract=job.usdt_contract)
    clock = ClockAhead(job.ahead_s)
    hub = make_hub(database, settings=settings, clock=clock)
    return replace(hub, http=GuardedHttp(clock=clock, allow=(LOOPBACK,)))


def _run_and_exit(job: Job) -> None:
    """Run one hub to its end or its death; a fork must never come back into the loop."""
    try:
        points = CrashPoints(job.crash_at, kill)
        hub = with_crash_points(build_hub(job, open_database(job.database_url)), points)
        node = PointedNode(HttpNode(job.node_url, clock=SystemClock(), qps=None), points)
        fly(hub, node, keys=Keys(job.key, job.secret), outside=Outside(_show_bill, _tell_detected))
        _say("passed", points.passed)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _show_bill(bill: Bill) -> None:
    _say("bill", asdict(bill))
    _heard()


def _tell_detected() -> None:
    _say("detected")
    _heard()


def _say(word: str, what: object = None) -> None:
    print(json.dumps([word, what]), flush=True)


def _heard() -> str:
    """Read one line, byte by byte: a buffer would be copied by the fork."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(sys.stdin.fileno(), 1)
        if not byte:
            return ""
        line += byte
    return line.decode()


if __name__ == "__main__":
    main()
