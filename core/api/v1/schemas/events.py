"""Events and their deliveries."""

from __future__ import annotations

from marshmallow import fields, validate

from core.api.v1.schemas.base import NEXT_CURSOR, Choice, Instant, Ok, Page, StrictSchema, Whole, doc
from core.api.v1.schemas.payments import PaymentSchema
from core.outbox.events import EventType

DELIVERY_STATES = ("due", "done", "failed", "canceled")
LONGEST_WAIT_S = 25


class EventSchema(StrictSchema):
    """Something that happened to a payment."""

    event_id = fields.String(required=True, metadata=doc("The `webhook-id` of its deliveries: take each once."))
    type = fields.String(required=True, metadata=doc("What happened.", enum=[kind.value for kind in EventType]))
    number = fields.Integer(required=True, metadata=doc("Counts a payment's events from 1."))
    note = fields.String(required=True, metadata=doc("Why, where somebody said so."))
    actor = fields.String(required=True, metadata=doc("Who did it; empty for what happened by itself."))
    created_at = Instant(required=True, metadata=doc("When it was recorded.", format="date-time"))
    payment = fields.Nested(PaymentSchema, required=True, metadata=doc("The payment as it stands now."))
    webhook_body = fields.String(required=True, metadata=doc(
        "What a webhook of it says, byte for byte; other events than paid say how the payment stands now."
    ))


class EventAnswer(Ok):
    """One event."""

    event = fields.Nested(EventSchema, required=True)


class EventList(Ok):
    """A page of events, in the order they happened."""

    events = fields.List(fields.Nested(EventSchema), required=True)
    next_cursor = fields.String(required=True, metadata=doc("Give it as `cursor` to go on from here, now or later."))
    has_more = fields.Boolean(required=True, metadata=doc("Whether there is a next page already."))
    poll_after_s = fields.Integer(required=True, metadata=doc("Seconds to wait before asking again; 0: ask at once."))


class EventQuery(StrictSchema):
    """From where, how many, and how long to wait for the first."""

    limit = Whole(
        load_default=50, validate=validate.Range(min=1, max=100, error="must lie between 1 and 100"),
        metadata=doc("How many at most, 1 to 100."),
    )
    cursor = Page().fields["cursor"]
    start = Choice("oldest", "newest", load_default="oldest", metadata=doc("Where to begin without a cursor."))
    wait = Whole(
        load_default=0, validate=validate.Range(min=0, max=LONGEST_WAIT_S, error="must lie between 0 and 25"),
        metadata=doc("Seconds the answer may be held back until there is an event, where the server can."),
    )


class DeliverySchema(StrictSchema):
    """An event on its way to the project's webhook URL."""

    delivery_id = fields.Integer(required=True, metadata=doc("Its number."))
    event_id = fields.String(required=True, metadata=doc("The event, and the `webhook-id` header."))
    type = fields.String(required=True, metadata=doc("The event's type."))
    payment_id = fields.Integer(
        required=True, allow_none=True, metadata=doc("The event's payment; null for a test ping.")
    )
    order_id = fields.String(required=True, allow_none=True, metadata=doc("That payment's order."))
    url = fields.String(required=True, metadata=doc("Where it goes."))
    state = Choice(*DELIVERY_STATES, required=True, metadata=doc("Owed, taken, given up, or withdrawn."))
    attempts = fields.Integer(required=True, metadata=doc("How often it was tried."))
    next_attempt_at = Instant(
        required=True, allow_none=True, metadata=doc("When it is tried next, while it is due.", format="date-time")
    )
    last_error = fields.String(required=True, metadata=doc("What the last try met; empty after a success."))
    created_at = Instant(required=True, metadata=doc("Since when it is owed.", format="date-time"))
    done_at = Instant(required=True, allow_none=True, metadata=doc("When it was taken.", format="date-time"))


class AttemptSchema(StrictSchema):
    """One try of a delivery."""

    number = fields.Integer(required=True, metadata=doc("Counts from 1."))
    started_at = Instant(required=True, metadata=doc("When it began.", format="date-time"))
    elapsed_ms = fields.Integer(required=True, metadata=doc("How long it took."))
    http_status = fields.Integer(required=True, allow_none=True, metadata=doc("What the receiver answered with."))
    error = fields.String(required=True, metadata=doc("Why it failed; empty after a success."))
    answer_excerpt = fields.String(required=True, metadata=doc("The beginning of what the receiver answered."))


class DeliveryDetail(DeliverySchema):
    """A delivery with the body it sends and every try."""

    body = fields.String(required=True, metadata=doc("The exact body, the same on every attempt."))
    tries = fields.List(fields.Nested(AttemptSchema), required=True, metadata=doc("The last 50 tries, oldest first."))


class DeliveryAnswer(Ok):
    """One delivery."""

    delivery = fields.Nested(DeliveryDetail, required=True)


class DeliveryList(Ok):
    """A page of deliveries, the newest first."""

    deliveries = fields.List(fields.Nested(DeliverySchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata=NEXT_CURSOR)


class DeliveryQuery(Page):
    """Which deliveries."""

    state = Choice(*DELIVERY_STATES, metadata=doc("Only in this state."))


class ResendSchema(StrictSchema):
    """Which failed deliveries to send again."""

    created_from = Instant(load_default=None, metadata=doc("Only those owed since this time.", format="date-time"))
    created_to = Instant(load_default=None, metadata=doc("Only those owed before this time.", format="date-time"))


class ResendAnswer(Ok):
    """How many were made due again."""

    resent = fields.Integer(required=True, metadata=doc("Deliveries that are due again, at most 500 a call."))
    has_more = fields.Boolean(required=True, metadata=doc("Whether more are left: ask again."))
