"""Driving loops: failures are survived, a wrong network is not, a stop is heard."""

from __future__ import annotations

import logging
from threading import Event

import pytest

from core.chain.fleet import Fleet
from core.errors import NodeUnavailable, WrongNetwork
from core.hub import Hub
from core.ids import Mode
from core.models import Payment
from core.testing.chains import FakeChain
from core.testing.factories import make_payment, make_shop
from core.testing.hubs import START, TEST_CONTRACT
from workers.loops import Ticker, Watch, drive


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


def test_the_ticker_closes_test_payments(hub: Hub, clock):
    payment = make_payment(hub, make_shop(hub), mode=Mode.TEST)
    idle = Ticker(hub).step()
    clock.advance(minutes=31)

    Ticker(hub).step()

    with hub.database.snapshot() as session:
        assert (idle, session.get_one(Payment, payment.id).status) == (False, "expired")
