"""The solid scan: what it credits, what it only counts, what it refuses to believe."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core.chain.decode import BlockInconsistent
from core.chain.scanner import Scanner
from core.errors import NodeUnavailable, WrongNetwork
from core.hub import Hub
from core.ledger import journal
from core.models import Cursor, Delivery, Event, Payment, ScanCount, ScannedRange, Transfer
from core.payments.controls import cancel
from core.testing.chains import FakeChain
from core.testing.factories import Shop, make_payment, make_shop
from core.testing.hubs import START, TEST_CONTRACT

OTHER_TOKEN = "TG3XXyExBkPp9nzdajDZsozEu4BkaSJozs"


@pytest.fixture
def chain() -> FakeChain:
    chain = FakeChain(TEST_CONTRACT, START - timedelta(minutes=1))
    chain.skip(3)
    return chain


@pytest.fixture
def shop(hub: Hub) -> Shop:
    return make_shop(hub)


@pytest.fixture
def scanner(hub: Hub, chain: FakeChain, shop: Shop) -> Scanner:
    scanner = Scanner(hub, chain.fleet(hub.clock), holder="fake")
    scanner.scan_once()
    return scanner


def reread(hub: Hub, payment: Payment) -> Payment:
    with hub.database.snapshot() as session:
        return session.get_one(Payment, payment.id)


def buckets(hub: Hub) -> list[str]:
    with hub.database.snapshot() as session:
        return list(session.scalars(select(Transfer.bucket).order_by(Transfer.id)))


def counts(hub: Hub) -> dict[str, int]:
    with hub.database.snapshot() as session:
        return {row.kind: row.seen for row in session.scalars(select(ScanCount))}


def event_types(hub: Hub, payment: Payment) -> list[str]:
    with hub.database.snapshot() as session:
        rows = session.scalars(select(Event.type).where(Event.payment_id == payment.id).order_by(Event.number))
        return list(rows)


def test_t1_an_exact_transfer_pays_once_and_owes_one_webhook(
    hub: Hub, chain: FakeChain, scanner: Scanner, shop: Shop
):
    payment = make_payment(hub, shop)
    height = chain.mine(chain.transfer(payment.address, payment.pay_units.units, txid="ab" * 32))

    scanner.scan_once()
    scanner.scan_once()

    paid = reread(hub, payment)
    assert (paid.status, paid.anomaly, paid.txid, paid.paid_at) == ("paid", "none", "ab" * 32, chain.time_of(height))
    assert event_types(hub, payment) == ["payment.created", "payment.paid"]
    with hub.database.snapshot() as session:
        assert session.scalar(select(func.count(Delivery.id))) == 1
        assert journal.project_balance(session, shop.project_id) == payment.pay_units
        assert journal.imbalance(session) == 0


def test_t4_t5_every_log_of_a_transaction_counts_once(hub: Hub, chain: FakeChain, scanner: Scanner, shop: Shop):
    payment = make_payment(hub, shop)
    chain.mine(chain.transfer(payment.address, payment.pay_units.units, copies=2))

    scanner.scan_once()

    assert buckets(hub) == ["matched", "duplicate"]
    assert (reread(hub, payment).status, reread(hub, payment).anomaly) == ("paid", "duplicate")


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("fake_token", {"contract": OTHER_TOKEN}),  # T6
        ("failed", {"receipt": "OUT_OF_TIME", "result": "FAILED"}),  # T17
        ("failed", {"receipt": "REVERT", "result": "FAILED"}),  # T16
        ("failed", {"receipt": "SUCCESS", "result": "FAILED"}),  # T18
    ],
)
def test_what_is_not_money_is_counted_and_pays_nothing(
    hub: Hub, chain: FakeChain, scanner: Scanner, shop: Shop, kind: str, changes: dict[str, str]
):
    payment = make_payment(hub, shop)
    chain.mine(chain.transfer(payment.address, payment.pay_units.units, **changes))

    scanner.scan_once()

    assert (reread(hub, payment).status, buckets(hub), counts(hub)) == ("pending", [], {kind: 1})


def test_t7_a_zero_value_transfer_is_counted(hub: Hub, chain: FakeChain, scanner: Scanner, shop: Shop):
    payment = make_payment(hub, shop)
    chain.mine(chain.transfer(payment.address, 0))

    scanner.scan_once()

    assert (reread(hub, payment).status, buckets(hub), counts(hub)) == ("pending", [], {"zero_value": 1})


def test_t21_one_micro_unit_off_is_kept_and_pays_nothing(hub: Hub, chain: FakeChain, scanner: Scanner, shop: Shop):
    payment = make_payment(hub, shop)
    chain.mine(chain.transfer(payment.address, payment.pay_units.units + 1))

    scanner.scan_once()

    assert (reread(hub, payment).status, buckets(hub)) == ("pending", ["unknown"])
    with hub.database.snapshot() as session:
        assert journal.project_balance(session, shop.project_id).units == 0
        assert journal.imbalance(session) == 0


def test_t22_the_second_payment_of_one_amount_is_a_duplicate(
    hub: Hub, chain: FakeChain, scanner: Scanner, shop: Shop
):
    payment = make_payment(hub, shop)
    for _ in range(2):
        chain.mine(chain.transfer(payment.address, payment.pay_units.units))

    scanner.scan_once()

    assert buckets(hub) == ["matched", "duplicate"]
    with hub.database.snapshot() as session:
        assert journal.project_balance(session, shop.project_id) == payment.pay_units


def test_t23_money_after_the_window_is_late_and_pays_nobody(
    hub: Hub, chain: FakeChain, scanner: Scanner, shop: Shop
):
    payment = make_payment(hub, shop)
    chain.skip_to(payment.expires_at + timedelta(hours=1))
    chain.mine(chain.transfer(payment.address, payment.pay_units.units))

    scanner.scan_once()

    late = reread(hub, payment)
    assert (late.status, late.anomaly, buckets(hub)) == ("expired", "late", ["late"])


def test_t24_the_block_time_decides_not_the_time_of_the_scan(
    hub: Hub, chain: FakeChain, scanner: Scanner, shop: Shop, clock
):
    payment = make_payment(hub, shop)
    chain.mine(chain.transfer(payment.address, payment.pay_units.units))
    chain.skip_to(payment.expires_at + timedelta(hours=20))
    clock.advance(minutes=24 * 60)

    scanner.scan_once()

    assert reread(hub, payment).status == "paid"


def test_expiry_waits_for_the_chain(hub: Hub, chain: FakeChain, scanner: Scanner, shop: Shop, clock):
    payment = make_payment(hub, shop)
    clock.advance(minutes=24 * 60)

    scanner.scan_once()
    before = reread(hub, payment).status
    chain.skip_to(payment.expires_at + timedelta(milliseconds=1))
    scanner.scan_once()

    assert (before, reread(hub, payment).status) == ("pending", "expired")


def test_t26_a_transfer_older_than_the_promise_cannot_mean_it(hub: Hub, chain: FakeChain, shop: Shop):
    scanner = Scanner(hub, chain.fleet(hub.clock), holder="fake")
    scanner.scan_once()
    address = shop.address.base58
    chain.mine(chain.transfer(address, 50_000_100))
    scanner.scan_once()
    payments = [make_payment(hub, shop, order_id=f"O{n}") for n in range(199)]

    scanner.scan_once()

    assert {reread(hub, payment).status for payment in payments} == {"pending"}
    assert buckets(hub) == ["unknown"]


def test_money_for_a_canceled_payment_whose_order_was_opened_anew_is_a_duplicate(
    hub: Hub, chain: FakeChain, scanner: Scanner, shop: Shop
):
    first = make_payment(hub, shop)
    with hub.database.transaction() as session:
        cancel(session, hub, session.get_one(Payment, first.id))
    second = make_payment(hub, shop)
    chain.mine(chain.transfer(first.address, first.pay_units.units))
    chain.mine(chain.transfer(second.address, second.pay_units.units))

    scanner.scan_once()

    assert buckets(hub) == ["duplicate", "matched"]
    assert (reread(hub, first).status, reread(hub, first).anomaly) == ("canceled", "duplicate")
    assert reread(hub, second).status == "paid"


def test_t28_an_empty_answer_for_a_block_with_transactions_is_not_believed(
    hub: Hub, chain: FakeChain, scanner: Scanner, shop: Shop
):
    payment = make_payment(hub, shop)
    height = chain.mine(chain.transfer(payment.address, payment.pay_units.units))
    chain.hidden.add(height)

    with pytest.raises(BlockInconsistent):
        scanner.scan_once()
    chain.hidden.clear()
    progress = scanner.scan_once()

    assert (progress.applied, reread(hub, payment).status) == (1, "paid")


def test_t32_a_lower_height_means_wait(chain: FakeChain, scanner: Scanner):
    chain.skip(5)
    scanner.scan_once()
    chain.solid -= 3

    assert scanner.scan_once().applied == 0


def test_t33_another_network_is_refused(hub: Hub, chain: FakeChain, scanner: Scanner):
    chain.genesis = "0" * 16 + "ee" * 24

    with pytest.raises(WrongNetwork):
        Scanner(hub, chain.fleet(hub.clock), holder="fake").scan_once()


def test_t38_a_gap_in_time_is_no_gap_in_height(hub: Hub, chain: FakeChain, scanner: Scanner):
    chain.skip_to(START + timedelta(hours=2))
    chain.skip(2)

    scanner.scan_once()

    with hub.database.snapshot() as session:
        proof = session.scalars(select(ScannedRange)).one()
        assert session.scalars(select(Cursor)).one().height == proof.to_height == chain.solid


def test_a_node_that_is_away_loses_nothing(hub: Hub, chain: FakeChain, scanner: Scanner, shop: Shop):
    payment = make_payment(hub, shop)
    chain.mine(chain.transfer(payment.address, payment.pay_units.units))
    chain.down = True

    with pytest.raises(NodeUnavailable):
        scanner.scan_once()
    chain.down = False
    scanner.scan_once()

    assert reread(hub, payment).status == "paid"


def test_t40_two_watchers_apply_each_block_once(hub: Hub, chain: FakeChain, scanner: Scanner, shop: Shop):
    other = Scanner(hub, chain.fleet(hub.clock), holder="other")
    payment = make_payment(hub, shop)
    chain.mine(chain.transfer(payment.address, payment.pay_units.units))

    applied = [scanner.scan_once().applied, other.scan_once().applied]

    assert (applied, buckets(hub)) == ([1, 0], ["matched"])


def test_a_block_without_our_addresses_costs_one_node_call(chain: FakeChain, scanner: Scanner):
    height = chain.mine(chain.transfer("TEkxiTehnzSmSe2XqrBj4w32RUN966rdz8", 5))
    chain.calls.clear()

    scanner.scan_once()

    assert chain.calls == [f"infos {height}"]


def test_a_block_that_credits_is_vouched_for_by_its_header(chain: FakeChain, scanner: Scanner, shop: Shop):
    height = chain.mine(chain.transfer(shop.address.base58, 5))
    chain.calls.clear()

    scanner.scan_once()

    assert chain.calls == [f"infos {height}", f"header {height}"]


def test_the_first_start_begins_before_the_oldest_address(hub: Hub, clock):
    chain = FakeChain(TEST_CONTRACT, START - timedelta(hours=10), block_s=60)
    chain.skip(600)  # up to START
    make_shop(hub)
    clock.advance(minutes=60)
    chain.skip(60)

    Scanner(hub, chain.fleet(hub.clock), holder="fake").scan_once()

    with hub.database.snapshot() as session:
        first = session.scalars(select(ScannedRange.from_height).order_by(ScannedRange.id)).first()
    assert chain.time_of(first) == START - timedelta(minutes=9)
