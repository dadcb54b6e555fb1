"""`paywharf endpoint`: where webhooks go, which events, how patiently, signed with which secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.cli.answers import ID, Answer, answering, listing, table
from core.cli.roof import Roof

if TYPE_CHECKING:
    from core.models import Endpoint

COLUMNS = ("endpoint_id", "project_id", "url", "schedule", "enabled", "event_types")
ONCE = "The secret is shown this once: store it now, on your backend only."
EVENTS = click.option("--event", "event_types", multiple=True, help="An event type, or * for all; repeat for several.")
SCHEDULE = click.Choice(["standard", "extended"])
PATIENCE = "standard: again after 5 min, 15 min, 1 h; extended: over three days."


@click.group()
def endpoint() -> None:
    """Where webhooks go beside the project's webhook URL, and what is sent there."""


@endpoint.command("list")
@click.option("--project", "project_id", type=ID, help="Only this project's.")
@answering
def list_endpoints(roof: Roof, project_id: int | None) -> Answer:
    """List endpoints, each project's webhook URL first."""
    from core.outbox import endpoints

    with roof.snapshot() as session:
        rows = [_document(row) for row in endpoints.list_endpoints(session, project_id=project_id)]
    return Answer(rows, table(rows, COLUMNS, empty="No endpoints."))


@endpoint.command()
@click.argument("project_id", type=ID)
@click.argument("url")
@EVENTS
@click.option("--schedule", type=SCHEDULE, default="standard", show_default=True, help=PATIENCE)
@answering
def create(roof: Roof, project_id: int, url: str, event_types: tuple[str, ...], schedule: str) -> Answer:
    """Send a project's webhooks to URL too, and show that endpoint's secret this once.

    Without --event it is told of payment.paid.
    """
    from core.outbox import endpoints
    from core.outbox.events import EventType
    from core.projects.service import get_project

    with roof.transaction() as session:
        made = endpoints.create_endpoint(
            session,
            roof.hub,
            get_project(session, project_id),
            url=url,
            event_types=event_types or (EventType.PAID.value,),
            schedule=schedule,
        )
        document = _document(made.endpoint) | {"webhook_secret": made.secret}
    return Answer(document, f"{listing(document.items())}\n\n{ONCE}")


@endpoint.command("set")
@click.argument("endpoint_id")
@click.option("--url", help="Where it leads from now on.")
@EVENTS
@click.option("--schedule", type=SCHEDULE, help=PATIENCE)
@answering
def change(
    roof: Roof, endpoint_id: str, url: str | None, event_types: tuple[str, ...], schedule: str | None
) -> Answer:
    """Change what endpoint ENDPOINT_ID (ep_…) is told of, where it leads, how patiently it is tried."""
    from core.outbox import endpoints

    with roof.transaction() as session:
        row = endpoints.get_endpoint(session, endpoint_id)
        endpoints.update_endpoint(
            session, roof.hub, row, url=url, event_types=event_types or None, schedule=schedule
        )
        document = _document(row)
    return Answer(document, listing(document.items()))


@endpoint.command()
@click.argument("endpoint_id")
@answering
def disable(roof: Roof, endpoint_id: str) -> Answer:
    """Send endpoint ENDPOINT_ID nothing more; what it is owed is canceled and can be replayed."""
    from core.outbox import endpoints

    with roof.transaction() as session:
        row = endpoints.get_endpoint(session, endpoint_id)
        canceled = endpoints.disable_endpoint(session, roof.hub, row)
        document = _document(row) | {"canceled": canceled}
    return Answer(document, f"Endpoint {endpoint_id} is disabled; {canceled} deliveries were canceled.")


@endpoint.command()
@click.argument("endpoint_id")
@answering
def enable(roof: Roof, endpoint_id: str) -> Answer:
    """Send to endpoint ENDPOINT_ID again; `delivery replay --state canceled` sends what it missed."""
    from core.outbox import endpoints

    with roof.transaction() as session:
        row = endpoints.get_endpoint(session, endpoint_id)
        endpoints.enable_endpoint(session, roof.hub, row)
        document = _document(row)
    missed = f"paywharf delivery replay --endpoint {endpoint_id} --state canceled"
    return Answer(document, f"Endpoint {endpoint_id} is enabled. What it missed: {missed}")


@endpoint.command("rotate-secret")
@click.argument("endpoint_id")
@answering
def rotate_secret(roof: Roof, endpoint_id: str) -> Answer:
    """Give endpoint ENDPOINT_ID a new secret, shown this once; for 24 hours both sign."""
    from core.outbox import endpoints

    with roof.transaction() as session:
        row = endpoints.get_endpoint(session, endpoint_id)
        document = {"endpoint_id": endpoint_id, "webhook_secret": endpoints.rotate_secret(session, roof.hub, row)}
    return Answer(document, f"{listing(document.items())}\n\n{ONCE}")


@endpoint.command()
@click.argument("endpoint_id")
@answering
def ping(roof: Roof, endpoint_id: str) -> Answer:
    """Send endpoint ENDPOINT_ID a test message, signed like every webhook; it names no payment."""
    from core.outbox import endpoints

    with roof.transaction() as session:
        row = endpoints.ping(session, roof.hub, endpoints.get_endpoint(session, endpoint_id))
        document = {"delivery_id": row.id, "event_id": row.message_id}
    return Answer(document, f"Look how it went: paywharf delivery show {row.id}")


def _document(row: Endpoint) -> dict[str, object]:
    return {
        "endpoint_id": row.uid,
        "project_id": row.project_id,
        "is_primary": row.is_primary,
        "url": row.url,
        "event_types": row.event_types,
        "schedule": row.schedule,
        "enabled": row.enabled,
        "disabled_why": row.disabled_why,
        "failing_since": row.failing_since.isoformat() if row.failing_since else None,
    }
