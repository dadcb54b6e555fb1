"""`paywharf delivery`: the webhooks owed, tried and taken."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from core.cli.answers import ID, LIMIT, Answer, answering, listing, table
from core.cli.documents import attempt_document, delivery_document
from core.cli.roof import Roof

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from core.outbox.history import DeliveryFilter

COLUMNS = ("delivery_id", "project_id", "payment_id", "order_id", "type", "to", "state", "attempts", "next_attempt_at",
           "last_error")
TRIES = ("number", "started_at", "elapsed_ms", "http_status", "error")
WHEN = click.DateTime(["%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"])

PROJECT = click.option("--project", "project_id", type=ID, help="Only this project's.")
ENDPOINT = click.option("--endpoint", "endpoint_id", help="Only this endpoint's (ep_…).")
TYPE = click.option("--type", "event_type", help="Only of this event type.")
SINCE = click.option("--since", type=WHEN, help="Only those owed since then (UTC).")
UNTIL = click.option("--until", type=WHEN, help="Only those owed before then (UTC).")


@click.group()
def delivery() -> None:
    """Webhooks: what is owed, tried and taken."""


@delivery.command("list")
@PROJECT
@ENDPOINT
@click.option("--state", type=click.Choice(["due", "done", "failed", "canceled"]), help="Only in this state.")
@TYPE
@SINCE
@UNTIL
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many, the newest first.")
@answering
def list_deliveries(roof: Roof, *, limit: int, **chosen: Any) -> Answer:
    """List deliveries, the newest first."""
    from core.outbox import history

    with roof.snapshot() as session:
        found = history.list_deliveries(session, _wanted(session, **chosen), limit=limit)
        rows = [delivery_document(row) | {"to": _receiver(row.endpoint.url)} for row in found]
    return Answer(rows, table(rows, COLUMNS, empty="No deliveries."))


@delivery.command()
@click.argument("delivery_id", type=ID)
@answering
def show(roof: Roof, delivery_id: int) -> Answer:
    """Show delivery DELIVERY_ID: its body and every try, with what was sent and what came back."""
    from core.outbox import history

    with roof.snapshot() as session:
        row = history.get_delivery(session, delivery_id)
        tries = [attempt_document(one) for one in history.attempts_of(session, row)]
        document = delivery_document(row) | {"body": row.body.decode()}
    text = f"{listing(document.items())}\n\n{table(tries, TRIES, empty='Not tried yet.')}"
    return Answer(document | {"tries": tries}, text)


@delivery.command("resend")
@click.argument("delivery_id", type=ID)
@answering
def resend_delivery(roof: Roof, delivery_id: int) -> Answer:
    """Send delivery DELIVERY_ID again: same event id, same body; also one that has failed or is done."""
    from core.outbox import history

    with roof.transaction() as session:
        row = history.get_delivery(session, delivery_id)
        history.resend(session, row, now=roof.hub.clock.now())
        shown = delivery_document(row)
    return Answer(shown, f"Delivery {delivery_id} is due now; the worker sends it within a second or two.")


@delivery.command("replay")
@PROJECT
@ENDPOINT
@click.option(
    "--state", type=click.Choice(["failed", "canceled", "done"]), default="failed", show_default=True,
    help="Which ones: given up, kept back while the endpoint was disabled, or taken before.",
)
@TYPE
@SINCE
@UNTIL
@click.option("--limit", type=LIMIT, default=10_000, show_default=True, help="At most so many, the oldest first.")
@answering
def replay_deliveries(roof: Roof, *, limit: int, **chosen: Any) -> Answer:
    """Send many deliveries again, of a project or an endpoint: same event ids, same bodies."""
    from core.outbox import history

    with roof.transaction() as session:
        wanted = _wanted(session, **chosen)
        number = history.replay(session, wanted, now=roof.hub.clock.now(), limit=limit)
    return Answer({"replayed": number}, f"{number} deliveries are due now.")


def _receiver(url: str) -> str:
    """Name a receiver shortly: the host of a URL, or a channel."""
    return url.removeprefix("channel:") if url.startswith("channel:") else urlsplit(url).netloc


def _wanted(
    session: Session,
    *,
    project_id: int | None,
    endpoint_id: str | None,
    state: str | None,
    event_type: str | None,
    since: datetime | None,
    until: datetime | None,
) -> DeliveryFilter:
    from core.outbox.endpoints import get_endpoint
    from core.outbox.history import DeliveryFilter

    return DeliveryFilter(
        project_id=project_id,
        endpoint_id=get_endpoint(session, endpoint_id).id if endpoint_id else None,
        state=state,
        type=event_type,
        since=since.replace(tzinfo=UTC) if since else None,
        until=until.replace(tzinfo=UTC) if until else None,
    )
