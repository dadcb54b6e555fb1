"""`paywharf payment`: what was asked for and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.cli.answers import ID, LIMIT, Answer, answering, listing, table
from core.cli.documents import (
    Document, attempt_document, delivery_document, event_document, payment_document, sighting_document,
    transfer_document,
)
from core.cli.lookups import find_payment, with_surroundings
from core.cli.roof import Roof

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from core.models import Payment

EVENT_COLUMNS = ("number", "type", "created_at", "actor", "note")
TRANSFER_COLUMNS = ("txid", "amount", "bucket", "height", "block_time", "sender")
DELIVERY_COLUMNS = ("delivery_id", "type", "state", "attempts", "url", "last_error")


@click.group()
def payment() -> None:
    """Payments: what was asked for and what became of it."""


@payment.command()
@click.argument("payment_id", type=ID)
@answering
def show(roof: Roof, payment_id: int) -> Answer:
    """Show a payment with its events, transfers and deliveries."""
    from core.models import Sighting, Transfer

    with roof.snapshot() as session:
        row = find_payment(session, payment_id)
        document = payment_document(roof.hub, row) | {"project": row.project.name}
        detected = sighting_document(session.get(Sighting, row.id))
        events = events_of(session, row)
        transfers = _transfers(session, Transfer.payment_id == row.id)
        deliveries = _deliveries(session, row)
    tables = (
        table(events, EVENT_COLUMNS, empty="No events."),
        table(transfers, TRANSFER_COLUMNS, empty="No transfers."),
        table(deliveries, DELIVERY_COLUMNS, empty="No deliveries."),
    )
    parts = {"detected": detected, "events": events, "transfers": transfers, "deliveries": deliveries}
    return Answer(document | parts, "\n\n".join((listing(document.items()), *tables)))


@payment.command("list")
@click.option("--project", "project_id", type=ID, help="Only this project's.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many, the newest first.")
@answering
def list_payments(roof: Roof, project_id: int | None, limit: int) -> Answer:
    """List payments, the newest first."""
    from sqlalchemy import select

    from core.models import Payment

    wanted = select(Payment).order_by(Payment.id.desc()).limit(limit)
    if project_id is not None:
        wanted = wanted.where(Payment.project_id == project_id)
    with roof.snapshot() as session:
        rows = [payment_document(roof.hub, row) for row in session.scalars(wanted)]
    columns = ("payment_id", "project_id", "order_id", "status", "anomaly", "amount", "pay_amount", "is_test",
               "created_at")
    return Answer(rows, table(rows, columns, empty="No payments."))


def events_of(session: Session, row: Payment) -> list[Document]:
    """Describe what happened to a payment, in order."""
    from sqlalchemy import select

    from core.models import Event

    wanted = select(Event).where(Event.payment_id == row.id).order_by(Event.number)
    return [event_document(event) for event in session.scalars(wanted)]


def _transfers(session: Session, *conditions: ColumnElement[bool]) -> list[Document]:
    from sqlalchemy import select

    from core.models import Address, Payment, Transfer

    wanted = (
        select(Transfer, Address.base58, Payment.payment_id)
        .join(Address, Address.id == Transfer.address_id)
        .outerjoin(Payment, Payment.id == Transfer.payment_id)
        .where(*conditions)
        .order_by(Transfer.id)
    )
    return [
        transfer_document(transfer, address=address, payment_id=payment_id)
        for transfer, address, payment_id in session.execute(wanted)
    ]


def _deliveries(session: Session, row: Payment) -> list[Document]:
    from sqlalchemy import select

    from core.models import Attempt, Delivery, Event

    wanted = (
        select(Delivery)
        .join(Event, Event.id == Delivery.event_id)
        .where(Event.payment_id == row.id)
        .order_by(Delivery.id)
        .options(*with_surroundings())
    )
    found = []
    for delivery in session.scalars(wanted).all():
        tries = session.scalars(select(Attempt).where(Attempt.delivery_id == delivery.id).order_by(Attempt.id))
        found.append(delivery_document(delivery) | {"tries": [attempt_document(one) for one in tries]})
    return found
