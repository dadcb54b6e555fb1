"""Cancel and the test controls: what people may do to a payment, and what they may not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core.errors import InvalidField, NotATestPayment, PaymentClosed, TransferUnderway
from core.hub import Hub
from core.ids import Mode
from core.models import Event, JournalEntry, Payment, Project, Reservation, Transfer
from core.payments.controls import (
    Scenario, cancel, close_test_payments, has_due_test_payment, set_test_clock, simulate,
)
from core.testing.factories import Shop, make_payment, make_shop


@pytest.fixture
def shop(hub: Hub) -> Shop:
    return make_shop(hub)


def act(hub: Hub, payment: Payment, control, *arguments: object) -> Payment:
    with hub.database.transaction() as session:
        row = session.get_one(Payment, payment.id)
        control(session, hub, row, *arguments)
        return row


def event_types(hub: Hub, payment: Payment) -> list[str]:
    with hub.database.snapshot() as session:
        rows = session.scalars(select(Event.type).where(Event.payment_id == payment.id).order_by(Event.number))
        return list(rows)


@pytest.mark.parametrize("mode", Mode)
def test_an_open_payment_can_be_canceled_once(hub: Hub, shop: Shop, mode: Mode):
    payment = make_payment(hub, shop, mode=mode)

    statuses = [act(hub, payment, cancel).status for _ in range(2)]

    assert statuses == ["canceled", "canceled"]
    assert event_types(hub, payment) == ["payment.created", "payment.canceled"]


def test_a_canceled_payment_keeps_its_amount_reserved(hub: Hub, shop: Shop):
    payment = make_payment(hub, shop)
    act(hub, payment, cancel)

    with hub.database.snapshot() as session:
        assert session.get_one(Reservation, payment.reservation_id).released_at is None


def test_a_payment_whose_transfer_is_underway_cannot_be_canceled(hub: Hub, shop: Shop):
    payment = make_payment(hub, shop)
    with hub.database.transaction() as session:
        session.get_one(Payment, payment.id).status = "confirming"

    with pytest.raises(TransferUnderway):
        act(hub, payment, cancel)


@pytest.mark.parametrize(
    ("scenario", "status", "events"),
    [
        (Scenario.COMPLETE, "paid", "payment.paid"),
        (Scenario.UNDER, "pending", "payment.underpaid"),
        (Scenario.OVER, "paid", "payment.paid payment.overpaid"),
        (Scenario.LATE, "expired", "payment.expired payment.late"),
        (Scenario.DUPLICATE, "paid", "payment.paid payment.duplicate"),
        (Scenario.FAIL, "canceled", "payment.canceled"),
        (Scenario.EXPIRE, "expired", "payment.expired"),
    ],
)
def test_a_test_payment_ends_as_played(hub: Hub, shop: Shop, scenario: Scenario, status: str, events: str):
    payment = make_payment(hub, shop, mode=Mode.TEST)

    ended = [act(hub, payment, simulate, scenario).status for _ in range(2)]

    assert ended == [status, status]
    assert event_types(hub, payment) == ["payment.created", *events.split()]


@pytest.mark.parametrize(
    ("first", "then", "standing"),
    [
        (Scenario.UNDER, Scenario.COMPLETE, ("paid", "none")),
        (Scenario.UNDER, Scenario.EXPIRE, ("expired", "none")),
        (Scenario.COMPLETE, Scenario.DUPLICATE, ("paid", "duplicate")),
        (Scenario.EXPIRE, Scenario.LATE, ("expired", "late")),
    ],
)
def test_what_waits_or_has_ended_can_meet_more(hub: Hub, shop: Shop, first, then, standing: tuple[str, str]):
    payment = make_payment(hub, shop, mode=Mode.TEST)
    act(hub, payment, simulate, first)

    after = act(hub, payment, simulate, then)

    assert (after.status, after.anomaly) == standing


def test_a_test_clock_ends_payments_when_it_is_moved_and_the_wall_clock_does_not(hub: Hub, shop: Shop, clock):
    with hub.database.transaction() as session:
        project = session.get_one(Project, shop.project_id)
        set_test_clock(session, hub, project, clock.now())
    payment = make_payment(hub, shop, mode=Mode.TEST)
    clock.advance(minutes=31)
    with hub.database.transaction() as session:
        by_wall_clock = close_test_payments(session, hub)
        project = session.get_one(Project, shop.project_id)
        too_early = set_test_clock(session, hub, project, payment.created_at + timedelta(minutes=30))

        by_test_clock = set_test_clock(session, hub, project, payment.created_at + timedelta(minutes=30, seconds=1))

    assert (by_wall_clock, too_early, by_test_clock) == (0, 0, 1)
    assert event_types(hub, payment) == ["payment.created", "payment.expired"]


def test_a_test_clock_never_goes_back_and_can_be_taken_away(hub: Hub, shop: Shop, clock):
    with hub.database.transaction() as session:
        project = session.get_one(Project, shop.project_id)
        set_test_clock(session, hub, project, clock.now() + timedelta(days=1))
        with pytest.raises(InvalidField):
            set_test_clock(session, hub, project, clock.now())
        set_test_clock(session, hub, project, None)
    payment = make_payment(hub, shop, mode=Mode.TEST)

    assert payment.expires_at == clock.now() + timedelta(minutes=30)


def test_an_ended_test_payment_cannot_end_otherwise(hub: Hub, shop: Shop):
    payment = make_payment(hub, shop, mode=Mode.TEST)
    act(hub, payment, simulate, Scenario.COMPLETE)

    with pytest.raises(PaymentClosed):
        act(hub, payment, simulate, Scenario.FAIL)
    with pytest.raises(PaymentClosed):
        act(hub, payment, cancel)


def test_a_live_payment_cannot_be_simulated(hub: Hub, shop: Shop):
    payment = make_payment(hub, shop)

    with pytest.raises(NotATestPayment):
        act(hub, payment, simulate, Scenario.COMPLETE)


def test_i9_a_test_payment_touches_no_chain_no_ledger_and_no_reservation(hub: Hub, shop: Shop):
    payment = make_payment(hub, shop, mode=Mode.TEST)
    act(hub, payment, simulate, Scenario.COMPLETE)

    with hub.database.snapshot() as session:
        counts = [session.scalar(select(func.count()).select_from(t)) for t in (JournalEntry, Transfer, Reservation)]
    assert counts == [0, 0, 0]


def test_test_payments_expire_by_the_wall_clock_and_live_ones_do_not(hub: Hub, shop: Shop, clock):
    test, live = make_payment(hub, shop, mode=Mode.TEST), make_payment(hub, shop)
    clock.advance(minutes=31)

    with hub.database.transaction() as session:
        closed = close_test_payments(session, hub)

    with hub.database.snapshot() as session:
        assert closed == 1
        assert not has_due_test_payment(session, now=clock.now())
        assert session.get_one(Payment, test.id).status == "expired"
        assert session.get_one(Payment, live.id).status == "pending"
