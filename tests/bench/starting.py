"""How soon a web process answers, what it holds in memory, and what a hub costs while nothing happens."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.clock import from_millis
from core.hub import Hub
from core.testing.factories import make_shop
from core.testing.hubs import TEST_CONTRACT
from tests.bench.figures import Calibration, Figure, Report, around, ratios
from tests.bench.places import Places, add_cursor
from tests.bench.servers import bare_server, environment, free_port, full_server, wait_for
from tests.bench.stub_node import GENESIS_ID, stub_node, time_ms
from tests.crowd import add_payments

IDLE_S = 10.0
SETTLE_S = 4.0  # the loops' first rounds: identity, first sweep
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def measure(report: Report, places: Places, calibration: Calibration, *, kind: str, rounds: int, many: int) -> None:
    """Measure goal 8 on one kind of database."""
    report.say(f"{kind}: starting web servers, {rounds} rounds")
    hub = places.hub(kind)
    first_s, bare_first_s, mib = list[float](), list[float](), list[float]()
    for _ in range(rounds):
        calibration.take()
        with bare_server(hub) as server:
            bare_first_s.append(server.first_answer_s)
        with full_server(hub) as server:
            first_s.append(server.first_answer_s)
            mib.append(max(resident_mib(pid) for pid in tree(server.pid)))
    note = f"{sorted(first_s)[len(first_s) // 2]:.2f} s"
    report.add(Figure(f"{kind}: first 200 after start ÷ 1.5 s", [one / 1.5 for one in first_s], "≤ 1", note))
    report.add(Figure(f"{kind}: first 200 after start ÷ bare app's", ratios(first_s, bare_first_s)))
    note = around(mib, "MiB")
    report.add(Figure(f"{kind}: memory of a web process ÷ 110 MiB", [one / 110 for one in mib], "≤ 1", note))
    report.say(f"{kind}: idling with {many:,} open payments for {IDLE_S:.0f} s")
    cores = _idle_cores(places, kind, many)
    report.add(Figure(f"{kind}: idle hub at {many:,} open, cores ÷ 0.02", [cores / 0.02], "≤ 1", f"{cores:.4f} cores"))


def tree(pid: int) -> list[int]:
    """List a process and all that descend from it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [found for child in children for found in tree(int(child))]


def resident_mib(pid: int) -> float:
    """Tell a process's resident memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024


def _idle_cores(places: Places, kind: str, open_payments: int) -> float:
    """Run the whole hub, web server, watcher and worker, beside a chain that stands still."""
    hub = places.hub(kind)
    add_cursor(hub, genesis_id=GENESIS_ID, block_time=from_millis(time_ms(1)))
    add_payments(hub, make_shop(hub), already=0, up_to=open_payments)
    with stub_node(solid=1) as node_url, _serving(hub, node_url) as pid:
        time.sleep(SETTLE_S)
        before = _ticks(pid)
        time.sleep(IDLE_S)
        return (_ticks(pid) - before) / TICKS_A_SECOND / IDLE_S


@contextmanager
def _serving(hub: Hub, node_url: str) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "core.cli", "serve", "--port", str(port), "--workers", "1"]
    settings = {"PAYWHARF_NODE_URL": node_url, "PAYWHARF_USDT_CONTRACT": TEST_CONTRACT}
    process = subprocess.Popen(command, env=environment(hub) | settings, cwd=Path.cwd(), stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)


def _ticks(pid: int) -> int:
    """Count the processor time of a process and its descendants, in the kernel's ticks."""
    fields = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in tree(pid)]
    return sum(int(found[11]) + int(found[12]) for found in fields)  # utime, stime (proc_pid_stat(5))
