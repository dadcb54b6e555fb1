"""`paywharf delivery`: the webhooks owed, tried and taken."""

from __future__ import annotations

import click

from core.cli.answers import ID, LIMIT, Answer, answering, table
from core.cli.documents import delivery_document
from core.cli.lookups import find_delivery, with_surroundings
from core.cli.roof import Roof

COLUMNS = ("delivery_id", "project_id", "payment_id", "order_id", "type", "state", "attempts", "next_attempt_at",
           "last_error")


@click.group()
def delivery() -> None:
    """Webhooks: what is owed, tried and taken."""


@delivery.command("list")
@click.option("--project", "project_id", type=ID, help="Only this project's.")
@click.option("--state", type=click.Choice(["due", "done", "failed", "canceled"]), help="Only in this state.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many, the newest first.")
@answering
def list_deliveries(roof: Roof, project_id: int | None, state: str | None, limit: int) -> Answer:
    """List deliveries, the newest first."""
    from sqlalchemy import select

    from core.models import Delivery, Endpoint

    wanted = select(Delivery).options(*with_surroundings()).order_by(Delivery.id.desc()).limit(limit)
    if project_id is not None:
        wanted = wanted.join(Endpoint, Endpoint.id == Delivery.endpoint_id).where(Endpoint.project_id == project_id)
    if state is not None:
        wanted = wanted.where(Delivery.state == state)
    with roof.snapshot() as session:
        rows = [delivery_document(row) for row in session.scalars(wanted)]
    return Answer(rows, table(rows, COLUMNS, empty="No deliveries."))


@delivery.command("resend")
@click.argument("delivery_id", type=ID)
@answering
def resend_delivery(roof: Roof, delivery_id: int) -> Answer:
    """Send delivery DELIVERY_ID again: same event id, same body; also one that has failed or is done."""
    from core.outbox.history import resend

    with roof.transaction() as session:
        row = find_delivery(session, delivery_id)
        resend(session, row, now=roof.hub.clock.now())
        shown = delivery_document(row)
    return Answer(shown, f"Delivery {delivery_id} is due now; the worker sends it within a second or two.")
