"""Alembic's entry: runs revisions on the connection it is handed, or on the app's engine under `flask db`."""

from __future__ import annotations

from alembic import context
from sqlalchemy.engine import Connection

import core.models  # noqa: F401  registers the tables
from core.db import Base


def run(connection: Connection) -> None:
    """Run the revisions in one transaction."""
    context.configure(
        connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    from flask import current_app

    with current_app.extensions["migrate"].db.engine.connect() as own:
        run(own)
        own.commit()
