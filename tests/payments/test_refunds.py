"""Money on its way back: what proves it, what does not, and what meanwhile counts for nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from core.chain.tracing import Tracer
from core.errors import (
    GatewayError, InvalidAddress, InvalidField, InvalidTxid, NotInInbox, RefundClosed, RefundNotFound, RefundUnderway,
)
from core.hub import Hub
from core.ledger import journal
from core.models import InboxAct, Outgoing, Payment, Refund
from core.payments import inbox, leads, refunds
from core.payments.inbox import By
from core.testing.factories import make_shop
from core.testing.hubs import TEST_CONTRACT
from tests.payments.conftest import ANNA, Till

BUYER = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH"
OTHER = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # both: test_refunds_on_both


def run(till: Till, act: Callable[..., object], *arguments: object, **named: object) -> object:
    with till.hub.database.transaction() as session:
        return act(session, till.hub, *arguments, **named)


def request(till: Till, transfer_id: int) -> tuple[int, str]:
    """Begin a refund; gives its id and its link's token."""
    offer = run(till, refunds.request, transfer_id, by=ANNA)
    return offer.refund.id, offer.link.rpartition("?t=")[2]  # type: ignore[attr-defined]


def give(till: Till, token: str, text: str = BUYER) -> None:
    with till.hub.database.transaction() as session:
        refunds.give_address(session, till.hub, refunds.by_token(session, token), text)


def addressed(till: Till, transfer_id: int) -> int:
    refund_id, token = request(till, transfer_id)
    give(till, token)
    return refund_id


def standing(till: Till, refund_id: int) -> tuple[str, str]:
    with till.hub.database.snapshot() as session:
        refund = session.get_one(Refund, refund_id)
        return refund.state, refund.why


def steps(till: Till, refund_id: int) -> list[tuple[str, str]]:
    with till.hub.database.snapshot() as session:
        return [(one.state, one.actor) for one in refunds.steps_of(session, session.get_one(Refund, refund_id))]


def look(till: Till) -> None:
    Tracer(till.hub, till.chain.fleet(till.hub.clock)).step()


def send(till: Till, refund_id: int, *, to: str = BUYER, units: int, scan: bool = True, **changes: object) -> None:
    """Let the merchant pay from a wallet we do not watch, name the transaction, and let the watcher look."""
    info = till.chain.transfer(to, units, **changes)  # type: ignore[arg-type]
    till.chain.mine(info)
    if scan:
        till.scanner.scan_once()
    run(till, refunds.name_transaction, refund_id, info.id, by=ANNA)
    look(till)


def test_a_late_transfer_is_sent_back_and_proven(till: Till) -> None:
    payment = till.order()
    transfer = till.late(payment)
    units = payment.pay_units.units
    refund_id = addressed(till, transfer)

    send(till, refund_id, units=units)

    assert standing(till, refund_id) == ("verified", "")
    assert steps(till, refund_id) == [
        ("requested", "cli:anna"), ("addressed", "payer"), ("verifying", "cli:anna"), ("verified", "chain"),
    ]
    assert till.books() == {"refunded": units}
    assert till.waiting() == []
    assert till.events(payment)[-5:] == [
        "refund.requested", "refund.addressed", "refund.sent", "refunded", "refund.verified",
    ]
    with till.hub.database.snapshot() as session:
        act = session.scalars(select(InboxAct)).one()
        assert (act.act, act.actor, len(act.refund_txid or "")) == ("refunded", "chain", 64)


