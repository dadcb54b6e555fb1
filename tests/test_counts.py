"""What one act costs, counted: statements, commits and calls to the node, which no faster machine makes fewer.

The figures are today's; the docstrings name the statements in order. Whoever needs one more says there what it buys.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from core.app import create_app
from core.chain.addresses import address_of
from core.chain.scanner import Scanner
from core.hub import Hub
from core.ids import Mode
from core.models import Address, Payment
from core.outbox.delivery import Claim, attempt, claim_due
from core.payments.controls import Scenario, simulate
from core.payments.inbox import Entry, entries
from core.testing.chains import FakeChain
from core.testing.factories import Shop, make_payment, make_shop
from core.testing.hubs import START, TEST_CONTRACT
from core.testing.merchant import MerchantClient
from tests.statements import recorded


@pytest.fixture
def shop(hub: Hub) -> Shop:
    """A shop whose hub has made its payment-id key and remembers it: the first two payments see to that."""
    shop = make_shop(hub)
    make_payment(hub, shop, order_id="FIRST")
    make_payment(hub, shop, order_id="SECOND")
    return shop


@pytest.fixture
def chain() -> FakeChain:
    chain = FakeChain(TEST_CONTRACT, START - timedelta(minutes=1))
    chain.skip(3)
    return chain


@pytest.fixture
def scanner(hub: Hub, shop: Shop, chain: FakeChain) -> Scanner:
    """A scanner that has found its place and its range."""
    scanner = Scanner(hub, chain.fleet(hub.clock), holder="fake")
    scanner.scan_once()
    chain.skip(1)
    scanner.scan_once()
    chain.calls.clear()
    return scanner


@pytest.fixture
def merchant(hub: Hub, shop: Shop) -> MerchantClient:
    keys = shop.keys["live"]
    return MerchantClient(create_app(hub=hub).test_client(), keys.public_key, keys.secret)


def cost(hub: Hub, act: Callable[[], object]) -> tuple[int, int]:
    """Count an act's statements and commits."""
    with recorded(hub.database.engine) as recording:
        act()
    return len(recording.statements), recording.commits


def test_a_live_create_costs_six_statements_and_one_commit(hub: Hub, merchant: MerchantClient) -> None:
    """The caller; what the order meets (is it new, the chain point, its number, the address); the taken amounts.

    Then three inserts: reservation, payment, event. PostgreSQL makes the last two in one, and before the amounts it
    locks the address, which keeps two who choose at once from choosing too near.
    """
    assert cost(hub, lambda: merchant.create({"order_id": "A", "amount": "50.00"})) == (6, 1)


def test_asking_for_the_same_order_again_costs_four_statements(hub: Hub, merchant: MerchantClient) -> None:
    """The caller; what the order meets; the payments of the order; who opened the one it has (D66)."""
    merchant.create({"order_id": "A", "amount": "50.00"})

    assert cost(hub, lambda: merchant.create({"order_id": "A", "amount": "50.00"})) == (4, 1)


def test_reading_a_status_costs_two_statements_and_no_commit(hub: Hub, shop: Shop, merchant: MerchantClient) -> None:
    """The caller; the payment."""
    payment = make_payment(hub, shop, order_id="A")

    assert cost(hub, lambda: merchant.status(payment.payment_id)) == (2, 0)


def test_an_empty_block_costs_five_statements_and_two_calls(hub: Hub, chain: FakeChain, scanner: Scanner) -> None:
    """T9: where the cursor stands; then in one transaction: move it, expiries, releases, proof of coverage.

    A header proves that the block is empty.
    """
    chain.skip(1)

    assert cost(hub, scanner.scan_once) == (5, 1)
    assert chain.calls == ["infos 5", "header 5"]


def test_a_block_of_strangers_costs_one_statement_more_and_one_call(
    hub: Hub, chain: FakeChain, scanner: Scanner
) -> None:
    """Goal 5: its accounts are looked up, inside the transaction: an address may be new."""
    strangers = [address_of(number.to_bytes(20)).base58 for number in range(10_000, 10_100)]
    chain.mine(*[chain.transfer(stranger, 5) for stranger in strangers])

    assert cost(hub, scanner.scan_once) == (6, 1)
    assert chain.calls == ["infos 5"]


def test_a_block_that_credits_costs_twenty_three_statements_and_two_calls(
    hub: Hub, shop: Shop, chain: FakeChain, scanner: Scanner
) -> None:
    """T1: nine as above, with the addresses' rows both times, and fourteen for the payment.

    Which payment; earlier transfers; the transfer; all transfers; sightings; the payment's update; the last event's
    number; the event; the endpoint; the delivery; the transfer's row and its bucket; the journal's two lines at once;
    what the project's account comes to.
    """
    payment = make_payment(hub, shop)
    with hub.database.transaction() as session:  # an address's very first payment costs two more: a mark and an alarm
        session.execute(update(Address).values(first_paid_at=hub.clock.now()))
    chain.mine(chain.transfer(payment.address, payment.pay_units.units))

    assert cost(hub, scanner.scan_once) == (23, 1)
    assert chain.calls == ["infos 5", "header 5"]


def test_a_block_that_expires_a_payment_costs_seven_statements_more(
    hub: Hub, shop: Shop, chain: FakeChain, scanner: Scanner
) -> None:
    """The payment; its transfers; sightings; its update; the last event's number; the event; who asked for it."""
    payment = make_payment(hub, shop)
    with hub.database.transaction() as session:  # before the shop's first two
        session.get_one(Payment, payment.id).expires_at = hub.clock.now() + timedelta(minutes=10)
    chain.skip_to(hub.clock.now() + timedelta(minutes=11))

    assert cost(hub, scanner.scan_once) == (12, 1)


def test_reading_the_inbox_costs_three_statements_however_much_waits(
    hub: Hub, shop: Shop, chain: FakeChain, scanner: Scanner
) -> None:
    """The transfers; what was done about them; what is booked of them."""
    payment = make_payment(hub, shop)
    chain.mine(*[chain.transfer(payment.address, units) for units in (5, 6, 7)])
    scanner.scan_once()

    with hub.database.snapshot() as session:
        found = list[Entry]()
        assert cost(hub, lambda: found.extend(entries(session, merchant_id=shop.merchant_id))) == (3, 0)
    assert [entry.open_units.units for entry in found] == [5, 6, 7]


def test_a_delivery_costs_five_statements_and_two_commits(hub: Hub, shop: Shop) -> None:
    """J6: what is due, the claim; then outside any transaction the parcel; then the fenced update, the attempt.

    PostgreSQL's claim first waits for its turn. A hundred deliveries at once cost the same.
    """
    payment = make_payment(hub, shop, mode=Mode.TEST)
    with hub.database.transaction() as session:
        simulate(session, hub, session.get_one(Payment, payment.id), Scenario.COMPLETE)
    claims = list[Claim]()

    assert cost(hub, lambda: claims.extend(claim_due(hub))) == (2 if hub.database.is_sqlite else 3, 1)
    assert cost(hub, lambda: [attempt(hub, claim) for claim in claims]) == (3, 1)
