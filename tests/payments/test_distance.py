"""Two who promise at the same moment keep their distance, where a shortfall is tolerated (PostgreSQL sees no one's)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import select

from core.hub import Hub
from core.models import Reservation
from core.money import Usdt
from core.payments import reservations
from core.payments.reservations import Terms
from core.testing.factories import Shop, make_shop
from core.testing.hubs import START

SLACKS = (2_000, 0, 1_000, 0, 2_000, 500)  # units


def promise_at_once(hub: Hub, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Let six processes' worth of threads promise at once; gives amounts and their slacks, in order."""
    insert, start = reservations._insert, Barrier(len(SLACKS))

    def insert_late(*arguments: object, **named: object) -> int | None:
        time.sleep(0.05)  # everybody has looked before anybody writes
        return insert(*arguments, **named)  # type: ignore[arg-type]

    def promise(slack: int) -> None:
        with hub.database.transaction() as session:
            start.wait()
            reservations.reserve(
                session, hub, merchant_id=shop.merchant_id, due=Usdt(5_000_000), from_height=1,
                held_until=START + timedelta(days=1), terms=Terms(Usdt(slack), addressing="shared"),
            )

    monkeypatch.setattr(type(hub.ids), "below", lambda _, n: 0)  # all choose the first that is free
    monkeypatch.setattr(reservations, "_insert", insert_late)
    with ThreadPoolExecutor(len(SLACKS)) as pool:
        list(pool.map(promise, SLACKS))
    with hub.database.snapshot() as session:
        rows = session.scalars(select(Reservation).order_by(Reservation.pay_units)).all()
        return [(row.pay_units.units, row.slack_units.units) for row in rows]


def too_near(promised: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Find amounts that another's tolerated shortfall reaches."""
    return [
        (low, high) for low, _ in promised for high, slack in promised if high - slack <= low < high
    ]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_racing_promises_keep_their_distance(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    promised = promise_at_once(hub, make_shop(hub), monkeypatch)

    assert sorted(slack for _, slack in promised) == sorted(SLACKS)
    assert too_near(promised) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_without_the_line_they_come_too_near(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: the test above can fail."""
    monkeypatch.setattr(reservations, "_stand_in_line", lambda *_, **__: None)

    assert too_near(promise_at_once(hub, make_shop(hub), monkeypatch))
