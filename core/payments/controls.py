"""What people do to a payment: cancel it, and, for test payments, play its end; each act is an event.

Test payments touch no chain, no ledger, no live reservation. Their windows run on the wall clock, or on their project's
test clock, which stands still and is moved by hand.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from core.errors import InvalidField, NotATestPayment, PaymentClosed, TransferUnderway
from core.hub import Hub
from core.models import Payment, Project
from core.models.payments import is_open, is_test
from core.payments.service import chain_point
from core.payments.settling import Receipt, resettle, standing_of, write_standing
from core.payments.state import OPEN, Facts, Money, Status


class Scenario(StrEnum):
    """What money, or its absence, may do to a test payment."""

    COMPLETE = "complete"
    UNDER = "under"
    OVER = "over"
    LATE = "late"
    DUPLICATE = "duplicate"
    FAIL = "fail"
    EXPIRE = "expire"


PLAYED: dict[Scenario, Facts] = {  # what each says happened: the facts that a chain would have shown
    Scenario.COMPLETE: Facts(money=Money.EXACT, timely=True),
    Scenario.UNDER: Facts(money=Money.SHORT),
    Scenario.OVER: Facts(money=Money.OVER, timely=True),
    Scenario.LATE: Facts(money=Money.EXACT, closed=True),
    Scenario.DUPLICATE: Facts(money=Money.EXACT, timely=True, repeated=True),
    Scenario.FAIL: Facts(canceled=True),
    Scenario.EXPIRE: Facts(closed=True),
}
STILL_PLAYED = {  # what can still come to a payment that has ended, after what ended it
    (Status.PAID, Scenario.DUPLICATE): (Scenario.COMPLETE,),
    (Status.EXPIRED, Scenario.LATE): (Scenario.EXPIRE, None),
}


def cancel(session: Session, hub: Hub, payment: Payment) -> None:
    """Cancel an open payment; canceling a canceled one again changes nothing.

    Money beats cancel: an exact transfer inside the window still pays it, unless the order was opened anew.
    Raises TransferUnderway once the head shows a transfer, PaymentClosed when it ended otherwise.
    """
    status = Status(payment.status)
    if status is Status.CANCELED:
        return
    if status is Status.CONFIRMING:
        raise TransferUnderway
    if status not in OPEN:
        raise PaymentClosed
    payment.cancel_requested_at = hub.clock.now()
    if payment.is_test:
        write_standing(session, hub, payment, _test_facts(payment, now=test_time(session, hub, payment)), None)
    else:
        resettle(session, hub, payment, point=chain_point(session, hub))


def simulate(session: Session, hub: Hub, payment: Payment, scenario: Scenario) -> None:
    """Play what happens to a test payment; the same again changes nothing.

    One that waits takes anything, also after too little came. Paid once, it can be paid twice; expired, it can be paid
    late. Raises NotATestPayment for a live one, PaymentClosed when it has already ended otherwise.
    """
    if not payment.is_test:
        raise NotATestPayment
    if payment.simulated == scenario.value:
        return
    status, before = standing_of(payment).status, Scenario(payment.simulated) if payment.simulated else None
    if status not in OPEN and before not in STILL_PLAYED.get((status, scenario), ()):
        raise PaymentClosed
    now = test_time(session, hub, payment)
    payment.simulated = scenario.value
    receipt = Receipt(hub.ids.test_txid(), now) if PLAYED[scenario].timely else None
    write_standing(session, hub, payment, _test_facts(payment, now=now), receipt)


def scenario_of(word: str) -> Scenario:
    """Read a scenario's word; `exact`, beside under and over, is COMPLETE. Raises ValueError for any other."""
    return Scenario.COMPLETE if word == "exact" else Scenario(word)


def test_time(session: Session, hub: Hub, payment: Payment) -> datetime:
    """Tell the time by which a test payment lives: its project's test clock, or ours."""
    return session.get_one(Project, payment.project_id).test_now or hub.clock.now()


def set_test_clock(session: Session, hub: Hub, project: Project, moment: datetime | None) -> int:
    """Set a project's test clock, which then stands still, and settle what its time is over for; None takes it away.

    Returns how many payments that were. Raises InvalidField where the clock would go back.
    """
    if moment is not None and project.test_now is not None and moment < project.test_now:
        raise InvalidField("A test clock goes forward only: take it away first.")
    project.test_now = moment
    session.flush()
    if moment is None:
        return 0
    due = session.scalars(select(Payment).where(*_is_over(moment), Payment.project_id == project.id)).all()
    for payment in due:
        write_standing(session, hub, payment, _test_facts(payment, now=moment), None)
    return len(due)


def close_test_payments(session: Session, hub: Hub, *, limit: int = 100) -> int:
    """Settle open test payments whose window the wall clock has passed; returns how many there were."""
    now = hub.clock.now()
    due = session.scalars(select(Payment).where(*_is_due_test(now)).limit(limit)).all()
    for payment in due:
        write_standing(session, hub, payment, _test_facts(payment, now=now), None)
    return len(due)


def has_due_test_payment(session: Session, *, now: datetime) -> bool:
    """Tell whether `close_test_payments` has anything to do, without taking a write lock."""
    return session.scalar(select(Payment.id).where(*_is_due_test(now)).limit(1)) is not None


def _is_due_test(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Select what the wall clock closes: what lives by a test clock is closed when that is set."""
    return *_is_over(now), Payment.project_id.not_in(select(Project.id).where(Project.test_now.is_not(None)))


def _is_over(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return is_test(), is_open(), Payment.expires_at < now


def _test_facts(payment: Payment, *, now: datetime) -> Facts:
    played = PLAYED[Scenario(payment.simulated)] if payment.simulated else Facts()
    return replace(
        played,
        canceled=played.canceled or payment.cancel_requested_at is not None,
        closed=played.closed or payment.expires_at < now,
    )
