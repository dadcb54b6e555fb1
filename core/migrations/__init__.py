"""Schema revisions, and the check that code and schema fit each other. There is no way down: restore a backup."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import Migrate

from core.db import Database
from core.errors import SchemaMismatch

FOLDER = Path(__file__).parent

migrate = Migrate(directory=str(FOLDER), render_as_batch=True, compare_type=True)


def head_revision() -> str:
    """Name the newest revision this code knows."""
    head = ScriptDirectory(str(FOLDER)).get_current_head()
    if head is None:
        raise SchemaMismatch("This installation has no schema revisions.")
    return head


def check_schema(database: Database) -> None:
    """Refuse to work on a schema of another version; raises SchemaMismatch."""
    with database.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found != head_revision():
        raise SchemaMismatch(
            f"The database schema is at revision {found or 'none'}, this version needs {head_revision()}: "
            "run `paywharf db upgrade`."
        )


def upgrade(database: Database) -> None:
    """Bring the schema to this version's head; a schema already there is left alone."""
    from alembic import command

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
