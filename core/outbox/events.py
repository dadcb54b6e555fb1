"""Record what happened to a payment, and owe its project's endpoint the news, in the caller's transaction."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from core.ids import Ids
from core.models import Delivery, Endpoint, Event, Payment
from core.outbox.bodies import paid_body


INSERTION = insert(Event)


class EventType(StrEnum):
    """The kinds of events; the words are public."""

    CREATED = "payment.created"
    DETECTED = "payment.detected"
    UNDETECTED = "payment.undetected"
    PAID = "payment.paid"
    EXPIRED = "payment.expired"
    CANCELED = "payment.canceled"
    UNDERPAID = "payment.underpaid"
    OVERPAID = "payment.overpaid"
    LATE = "payment.late"
    DUPLICATE = "payment.duplicate"
    ACCEPTED = "payment.accepted"
    ATTACHED = "payment.attached"
    REFUNDED = "payment.refunded"
    IGNORED = "payment.ignored"


def record(
    session: Session, payment: Payment, kind: EventType, *, now: datetime, ids: Ids, note: str = "", actor: str = ""
) -> Event:
    """Append an event to a payment; a `paid` one also becomes due for the project's endpoint, if it has one.

    actor: who did it, where somebody did.
    """
    last = session.scalar(select(func.max(Event.number)).where(Event.payment_id == payment.id))
    happened = Event(
        event_id=ids.event_id(),
        payment_id=payment.id,
        number=(last or 0) + 1,
        type=kind.value,
        note=note,
        actor=actor,
        created_at=now,
        project_id=payment.project_id,
        is_test=payment.is_test,
    )
    session.add(happened)
    session.flush()
    if kind is EventType.PAID:
        _owe_endpoint(session, payment, happened, now=now)
    return happened


def record_first(session: Session, payment: Payment, *, now: datetime, ids: Ids) -> None:
    """Append `payment.created`, number 1, to a payment that was inserted in this very transaction."""
    values = {"event_id": ids.event_id(), "payment_id": payment.id, "number": 1, "created_at": now}
    values |= {"project_id": payment.project_id, "is_test": payment.is_test, "position": None}
    session.connection().execute(INSERTION, values | {"type": EventType.CREATED.value, "note": "", "actor": ""})


def _owe_endpoint(session: Session, payment: Payment, happened: Event, *, now: datetime) -> None:
    endpoint = session.scalar(select(Endpoint).where(Endpoint.project_id == payment.project_id))
    if endpoint is None or not endpoint.enabled:
        return
    session.add(
        Delivery(
            event_id=happened.id,
            endpoint_id=endpoint.id,
            body=paid_body(payment),
            next_attempt_at=now,
            created_at=now,
        )
    )
    session.flush()
