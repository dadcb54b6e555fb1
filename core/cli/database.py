"""`paywharf db`: the schema."""

from __future__ import annotations

import click

from core.cli.answers import Answer, answering
from core.cli.roof import Roof


@click.group()
def db() -> None:
    """The database's schema."""


@db.command()
@answering
def upgrade(roof: Roof) -> Answer:
    """Bring the database to this version's schema; one that is there already is left alone.

    There is no way down: back the database up before an upgrade.
    """
    from core.migrations import head_revision
    from core.migrations import upgrade as upgrade_schema

    upgrade_schema(roof.bare_hub.database)
    revision = head_revision()
    return Answer({"revision": revision}, f"The database is at revision {revision}.")