def test_what_does_not_pay_it_fails_with_a_reason_and_can_be_tried_again(till: Till) -> None:
    refund_id = addressed(till, till.pay(till.order().address, 7_000_000))
    tries: list[tuple[dict[str, object], str]] = [
        ({"units": 6_999_999}, "too_little"), ({"to": OTHER}, "other_address"), ({"contract": OTHER}, "other_token"),
        ({"receipt": "REVERT"}, "failed"), ({"result": "FAILED"}, "failed"),
    ]
    for change, why in tries:
        send(till, refund_id, **({"to": BUYER, "units": 7_000_000} | change))  # type: ignore[arg-type]

        assert standing(till, refund_id) == ("failed", why)
    assert till.books() == {"unassigned": 7_000_000}
    send(till, refund_id, units=7_000_001)
    assert standing(till, refund_id) == ("verified", "")
    assert till.books() == {"refunded": 7_000_000}


def test_a_transaction_older_than_the_money_proves_nothing(till: Till) -> None:
    old = till.chain.transfer(BUYER, 9_000_000)
    till.chain.mine(old)
    refund_id = addressed(till, till.pay(till.order().address, 7_000_000))
    run(till, refunds.name_transaction, refund_id, old.id, by=ANNA)
    look(till)

    assert standing(till, refund_id) == ("failed", "older")


def test_it_waits_until_the_transaction_is_found_final_and_scanned(till: Till) -> None:
    refund_id = addressed(till, till.pay(till.order().address, 7_000_000))
    info = till.chain.transfer(BUYER, 7_000_000)
    run(till, refunds.name_transaction, refund_id, info.id, by=ANNA)
    found = []
    for change in ("nowhere", "head", "solid", "scanned"):
        if change == "head":
            till.chain.mine(info, solid=False)
        elif change == "solid":
            till.chain.solid = till.chain.head
        elif change == "scanned":
            till.scanner.scan_once()
        look(till)
        found.append(standing(till, refund_id))
        till.hub.clock.advance(seconds=10)  # type: ignore[attr-defined]

    assert found == [
        ("verifying", "not_found"), ("verifying", "not_final"), ("verifying", "not_scanned"), ("verified", ""),
    ]


def test_a_transaction_that_never_appears_is_given_up_after_an_hour(till: Till) -> None:
    refund_id = addressed(till, till.pay(till.order().address, 7_000_000))
    run(till, refunds.name_transaction, refund_id, "ab" * 32, by=ANNA)
    till.chain.down = True
    look(till)
    till.chain.down = False
    till.hub.clock.advance(minutes=61)  # type: ignore[attr-defined]
    look(till)

    assert standing(till, refund_id) == ("failed", "given_up")


def test_one_transfer_proves_one_refund(till: Till) -> None:
    address = till.order().address
    first, second = (addressed(till, till.pay(address, 7_000_000)) for _ in range(2))
    info = till.chain.transfer(BUYER, 7_000_000)
    till.chain.mine(info)
    till.scanner.scan_once()
    for refund_id in (first, second):
        run(till, refunds.name_transaction, refund_id, info.id, by=ANNA)
    look(till)

    assert [standing(till, one)[0] for one in (first, second)] == ["verified", "failed"]
    assert standing(till, second)[1] == "used"
    with pytest.raises(IntegrityError), till.hub.database.transaction() as session:
        refund = session.get_one(Refund, second)
        refund.state, refund.log_index = "verified", 0


def test_two_transfers_of_one_transaction_prove_two_refunds(till: Till) -> None:
    address = till.order().address
    first, second = (addressed(till, till.pay(address, 7_000_000)) for _ in range(2))
    info = till.chain.transfer(BUYER, 7_000_000, copies=2)
    till.chain.mine(info)
    till.scanner.scan_once()
    for refund_id in (first, second):
        run(till, refunds.name_transaction, refund_id, info.id, by=ANNA)
    look(till)

    assert [standing(till, one)[0] for one in (first, second)] == ["verified", "verified"]


