"""Hot statements: compiled once, and asked on the driver's own cursor inside a connection's transaction (D68).

SQLAlchemy's way of asking costs ten times what SQLite needs to answer. Here its compiler and its types do the same
work, once: values are written and columns read by their types, and the driver's errors come as SQLAlchemy's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Executable
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import DBAPIError

Convert = Callable[[Any], Any]


class Prepared:
    """A statement whose parameters are all named with `bindparam`; it holds no list of them (IN).

    Columns that an INSERT does not name get their constant default.
    """

    def __init__(self, build: Callable[[str], Executable]) -> None:
        """build: writes the statement in the words of a dialect, `sqlite` or `postgresql`."""
        self._build = build
        self._plans: dict[str, _Plan] = {}

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Ask it; raises SQLAlchemy's errors."""
        plan = self._plans.get(connection.dialect.name) or self._plan(connection.dialect)
        parameters = plan.parameters(values)
        with closing(connection.connection.cursor()) as cursor:
            for tell in connection.dispatch.before_cursor_execute:  # as SQLAlchemy tells whoever counts statements
                tell(connection, cursor, plan.sql, parameters, None, False)
            try:
                cursor.execute(plan.sql, parameters)
                found: Sequence[Sequence[Any]] = cursor.fetchall() if plan.has_rows else []
            except plan.errors as error:
                raise _as_sqlalchemys(error, connection, cursor, plan, parameters) from error
        return [plan.read(row) for row in found] if plan.readers else found

    def row(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Ask for the one row there is, or None."""
        found = self.rows(connection, values)
        if len(found) > 1:
            raise ValueError("more rows than one")
        return found[0] if found else None

    def scalar(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """Ask for the first column of the one row there is, or None."""
        found = self.row(connection, values)
        return found[0] if found else None

    def _plan(self, dialect: Dialect) -> _Plan:
        plan = self._plans[dialect.name] = _planned(self._build(dialect.name), dialect)
        return plan


@dataclass(frozen=True, slots=True)
class _Plan:
    """A compiled statement. writers, readers: what a type does to a value, for those of which it does anything."""

    sql: str
    order: Sequence[str] | None
    constants: dict[str, Any]
    writers: tuple[tuple[str, Convert], ...]
    readers: tuple[tuple[int, Convert], ...]
    has_rows: bool
    errors: type[Exception]

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """Write values as the driver takes them: a sequence where it counts, else by name."""
        written = {**self.constants, **values}
        for name, write in self.writers:
            written[name] = write(written[name])
        return written if self.order is None else tuple([written[name] for name in self.order])

    def read(self, row: Sequence[Any]) -> Sequence[Any]:
        """Read a row's columns by their types."""
        columns = list(row)
        for place, read in self.readers:
            columns[place] = read(columns[place])
        return columns


def _planned(statement: Executable, dialect: Dialect) -> _Plan:
    compiled: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    columns = tuple(getattr(statement, "exported_columns", ()))
    constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
    constants |= {column.key: column.default.arg for column in compiled.insert_prefetch}
    writers = {name: _type(bind, dialect).bind_processor(dialect) for name, bind in compiled.binds.items()}
    readers = [_type(column, dialect).result_processor(dialect, None) for column in columns]
    return _Plan(
        sql=str(compiled),
        order=compiled.positiontup if compiled.positional else None,
        constants=constants,
        writers=tuple((name, write) for name, write in writers.items() if write),
        readers=tuple((place, read) for place, read in enumerate(readers) if read),
        has_rows=bool(columns),
        errors=dialect.loaded_dbapi.Error,
    )


def _type(expression: Any, dialect: Dialect) -> Any:
    return expression.type.dialect_impl(dialect)


def _as_sqlalchemys(
    error: Exception, connection: Connection, cursor: Any, plan: _Plan, parameters: Any
) -> BaseException:
    """Give SQLAlchemy's error for the driver's; a connection that is lost goes back to no pool."""
    dialect = connection.dialect
    is_lost = dialect.is_disconnect(error, cursor.connection, cursor)  # type: ignore[arg-type]
    if is_lost:
        connection.invalidate(error)
    return DBAPIError.instance(
        plan.sql, parameters, error, dialect.loaded_dbapi.Error, dialect=dialect, connection_invalidated=is_lost
    )
