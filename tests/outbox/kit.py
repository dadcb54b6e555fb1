"""What the outbox's tests share: events to tell of, one round of sending, and a look at the rows."""

from __future__ import annotations

from sqlalchemy import select

from core.hub import Hub
from core.ids import Mode
from core.models import Delivery, Endpoint, Payment
from core.outbox.delivery import attempt, claim_due
from core.payments.controls import Scenario, simulate
from core.testing.factories import Shop, make_payment


def complete(hub: Hub, shop: Shop, order_id: str = "ORDER_1", *, scenario: Scenario = Scenario.COMPLETE) -> Payment:
    """Let a test payment end, as its page's button does."""
    payment = make_payment(hub, shop, order_id=order_id, mode=Mode.TEST)
    with hub.database.transaction() as session:
        simulate(session, hub, session.get_one(Payment, payment.id), scenario)
    return payment


def drain(hub: Hub) -> list[bool]:
    """Try once what is due now."""
    return [attempt(hub, claim) for claim in claim_due(hub)]


def deliveries(hub: Hub) -> list[Delivery]:
    """Read every delivery, the oldest first."""
    with hub.database.snapshot() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def endpoints(hub: Hub) -> list[Endpoint]:
    """Read every endpoint, the oldest first."""
    with hub.database.snapshot() as session:
        return list(session.scalars(select(Endpoint).order_by(Endpoint.id)))
