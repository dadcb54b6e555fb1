"""Take a backup: every row as it stood at one moment, read beside whoever works on the database meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnClause, column, inspect, select, table
from sqlalchemy.engine import Connection

from core.backup.archive import BadBackup, End, Head, Row, Table, Writer
from core.errors import SchemaMismatch
from core.hub import Hub
from core.migrations import revision_of
from core.projects.vault import key_id_of

VERSION_TABLE = "alembic_version"
AT_ONCE = 1000  # rows fetched together


def take(hub: Hub, path: Path) -> tuple[Head, End]:
    """Write a backup of the whole hub to a new file, whatever its schema's revision is: also before an upgrade.

    Raises BadBackup when the file is there already or cannot be written, SchemaMismatch without a schema.
    """
    if path.exists():
        raise BadBackup(f"{path} exists already: a backup overwrites nothing.")
    with hub.database.moment() as connection:
        head = _head(hub, connection)
        try:
            with Writer(path, head) as writer:
                key_ids = set[str]()
                for one in tables_of(connection):
                    writer.begin(one)
                    for row in _rows(connection, one):
                        writer.add(one, row)
                        key_ids.update(used for value in row if (used := _key_id(value)))
                return head, writer.finish(key_ids)
        except OSError as err:
            raise BadBackup(f"The backup cannot be written: {err.strerror}.") from err


def tables_of(connection: Connection) -> list[Table]:
    """List the tables of a database, each after those that its rows point at."""
    inspector = inspect(connection)
    names = [name for name, _ in inspector.get_sorted_table_and_fkc_names() if name and name != VERSION_TABLE]
    return [Table(name, tuple(one["name"] for one in inspector.get_columns(name))) for name in names]


def _head(hub: Hub, connection: Connection) -> Head:
    revision = revision_of(connection)
    if revision is None:
        raise SchemaMismatch("The database has no schema: there is nothing to back up.")
    query = "SELECT network, genesis_id, height, block_time FROM cursor ORDER BY network"
    return Head(
        made_at=hub.clock.now().isoformat(timespec="seconds").replace("+00:00", "Z"),
        revision=revision,
        engine=connection.dialect.name,
        networks=[dict(row) for row in connection.exec_driver_sql(query).mappings()],
        key_marks=hub.vault.marks,
    )


def _rows(connection: Connection, one: Table) -> Iterator[Row]:
    columns: list[ColumnClause[Any]] = [column(name) for name in one.columns]
    keys = inspect(connection).get_pk_constraint(one.name)["constrained_columns"]
    order: list[ColumnClause[Any]] = [column(name) for name in keys]
    query = select(*columns).select_from(table(one.name, *columns)).order_by(*order)
    for row in connection.execute(query, execution_options={"yield_per": AT_ONCE}):
        yield tuple(row)


def _key_id(value: object) -> str | None:
    return key_id_of(value) if isinstance(value, bytes) else None
