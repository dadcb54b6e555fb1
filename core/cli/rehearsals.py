"""`paywharf trigger` and `paywharf test-clock`: try what a payment can meet, with no coin and no waiting."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from core.cli.answers import ID, Answer, answering, listing, table
from core.cli.documents import Document, moment, payment_document
from core.cli.payments import events_of
from core.cli.roof import Roof

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from core.hub import Hub
    from core.models import Payment

WEBHOOK_500 = "webhook-500"
SCENARIOS = ("exact", "under", "over", "late", "duplicate", "fail", "expire", WEBHOOK_500)
FAILED_COLUMNS = ("delivery_id", "type", "state", "failures", "next_attempt_at", "last_error")
SPAN = re.compile(r"(\d{1,6})([smhd])")
UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@click.command()
@click.argument("scenario", type=click.Choice(SCENARIOS))
@click.option("--project", "project_id", type=ID, required=True, help="Whose test keys make the payment.")
@click.option("--amount", default="10.00", show_default=True, help="USDT.")
@click.option("--order-id", help="By default a new one each time.")
@answering
def trigger(roof: Roof, scenario: str, project_id: int, amount: str, order_id: str | None) -> Answer:
    """Make a test payment and let SCENARIO happen to it; its events and webhooks follow as for a real one.

    webhook-500: it is paid, and its webhook's first attempt is answered with HTTP 500; the schedule then has it.
    """
    from core.outbox.rehearsal import fail_with_500, lease_deliveries

    with roof.transaction() as session:
        payment = _open(session, roof.hub, project_id=project_id, amount=amount, order_id=order_id)
        _play(session, roof.hub, payment, scenario)
        document = payment_document(roof.hub, payment)
        events = events_of(session, payment)
        claims = lease_deliveries(session, roof.hub, payment) if scenario == WEBHOOK_500 else []
    fail_with_500(roof.hub, claims)
    failed = _failed(roof, [claim.delivery_id for claim in claims])
    shown = [listing(document.items()), table(events, ("number", "type", "created_at"), empty="No events.")]
    if failed:
        shown.append(table(failed, FAILED_COLUMNS, empty=""))
    return Answer(document | {"events": events, "deliveries": failed}, "\n\n".join(shown))


@click.group("test-clock")
def test_clock() -> None:
    """A project's test clock: its test payments then live by a time that you move."""


@test_clock.command("set")
@click.argument("project_id", type=ID)
@click.argument("when", type=click.DateTime(["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]))
@answering
def set_to(roof: Roof, project_id: int, when: datetime) -> Answer:
    """Let the clock stand at WHEN (UTC), and expire what its time is over for; it goes forward only."""
    return _move(roof, project_id, lambda _: when.replace(tzinfo=UTC))


@test_clock.command()
@click.argument("project_id", type=ID)
@click.argument("span")
@answering
def advance(roof: Roof, project_id: int, span: str) -> Answer:
    """Move the clock on by SPAN: 90s, 30m, 24h or 7d; the first time it starts from now."""
    found = SPAN.fullmatch(span)
    if found is None:
        raise click.UsageError("SPAN is a whole number and a unit: 90s, 30m, 24h or 7d.")
    by = timedelta(seconds=int(found[1]) * UNIT_S[found[2]])
    return _move(roof, project_id, lambda stood: stood + by)


@test_clock.command()
@click.argument("project_id", type=ID)
@answering
def release(roof: Roof, project_id: int) -> Answer:
    """Take the clock away: test payments live by the wall clock again."""
    return _move(roof, project_id, lambda _: None)


def _move(roof: Roof, project_id: int, to: Callable[[datetime], datetime | None]) -> Answer:
    from core.payments.controls import set_test_clock
    from core.projects.service import get_project

    with roof.transaction() as session:
        project = get_project(session, project_id)
        stood = project.test_now or roof.hub.clock.now()
        closed = set_test_clock(session, roof.hub, project, to(stood))
        stands = project.test_now
    document = {"project_id": project_id, "test_now": moment(stands), "closed": closed}
    where = f"stands at {moment(stands)}" if stands else "is gone"
    return Answer(document, f"The test clock of project {project_id} {where}; {closed} payments ended by it.")


def _open(session: Session, hub: Hub, *, project_id: int, amount: str, order_id: str | None) -> Payment:
    from core.ids import Mode
    from core.money import parse_amount
    from core.payments.service import Order, open_payment
    from core.projects.service import credential_of, get_project

    project = get_project(session, project_id)
    order = Order(order_id=order_id or hub.ids.test_txid()[:17], amount=parse_amount(amount))
    credential = credential_of(session, project, Mode.TEST)
    return open_payment(session, hub, project=project, credential=credential, order=order).payment


def _failed(roof: Roof, ids: list[int]) -> list[Document]:
    """Describe deliveries that were made to fail: when they are tried again, and how often they have been."""
    from core.models import Delivery

    with roof.snapshot() as session:
        rows = [session.get_one(Delivery, number) for number in ids]
        return [
            {
                "delivery_id": row.id, "type": row.type, "state": row.state, "failures": row.failures,
                "next_attempt_at": moment(row.next_attempt_at), "last_error": row.last_error,
            }
            for row in rows
        ]


def _play(session: Session, hub: Hub, payment: Payment, scenario: str) -> None:
    from core.payments.controls import scenario_of, simulate

    simulate(session, hub, payment, scenario_of("exact" if scenario == WEBHOOK_500 else scenario))
