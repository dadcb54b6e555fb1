"""Money that has paid an order goes back, whole or in parts: never more than came, each part proven once."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from core.channels import news
from core.clock import EPOCH
from core.errors import GatewayError, RefundTooLarge
from core.ids import Mode
from core.ledger import journal, totals
from core.ledger.statements import as_rows, statement
from core.models import Event, Payment, Project, RefundLimit
from core.money import Usdt
from core.outbox.bodies import event_body
from core.outbox.stream import Stream, place
from core.payments import inbox, refund_limits, refunds
from core.payments.refund_limits import Refundable
from core.testing.factories import make_payment
from tests.ledger.test_balance import hold_all
from tests.payments.conftest import ANNA, Till
from tests.payments.test_refunds import BUYER, OTHER, give, look, run, send, standing, steps

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # both: test_refunds_on_both


def paid(till: Till, order_id: str = "A") -> Payment:
    payment = till.order(order_id)
    till.pay(payment.address, payment.pay_units.units)
    assert till.standing(payment) == ("paid", "none")
    return payment


def begin(till: Till, payment: Payment, units: int | None = None, *, to: str = BUYER) -> int:
    """Begin a refund of what paid a payment, and leave an address for it."""
    amount = None if units is None else Usdt(units)
    offer = run(till, refunds.request_paid, payment.id, amount=amount, by=ANNA)
    give(till, offer.link.rpartition("?t=")[2], to)  # type: ignore[attr-defined]
    return offer.refund.id  # type: ignore[attr-defined,no-any-return]


def sums(till: Till, payment: Payment) -> Refundable:
    with till.hub.database.snapshot() as session:
        return refund_limits.refundable(session, session.get_one(Payment, payment.id))


def figures(till: Till) -> tuple[int, int, int, int]:
    """Give a project's received, refunded, balance and withdrawable."""
    with till.hub.database.snapshot() as session:
        found = journal.balance_of(session, session.get_one(Project, till.shop.project_id))
        assert journal.project_balance(session, till.shop.project_id) == found.balance
    return found.received.units, found.refunded.units, found.balance.units, found.withdrawable.units


def test_a_paid_order_goes_back_in_parts_that_never_exceed_what_came(till: Till) -> None:
    payment = paid(till)
    came = payment.pay_units.units
    first, second = begin(till, payment, 20_000_000), begin(till, payment, 20_000_000, to=OTHER)
    with pytest.raises(RefundTooLarge, match=f"At most {Usdt(came - 40_000_000).six_places()} USDT"):
        begin(till, payment, came - 40_000_000 + 1)
    assert sums(till, payment) == Refundable(Usdt(came), Usdt(40_000_000), Usdt(0))
    assert figures(till) == (came, 0, came, 0)

    send(till, first, units=20_000_000)
    rest = begin(till, payment)
    send(till, second, to=OTHER, units=20_000_000)
    send(till, rest, units=came - 40_000_000)

    assert [standing(till, one) for one in (first, second, rest)] == [("verified", "")] * 3
    assert [actor for _, actor in steps(till, rest)] == ["cli:anna", "payer", "cli:anna", "chain"]
    assert (till.standing(payment), till.waiting()) == (("paid", "none"), [])
    assert sums(till, payment) == Refundable(Usdt(came), Usdt(came), Usdt(came))
    assert figures(till) == (came, came, 0, 0)
    assert till.books() == {"project": came, "refunded": came, "returned": -came}
    with pytest.raises(RefundTooLarge):
        begin(till, payment)


def test_a_canceled_part_can_be_promised_again(till: Till) -> None:
    payment = paid(till)
    whole = begin(till, payment)
    with pytest.raises(RefundTooLarge, match="At most 0.000000"):
        begin(till, payment, 1)

    run(till, refunds.cancel, whole, by=ANNA)

    send(till, begin(till, payment), units=payment.pay_units.units)
    assert figures(till)[2] == 0


def test_the_database_itself_refuses_a_unit_too_many(till: Till) -> None:
    payment = paid(till)
    begin(till, payment, 1_000_000)

    with pytest.raises(IntegrityError), till.hub.database.transaction() as session:
        session.get_one(RefundLimit, payment.id).promised_units = Usdt(payment.pay_units.units + 1)


def test_one_transfer_proves_one_part(till: Till) -> None:
    payment = paid(till)
    first, second = begin(till, payment, 5_000_000), begin(till, payment, 5_000_000)
    info = till.chain.transfer(BUYER, 5_000_000)
    till.chain.mine(info)
    till.scanner.scan_once()
    for refund_id in (first, second):
        run(till, refunds.name_transaction, refund_id, info.id, by=ANNA)
    look(till)

    assert [standing(till, one) for one in (first, second)] == [("verified", ""), ("failed", "used")]
    assert sums(till, payment).refunded.units == 5_000_000


def test_what_left_before_the_payment_was_paid_proves_nothing(till: Till) -> None:
    payment = till.order()
    till.chain.mine(old := till.chain.transfer(BUYER, 5_000_000))
    till.pay(payment.address, payment.pay_units.units)
    refund_id = begin(till, payment, 5_000_000)
    run(till, refunds.name_transaction, refund_id, old.id, by=ANNA)
    look(till)

    assert standing(till, refund_id) == ("failed", "older")