@pytest.mark.parametrize("exact", [True, False])
def test_money_that_leaves_a_watched_address_is_seen_without_a_word(till: Till, exact: bool) -> None:
    own = till.shop.address.base58  # type: ignore[union-attr]
    refund_id = addressed(till, till.pay(own, 7_000_000))
    till.chain.mine(till.chain.transfer(BUYER, 7_000_000 + (not exact), sender=own))
    till.scanner.scan_once()

    assert standing(till, refund_id)[0] == ("verified" if exact else "addressed")
    spent = journal.spent_account(till.shop.merchant_id)
    with till.hub.database.snapshot() as session:
        assert session.query(Outgoing).count() == 1
        assert journal.imbalance(session) == 0
        assert journal.account_sum(session, spent) == (0 if exact else 7_000_001)
        assert journal.account_sum(session, journal.chain_account(own)) == (0 if exact else -1)
    assert till.books() == ({} if exact else {"unassigned": 7_000_000})


def test_a_named_transaction_from_a_watched_address_is_no_spending_either(till: Till) -> None:
    own = till.shop.address.base58  # type: ignore[union-attr]
    refund_id = addressed(till, till.pay(own, 7_000_000))
    send(till, refund_id, units=7_500_000, sender=own)

    assert standing(till, refund_id)[0] == "verified"
    with till.hub.database.snapshot() as session:
        assert journal.account_sum(session, journal.spent_account(till.shop.merchant_id)) == 500_000


def test_another_merchants_outgoing_money_pays_nothing(till: Till, hub: Hub) -> None:
    stranger = make_shop(hub, website="https://other.example.com")
    refund_id = addressed(till, till.pay(till.order().address, 7_000_000))
    till.chain.mine(till.chain.transfer(BUYER, 7_000_000, sender=stranger.address.base58))  # type: ignore[union-attr]
    till.scanner.scan_once()

    assert standing(till, refund_id)[0] == "addressed"


def test_nothing_else_is_decided_while_a_refund_is_on(till: Till) -> None:
    payment, other = till.order("A"), till.order("B")
    transfer = till.late(payment)
    request(till, transfer)

    for act in (inbox.accept, inbox.ignore, inbox.mark_refunded):
        with pytest.raises(RefundUnderway):
            till.act(act, transfer)
    with pytest.raises(RefundUnderway):
        till.act(inbox.attach, transfer, payment=other)
    with pytest.raises(RefundUnderway):
        request(till, transfer)
    with till.hub.database.transaction() as session:
        named = inbox.get_entry(session, transfer).transfer.txid
        assert leads.ask(session, till.hub, session.get_one(Payment, other.id), named).finding == "counted_elsewhere"


def test_a_part_that_is_promised_back_no_longer_pays(till: Till) -> None:
    """Else the merchant would pay twice: the rest arrives, and what was sent back would count as well."""
    till.set_policy(addressing="pool")
    till.pool(till.shop.address.base58)  # type: ignore[union-attr]
    payment = till.order()
    part = till.pay(payment.address, 20_000_000)
    refund_id = addressed(till, part)
    assert till.standing(payment) == ("pending", "none")

    rest = till.pay(payment.address, payment.pay_units.units - 20_000_000)

    assert till.standing(payment) == ("pending", "underpaid")
    whole = till.pay(payment.address, 20_000_000)
    assert till.standing(payment) == ("paid", "none")
    assert [till.bucket(one) for one in (part, rest, whole)] == ["underpaid", "matched", "matched"]
    send(till, refund_id, units=20_000_000)
    assert till.books() == {"project": payment.pay_units.units, "refunded": 20_000_000}


def test_the_excess_alone_goes_back(till: Till) -> None:
    till.set_policy(addressing="pool")
    till.pool(till.shop.address.base58)  # type: ignore[union-attr]
    payment = till.order()
    transfer = till.pay(payment.address, payment.pay_units.units + 3_000_000)
    refund_id = addressed(till, transfer)
    assert till.standing(payment) == ("paid", "none")

    send(till, refund_id, units=3_000_000)

    assert till.standing(payment) == ("paid", "none")
    assert till.books() == {"project": payment.pay_units.units, "refunded": 3_000_000}


