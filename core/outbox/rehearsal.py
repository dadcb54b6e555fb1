"""Rehearse a failing endpoint: a payment's deliveries meet an HTTP 500 that nobody sent, and everything else is real.

They are leased in the transaction that made them, so that no worker can send them first; the outcome is written by the
same function that writes every other one. From then on the schedule has them.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import InvalidField
from core.hub import Hub
from core.models import Delivery, Event, Payment
from core.models.outbox import DUE
from core.outbox.claiming import LEASE, Claim
from core.outbox.delivery import finish, pack
from core.outbox.outcomes import Outcome

SAID = "This answer was made up by `paywharf trigger webhook-500`; nothing was sent."


def lease_deliveries(session: Session, hub: Hub, payment: Payment) -> list[Claim]:
    """Lease what a payment's events owe, in the transaction that made them.

    Raises InvalidField where no endpoint of the project asks for any of them.
    """
    owed = session.scalars(
        select(Delivery).join(Event, Event.id == Delivery.event_id)
        .where(Event.payment_id == payment.id, Delivery.state == DUE)
    ).all()
    if not owed:
        raise InvalidField("No endpoint of this project is told of this payment, so none can fail.")
    now, token = hub.clock.now(), hub.ids.lease_token()
    for delivery in owed:
        delivery.lease_token, delivery.lease_until, delivery.attempts = token, now + LEASE, delivery.attempts + 1
    session.flush()
    return [Claim(delivery.id, token, now) for delivery in owed]


def fail_with_500(hub: Hub, claims: list[Claim]) -> None:
    """Write down that each leased delivery was answered with HTTP 500; the next attempt is the schedule's."""
    outcome = Outcome(hub.clock.now(), 0, 500, "HTTP 500", SAID)
    finish(hub, [(parcel, outcome) for parcel in pack(hub, claims)])
