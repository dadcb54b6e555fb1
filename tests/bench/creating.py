"""How fast payments are made and asked for: against the least an order can cost, and among a crowd of open ones."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import cycle, islice
from statistics import median

from core.hub import Hub
from core.testing.chains import GENESIS
from core.testing.factories import Shop, make_shop
from tests.bench.figures import Calibration, Figure, Report, around, ratios
from tests.bench.load import MOST_REQUESTS_A_SECOND, Load, create_load, status_load
from tests.bench.places import Places, add_cursor
from tests.bench.servers import Server, bare_server, full_server, make_bare_table
from tests.crowd import FIRST_PAYMENT_ID, add_payments

CROWDS = (1_000, 100_000, 1_000_000)
SECONDS = 3.0
Loads = list[Load]


def measure(report: Report, places: Places, calibration: Calibration, *, kind: str, rounds: int) -> None:
    """Measure goals 1 and 2 on one kind of database: a bare server and one a crowd, loaded in turn."""
    report.say(f"{kind}: filling databases with {', '.join(f'{many:,}' for many in CROWDS)} open payments")
    shops = [_crowded(places, kind, many) for many in CROWDS]
    make_bare_table(shops[0][0])
    places_asked: list[tuple[Hub, Shop | None]] = [(shops[0][0], None), *shops]
    created: list[Loads] = [[] for _ in places_asked]
    asked: list[Loads] = [[] for _ in places_asked]
    with ExitStack() as stack:
        servers = [stack.enter_context(bare_server(shops[0][0]))]
        servers += [stack.enter_context(full_server(hub)) for hub, _ in shops]
        report.say(f"{kind}: creating and asking for payments, {rounds} rounds of {SECONDS:.0f} s each")
        for number in range(rounds + 1):
            calibration.take()
            for server, (hub, shop), makes, asks in zip(servers, places_asked, created, asked, strict=True):
                makes.append(create_load(server, hub, shop, seconds=SECONDS))
                asks.append(_ask(server, hub, shop))
            if number == 0:  # every server has now compiled its statements and opened its connections
                for samples in (*created, *asked):
                    samples.clear()
    _tell_creates(report, kind, *created)
    _tell_asks(report, kind, *asked)


def _ask(server: Server, hub: Hub, shop: Shop | None) -> Load:
    ids = islice(cycle(range(FIRST_PAYMENT_ID, FIRST_PAYMENT_ID + CROWDS[0])), int(SECONDS * MOST_REQUESTS_A_SECOND))
    return status_load(server, hub, shop, list(ids), seconds=SECONDS)


def _tell_creates(report: Report, kind: str, bare: Loads, few: Loads, *more: Loads) -> None:
    note = f"{_note(few, 'creates/s')}; bare {_note(bare, '/s')}"
    report.add(Figure(f"{kind}: full create ÷ bare Flask + HMAC + INSERT", _rates(few, bare), "≥ 0.6", note))
    for many, loads in zip(CROWDS[1:], more, strict=True):
        name = f"{kind}: create rate at {many:,} open ÷ at {CROWDS[0]:,}"
        report.add(Figure(name, _rates(loads, few), "≥ 0.90", _note(loads, "creates/s")))


def _tell_asks(report: Report, kind: str, bare: Loads, few: Loads, *more: Loads) -> None:
    note = f"{_note(few, 'answers/s')}; bare {_note(bare, '/s')}"
    report.add(Figure(f"{kind}: full status ÷ bare Flask + HMAC + SELECT", _rates(few, bare), "", note))
    name = f"{kind}: status rate at {CROWDS[-1]:,} open ÷ at {CROWDS[0]:,}"
    report.add(Figure(name, _rates(more[-1], few), "", _note(more[-1], "answers/s")))


def _rates(loads: Loads, others: Loads) -> list[float]:
    return ratios([one.rate for one in loads], [one.rate for one in others])


def _note(loads: Loads, unit: str) -> str:
    p50, p99 = (median(getattr(one, name) for one in loads) for name in ("p50_ms", "p99_ms"))
    return f"{around([one.rate for one in loads], unit)}, p50 {p50:.1f} ms, p99 {p99:.1f} ms"


def _crowded(places: Places, kind: str, open_payments: int) -> tuple[Hub, Shop]:
    hub = places.hub(kind)
    add_cursor(hub, genesis_id=GENESIS, block_time=hub.clock.now())
    shop = make_shop(hub)
    add_payments(hub, shop, already=0, up_to=open_payments)
    return hub, shop
