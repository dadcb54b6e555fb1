"""How long a day without the watcher takes to make up for, over HTTP on the devnet: every one of its 28,800 blocks.

Most of the devnet's blocks are empty, so that each costs two questions, the second one for the header that proves it
so; one block in a hundred holds a transfer to a watched address. `scanning.measure_gap` has busy blocks instead.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from sqlalchemy import func, select

from core.chain.coverage import coverage
from core.models import Transfer
from core.testing.factories import make_shop
from tests.bench.figures import Calibration, Figure, Report
from tests.bench.places import Places
from tests.bench.scanning import DAY_BLOCKS, Samples
from tests.bench.servers import free_port

EVERY = 100  # blocks from transfer to transfer
LAG = 18


def measure(report: Report, places: Places, calibration: Calibration, *, kind: str, rounds: int) -> None:
    """Measure once: the day takes a minute or two, and is the whole of it, not a part scaled up."""
    del rounds
    report.say(f"{kind}: a devnet makes {DAY_BLOCKS:,} blocks, and the watcher reads them")
    hub = places.hub(kind)
    shop, samples = make_shop(hub), Samples()
    assert shop.address is not None
    with _devnet() as node_url:
        contract = _ask(node_url, "status")["usdt_contract"]
        _live_a_day(node_url, shop.address.base58)
        calibration.take()
        samples.take(f"day:{contract}", hub.settings.database_url, node_url, blocks=DAY_BLOCKS)
    with hub.database.snapshot() as session:
        found = session.scalar(select(func.count(Transfer.id)))
        covered = coverage(session, hub)
    if found != DAY_BLOCKS // EVERY or covered is None or covered.gaps:
        raise RuntimeError(f"{found} transfers found instead of {DAY_BLOCKS // EVERY}; gaps: {covered}")
    minutes = [DAY_BLOCKS / speed / 60 for speed in samples.blocks_a_second]
    note = f"{samples.blocks_a_second[0]:.0f} blocks/s, {found} transfers found, no gap, {samples.mib[0]:.0f} MiB"
    report.add(Figure(f"{kind}: a day's {DAY_BLOCKS:,} blocks on the devnet", minutes * 3, "≤ 5", note, " min"))
    report.add(Figure(f"{kind}: catching up ÷ the chain's own pace", [speed * 3 for speed in samples.blocks_a_second],
                      "≥ 100"))


def _live_a_day(node_url: str, address: str) -> None:
    for _ in range(DAY_BLOCKS // EVERY):
        _ask(node_url, "pay", {"to": address, "units": 1_000})
        _ask(node_url, "advance", {"blocks": EVERY, "step_ms": 1})
    _ask(node_url, "advance", {"blocks": 2 * LAG, "step_ms": 1})


def _ask(node_url: str, call: str, body: dict[str, Any] | None = None) -> Any:
    url = f"{node_url}/devnet/{call}"
    answer = requests.get(url, timeout=60) if body is None else requests.post(url, json=body, timeout=60)
    if not answer.ok:
        raise RuntimeError(f"the devnet refused {call}: {answer.text}")
    return answer.json()


def _wait_for(node_url: str, process: subprocess.Popen[bytes]) -> None:
    began = time.perf_counter()
    while process.poll() is None and time.perf_counter() - began < 30:
        try:
            _ask(node_url, "status")
            return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise RuntimeError("the devnet does not answer")


@contextmanager
def _devnet() -> Iterator[str]:
    """Run a devnet as its command does, in a process and a folder of its own."""
    port = free_port()
    with TemporaryDirectory(prefix="paywharf-bench-") as folder:
        command = [sys.executable, "-m", "core.cli", "devnet", "--port", str(port),
                   "--data-dir", folder]
        environment = os.environ | {"PAYWHARF_DATA_DIR": folder, "PAYWHARF_LOG_LEVEL": "WARNING"}
        process = subprocess.Popen(command, cwd=Path.cwd(), env=environment)
        try:
            node_url = f"http://127.0.0.1:{port}"
            _wait_for(node_url, process)
            yield node_url
        finally:
            process.terminate()
            process.wait(20)
