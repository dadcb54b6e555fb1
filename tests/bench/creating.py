"""How fast payments are made: against the least an order can cost, and among a crowd of open payments."""

from __future__ import annotations

from contextlib import ExitStack

from core.hub import Hub
from core.testing.chains import GENESIS
from core.testing.factories import Shop, make_shop
from tests.bench.figures import Calibration, Figure, Report, around, ratios
from tests.bench.load import create_rate
from tests.bench.places import Places, add_cursor
from tests.bench.servers import bare_server, full_server, make_bare_table
from tests.crowd import add_payments

FEW = 1_000
SECONDS = 3.0


def measure(report: Report, places: Places, calibration: Calibration, *, kind: str, rounds: int, many: int) -> None:
    """Measure goals 1 and 2 on one kind of database: three servers, loaded in turn."""
    report.say(f"{kind}: filling databases with {FEW:,} and {many:,} open payments")
    small, large = _crowded(places, kind, FEW), _crowded(places, kind, many)
    make_bare_table(small[0])
    bare, at_few, at_many = list[float](), list[float](), list[float]()
    with ExitStack() as stack:
        servers = [stack.enter_context(bare_server(small[0]))]
        servers += [stack.enter_context(full_server(hub)) for hub, _ in (small, large)]
        report.say(f"{kind}: creating payments over gunicorn, {rounds} rounds of {SECONDS:.0f} s each")
        for number in range(rounds + 1):
            calibration.take()
            bare.append(create_rate(servers[0], small[0], None, seconds=SECONDS))
            at_few.append(create_rate(servers[1], *small, seconds=SECONDS))
            at_many.append(create_rate(servers[2], *large, seconds=SECONDS))
            if number == 0:  # every server has now compiled its statements and opened its connections
                for samples in (bare, at_few, at_many):
                    samples.clear()
    note = f"{around(at_few, 'creates/s')}, bare {around(bare, '/s')}"
    report.add(Figure(f"{kind}: full create ÷ bare Flask + HMAC + INSERT", ratios(at_few, bare), "≥ 0.6", note))
    name = f"{kind}: create rate at {many:,} open ÷ at {FEW:,}"
    report.add(Figure(name, ratios(at_many, at_few), "≥ 0.90", around(at_many, "creates/s")))


def _crowded(places: Places, kind: str, open_payments: int) -> tuple[Hub, Shop]:
    hub = places.hub(kind)
    add_cursor(hub, genesis_id=GENESIS, block_time=hub.clock.now())
    shop = make_shop(hub)
    add_payments(hub, shop, already=0, up_to=open_payments)
    return hub, shop
