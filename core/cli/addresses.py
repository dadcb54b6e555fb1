"""`paywharf address`: the TRON addresses that customers pay to."""

from __future__ import annotations

import click

from core.cli.answers import ID, Answer, answering, table
from core.cli.documents import address_document
from core.cli.lookups import merchant_or_only
from core.cli.roof import Roof


@click.group()
def address() -> None:
    """A merchant's receiving addresses; the hub only watches them and never holds their keys."""


@address.command()
@click.argument("address")
@click.option("--merchant", "merchant_id", type=ID, help="Whose address it is; needed with several merchants.")
@answering
def add(roof: Roof, address: str, merchant_id: int | None) -> Answer:
    """Watch ADDRESS (T…) for payments to any of the merchant's projects."""
    from core.projects.service import add_address

    with roof.transaction() as session:
        owner_id = merchant_or_only(session, merchant_id)
        row = add_address(session, roof.hub, merchant_id=owner_id, address=address)
    return Answer(address_document(row), f"Address {row.base58} of merchant {owner_id} is watched from now on.")


@address.command("list")
@answering
def list_addresses(roof: Roof) -> Answer:
    """List every receiving address."""
    from sqlalchemy import select

    from core.models import Address

    with roof.snapshot() as session:
        rows = [address_document(row) for row in session.scalars(select(Address).order_by(Address.id))]
    columns = ("address_id", "merchant_id", "address", "retired")
    return Answer(rows, table(rows, columns, empty="No receiving address yet: paywharf address add ADDRESS"))
