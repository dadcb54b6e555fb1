"""Restore a backup into a database of either kind, in one transaction: all of it, at this version's schema, or nothing.

A restored hub knows nothing of what happened after its backup. The watcher reads the chain again from the restored
cursor and finds the money again, each transfer once; what else could be given out a second time is skipped: numbers
of payments, places in the stream of events, and derived addresses, which are watched instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path

from sqlalchemy import column, func, inspect, select, table, text, update
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from core.backup.archive import BadBackup, End, Head, Row, Table, rows
from core.backup.taking import VERSION_TABLE, tables_of
from core.clock import EPOCH, to_millis
from core.db import Base, patient
from core.errors import MisconfiguredHub, SchemaMismatch, WrongNetwork
from core.hub import Hub
from core.migrations import knows, reshaping, upgrade_on
from core.models import AccountXpub, Cursor, Delivery, Event
from core.models.outbox import DUE
from core.payments.deriving import next_address
from core.payments.numbers import skip_numbers

AT_ONCE = 500  # rows written together
SKIPPED_NUMBERS = 1_000_000  # of 2**31: more payments than any hub opens between a backup and its loss
SKIPPED_PLACES = 1_000_000
WATCHED_AHEAD = 20  # derived addresses of each xpub: as far as wallets look for the next used one (BIP 44)


class NotEmpty(MisconfiguredHub):
    """The database to restore into has rows, or somebody works on it."""

    code = "database_not_empty"


class KeyDoesNotFit(MisconfiguredHub):
    """The secrets in the backup are sealed under a master key that this hub does not have."""

    code = "master_key_does_not_fit"


def missing_keys(hub: Hub, head: Head, end: End) -> list[str]:
    """Name the master keys that a backup needs and this hub does not have: by their id, and by which key it is."""
    ours = hub.vault.marks
    return [id for id in end.key_ids if id not in ours or head.key_marks.get(id, ours[id]) != ours[id]]


def check(hub: Hub, head: Head) -> None:
    """Refuse what can never be restored here; raises SchemaMismatch, WrongNetwork."""
    if not knows(head.revision):
        raise SchemaMismatch(f"The backup's schema {head.revision} is of a later version: restore it with that.")
    names = [network["network"] for network in head.networks]
    if names and hub.settings.network.name not in names:
        raise WrongNetwork(f"The backup is of {', '.join(names)}, and PAYWHARF_NETWORK is {hub.settings.network.name}.")


def require_room(hub: Hub, *, force: bool) -> None:
    """Refuse a database that is in use; raises NotEmpty."""
    sentence = hindrance(hub, force=force)
    if sentence:
        raise NotEmpty(sentence)


def hindrance(hub: Hub, *, force: bool) -> str:
    """Say what must be done before anything can be restored into the database; empty where nothing must."""
    with hub.database.moment() as connection:
        filled = [one.name for one in _ours(connection) if _has_rows(connection, one)]
        if filled and _is_watched(hub, connection):
            return "A watcher runs on this database: stop the hub first."
    if filled and not force:
        return f"The database is not empty (there is a {filled[0]}): --force gives up what is in it."
    return ""


def restore(hub: Hub, path: Path, head: Head) -> None:
    """Put the rows of a checked backup in place of whatever is in the database, at this version's schema."""
    with reshaping(hub.database) as connection:
        patient(connection)
        _drop_all(connection)
        upgrade_on(connection, head.revision)
        _fill(connection, rows(path))
        _move_counters(connection)
        upgrade_on(connection)
        with Session(connection, join_transaction_mode="rollback_only") as session:
            _let_go(session)
            skip_numbers(session, hub, SKIPPED_NUMBERS)
            _skip_places(session)
            session.flush()
    hub.id_permutation = None


def watch_ahead(hub: Hub) -> int:
    """Watch the addresses that payments after the backup may have been given; says how many. Needs the master key."""
    watched = 0
    with hub.database.transaction() as session:
        for xpub_id in session.scalars(select(AccountXpub.id).where(AccountXpub.retired_at.is_(None))).all():
            for _ in range(WATCHED_AHEAD):
                next_address(session, hub, xpub_id)
                watched += 1
    return watched


def _ours(connection: Connection) -> list[Table]:
    return [one for one in tables_of(connection) if one.name in Base.metadata.tables]


def _has_rows(connection: Connection, one: Table) -> bool:
    query = select(text("1")).select_from(table(one.name)).limit(1)
    return connection.execute(query).first() is not None


def _is_watched(hub: Hub, connection: Connection) -> bool:
    if "leased_until" not in {one["name"] for one in inspect(connection).get_columns("cursor")}:
        return False
    until = connection.exec_driver_sql("SELECT max(leased_until) FROM cursor").scalar_one()
    return until is not None and until > to_millis(hub.clock.now())


def _drop_all(connection: Connection) -> None:
    """Drop our tables, those that point at others first; what is not ours stays."""
    names = [one.name for one in reversed(_ours(connection))]
    for name in (*names, VERSION_TABLE):
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")


def _fill(connection: Connection, found: Iterable[tuple[Table, Row]]) -> None:
    there = {one.name: set(one.columns) for one in tables_of(connection)}
    for one, pairs in groupby(found, key=lambda pair: pair[0]):
        if set(one.columns) != there.get(one.name):
            raise BadBackup(f"The backup's table {one.name!r:.40} does not fit the schema it names.")
        insertion = table(one.name, *(column(name) for name in one.columns)).insert()
        values = (dict(zip(one.columns, row, strict=True)) for _, row in pairs)
        while batch := list(islice(values, AT_ONCE)):
            connection.execute(insertion, batch)


def _move_counters(connection: Connection) -> None:
    """Let PostgreSQL count on from the greatest id of each table; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for one in tables_of(connection):
        if "id" in one.columns:
            connection.exec_driver_sql(
                f"SELECT setval(pg_get_serial_sequence('{one.name}', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) "
                f"FROM {one.name}"
            )


def _let_go(session: Session) -> None:
    """Free what watchers and workers held; whoever of them still runs can write nothing more."""
    session.execute(update(Cursor).values(watcher=None, leased_until=None, fence=Cursor.fence + 1))
    session.execute(
        update(Delivery).where(Delivery.state == DUE).values(lease_until=EPOCH, lease_token="", dispatched_at=None)
    )


def _skip_places(session: Session) -> None:
    """Move the newest event of each stream far on, so that who has read beyond it misses none of those to come.

    Such a reader gets that one event a second time, under the same id.
    """
    for newest_id, position in _newest_events(session):
        session.execute(update(Event).where(Event.id == newest_id).values(position=position + SKIPPED_PLACES))


def _newest_events(session: Session) -> Iterator[tuple[int, int]]:
    streams = session.execute(
        select(Event.project_id, Event.is_test, func.max(Event.position), func.min(Event.id))
        .group_by(Event.project_id, Event.is_test)
    ).all()
    for project_id, is_test, position, first_id in streams:
        if position is None:
            yield first_id, 0
            continue
        of_stream = (Event.project_id == project_id, Event.is_test == is_test, Event.position == position)
        yield session.scalars(select(Event.id).where(*of_stream)).one(), position
