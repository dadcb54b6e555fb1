"""How long a create takes beside 10,000 other merchants, and in a process that has loaded 50 plugins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from core.hub import Hub
from core.testing.chains import GENESIS
from core.testing.factories import Shop, make_shop
from tests.bench.figures import Calibration, Figure, Report, around, ratios
from tests.bench.load import create_load
from tests.bench.places import Places, add_cursor
from tests.bench.servers import full_server
from tests.crowd import add_merchants

MERCHANTS, PLUGINS = 10_000, 50
SECONDS = 3.0
PLUGIN = """
import time
from flask import Blueprint
from core.contract import hookimpl

{first_line}

@hookimpl
def register_blueprints():
    pages = Blueprint("{name}", __name__)
    pages.add_url_rule("/<path:rest>", view_func=lambda rest: rest)
    return [pages]
"""
FIRST_LINES = {0: "raise RuntimeError('it fails')", 1: "time.sleep(1)"}


def measure(report: Report, places: Places, calibration: Calibration, *, kind: str, rounds: int, many: int) -> None:
    """Measure goal 7 on one kind of database: three servers, loaded in turn."""
    del many
    report.say(f"{kind}: creating payments alone, beside {MERCHANTS:,} merchants and with {PLUGINS} plugins")
    alone, crowded = _shop(places, kind), _shop(places, kind)
    add_merchants(crowded[0], many=MERCHANTS)
    plugged = _shop(places, kind)
    samples: list[list[float]] = [[], [], []]
    with ExitStack() as stack:
        hubs = (alone, crowded, plugged)
        settings = ({}, {}, _plugins(places.folder / f"plugins-{kind}"))
        servers = [
            stack.enter_context(full_server(hub, **chosen)) for (hub, _), chosen in zip(hubs, settings, strict=True)
        ]
        for number in range(rounds + 1):
            calibration.take()
            for server, (hub, shop), taken in zip(servers, hubs, samples, strict=True):
                p50_ms = create_load(server, hub, shop, seconds=SECONDS).p50_ms
                if number:  # every server has now compiled its statements and opened its connections
                    taken.append(p50_ms)
    _report(report, kind, samples)


def _report(report: Report, kind: str, samples: Sequence[Sequence[float]]) -> None:
    alone, crowded, plugged = samples
    name = f"{kind}: create p50 with {MERCHANTS:,} merchants ÷ 1"
    report.add(Figure(name, ratios(crowded, alone), "≤ 1.1", around(crowded, "ms")))
    name = f"{kind}: create p50 with {PLUGINS} plugins (one fails, one is slow) ÷ 0"
    report.add(Figure(name, ratios(plugged, alone), "≤ 1.2", around(plugged, "ms")))


def _shop(places: Places, kind: str) -> tuple[Hub, Shop]:
    hub = places.hub(kind)
    add_cursor(hub, genesis_id=GENESIS, block_time=hub.clock.now())
    return hub, make_shop(hub)


def _plugins(folder: Path) -> dict[str, str]:
    """Write strangers' distributions; gives the environment variables that enable them."""
    folder.mkdir()
    names = [f"bench_{number}" for number in range(PLUGINS)]
    for number, name in enumerate(names):
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[paywharf]\n{name} = {name}\n")
        program = PLUGIN.format(name=name, first_line=FIRST_LINES.get(number, ""))
        (folder / f"{name}.py").write_text(program)
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return {"PAYWHARF_PLUGINS": ",".join(names), "PYTHONPATH": path}
