"""Deliveries: what was owed to the project's webhook URL, what came of it, and sending it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, Select, select

from core.api.v1 import cursors
from core.api.v1.door import Call, Reply, operation
from core.api.v1.numbers import row_id
from core.api.v1.schemas.events import (
    DeliveryAnswer,
    DeliveryList,
    DeliveryQuery,
    ResendAnswer,
    ResendSchema,
)
from core.errors import DeliveryNotFound, EndpointDisabled, InvalidCursor
from core.models import Attempt, Delivery, Endpoint, Event, Payment
from core.models.outbox import IS_ENABLED
from core.outbox.history import resend

RESENT_AT_ONCE = 500
TRIES_SHOWN = 50
Found = Row[Delivery, Payment, Endpoint]


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """A delivery as it is shown; body and tries where it is shown alone."""

    delivery_id: int
    event_id: str
    type: str
    payment_id: int | None
    order_id: str | None
    url: str
    state: str
    attempts: int
    next_attempt_at: datetime | None
    last_error: str
    created_at: datetime
    done_at: datetime | None
    body: str = ""
    tries: tuple[Attempt, ...] = ()


@operation("GET", "/deliveries", query=DeliveryQuery, answer=DeliveryList, errors=(InvalidCursor,))
def list_deliveries(call: Call) -> Reply:
    """List deliveries, the newest first."""
    limit: int = call.query["limit"]
    wanted = _scoped(call).order_by(Delivery.id.desc()).limit(limit + 1)
    if "state" in call.query:
        wanted = wanted.where(Delivery.state == call.query["state"])
    if "cursor" in call.query:
        wanted = wanted.where(Delivery.id < cursors.decode("d", call.query["cursor"], numbers=1)[0])
    rows = call.session.execute(wanted).all()
    cursor = cursors.encode("d", rows[limit - 1][0].id) if len(rows) > limit else None
    return Reply({"deliveries": [_view(row) for row in rows[:limit]], "next_cursor": cursor})


@operation("GET", "/deliveries/<delivery_id>", answer=DeliveryAnswer, errors=(DeliveryNotFound,))
def get_delivery(call: Call) -> Reply:
    """Read a delivery with its body and every try: what was sent, what came back, how long it took."""
    return Reply({"delivery": _detail(call, _find(call))})


@operation(
    "POST", "/deliveries/<delivery_id>/resend", answer=DeliveryAnswer,
    errors=(DeliveryNotFound, EndpointDisabled),
)
def resend_delivery(call: Call) -> Reply:
    """Send a delivery again, whatever became of it: the same event id and the same bytes."""
    found = _find(call)
    resend(call.session, found[0], now=call.hub.clock.now())
    return Reply({"delivery": _detail(call, found)})


@operation("POST", "/deliveries/resend", body=ResendSchema, answer=ResendAnswer)
def resend_failed_deliveries(call: Call) -> Reply:
    """Send again all that have failed, or those of a time range: after your server was away."""
    wanted = _scoped(call).where(Delivery.state == "failed", IS_ENABLED).order_by(Delivery.id).limit(RESENT_AT_ONCE + 1)
    if call.body["created_from"] is not None:
        wanted = wanted.where(Delivery.created_at >= call.body["created_from"])
    if call.body["created_to"] is not None:
        wanted = wanted.where(Delivery.created_at < call.body["created_to"])
    rows = call.session.execute(wanted).all()
    for row in rows[:RESENT_AT_ONCE]:
        resend(call.session, row[0], now=call.hub.clock.now())
    return Reply({"resent": len(rows[:RESENT_AT_ONCE]), "has_more": len(rows) > RESENT_AT_ONCE})


def _scoped(call: Call) -> Select[Delivery, Payment, Endpoint]:
    """Select what goes to the project's endpoints and is signed with the caller's key pair: its own mode's alone."""
    return (
        select(Delivery, Payment, Endpoint)
        .join(Endpoint, Endpoint.id == Delivery.endpoint_id)
        .outerjoin(Event, Event.id == Delivery.event_id)
        .outerjoin(Payment, Payment.id == Event.payment_id)
        .where(
            Endpoint.project_id == call.caller.project.id,
            Delivery.credential_id == call.caller.credential.id,
        )
    )


def _find(call: Call) -> Found:
    number = row_id(call.path["delivery_id"])
    found = call.session.execute(_scoped(call).where(Delivery.id == number)).one_or_none() if number else None
    if found is None:
        raise DeliveryNotFound
    return found


def _detail(call: Call, row: Found) -> DeliveryView:
    newest = select(Attempt).where(Attempt.delivery_id == row[0].id).order_by(Attempt.number.desc()).limit(TRIES_SHOWN)
    tries = tuple(reversed(call.session.scalars(newest).all()))
    return _view(row, body=row[0].body.decode("utf-8", "replace"), tries=tries)


def _view(row: Found, *, body: str = "", tries: tuple[Attempt, ...] = ()) -> DeliveryView:
    delivery, payment, endpoint = row
    return DeliveryView(
        delivery_id=delivery.id,
        event_id=delivery.message_id,
        type=delivery.type,
        payment_id=payment.payment_id if payment else None,
        order_id=payment.order_id if payment else None,
        url=endpoint.url,
        state=delivery.state,
        attempts=delivery.attempts,
        next_attempt_at=delivery.next_attempt_at if delivery.state == "due" else None,
        last_error=delivery.last_error,
        created_at=delivery.created_at,
        done_at=delivery.done_at,
        body=body,
        tries=tries,
    )
