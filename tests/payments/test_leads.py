"""A payer names a transaction: what is answered, what is counted, and what nobody can claim."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from core.chain.tracing import Tracer
from core.errors import PaymentClosed, TooManyTries
from core.hub import Hub
from core.ids import Mode
from core.models import Alarm, Lead, Payment, Transfer
from core.payments import inbox, leads
from core.projects import receiving
from core.testing.factories import add_fresh_address, make_payment, make_shop
from core.testing.hubs import TEST_CONTRACT
from tests.payments.conftest import Till

TXID = "5e0c" * 16
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # both: test_leads_on_both


def name(till: Till, payment: Payment, txid: str, *, visitor: str = "") -> str:
    """Name a transaction as the payer does; gives the finding."""
    with till.hub.database.transaction() as session:
        return leads.ask(session, till.hub, session.get_one(Payment, payment.id), txid, visitor=visitor).finding


def look(till: Till) -> list[str]:
    """Let the watcher look once for what is due; gives all findings, the first lead first."""
    Tracer(till.hub, till.chain.fleet(till.hub.clock)).step()
    with till.hub.database.snapshot() as session:
        return list(session.scalars(select(Lead.finding).order_by(Lead.id)))


def txid_of(till: Till, transfer_id: int) -> str:
    with till.hub.database.snapshot() as session:
        return session.get_one(Transfer, transfer_id).txid


def after_release(till: Till, payment: Payment) -> None:
    """Let the late window of a payment pass: its amount is promised to nobody."""
    till.chain.skip_to(payment.expires_at + timedelta(hours=25))
    till.scanner.scan_once()


def test_a_stored_transfer_of_the_payment_answers_at_once(till: Till) -> None:
    payment = till.order()
    short = till.pay(payment.address, payment.pay_units.units - 1)
    late = till.late(payment)
    assert till.bucket(short) == "unknown"

    assert name(till, payment, txid_of(till, late)) == "counted"
    assert name(till, payment, txid_of(till, short)) == "amount_differs"


def test_a_payer_hears_of_it_when_the_merchant_has_decided(till: Till) -> None:
    payment = till.order()
    short = till.pay(payment.address, payment.pay_units.units - 1)
    assert name(till, payment, txid_of(till, short)) == "amount_differs"

    with till.hub.database.transaction() as session:
        inbox.mark_refunded(session, till.hub, short, by=inbox.By("cli:anna"))

    assert look(till) == ["decided"]


def test_exact_money_after_the_late_window_is_counted_as_late_and_credits_nobody(till: Till) -> None:
    payment = till.order()
    after_release(till, payment)
    transfer = till.pay(payment.address, payment.pay_units.units)
    before = till.books()

    assert name(till, payment, txid_of(till, transfer)) == "counted"

    assert (till.bucket(transfer), till.standing(payment)) == ("late", ("expired", "late"))
    assert till.books() == before == {"unassigned": payment.pay_units.units}
    assert till.events(payment)[-2:] == ["late", "attached"]
    with till.hub.database.snapshot() as session:
        assert [act.actor for act in inbox.acts_of(session, transfer)] == ["payer"]


def test_the_merchant_then_accepts_it(till: Till) -> None:
    payment = till.order()
    after_release(till, payment)
    transfer = till.pay(payment.address, payment.pay_units.units)
    name(till, payment, txid_of(till, transfer))

    till.act(inbox.accept, transfer)

    assert till.standing(payment) == ("paid", "accepted")
    assert till.books() == {"project": payment.pay_units.units}


def test_an_amount_that_was_promised_twice_is_nobodys_to_claim(till: Till) -> None:
    """The slot was free again and had another payment; its money came when both were over."""
    first = till.order("A")
    after_release(till, first)
    second = till.order("B")
    with till.hub.database.transaction() as session:
        promise = session.get_one(Payment, second.id).reservation_id
        session.connection().exec_driver_sql(
            f"UPDATE reservation SET pay_units = {first.pay_units.units} WHERE id = {promise}"
        )
        session.connection().exec_driver_sql(
            f"UPDATE payment SET pay_units = {first.pay_units.units} WHERE id = {second.id}"
        )
    after_release(till, second)
    transfer = till.pay(first.address, first.pay_units.units)

    assert name(till, first, txid_of(till, transfer)) == "unclear"
    assert name(till, second, txid_of(till, transfer)) == "unclear"
    assert till.bucket(transfer) == "unknown"


def test_nobody_claims_a_strangers_transfer_of_another_amount(till: Till) -> None:
    """Transaction ids are public: whoever names one gets a word to the merchant, and no money."""
    thief = till.order("THIEF")
    transfer = till.pay(thief.address, 77_000_000)

    assert name(till, thief, txid_of(till, transfer)) == "amount_differs"

    assert (till.bucket(transfer), till.standing(thief)) == ("unknown", ("pending", "none"))
    with till.hub.database.snapshot() as session:
        assert [payment.order_id for _, payment in leads.naming(session, transfer)] == ["THIEF"]


def test_money_of_another_payment_stays_with_it(till: Till) -> None:
    mine, others = till.order("MINE"), till.order("OTHERS")
    transfer = till.pay(others.address, others.pay_units.units)

    assert name(till, mine, txid_of(till, transfer)) == "counted_elsewhere"
    assert till.standing(others) == ("paid", "none")


def test_money_older_than_the_payment_is_not_for_it(till: Till) -> None:
    address = till.shop.address.base58  # type: ignore[union-attr]
    transfer = till.pay(address, 50_000_100)
    payment = till.order()

    assert name(till, payment, txid_of(till, transfer)) == "older"


def test_what_the_merchant_has_decided_stays(till: Till) -> None:
    payment = till.order()
    transfer = till.pay(payment.address, payment.pay_units.units + 5)
    till.act(inbox.ignore, transfer)

    assert name(till, payment, txid_of(till, transfer)) == "decided"


def test_another_merchants_transfer_is_only_another_address(till: Till, hub: Hub) -> None:
    stranger = make_shop(hub, website="https://other.example.com")
    payment = till.order()
    transfer = till.pay(stranger.address.base58, payment.pay_units.units)  # type: ignore[union-attr]

    assert name(till, payment, txid_of(till, transfer)) == "other_address"
    with till.hub.database.snapshot() as session:
        assert leads.naming(session, transfer) == []


def test_another_address_of_the_same_merchant_is_a_hint(till: Till, hub: Hub) -> None:
    with hub.database.transaction() as session:
        other = add_fresh_address(session, hub, till.shop.merchant_id).base58
    payment = till.order()
    wrong = other if payment.address != other else till.shop.address.base58  # type: ignore[union-attr]
    transfer = till.pay(wrong, payment.pay_units.units)

    assert name(till, payment, txid_of(till, transfer)) == "other_address"
    with till.hub.database.snapshot() as session:
        assert len(leads.naming(session, transfer)) == 1


def test_one_transaction_with_two_transfers_says_what_tells_most(till: Till) -> None:
    mine, others = till.order("MINE"), till.order("OTHERS")
    chain = till.chain
    both = chain.transaction(
        chain.log(others.address, others.pay_units.units), chain.log(mine.address, mine.pay_units.units - 7)
    )
    chain.mine(both)
    till.scanner.scan_once()

    assert name(till, mine, both.id) == "amount_differs"


def test_a_transaction_is_followed_from_the_head_until_it_is_counted(till: Till) -> None:
    """Found in the head, final, scanned: the lead follows, and the scan alone credits."""
    payment = till.order()
    info = till.chain.transfer(payment.address, payment.pay_units.units)
    assert name(till, payment, info.id) == "asked"
    assert look(till) == ["not_found"]
    till.hub.clock.advance(seconds=8)  # type: ignore[attr-defined]
    till.chain.mine(info, solid=False)
    assert look(till) == ["not_final"]
    till.hub.clock.advance(seconds=4)  # type: ignore[attr-defined]
    till.chain.solid = till.chain.head
    assert look(till) == ["not_counted"]
    assert till.standing(payment) == ("pending", "none")
    till.hub.clock.advance(seconds=4)  # type: ignore[attr-defined]
    till.scanner.scan_once()

    assert look(till) == ["counted"]
    assert till.standing(payment) == ("paid", "none")


def test_what_did_not_pay_says_why(till: Till) -> None:
    payment = till.order()
    changes: list[dict[str, object]] = [
        {"receipt": "REVERT"}, {"receipt": "OUT_OF_TIME"}, {"result": "FAILED"},
        {"contract": "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"}, {"units": 0}, {"to": TEST_CONTRACT},
    ]
    for change in changes:
        given = {"to": payment.address, "units": payment.pay_units.units} | change
        info = till.chain.transfer(**given)  # type: ignore[arg-type]
        till.chain.mine(info)
        name(till, payment, info.id)
        till.hub.clock.advance(minutes=1)  # type: ignore[attr-defined]
    till.scanner.scan_once()
    look(till)

    assert look(till) == ["failed", "failed", "failed", "other_token", "other_token", "other_address"]
    assert till.standing(payment) == ("pending", "none")


def test_a_plain_transfer_of_trx_is_another_coin(till: Till) -> None:
    info = till.chain.transaction(receipt=None)
    till.chain.mine(info)
    name(till, till.order(), info.id)

    assert look(till) == ["other_token"]


def test_money_that_came_before_its_address_was_watched_is_older(till: Till, hub: Hub) -> None:
    """The books cannot know it: the chain says when it was."""
    stranger = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
    info = till.chain.transfer(stranger, 50_000_100)
    till.chain.mine(info)
    till.scanner.scan_once()
    with hub.database.transaction() as session:
        receiving.add_address(session, hub, merchant_id=till.shop.merchant_id, address=stranger)
        receiving.retire_address(session, hub, address=till.shop.address.base58)  # type: ignore[union-attr]
    payment = till.order()
    assert payment.address == stranger
    name(till, payment, info.id)

    assert look(till) == ["older"]


def test_a_transfer_that_the_scan_has_missed_alarms_the_operator(till: Till, hub: Hub) -> None:
    payment = till.order()
    transfer = till.pay(payment.address, payment.pay_units.units - 1)
    txid = txid_of(till, transfer)
    with hub.database.transaction() as session:  # as if it had never been recorded
        session.connection().exec_driver_sql("DELETE FROM transfer")
    name(till, payment, txid)

    assert look(till) == ["missing"]
    with hub.database.snapshot() as session:
        assert [alarm.kind for alarm in session.scalars(select(Alarm))][-1] == "transfer_missed"


def test_a_node_that_is_away_or_lies_about_the_id_only_postpones(till: Till) -> None:
    payment = till.order()
    name(till, payment, TXID)
    till.chain.down = True
    assert look(till) == ["asked"]
    till.chain.down = False
    assert look(till) == ["asked"]  # not due again yet
    till.hub.clock.advance(seconds=5)  # type: ignore[attr-defined]

    assert look(till) == ["not_found"]


def test_after_an_hour_it_is_given_up_and_can_be_named_again(till: Till) -> None:
    payment = till.order()
    name(till, payment, TXID)
    till.hub.clock.advance(minutes=61)  # type: ignore[attr-defined]
    assert look(till) == ["given_up"]
    till.hub.clock.advance(minutes=10)  # type: ignore[attr-defined]
    assert look(till) == ["given_up"]

    assert name(till, payment, TXID) == "asked"
    assert look(till) == ["not_found"]


def test_a_page_and_a_visitor_have_only_so_many_tries(till: Till) -> None:
    first, second = till.order("A"), till.order("B")
    for number in range(5):
        name(till, first, f"{number:064x}", visitor="192.0.2.1")
    with pytest.raises(TooManyTries) as refusal:
        name(till, first, TXID, visitor="192.0.2.1")
    assert refusal.value.retry_after_s == 60
    for number in range(5):
        name(till, second, f"{number:064x}", visitor="192.0.2.1")
    third = till.order("C")
    with pytest.raises(TooManyTries):
        name(till, third, TXID, visitor="192.0.2.1")

    assert name(till, third, TXID, visitor="192.0.2.2") == "asked"


def test_a_page_names_twenty_transactions_in_all(till: Till) -> None:
    payment = till.order()
    for number in range(20):
        name(till, payment, f"{number:064x}")
        till.hub.clock.advance(minutes=1)  # type: ignore[attr-defined]

    with pytest.raises(TooManyTries):
        name(till, payment, TXID)
    assert name(till, payment, f"{3:064x}") == "asked"


def test_a_paid_payment_and_a_test_payment_take_none(till: Till, hub: Hub) -> None:
    paid = till.order()
    till.pay(paid.address, paid.pay_units.units)

    for payment in (paid, make_payment(hub, till.shop, order_id="T", mode=Mode.TEST)):
        with pytest.raises(PaymentClosed):
            name(till, payment, TXID)
