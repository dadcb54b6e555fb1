"""`paywharf merchant`: accounts, which own projects and receiving addresses."""

from __future__ import annotations

import click

from core.cli.answers import Answer, answering, table
from core.cli.documents import merchant_document
from core.cli.roof import Roof


@click.group()
def merchant() -> None:
    """Accounts that own projects and receiving addresses."""


@merchant.command()
@click.argument("name")
@answering
def create(roof: Roof, name: str) -> Answer:
    """Open an account called NAME."""
    from core.projects.service import create_merchant

    with roof.transaction() as session:
        made = create_merchant(session, roof.hub, name=name)
    return Answer(merchant_document(made), f"Merchant {made.id} ({made.name}) created.")


@merchant.command("list")
@answering
def list_merchants(roof: Roof) -> Answer:
    """List the accounts of this hub."""
    from sqlalchemy import select

    from core.models import Merchant

    with roof.snapshot() as session:
        rows = [merchant_document(row) for row in session.scalars(select(Merchant).order_by(Merchant.id))]
    columns = ("merchant_id", "name", "created_at")
    return Answer(rows, table(rows, columns, empty="No merchant yet: paywharf merchant create NAME"))
