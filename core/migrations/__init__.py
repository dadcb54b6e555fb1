"""Schema revisions, and the check that code and schema fit each other. There is no way down: restore a backup."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import Migrate
from sqlalchemy.engine import Connection

from core.db import Database
from core.errors import SchemaMismatch

FOLDER = Path(__file__).parent

migrate = Migrate(directory=str(FOLDER), render_as_batch=True, compare_type=True)


@cache
def head_revision() -> str:
    """Name the newest revision this code knows."""
    head = ScriptDirectory(str(FOLDER)).get_current_head()
    if head is None:
        raise SchemaMismatch("This installation has no schema revisions.")
    return head


def knows(revision: str) -> bool:
    """Tell whether this code can come from a revision to its own."""
    return any(script.revision == revision for script in ScriptDirectory(str(FOLDER)).walk_revisions())


def revision_of(connection: Connection) -> str | None:
    """Read which revision a database's schema is at; None where there is no schema."""
    return MigrationContext.configure(connection).get_current_revision()


def check_schema(database: Database) -> None:
    """Refuse to work on a schema of another version; raises SchemaMismatch."""
    with database.engine.connect() as connection:
        found = revision_of(connection)
    if found != head_revision():
        raise SchemaMismatch(
            f"The database schema is at revision {found or 'none'}, this version needs {head_revision()}: "
            "run `paywharf db upgrade`."
        )


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema to this version's head, or to one revision; a schema already there is left alone."""
    with reshaping(database) as connection:
        upgrade_on(connection, revision)


def upgrade_on(connection: Connection, revision: str = "head") -> None:
    """Do the same inside a transaction of `reshaping`."""
    from alembic import command

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


@contextmanager
def reshaping(database: Database) -> Iterator[Connection]:
    """Open one transaction that may change the schema: all of it is done, or nothing.

    Raises SchemaMismatch at its end when a row points at one that is not there.
    """
    with database.engine.connect() as connection, _unbound_by_foreign_keys(database, connection):
        connection.begin()
        yield connection
        if database.is_sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
            raise SchemaMismatch("The change would break a reference between rows; nothing was changed.")
        connection.commit()


@contextmanager
def _unbound_by_foreign_keys(database: Database, connection: Connection) -> Iterator[None]:
    """Let SQLite copy a table that others point at; the pragma does nothing inside a transaction (sqlite.org)."""
    if not database.is_sqlite:
        yield
        return
    raw = connection.connection.cursor()
    raw.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        connection.rollback()
        raw.execute("PRAGMA foreign_keys=ON")
        raw.close()
