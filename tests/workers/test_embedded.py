"""The embedded executor: many in flight, one effect each, one slow receiver delays only itself."""

from __future__ import annotations

from threading import Barrier, Event

import pytest
from sqlalchemy import select

from core.clock import SystemClock
from core.db import Database
from core.http import Answer
from core.hub import Hub
from core.ids import Mode
from core.models import Delivery, Payment
from core.payments.controls import Scenario, simulate
from core.testing.factories import Shop, make_payment, make_shop
from core.testing.hubs import Posted, make_hub
from workers.embedded import EmbeddedExecutor


@pytest.fixture
def hub(database: Database) -> Hub:
    return make_hub(database, clock=SystemClock())


def complete(hub: Hub, shop: Shop, order_id: str) -> None:
    payment = make_payment(hub, shop, order_id=order_id, mode=Mode.TEST)
    with hub.database.transaction() as session:
        simulate(session, hub, session.get_one(Payment, payment.id), Scenario.COMPLETE)


def shops(hub: Hub, number: int) -> list[Shop]:
    return [
        make_shop(hub, website=f"https://s{n}.example.com", webhook_url=f"https://h{n}.example.com/")
        for n in range(number)
    ]


def states(hub: Hub) -> set[str]:
    with hub.database.snapshot() as session:
        return set(session.scalars(select(Delivery.state)))


def test_deliveries_to_several_receivers_fly_at_once(hub: Hub):
    together = Barrier(5, timeout=10)

    def answer(_: Posted) -> Answer:
        together.wait()
        return Answer(200, b"", 1)

    hub.http.answer = answer
    for number, shop in enumerate(shops(hub, 5)):
        complete(hub, shop, f"O{number}")

    assert EmbeddedExecutor(hub).step() == 5
    assert states(hub) == {"done"}


def test_w12_a_receiver_that_hangs_delays_only_itself(hub: Hub):
    healthy_done = Event()
    slow, *healthy = shops(hub, 3)

    def answer(posted: Posted) -> Answer:
        if posted.url == "https://h0.example.com/":
            assert healthy_done.wait(10)
        elif len([p for p in hub.http.posted if p.url != "https://h0.example.com/"]) == 8:
            healthy_done.set()
        return Answer(200, b"", 1)

    hub.http.answer = answer
    for number in range(4):
        for shop in (slow, *healthy):
            complete(hub, shop, f"O{number}")

    assert EmbeddedExecutor(hub).step() == 12
    assert (states(hub), healthy_done.is_set()) == ({"done"}, True)


def test_a_wake_delivers_without_waiting_for_the_sweep(hub: Hub):
    delivered = Event()

    def answer(_: Posted) -> Answer:
        delivered.set()
        return Answer(200, b"", 1)

    hub.http.answer = answer
    [shop] = shops(hub, 1)
    executor = EmbeddedExecutor(hub)
    executor.start()
    complete(hub, shop, "O1")
    executor.wake()

    assert delivered.wait(0.9)
    executor.stop()
    assert states(hub) == {"done"}


def test_j16_no_transaction_is_open_while_sending(hub: Hub):
    seen = []

    def answer(_: Posted) -> Answer:
        seen.append(hub.database.engine.pool.checkedout())
        return Answer(200, b"", 1)

    hub.http.answer = answer
    [shop] = shops(hub, 1)
    complete(hub, shop, "O1")

    EmbeddedExecutor(hub).step()

    assert seen == [0]
