"""Write down what an engine is asked, statement by statement, and ask the database how it answers each of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection

OWN_ALIAS = re.compile(r"_\d+$")  # SQLAlchemy names the second use of a table so
PLANNED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as the driver got it; of a batch, the first row's parameters."""

    sql: str
    parameters: Any

    @property
    def verb(self) -> str:
        """Give its first word."""
        return self.sql.split(None, 1)[0].upper()


@dataclass(slots=True)
class Recording:
    """What an engine did meanwhile; `BEGIN` is left out, since only SQLite is told to."""

    statements: list[Statement] = field(default_factory=list)
    commits: int = 0


@contextmanager
def recorded(engine: Engine) -> Iterator[Recording]:
    """Record everything an engine and its options' engines execute and commit."""
    recording = Recording()

    def note(_conn: object, _cursor: object, sql: str, parameters: Any, _context: object, many: bool) -> None:
        if not sql.startswith("BEGIN"):
            recording.statements.append(Statement(sql, parameters[0] if many else parameters))

    def note_commit(_conn: object) -> None:
        recording.commits += 1

    event.listen(engine, "before_cursor_execute", note)
    event.listen(engine, "commit", note_commit)
    try:
        yield recording
    finally:
        event.remove(engine, "before_cursor_execute", note)
        event.remove(engine, "commit", note_commit)


@contextmanager
def counted_steps(engine: Engine) -> Iterator[list[int]]:
    """Count SQLite's virtual machine instructions, in tens: work that no faster processor makes smaller."""
    steps = [0]
    if engine.dialect.name != "sqlite":
        yield steps
        return

    def tick() -> int:
        steps[0] += 1
        return 0

    def watch(connection: Any, _record: object, _proxy: object) -> None:
        connection.set_progress_handler(tick, 10)

    def leave(connection: Any, _record: object) -> None:
        connection.set_progress_handler(None, 10)

    event.listen(engine, "checkout", watch)
    event.listen(engine, "checkin", leave)
    try:
        yield steps
    finally:
        event.remove(engine, "checkout", watch)
        event.remove(engine, "checkin", leave)


def full_scans(engine: Engine, statement: Statement) -> list[str]:
    """Name the tables that the database would read from end to end for this statement."""
    if statement.verb not in PLANNED:
        return []
    with engine.connect() as connection:
        found = _sqlite_scans if engine.dialect.name == "sqlite" else _postgresql_scans
        return found(connection, statement)


def rows_read(engine: Engine, statement: Statement) -> int:
    """Count the rows PostgreSQL looks at for a statement that reads, by running it again; 0 on SQLite.

    Index entries that a bitmap or a filter throws away are looked at too.
    """
    if engine.dialect.name == "sqlite" or statement.verb not in ("SELECT", "UPDATE"):
        return 0
    with engine.connect() as connection:  # rolled back at the end
        nodes = list(_nodes(_plan(connection, statement, "ANALYZE, TIMING off, FORMAT JSON")))
    return sum(_looked_at(node) for node in nodes if "Relation Name" in node and node["Node Type"] != "ModifyTable")


def _sqlite_scans(connection: Connection, statement: Statement) -> list[str]:
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement.sql}", statement.parameters).all()
    steps = [str(row[3]).split() for row in rows]  # an automatic index is made by reading the table
    return [OWN_ALIAS.sub("", step[1]) for step in steps if step[0] == "SCAN" or "AUTOMATIC" in step]


def _postgresql_scans(connection: Connection, statement: Statement) -> list[str]:
    """An index read without a condition is a full scan in disguise: the planner's way round `enable_seqscan=off`."""
    connection.exec_driver_sql("SET LOCAL enable_seqscan=off")
    return [
        node["Relation Name"]
        for node in _nodes(_plan(connection, statement, "FORMAT JSON"))
        if node["Node Type"] == "Seq Scan"
        or (node["Node Type"] in ("Index Scan", "Index Only Scan") and "Index Cond" not in node)
    ]


def _plan(connection: Connection, statement: Statement, options: str) -> dict[str, Any]:
    answer = connection.exec_driver_sql(f"EXPLAIN ({options}) {statement.sql}", statement.parameters).scalar_one()
    plan: dict[str, Any] = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
    return plan


def _looked_at(node: dict[str, Any]) -> int:
    thrown_away = sum(count for name, count in node.items() if name.startswith("Rows Removed by"))
    return int((node["Actual Rows"] + thrown_away) * node["Actual Loops"])


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
