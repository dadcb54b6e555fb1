"""Prepared statements: SQLAlchemy's types, errors and listeners, without its way of asking."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import bindparam, insert, literal_column, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from core.clock import EPOCH
from core.db import insert_in
from core.hub import Hub
from core.models import Cursor
from core.prepared import Prepared
from tests.statements import recorded

NAMES = ("genesis_id", "network", "height", "block_time", "updated_at")
LATER = EPOCH + timedelta(days=20_000)
ROW = {"genesis_id": "g1", "network": "devnet", "height": 7, "block_time": LATER, "updated_at": LATER}
INSERTION = Prepared(lambda _: insert(Cursor).values({name: bindparam(name) for name in NAMES}).inline())
UNLESS_THERE = Prepared(
    lambda dialect: insert_in(dialect, Cursor)
    .values({name: bindparam(name) for name in NAMES})
    .on_conflict_do_nothing()
    .returning(Cursor.network)
)
READING = Prepared(
    lambda _: select(Cursor.block_time, Cursor.network)
    .where(Cursor.height >= bindparam("least"))
    .order_by(Cursor.network)
)


def test_values_and_columns_go_through_their_types(hub: Hub):
    with hub.database.transaction() as session:
        INSERTION.rows(session.connection(), ROW)

        assert READING.row(session.connection(), {"least": 7}) == [LATER, "devnet"]
        assert READING.scalar(session.connection(), {"least": 8}) is None
        with pytest.raises(ValueError, match="64-bit"):
            READING.rows(session.connection(), {"least": "7"})


def test_more_rows_than_one_are_not_one(hub: Hub):
    with hub.database.transaction() as session:
        for name in ("a", "b"):
            INSERTION.rows(session.connection(), ROW | {"genesis_id": name, "network": name})

        with pytest.raises(ValueError, match="more rows"):
            READING.row(session.connection(), {"least": 0})


def test_an_insert_that_meets_its_like_gives_nothing_or_sqlalchemys_error(hub: Hub):
    with hub.database.transaction() as session:
        INSERTION.rows(session.connection(), ROW)

        assert UNLESS_THERE.scalar(session.connection(), ROW) is None
    with pytest.raises(IntegrityError), hub.database.transaction() as session:
        INSERTION.rows(session.connection(), ROW | {"genesis_id": None})


def test_who_counts_statements_counts_these(hub: Hub):
    with recorded(hub.database.engine) as recording, hub.database.visit() as connection:
        READING.rows(connection, {"least": 3})

    assert [one.verb for one in recording.statements] == ["SELECT"]


def test_what_is_asked_on_a_visit_before_its_transaction_takes_no_write_lock(hub: Hub):
    with hub.database.visit() as asking:
        READING.rows(asking, {"least": 3})
        with hub.database.transaction() as session:  # another connection: it would have to wait
            INSERTION.rows(session.connection(), ROW)


def test_a_visits_transaction_lasts_or_is_undone(hub: Hub):
    with hub.database.visit() as connection:
        with pytest.raises(ZeroDivisionError), hub.database.transaction(connection) as session:
            INSERTION.rows(session.connection(), ROW)
            raise ZeroDivisionError
        with hub.database.transaction(connection) as session:
            INSERTION.rows(session.connection(), ROW | {"network": "kept"})

    with hub.database.snapshot() as session:
        assert session.scalars(select(Cursor.network)).all() == ["kept"]


def test_a_lost_connection_is_an_operational_error_and_returns_to_no_pool(hub: Hub):
    if hub.database.is_sqlite:
        pytest.skip("a file has no connection to lose")
    ending = Prepared(lambda _: text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with hub.database.visit() as connection:
        with pytest.raises(OperationalError) as refused:
            ending.rows(connection, {})
        assert refused.value.connection_invalidated
        assert connection.invalidated

    with hub.database.visit() as connection:
        assert READING.rows(connection, {"least": 0}) == []


def test_constants_need_not_be_given(hub: Hub):
    with hub.database.visit() as connection:
        found = Prepared(lambda _: select(literal_column("7"), bindparam("given", 8))).row(connection, {})

    assert list(found or ()) == [7, 8]
