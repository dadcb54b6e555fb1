"""Money that fits no payment: what people may decide about it, and that not a unit is lost or counted twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from core.errors import InvalidField, NotAttachable, NotFound, NotInInbox, OrderTaken
from core.ids import Mode
from core.models import Delivery, Event, InboxAct
from core.payments import inbox
from core.payments.candidates import candidates
from core.payments.inbox import By, Entry
from core.testing.factories import make_payment, make_shop
from core.testing.hubs import START
from tests.payments.conftest import ANNA, Till


def test_accepting_a_late_transfer_pays_the_order_and_tells_the_shop(till: Till):
    payment = till.order()
    transfer_id = till.late(payment)
    before = till.standing(payment), till.books()

    entry = till.act(inbox.accept, transfer_id)

    assert before == (("expired", "late"), {"unassigned": payment.pay_units.units})
    assert till.standing(payment) == ("paid", "accepted")
    assert till.books() == {"project": payment.pay_units.units}
    assert (entry.transfer.bucket, entry.transfer.resolution, entry.open_units.units) == ("matched", "accepted", 0)
    assert till.events(payment) == ["created", "expired", "late", "accepted", "paid"]
    with till.hub.database.snapshot() as session:
        assert session.scalars(select(Delivery.state)).all() == ["due"]
    assert till.waiting() == []


def test_each_act_is_kept_with_its_actor_and_note(till: Till):
    payment = till.order()
    transfer_id = till.late(payment)

    till.act(inbox.accept, transfer_id)

    with till.hub.database.snapshot() as session:
        [act] = inbox.acts_of(session, transfer_id)
        event = session.scalars(select(Event).where(Event.type == "payment.accepted")).one()
    assert (act.act, act.actor, act.note, act.payment_id) == ("accepted", ANNA.actor, ANNA.note, payment.id)
    assert (event.actor, event.note) == (ANNA.actor, ANNA.note)


def test_an_unknown_transfer_is_counted_for_nobody_until_it_is_attached(till: Till):
    payment = till.order()
    transfer_id = till.pay(payment.address, payment.pay_units.units + 1)
    with pytest.raises(NotAttachable):
        till.act(inbox.accept, transfer_id)

    entry = till.act(inbox.attach, transfer_id, payment=payment)

    assert (till.standing(payment), entry.transfer.bucket) == (("paid", "accepted"), "overpaid")
    assert till.books() == {"project": payment.pay_units.units, "unassigned": 1}
    assert till.waiting() == [transfer_id]  # the excess


def test_an_exact_transfer_is_closed_by_attaching_it(till: Till):
    payment = till.order()
    other = till.order("B", "7.00")
    till.late(payment)
    transfer_id = till.pay(other.address, payment.pay_units.units - 1)

    entry = till.act(inbox.attach, transfer_id, payment=other)

    assert (entry.transfer.bucket, entry.open_units.units > 0) == ("overpaid", True)


def test_money_that_is_still_short_waits_as_underpaid_and_can_then_be_accepted(till: Till):
    payment = till.order()
    transfer_id = till.pay(payment.address, 30_000_000)
    till.act(inbox.attach, transfer_id, payment=payment)
    short = till.standing(payment), till.books(), till.waiting()

    till.act(inbox.accept, transfer_id)

    assert short == (("pending", "underpaid"), {"unassigned": 30_000_000}, [transfer_id])
    assert till.standing(payment) == ("paid", "accepted")
    assert till.books() == {"project": 30_000_000}


def test_two_attached_parts_pay_together(till: Till):
    payment = till.order()
    parts = [till.pay(payment.address, units) for units in (30_000_000, payment.pay_units.units - 30_000_000)]

    for part in parts:
        till.act(inbox.attach, part, payment=payment)

    assert till.standing(payment) == ("paid", "accepted")
    assert till.books() == {"project": payment.pay_units.units}
    assert till.waiting() == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_crossing_decisions_lock_payments_in_one_order(till: Till):
    """Else two `attach` of two transfers to each other's payments wait for each other until one is ended."""
    first, second = till.order("A"), till.order("B")
    transfer_id = till.pay(first.address, 30_000_000)
    till.act(inbox.attach, transfer_id, payment=second)
    locked = text("SELECT id FROM payment WHERE id = :id FOR UPDATE NOWAIT")
    waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with ThreadPoolExecutor(1) as threads, till.hub.database.engine.connect() as other:
        other.execute(locked, {"id": first.id})
        attaching = threads.submit(till.act, inbox.attach, transfer_id, payment=first)
        while not other.scalar(waits):
            assert not attaching.done()

        other.execute(locked, {"id": second.id})  # it waits for the first and holds nothing of the second
        other.commit()
        assert attaching.result(timeout=10).transfer.payment_id == first.id


