"""Driving loops: failures are survived, a wrong network is not, a stop is heard."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import select

from core.chain.fleet import Fleet
from core.errors import NodeUnavailable, WrongNetwork
from core.hub import Hub
from core.ids import Mode
from core.models import Event as Happened
from core.models import Payment, Transfer
from core.testing.chains import FakeChain
from core.testing.factories import make_payment, make_shop
from core.testing.hubs import START, TEST_CONTRACT
from workers.loops import Ticker, Watch, drive

STRANGER = "TSeJkUh4Qv67VNFwY8LaAxERygNdy6NQZK"


class Headless(FakeChain):
    """A chain whose full node can be taken away, and the solid one stays."""

    is_headless = False

    def head_height(self) -> int:
        if self.is_headless:
            raise NodeUnavailable
        return super().head_height()


def test_a_step_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture):
    stop, tries = Event(), []

    def step() -> bool:
        tries.append(1)
        if len(tries) == 1:
            raise NodeUnavailable
        if len(tries) == 2:
            raise ValueError("a bug")
        stop.set()
        return True

    with caplog.at_level(logging.WARNING):
        drive(step, name="watch", every_s=lambda: 0.001, stop=stop)

    assert (len(tries), [record.levelname for record in caplog.records]) == (3, ["WARNING", "ERROR"])


def test_a_wrong_network_ends_the_loop():
    def step() -> bool:
        raise WrongNetwork

    with pytest.raises(WrongNetwork):
        drive(step, name="watch", every_s=lambda: 0.001, stop=Event())


def test_the_watch_wakes_the_executor_when_money_came(hub: Hub):
    chain = FakeChain(TEST_CONTRACT, START)
    chain.skip(2)
    woken: list[int] = []
    hub.wake = lambda: woken.append(1)
    watch = Watch(hub, Fleet([chain], clock=hub.clock), holder="fake")
    shop = make_shop(hub)
    watch.step()
    payment = make_payment(hub, shop)
    chain.mine(chain.transfer(payment.address, payment.pay_units.units))

    watch.step()
    watch.step()

    assert woken == [1]


def test_a_failure_after_some_blocks_is_no_reason_to_slow_down(hub: Hub, caplog: pytest.LogCaptureFixture):
    """Among faults each step far behind ends in one: ever longer pauses once let a chain run away from its watcher."""
    chain = FakeChain(TEST_CONTRACT, START)
    chain.skip(2)
    watch = Watch(hub, Fleet([chain], clock=hub.clock))
    watch.step()
    chain.mine(chain.transfer(STRANGER, 5))
    hidden = chain.mine(chain.transfer(STRANGER, 5))
    chain.hidden.add(hidden)

    more = watch.step()
    with pytest.raises(NodeUnavailable):
        watch.step()

    assert more
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        f"watcher: Block {hidden} has transactions that the TRON node does not show yet."
    ]


def test_the_guard_goes_its_rounds_while_the_head_cannot_be_read(hub: Hub, clock):
    chain = Headless(TEST_CONTRACT, START)
    chain.skip(2)
    watch = Watch(hub, Fleet([chain], clock=hub.clock))
    payment = make_payment(hub, make_shop(hub))
    watch.step()
    chain.mine(chain.transfer(payment.address, 7))
    chain.skip(21)
    while watch.step():
        pass
    make_payment(hub, make_shop(hub, website="https://b.example.com"))
    chain.skip(1)
    clock.advance(seconds=61)
    chain.is_headless = True

    with pytest.raises(NodeUnavailable):
        watch.step()

    with hub.database.snapshot() as session:
        assert session.scalars(select(Transfer.verified_at)).one() == clock.now()


def test_the_ticker_closes_test_payments(hub: Hub, clock):
    payment = make_payment(hub, make_shop(hub), mode=Mode.TEST)
    idle = Ticker(hub).step()
    clock.advance(minutes=31)

    Ticker(hub).step()

    with hub.database.snapshot() as session:
        assert (idle, session.get_one(Payment, payment.id).status) == (False, "expired")


def test_j13_two_tickers_and_an_hour_of_standstill_end_each_test_payment_once(hub: Hub, clock):
    shop = make_shop(hub)
    payments = [make_payment(hub, shop, order_id=f"O{number}", mode=Mode.TEST) for number in range(6)]
    clock.advance(minutes=31 + 60)

    with ThreadPoolExecutor(2) as threads:
        steps = [thread.result() for thread in [threads.submit(Ticker(hub).step) for _ in range(2)]]

    with hub.database.snapshot() as session:
        ended = session.scalars(select(Happened.payment_id).where(Happened.type == "payment.expired")).all()
    assert sorted(ended) == [payment.id for payment in payments]
    assert (any(steps), Ticker(hub).step()) == (True, False)
