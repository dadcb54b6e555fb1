"""The one door to the SQL engine: engine recipes for SQLite and PostgreSQL, column types, transactions, claims.

Nothing here knows a table. Commits happen in `Database.transaction()` only, and only edges (a view, a job, a tick,
a command) open one; a function that is handed a session never commits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import datetime
from threading import RLock
from typing import Any, TypeVar

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, Engine, Integer, LargeBinary, MetaData, Text, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, class_mapper, make_transient_to_detached
from sqlalchemy.types import TypeDecorator, TypeEngine

from core.clock import from_millis, to_millis
from core.errors import MisconfiguredHub
from core.money import Usdt

INT64_MAX = 2**63 - 1
SQLITE_BUSY_TIMEOUT_MS = 15_000  # longer than any transaction of ours; a writer waits for its turn instead of failing

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The declarative base of every table."""

    metadata = MetaData(naming_convention=NAMING)


Row = TypeVar("Row", bound=Base)

db = SQLAlchemy(model_class=Base, disable_autonaming=True)

INT = BigInteger().with_variant(Integer(), "sqlite")
BYTES = LargeBinary()


class Int64(TypeDecorator[int]):
    """A 64-bit integer that refuses everything else before the driver sees it (SQLite would store 'abc')."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """SQLite's STRICT tables know INTEGER only."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())

    def process_bind_param(self, value: Any, dialect: Dialect) -> int | None:
        """Let integers of 64 bits pass; raise ValueError for anything else."""
        if value is None:
            return None
        if type(value) is not int or abs(value) > INT64_MAX:
            raise ValueError(f"not a 64-bit integer: {value!r:.40}")
        return value


class Units(TypeDecorator[Usdt]):
    """An amount: `Usdt` in Python, integer units of 10**-6 in the table."""

    impl = Int64
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> int | None:
        """Unwrap an amount; a bare number is a bug and raises ValueError."""
        if value is None:
            return None
        if not isinstance(value, Usdt):
            raise ValueError(f"not an amount: {value!r:.40}")
        return value.units

    def process_result_value(self, value: Any, dialect: Dialect) -> Usdt | None:
        """Wrap the stored integer."""
        return None if value is None else Usdt(value)