def test_what_was_decided_about_can_be_listed(till: Till):
    kept, back, waits = (till.pay(till.order(name).address, 5_000_000 + n) for n, name in enumerate("ABC"))
    till.act(inbox.ignore, kept)
    till.act(inbox.mark_refunded, back)

    with till.hub.database.snapshot() as session:
        decided = inbox.entries(session, decided=True)
        assert [(entry.transfer.id, entry.transfer.resolution) for entry in decided] == [
            (kept, "ignored"), (back, "refunded"),
        ]
        assert [entry.transfer.id for entry in inbox.entries(session)] == [waits]


def test_money_for_a_paid_payment_waits_as_its_duplicate(till: Till):
    payment = till.order()
    till.pay(payment.address, payment.pay_units.units)
    transfer_id = till.pay(payment.address, 5_000_000)

    entry = till.act(inbox.attach, transfer_id, payment=payment)

    assert (till.standing(payment), entry.transfer.bucket) == (("paid", "duplicate"), "duplicate")
    assert till.waiting() == [transfer_id]
    assert till.books() == {"project": payment.pay_units.units, "unassigned": 5_000_000}


@pytest.mark.parametrize(("act", "account"), [(inbox.mark_refunded, "refunded"), (inbox.ignore, "ignored")])
def test_a_duplicate_that_was_put_away_is_odd_no_longer(till: Till, act: Callable[..., Entry], account: str):
    payment = till.order()
    till.pay(payment.address, payment.pay_units.units)
    transfer_id = till.pay(payment.address, payment.pay_units.units)
    doubled = till.standing(payment)

    till.act(act, transfer_id)

    assert (doubled, till.standing(payment)) == (("paid", "duplicate"), ("paid", "none"))
    assert till.books() == {"project": payment.pay_units.units, account: payment.pay_units.units}
    assert till.events(payment)[-1] == account


def test_a_duplicate_that_is_accepted_is_the_projects(till: Till):
    payment = till.order()
    till.pay(payment.address, payment.pay_units.units)
    transfer_id = till.pay(payment.address, payment.pay_units.units)

    till.act(inbox.accept, transfer_id)

    assert till.standing(payment) == ("paid", "accepted")
    assert till.books() == {"project": 2 * payment.pay_units.units}


def test_a_late_transfer_that_was_refunded_leaves_the_order_free(till: Till):
    payment = till.order()
    transfer_id = till.late(payment)

    till.act(inbox.mark_refunded, transfer_id)

    assert till.standing(payment) == ("expired", "none")
    assert till.order().id != payment.id  # the same order_id, anew
    with till.hub.database.snapshot() as session:
        assert session.scalars(select(InboxAct.refund_txid)).all() == [None]  # the merchant's word


def test_an_order_that_was_paid_anew_cannot_be_paid_by_accepting_too(till: Till):
    payment = till.order()
    till.chain.skip_to(payment.expires_at + timedelta(minutes=1))
    till.scanner.scan_once()
    till.hub.clock.advance(minutes=40)  # type: ignore[attr-defined]
    anew = till.order()
    transfer_id = till.pay(payment.address, payment.pay_units.units)

    with pytest.raises(OrderTaken):
        till.act(inbox.accept, transfer_id)
    till.act(inbox.attach, transfer_id, payment=anew)

    assert till.standing(payment)[0] == "expired"
    assert till.standing(anew)[0] in ("paid", "pending")


