"""How fast solid blocks are applied: against fetching and parsing alone, and with ever more addresses to watch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from core.clock import from_millis
from core.hub import Hub
from core.testing.factories import make_shop
from tests.bench.figures import Calibration, Figure, Report, ratios
from tests.bench.places import Places, add_cursor
from tests.bench.stub_node import GENESIS_ID, TRANSACTIONS, stub_node, time_ms
from tests.crowd import add_addresses

BLOCKS = 150
FEW = 1_000
DAY_BLOCKS, GAP_BLOCKS, NODE_MS = 28_800, 1_500, 50


@dataclass(slots=True)
class Samples:
    """What one way of reading blocks cost, round by round."""

    blocks_a_second: list[float] = field(default_factory=list)
    mib: list[float] = field(default_factory=list)

    def take(self, way: str, database_url: str, node_url: str, *, blocks: int = BLOCKS) -> None:
        """Read blocks once in a fresh process."""
        command = [sys.executable, "-m", "tests.bench.probe", way, database_url, node_url, str(blocks)]
        run = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path.cwd())
        found = json.loads(run.stdout)
        self.blocks_a_second.append(blocks / found["seconds"])
        self.mib.append(found["mib"])


def measure(report: Report, places: Places, calibration: Calibration, *, kind: str, rounds: int, many: int) -> None:
    """Measure goals 3 and 4 on one kind of database."""
    report.say(f"{kind}: watching {FEW:,} and {many:,} addresses, blocks of {TRANSACTIONS} transactions")
    small, large = _watching(places, kind, FEW), _watching(places, kind, many)
    bare, at_few, at_many = Samples(), Samples(), Samples()
    with stub_node(solid=1_000_000) as node_url:
        for _ in range(rounds):
            calibration.take()
            bare.take("tronpy", "-", node_url)
            at_few.take("scan", str(small.settings.database_url), node_url)
            at_many.take("scan", str(large.settings.database_url), node_url)
    note = f"{_usual(at_few.blocks_a_second)} blocks/s, tronpy {_usual(bare.blocks_a_second)}"
    against = ratios(at_few.blocks_a_second, bare.blocks_a_second)
    report.add(Figure(f"{kind}: scan with commits ÷ tronpy fetch and parse", against, "≥ 1.5", note))
    slower = ratios(at_few.blocks_a_second, at_many.blocks_a_second)
    report.add(Figure(f"{kind}: scan time a block, {many:,} addresses ÷ {FEW:,}", slower, "≤ 1.5"))
    more_mib = [one - other for one, other in zip(at_many.mib, at_few.mib, strict=True)]
    report.add(Figure(f"{kind}: memory for {many:,} addresses", more_mib, "≤ 10 MiB", unit=" MiB",
                      note=f"whole process {_usual(at_many.mib)} MiB"))


def measure_sizes(
    report: Report, places: Places, calibration: Calibration, *, kind: str, rounds: int, many: int
) -> None:
    """Show blocks a second for average and busy blocks, and few and many addresses."""
    for transactions in (TRANSACTIONS, 1_000):
        with stub_node(solid=1_000_000, transactions=transactions) as node_url:
            for addresses in (10, 10_000, many):
                hub, samples = _watching(places, kind, addresses), Samples()
                for _ in range(rounds):
                    calibration.take()
                    samples.take("scan", str(hub.settings.database_url), node_url)
                name = f"{kind}: blocks of {transactions:,} transactions, {addresses:,} addresses"
                report.add(Figure(name, samples.blocks_a_second, unit=" /s", note=f"{_usual(samples.mib)} MiB"))


def measure_gap(
    report: Report, places: Places, calibration: Calibration, *, kind: str, rounds: int, many: int
) -> None:
    """Measure goal 5: a day without the watcher, made up for over a node that takes 50 ms to answer."""
    del many
    report.say(f"{kind}: {GAP_BLOCKS:,} blocks over a node of {NODE_MS} ms")
    hub, samples = _watching(places, kind, 10_000), Samples()
    with stub_node(solid=1_000_000, delay_ms=NODE_MS) as node_url:
        for _ in range(rounds):
            calibration.take()
            samples.take("scan", str(hub.settings.database_url), node_url, blocks=GAP_BLOCKS)
    minutes = [DAY_BLOCKS / speed / 60 for speed in samples.blocks_a_second]
    note = f"{_usual(samples.blocks_a_second)} blocks/s, scaled from {GAP_BLOCKS:,}"
    report.add(Figure(f"{kind}: a day's {DAY_BLOCKS:,} blocks, node of {NODE_MS} ms", minutes, "≤ 5", note, " min"))


def _watching(places: Places, kind: str, addresses: int) -> Hub:
    hub = places.hub(kind)
    add_cursor(hub, genesis_id=GENESIS_ID, block_time=from_millis(time_ms(1)))
    shop = make_shop(hub)
    add_addresses(hub, merchant_id=shop.merchant_id, already=0, up_to=addresses)
    return hub


def _usual(values: list[float]) -> str:
    return f"{sorted(values)[len(values) // 2]:.0f}"