class Moment(TypeDecorator[datetime]):
    """A point in time: aware UTC in Python, integer milliseconds in the table; naive times raise ValueError."""

    impl = Int64
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> int | None:
        """Turn an aware time into milliseconds."""
        return None if value is None else to_millis(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Turn milliseconds into an aware time."""
        return None if value is None else from_millis(value)


class Flag(TypeDecorator[bool]):
    """A truth value, stored as 0 or 1 on both databases."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> int | None:
        """Let only True and False pass."""
        if value is None:
            return None
        if not isinstance(value, bool):
            raise ValueError(f"not a truth value: {value!r:.40}")
        return int(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> bool | None:
        """Read 0 and 1."""
        return None if value is None else bool(value)


class Word(TypeDecorator[str]):
    """Text that both databases can hold: no NUL, no lone surrogate."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Let storable text pass; raise ValueError for anything else."""
        if value is None:
            return None
        if not isinstance(value, str) or "\x00" in value:
            raise ValueError("not storable text")
        value.encode("utf-8")
        return str(value)


def engine_options(database_url: str) -> dict[str, Any]:
    """Give the engine arguments for a database URL.

    SQLite: one connection per thread of the process, waits for the write lock. PostgreSQL: checks a pooled
    connection before use, because a restarted server leaves dead ones behind (measured: jobs-and-data 3.2).
    """
    if make_url(database_url).get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": SQLITE_BUSY_TIMEOUT_MS / 1000, "check_same_thread": False}}
    timeouts = "-c statement_timeout=30000 -c lock_timeout=15000 -c idle_in_transaction_session_timeout=60000"
    return {
        "pool_pre_ping": True,
        "pool_size": 10,
        "max_overflow": 10,
        "connect_args": {"connect_timeout": 5, "options": timeouts},
    }


def open_database(database_url: str) -> Database:
    """Open a database outside a Flask app: for commands and tests."""
    return Database(create_engine(database_url, **engine_options(database_url)))


class Database:
    """An engine with our transaction rules on it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        if self.is_sqlite:
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        # SQLite's own waiting is a lottery of growing naps; the threads of a process stand in line instead
        self.turn = RLock() if self.is_sqlite else nullcontext()
        self._reading = engine.execution_options(paywharf_read_only=True)
        # PostgreSQL is spared two ways there and back for BEGIN and ROLLBACK; one statement sees one moment anyway
        self._glancing = self._reading if self.is_sqlite else engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def transaction(self, connection: Connection | None = None) -> Iterator[Session]:
        """Open a write transaction; commit when the block ends, roll back when it raises.

        connection: that of a visit, on which it takes place.
        """
        with (
            self.turn, Session(connection or self.engine, expire_on_commit=False) as session, session.begin(),
        ):
            yield session

    @contextmanager
    def visit(self) -> Iterator[Connection]:
        """Open a connection for who asks prepared statements first and may then write in a transaction on it.

        On SQLite the questions take no lock.
        """
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Open a read-only view; on SQLite it takes no write lock."""
        with Session(self._reading, expire_on_commit=False, autoflush=False) as session:
            yield session

    @contextmanager
    def glance(self) -> Iterator[Connection]:
        """Open a connection for one statement that reads: a session costs more than what it would ask."""
        with self._glancing.connect() as connection:
            yield connection

    @contextmanager
    def moment(self) -> Iterator[Connection]:
        """Open a connection that only reads and sees one moment of the database, however long it takes.

        Nobody waits for it: SQLite reads beside its writer, PostgreSQL keeps the old rows.
        """
        if self.is_sqlite:
            with self._reading.connect() as connection:
                yield connection
            return
        engine = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with engine.connect() as connection:
            patient(connection)
            yield connection

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a customer has been told "paid": survive a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get("paywharf_read_only", False)
    # IMMEDIATE: a read that later writes would fail at once with SQLITE_BUSY_SNAPSHOT, whatever the timeout
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def check_engine(database: Database) -> None:
    """Read the vital settings back from the database; raise MisconfiguredHub when they differ (test DB10)."""
    if not database.is_sqlite:
        return
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    with database.snapshot() as session:
        for name, value in wanted.items():
            found = session.execute(text(f"PRAGMA {name}")).scalar_one()
            if found != value:
                raise MisconfiguredHub(f"SQLite {name} is {found!r}, not {value!r}: use a local file system.")


def detached(table: type[Row], values: Mapping[str, Any]) -> Row:
    """Make the object of a row whose columns are at hand, without asking for it; it belongs to no session yet."""
    made: Row = class_mapper(table).class_manager.new_instance()  # a process's first row may be one of these
    made.__dict__.update(values)
    make_transient_to_detached(made)
    return made


def patient(connection: Connection) -> None:
    """Let this transaction take as long as it needs: a copy of a whole database does."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


def insert_for(session: Session, table: type[Base]) -> Any:
    """Start an INSERT that can say ON CONFLICT, in the dialect at hand."""
    return insert_in(dialect_of(session), table)


def insert_in(dialect: str, table: type[Base]) -> Any:
    """Start an INSERT that can say ON CONFLICT, for a statement that is built once per dialect and kept."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def dialect_of(session: Session) -> str:
    """Name the kind of database a session talks to: `sqlite` or `postgresql`."""
    return session.get_bind().dialect.name


def is_unavailable(error: Exception) -> bool:
    """Tell whether a database error means "try again later" rather than a bug of ours."""
    return isinstance(error, OperationalError)


def is_deadlock(err: DBAPIError) -> bool:
    """Tell whether PostgreSQL has ended this transaction because two waited for each other: it can be done anew."""
    return getattr(err.orig, "sqlstate", None) == "40P01"
