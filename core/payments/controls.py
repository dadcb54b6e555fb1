"""What people do to a payment: cancel it, and, for test payments, play its end; each act is an event.

Test payments run on the wall clock and touch no chain, no ledger, no live reservation.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from core.errors import NotATestPayment, PaymentClosed, TransferUnderway
from core.hub import Hub
from core.models import Payment
from core.models.payments import is_open, is_test
from core.payments.service import chain_point
from core.payments.settling import Receipt, resettle, standing_of, write_standing
from core.payments.state import OPEN, Facts, Money, Status


class Scenario(StrEnum):
    """How a test payment may end."""

    COMPLETE = "complete"
    FAIL = "fail"
    EXPIRE = "expire"


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
        write_standing(session, hub, payment, _test_facts(payment, now=hub.clock.now()), None)
    else:
        resettle(session, hub, payment, point=chain_point(session, hub))


def simulate(session: Session, hub: Hub, payment: Payment, scenario: Scenario) -> None:
    """Play the end of a test payment; the same end again changes nothing.

    Raises NotATestPayment for a live one, PaymentClosed when it has already ended otherwise.
    """
    if not payment.is_test:
        raise NotATestPayment
    if payment.simulated == scenario.value:
        return
    if standing_of(payment).status not in OPEN:
        raise PaymentClosed
    now = hub.clock.now()
    payment.simulated = scenario.value
    receipt = Receipt(hub.ids.test_txid(), now) if scenario is Scenario.COMPLETE else None
    write_standing(session, hub, payment, _test_facts(payment, now=now), receipt)


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
    return is_test(), is_open(), Payment.expires_at < now


def _test_facts(payment: Payment, *, now: datetime) -> Facts:
    completed = payment.simulated == Scenario.COMPLETE
    return Facts(
        money=Money.EXACT if completed else Money.NONE,
        timely=completed,
        canceled=payment.cancel_requested_at is not None or payment.simulated == Scenario.FAIL,
        closed=payment.simulated == Scenario.EXPIRE or payment.expires_at < now,
    )