@pytest.mark.parametrize(
    ("is_held", "leaves", "withdrawable"),
    [(False, True, 0), (True, True, 30_000_000), (True, False, 50_000_000)], ids=["own", "held", "elsewhere"],
)
def test_where_it_leaves_from_decides_what_can_be_withdrawn(
    till: Till, is_held: bool, leaves: bool, withdrawable: int
) -> None:
    """What is sent back from elsewhere takes nothing from what the hub holds."""
    address = hold_all(till) if is_held else till.shop.address.base58  # type: ignore[union-attr]
    payment = paid(till)
    tag = payment.pay_units.units - 50_000_000
    begun = begin(till, payment, 20_000_000)
    if leaves:
        till.chain.mine(till.chain.transfer(BUYER, 20_000_000, sender=address))
        till.scanner.scan_once()
    else:
        send(till, begun, units=20_000_000)

    assert figures(till) == (50_000_000 + tag, 20_000_000, 30_000_000 + tag, withdrawable + (tag if is_held else 0))
    with till.hub.database.snapshot() as session:
        spent = journal.spent_account(till.shop.merchant_id, is_held=is_held)
        assert (journal.account_sum(session, spent), totals.wrong(session)) == (0, [])


def test_the_excess_in_the_inbox_is_not_part_of_it(till: Till) -> None:
    till.set_policy(addressing="pool")
    till.pool(till.shop.address.base58)  # type: ignore[union-attr]
    payment = till.order()
    transfer = till.pay(payment.address, payment.pay_units.units + 3_000_000)
    assert sums(till, payment).left == payment.pay_units

    till.act(inbox.accept, transfer)

    assert sums(till, payment).left.units == payment.pay_units.units + 3_000_000
    send(till, begin(till, payment), units=payment.pay_units.units + 3_000_000)
    assert figures(till)[2] == 0


def test_what_has_received_nothing_has_nothing_to_give(till: Till) -> None:
    waiting, test = till.order(), make_payment(till.hub, till.shop, order_id="T", mode=Mode.TEST)
    late = till.order("L")
    till.late(late)
    for payment in (waiting, test, late):
        with pytest.raises(RefundTooLarge):
            run(till, refunds.request_paid, payment.id, amount=Usdt(1), by=ANNA)


def test_what_was_sent_already_is_named_at_once_and_goes_to_the_payer_by_default(till: Till) -> None:
    payment = till.order()
    till.pay(payment.address, payment.pay_units.units, sender=BUYER)
    till.chain.mine(info := till.chain.transfer(BUYER, 8_000_000))
    till.scanner.scan_once()
    known = {"amount": Usdt(8_000_000), "by": ANNA, "text": info.id}
    begun = run(till, refunds.pay_known_paid, payment.id, recipient=None, **known)
    for wrong in ({"text": "x"}, {"recipient": "T"}):
        with pytest.raises(GatewayError):
            run(till, refunds.pay_known_paid, payment.id, **({"recipient": None} | known | wrong))
    look(till)

    assert standing(till, begun.id) == ("verified", "")  # type: ignore[attr-defined]
    assert sums(till, payment).promised.units == 8_000_000


def test_events_name_the_refund_and_its_sum(till: Till) -> None:
    payment = paid(till)
    first, second = begin(till, payment, 5_000_000), begin(till, payment, 7_000_000)
    send(till, second, units=7_000_000)

    assert till.events(payment)[2:] == [
        *("refund.requested", "refund.addressed") * 2, "refund.sent", "refund.verified",
    ]
    with till.hub.database.snapshot() as session:
        events = session.scalars(select(Event).where(Event.refund_id.is_not(None)).order_by(Event.number)).all()
        last = refunds.get_refund(session, second)
        body = json.loads(event_body(session.get_one(Payment, payment.id), events[-1], last))
    assert [event.refund_id for event in events] == [first, first, second, second, second, second]
    assert body["refund"] == {
        "refund_id": second, "state": "verified", "amount": "7.000000", "recipient": BUYER, "txid": last.txid,
        "transfer_id": None,
    }
    assert (body["status"], body["pay_amount"]) == ("paid", payment.pay_units.six_places())


def test_a_channels_people_are_told_the_refunds_sum_and_not_the_payments(till: Till) -> None:
    payment = paid(till)
    send(till, begin(till, payment, 7_000_000), units=7_000_000)
    stream = Stream(till.shop.project_id, is_test=False)

    with till.hub.database.transaction() as session:
        place(session, stream)
        piles, _ = news.of_payments(session, stream, 0)

    assert {pile.kind: [line["amount"] for line in pile.lines] for pile in piles} == {
        "paid": [payment.pay_units.six_places()], "refund.addressed": ["7.000000"], "refund.verified": ["7.000000"],
    }


def test_the_statement_shows_what_went_back_and_the_balance_after_it(till: Till) -> None:
    payment = paid(till)
    refund_id = begin(till, payment, 20_000_000)
    send(till, refund_id, units=20_000_000)

    with till.hub.database.snapshot() as session:
        rows = as_rows(statement(
            session, till.shop.project_id, since=EPOCH, until=till.hub.clock.now().replace(year=2100)
        ))
        txid = refunds.get_refund(session, refund_id).txid

    last = rows[-1]
    assert [(row["account"], row["amount"]) for row in rows] == [
        ("own", payment.pay_units.six_places()), ("returned", "-20.000000"),
    ]
    assert (last["balance"], last["order_id"], last["txid"], last["source"]) == (
        Usdt(payment.pay_units.units - 20_000_000).six_places(), "A", txid, f"returned:{refund_id}",
    )
