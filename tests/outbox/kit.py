"""What the outbox's tests share: events to tell of, one round of sending, and a look at the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import select

from core.hub import Hub
from core.ids import Mode
from core.models import Attempt, Delivery, Endpoint, Payment
from core.outbox.delivery import attempt, claim_due
from core.payments.controls import Scenario, simulate
from core.testing.factories import Shop, make_payment

Sender = Callable[[Hub], list[bool]]


def complete(hub: Hub, shop: Shop, order_id: str = "ORDER_1", *, scenario: Scenario = Scenario.COMPLETE) -> Payment:
    """Let a test payment end, as its page's button does."""
    payment = make_payment(hub, shop, order_id=order_id, mode=Mode.TEST)
    with hub.database.transaction() as session:
        simulate(session, hub, session.get_one(Payment, payment.id), scenario)
    return payment


def drain(hub: Hub) -> list[bool]:
    """Have what is due now sent, by whoever sends; gives what each try brought."""
    return SENDER(hub)


def once(hub: Hub) -> list[bool]:
    """Try once what one claim brings, in this thread."""
    return [attempt(hub, claim) for claim in claim_due(hub)]


def through_rq(redis_url: str) -> Sender:
    """Give what sends by a wake-up through Redis and an RQ worker of this process, until nothing is due."""

    def send(hub: Hub) -> list[bool]:
        from workers import rq

        before = len(attempts(hub))
        hub.settings = replace(hub.settings, executor="rq", redis_url=redis_url)
        rq.RQExecutor(hub).wake()
        rq.run_worker(hub, burst=True)
        return [row.http_status is not None and 200 <= row.http_status < 300 for row in attempts(hub)[before:]]

    return send


def attempts(hub: Hub) -> list[Attempt]:
    """Read every try, the oldest first."""
    with hub.database.snapshot() as session:
        return list(session.scalars(select(Attempt).order_by(Attempt.id)))


SENDER: Sender = once  # put another in its place to run the same tests through it


def deliveries(hub: Hub) -> list[Delivery]:
    """Read every delivery, the oldest first."""
    with hub.database.snapshot() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def endpoints(hub: Hub) -> list[Endpoint]:
    """Read every endpoint, the oldest first."""
    with hub.database.snapshot() as session:
        return list(session.scalars(select(Endpoint).order_by(Endpoint.id)))
