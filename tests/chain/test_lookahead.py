"""The head pass: advice only, withdrawn when a fork takes it back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from core.chain.lookahead import Lookahead
from core.chain.scanner import Scanner
from core.hub import Hub
from core.ledger import journal
from core.models import Cursor, Event, Payment, Sighting
from core.testing.chains import FakeChain
from core.projects import policies, receiving, service
from core.testing.factories import make_payment, make_shop
from core.testing.hubs import START, TEST_CONTRACT


@pytest.fixture
def chain() -> FakeChain:
    chain = FakeChain(TEST_CONTRACT, START - timedelta(minutes=1))
    chain.skip(3)
    return chain


def status(hub: Hub, payment: Payment) -> str:
    with hub.database.snapshot() as session:
        return session.get_one(Payment, payment.id).status


def test_a_transfer_in_the_head_confirms_and_pays_only_when_solid(hub: Hub, chain: FakeChain):
    shop = make_shop(hub)
    scanner, lookahead = Scanner(hub, chain.fleet(hub.clock), holder="fake"), Lookahead(hub, chain.fleet(hub.clock))
    scanner.scan_once()
    payment = make_payment(hub, shop)
    height = chain.mine(chain.transfer(payment.address, payment.pay_units.units), solid=False)
    chain.mine(solid=False)

    lookahead.look_once()

    with hub.database.snapshot() as session:
        sighting = session.scalars(select(Sighting)).one()
        assert (sighting.height, session.scalars(select(Cursor.head_height)).one()) == (height, height + 1)
        assert journal.project_balance(session, shop.project_id).units == 0
    assert status(hub, payment) == "confirming"
    chain.solid = chain.head
    scanner.scan_once()
    lookahead.look_once()
    assert status(hub, payment) == "paid"
    with hub.database.snapshot() as session:
        assert session.scalars(select(Sighting)).all() == []


def test_t34_a_sighting_is_withdrawn_when_a_fork_removes_it(hub: Hub, chain: FakeChain):
    shop = make_shop(hub)
    Scanner(hub, chain.fleet(hub.clock), holder="fake").scan_once()
    lookahead = Lookahead(hub, chain.fleet(hub.clock))
    payment = make_payment(hub, shop)
    height = chain.mine(chain.transfer(payment.address, payment.pay_units.units), solid=False)
    lookahead.look_once()
    seen = status(hub, payment)

    chain.blocks[height] = []
    chain.branch[height] = "ee"
    chain.mine(solid=False)
    lookahead.look_once()  # notices that the parent was replaced
    lookahead.look_once()

    assert (seen, status(hub, payment)) == ("confirming", "pending")
    with hub.database.snapshot() as session:
        rows = session.scalars(select(Event.type).where(Event.payment_id == payment.id).order_by(Event.number))
        assert list(rows) == ["payment.created", "payment.detected", "payment.undetected"]


def test_what_is_final_and_too_little_was_not_undetected(hub: Hub, chain: FakeChain):
    shop = make_shop(hub)
    with hub.database.transaction() as session:
        policies.set_policy(service.get_project(session, shop.project_id), addressing="pool")
        receiving.set_exclusive(session, address=shop.address.base58, exclusive=True)  # type: ignore[union-attr]
    scanner = Scanner(hub, chain.fleet(hub.clock), holder="fake")
    scanner.scan_once()
    lookahead = Lookahead(hub, chain.fleet(hub.clock))
    payment = make_payment(hub, shop)
    chain.mine(chain.transfer(payment.address, 5_000_000), solid=False)
    lookahead.look_once()
    assert status(hub, payment) == "confirming"

    chain.solid = chain.head
    scanner.scan_once()
    lookahead.look_once()

    assert status(hub, payment) == "pending"
    with hub.database.snapshot() as session:
        rows = session.scalars(select(Event.type).where(Event.payment_id == payment.id).order_by(Event.number))
        assert list(rows) == ["payment.created", "payment.detected", "payment.underpaid"]


def test_a_failed_transfer_in_the_head_is_not_shown(hub: Hub, chain: FakeChain):
    shop = make_shop(hub)
    Scanner(hub, chain.fleet(hub.clock), holder="fake").scan_once()
    payment = make_payment(hub, shop)
    chain.mine(
        chain.transfer(payment.address, payment.pay_units.units, receipt="OUT_OF_TIME", result="FAILED"), solid=False
    )

    Lookahead(hub, chain.fleet(hub.clock)).look_once()

    assert status(hub, payment) == "pending"
