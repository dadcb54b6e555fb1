"""`paywharf statement` and `paywharf balance`: what a project was credited with, line by line or in all."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from core.cli.answers import ID, Answer, answering, listing, table
from core.cli.roof import Roof

DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.argument("project_id", type=ID)
@click.option("--from", "since", type=DAY, default="1970-01-01", show_default=True, help="The first day, UTC.")
@click.option("--to", "until", type=DAY, default="9999-12-31", show_default=True, help="The day after the last, UTC.")
@click.option("--csv", "as_text", is_flag=True, help="Write CSV for a spreadsheet.")
@answering
def statement(roof: Roof, project_id: int, since: datetime, until: datetime, as_text: bool) -> Answer:
    """Show what a project was credited with and what was sent back, with orders and the balance after each.

    All lines add up to the balance. `own`, `held`: credited. `returned`: sent back of that. `unassigned` with
    `refunded`: what came for one of its payments, was never credited and was sent back.
    """
    from core.ledger import statements
    from core.projects.service import get_project

    with roof.snapshot() as session:
        get_project(session, project_id)
        lines = statements.statement(
            session, project_id, since=since.replace(tzinfo=UTC), until=until.replace(tzinfo=UTC)
        )
        rows = statements.as_rows(lines)
    if as_text:
        return Answer(rows, statements.as_csv(rows).rstrip("\r\n"))
    return Answer(rows, table(rows, statements.COLUMNS[:-1], empty="Nothing was credited."))


@click.command()
@click.argument("project_id", type=ID)
@answering
def balance(roof: Roof, project_id: int) -> Answer:
    """Show what live payments have brought a project, what of it was refunded, and what can be withdrawn."""
    from core.ledger import journal
    from core.projects.service import get_project

    with roof.snapshot() as session:
        found = journal.balance_of(session, get_project(session, project_id))
    document = {
        "received": found.received.six_places(),
        "own": found.own.six_places(),
        "held": found.held.six_places(),
        "refunded": found.refunded.six_places(),
        "balance": found.balance.six_places(),
        "withdrawable": found.withdrawable.six_places(),
    }
    return Answer(document, listing(document.items()))