def test_a_canceled_refund_lets_the_money_count_again(till: Till) -> None:
    payment = till.order()
    transfer = till.late(payment)
    refund_id = addressed(till, transfer)
    assert till.standing(payment) == ("expired", "none")

    run(till, refunds.cancel, refund_id, by=ANNA)

    assert till.standing(payment) == ("expired", "late")
    till.act(inbox.accept, transfer)
    assert till.standing(payment) == ("paid", "accepted")
    with pytest.raises(RefundClosed):
        run(till, refunds.cancel, refund_id, by=ANNA)


def test_a_link_is_used_once_and_ends(till: Till) -> None:
    used, left = (request(till, till.pay(till.order(f"O{n}").address, 7_000_000 + n)) for n in range(2))
    give(till, used[1])
    with pytest.raises(RefundClosed):
        give(till, used[1], OTHER)
    till.hub.clock.advance(minutes=14 * 24 * 60)  # type: ignore[attr-defined]
    with pytest.raises(RefundClosed):
        give(till, left[1])
    look(till)

    assert [standing(till, one)[0] for one in (used[0], left[0])] == ["addressed", "canceled"]
    assert steps(till, left[0])[-1] == ("canceled", "hub")
    with pytest.raises(RefundNotFound):
        give(till, "x" * 32)
    with till.hub.database.snapshot() as session:
        stored = [column for row in session.scalars(select(Refund)) for column in vars(row).values()]
    assert used[1] not in stored and left[1] not in stored


def test_an_address_where_money_would_be_lost_is_refused(till: Till) -> None:
    refund_id, token = request(till, till.pay(till.order().address, 7_000_000))
    own = till.shop.address.base58  # type: ignore[union-attr]
    for text in (
        "", "T", BUYER[:-1] + "x", BUYER.lower(), "0x" + "11" * 20, "41" + "11" * 20, TEST_CONTRACT, own,
        "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
    ):
        with pytest.raises(InvalidAddress):
            give(till, token, text)
    assert standing(till, refund_id)[0] == "requested"


def test_a_merchant_who_has_paid_already_names_transaction_and_address(till: Till) -> None:
    transfer = till.pay(till.order().address, 7_000_000, sender=BUYER)
    info = till.chain.transfer(BUYER, 7_000_000)
    till.chain.mine(info)
    till.scanner.scan_once()
    begun = run(till, refunds.pay_known, transfer, by=ANNA, text=info.id, recipient=None)
    look(till)

    assert standing(till, begun.id) == ("verified", "")  # type: ignore[attr-defined]
    assert steps(till, begun.id)[0] == ("verifying", "cli:anna")  # type: ignore[attr-defined]


def test_bad_input_is_refused(till: Till) -> None:
    transfer = till.pay(till.order().address, 7_000_000)
    cases: list[tuple[type[GatewayError], Callable[[], object]]] = [
        (InvalidTxid, lambda: run(till, refunds.pay_known, transfer, by=ANNA, text="x", recipient=BUYER)),
        (InvalidAddress, lambda: run(till, refunds.pay_known, transfer, by=ANNA, text="ab" * 32, recipient="T")),
        (InvalidField, lambda: run(till, refunds.request, transfer, by=ANNA, lasts=timedelta(days=91))),
        (InvalidField, lambda: By("", "")),
        (RefundNotFound, lambda: run(till, refunds.cancel, 99, by=ANNA)),
    ]
    for error, act in cases:
        with pytest.raises(error):
            act()
    paid = till.order("PAID")
    matched = till.pay(paid.address, paid.pay_units.units)
    with pytest.raises(NotInInbox):
        request(till, matched)


def test_money_that_fits_no_payment_goes_back_as_well(till: Till) -> None:
    refund_id = addressed(till, till.pay(till.shop.address.base58, 3_000_000))  # type: ignore[union-attr]

    send(till, refund_id, units=3_000_000)

    assert till.books() == {"refunded": 3_000_000}