def test_a_transfer_is_closed_once(till: Till):
    payment = till.order()
    transfer_id = till.late(payment)
    till.act(inbox.ignore, transfer_id)

    for act in (inbox.accept, inbox.ignore, inbox.mark_refunded):
        with pytest.raises(NotInInbox):
            till.act(act, transfer_id)


def test_a_transfer_is_closed_once_whatever_the_code_does(till: Till):
    transfer_id = till.late(till.order())
    till.act(inbox.ignore, transfer_id)

    with pytest.raises(IntegrityError), till.hub.database.transaction() as session:
        session.add(InboxAct(
            transfer_id=transfer_id, act="refunded", actor="x", note="", closes=True, created_at=START
        ))


def test_money_that_has_paid_does_not_wait_for_anybody(till: Till):
    payment = till.order()
    transfer_id = till.pay(payment.address, payment.pay_units.units)

    with pytest.raises(NotInInbox):
        till.act(inbox.mark_refunded, transfer_id)


def test_real_money_pays_no_test_payment_and_no_other_merchants(till: Till):
    transfer_id = till.pay(till.shop.address.base58, 7)  # type: ignore[union-attr]
    test = make_payment(till.hub, till.shop, order_id="T", mode=Mode.TEST)
    stranger = make_payment(till.hub, make_shop(till.hub, website="https://other.example.com"), order_id="S")

    for payment in (test, stranger):
        with pytest.raises(NotAttachable):
            till.act(inbox.attach, transfer_id, payment=payment)


def test_what_is_not_there_cannot_be_decided_about(till: Till):
    with pytest.raises(NotFound):
        till.act(inbox.ignore, 99)


@pytest.mark.parametrize("actor", ["", "x" * 101, "a\nb"])
def test_an_act_needs_somebody_who_did_it(actor: str):
    with pytest.raises(InvalidField):
        By(actor)


def test_candidates_are_ranked_by_amount_and_say_why(till: Till):
    near, far, other = till.order("NEAR", "50.00"), till.order("FAR", "51.00"), till.order("OTHER", "90.00")
    transfer_id = till.pay(near.address, near.pay_units.units - 120_000)

    with till.hub.database.snapshot() as session:
        found = candidates(session, inbox.get_entry(session, transfer_id))

    assert [one.payment.order_id for one in found] == ["NEAR", "FAR"]
    assert found[0].reasons == ("0.120000 USDT less than asked", "inside its payment window", "the same address")
    assert other.id not in [one.payment.id for one in found]
    assert far.id == found[1].payment.id


def test_an_amount_that_was_asked_long_ago_is_a_candidate(till: Till):
    payment = till.order()
    till.chain.skip_to(payment.expires_at + timedelta(hours=25))
    transfer_id = till.pay(payment.address, payment.pay_units.units)

    with till.hub.database.snapshot() as session:
        entry = inbox.get_entry(session, transfer_id)
        [found] = candidates(session, entry)

    assert entry.transfer.bucket == "unknown"
    assert found.reasons[0] == "exactly the amount asked"


def test_what_a_sender_has_paid_before_is_a_candidate(till: Till):
    payment = till.order()
    till.pay(payment.address, payment.pay_units.units)
    transfer_id = till.pay(payment.address, 9_000_000)

    with till.hub.database.snapshot() as session:
        [found] = candidates(session, inbox.get_entry(session, transfer_id))

    assert (found.payment.id, found.is_same_sender) == (payment.id, True)


def test_a_projects_inbox_holds_only_what_is_counted_for_it(till: Till):
    payment = till.order()
    late = till.late(payment)
    unknown = till.pay(payment.address, 3)

    with till.hub.database.snapshot() as session:
        of_project = [entry.transfer.id for entry in inbox.entries(session, project_id=till.shop.project_id)]
        after = [entry.transfer.id for entry in inbox.entries(session, after=late)]

    assert (of_project, after, till.waiting()) == ([late], [unknown], [late, unknown])
