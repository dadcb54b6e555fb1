"""Record what happened to a payment, and owe it to the endpoints that asked, in the caller's transaction."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, func, insert, literal_column, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import Insert

from core.db import Word
from core.ids import Ids
from core.models import Channel, ChannelPayment, Delivery, Endpoint, Event, Payment, Refund
from core.models.channels import HEARS_ALL
from core.outbox.bodies import event_body, paid_body


SO_FAR = select(  # how many events of one type a payment has, and how many in all
    func.count(case((Event.type == bindparam("type"), 1))), func.coalesce(func.max(Event.number), 0)
).where(Event.payment_id == bindparam("payment_id"))
LISTENING = (  # a project's endpoints; of its channels those that hear of this payment
    select(Endpoint, Channel.pushes)
    .outerjoin(Channel, Channel.endpoint_id == Endpoint.id)
    .outerjoin(
        ChannelPayment,
        and_(ChannelPayment.payment_id == bindparam("payment_id"), ChannelPayment.channel_id == Channel.id),
    )
    .where(
        Endpoint.project_id == bindparam("project_id"),
        or_(
            Channel.id.is_(None),
            and_(
                Channel.disconnected_at.is_(None),
                or_(HEARS_ALL, ChannelPayment.payment_id.is_not(None)),
            ),
        ),
    )
)


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
    REFUND_REQUESTED = "refund.requested"
    REFUND_ADDRESSED = "refund.addressed"
    REFUND_SENT = "refund.sent"
    REFUND_VERIFIED = "refund.verified"
    REFUND_FAILED = "refund.failed"
    REFUND_CANCELED = "refund.canceled"


TEST_PING = "test.ping"  # a message that tells of no event
CHANNEL_NOTICE = "channel.notice"  # what a channel's people are told: of many events, or of none
# What an endpoint can ask for. Not `created`: the merchant's own request made the payment and was answered.
OPTIONAL_TYPES = tuple(kind.value for kind in EventType if kind is not EventType.CREATED)


def record(
    session: Session, payment: Payment, kind: EventType, *, now: datetime, ids: Ids, note: str = "", actor: str = "",
    refund: Refund | None = None,
) -> Event:
    """Append an event to a payment; it becomes due for every endpoint of the project that asked for its type.

    actor: who did it, where somebody did.   refund: which of the payment's refunds it is about.
    """
    nth, last = session.execute(SO_FAR, {"payment_id": payment.id, "type": kind.value}).one()
    happened = Event(
        event_id=ids.event_id_of(payment.page_token, kind.value, nth + 1),
        payment_id=payment.id,
        number=last + 1,
        type=kind.value,
        note=note,
        actor=actor,
        created_at=now,
        project_id=payment.project_id,
        is_test=payment.is_test,
        refund_id=refund.id if refund else None,
    )
    session.add(happened)
    session.flush()
    _owe_endpoints(session, payment, happened, refund, now=now)
    return happened


def first_event(made: Any, *which: ColumnElement[bool]) -> Insert:
    """Build the INSERT of `payment.created`, number 1, for each row of payments that are made with it.

    made: their columns.   which: of their rows; all where nothing is said.
    Its one parameter is `event_id`: see `first_event_id`.
    """
    columns = {
        "event_id": bindparam("event_id", type_=Word()),
        "payment_id": made.id,
        "number": literal_column("1"),
        "type": literal_column(f"'{EventType.CREATED.value}'"),
        "note": literal_column("''"),
        "actor": literal_column("''"),
        "created_at": made.created_at,
        "project_id": made.project_id,
        "is_test": made.is_test,
    }
    return insert(Event).from_select(list(columns), select(*columns.values()).where(*which), include_defaults=False)


def first_event_id(ids: Ids, page_token: str) -> str:
    """Give the id of a payment's first event."""
    return ids.event_id_of(page_token, EventType.CREATED.value, 1)


def owe_first(session: Session, payment: Payment, endpoint: Endpoint, *, now: datetime) -> None:
    """Owe `payment.created` to the channel that opened the payment: no answer has told its buyer of it."""
    first = session.scalars(select(Event).where(Event.payment_id == payment.id, Event.number == 1)).one()
    session.add(_delivery(endpoint, payment, first, event_body(payment, first), lane=payment.id, now=now))
    session.flush()


def _owe_endpoints(
    session: Session, payment: Payment, happened: Event, refund: Refund | None, *, now: datetime
) -> None:
    listening = session.execute(LISTENING, {"project_id": payment.project_id, "payment_id": payment.id})
    asking = [(row.Endpoint, row.pushes) for row in listening if happened.type in row.Endpoint.event_types.split()]
    if not asking:
        return
    body = paid_body(payment) if happened.type == EventType.PAID else event_body(payment, happened, refund)
    session.add_all(
        _delivery(endpoint, payment, happened, body, lane=payment.id if pushes else None, now=now)
        for endpoint, pushes in asking
    )
    session.flush()


def _delivery(
    endpoint: Endpoint, payment: Payment, happened: Event, body: bytes, *, lane: int | None, now: datetime
) -> Delivery:
    """Owe an event to an endpoint; where that is disabled, keep it back, so that a replay can send it."""
    return Delivery(
        event_id=happened.id,
        endpoint_id=endpoint.id,
        credential_id=payment.credential_id,
        message_id=happened.event_id,
        type=happened.type,
        lane=lane,
        body=body,
        state="due" if endpoint.enabled else "canceled",
        last_error="" if endpoint.enabled else "The endpoint was disabled.",
        next_attempt_at=now,
        created_at=now,
    )
