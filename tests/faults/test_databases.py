"""A database in trouble (DB4, DB6 to DB9): what was not taken can be asked again, and nothing is half there."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import event, func, select

from core.hub import Hub
from core.models import Event, Payment, Reservation
from core.testing.factories import make_shop
from core.testing.merchant import MerchantClient

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def merchant(app: Flask, hub: Hub) -> MerchantClient:
    keys = make_shop(hub).keys["live"]
    return MerchantClient(app.test_client(), keys.public_key, keys.secret)


@pytest.fixture
def beside(database_url: str) -> Iterator[sqlite3.Connection]:
    """A connection of somebody else to the same SQLite file, which waits for nobody."""
    connection = sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=0, isolation_level=None)
    yield connection
    connection.close()


def whole(hub: Hub) -> Counter[str]:
    """Count orders; each must have its one payment, promise and first event."""
    with hub.database.snapshot() as session:
        orders = Counter(session.scalars(select(Payment.order_id)).all())
        promises = session.scalar(select(func.count(Reservation.id)))
        created = session.scalar(select(func.count(Event.id)).where(Event.type == "payment.created"))
    assert (promises, created) == (orders.total(), orders.total())
    return orders


@ON_SQLITE
def test_db4_who_reads_to_write_has_the_write_lock_from_the_start(hub: Hub, beside: sqlite3.Connection) -> None:
    """So a read that has grown old is never written upon (SQLITE_BUSY_SNAPSHOT): whoever comes second waits first."""
    with hub.database.transaction() as session:
        session.scalar(select(func.count(Payment.id)))

        with pytest.raises(sqlite3.OperationalError, match="locked"):
            beside.execute("BEGIN IMMEDIATE")

    beside.execute("BEGIN IMMEDIATE")


@ON_SQLITE
def test_db9_whoever_only_reads_is_answered_while_another_writes(
    hub: Hub, merchant: MerchantClient, beside: sqlite3.Connection
) -> None:
    payment = merchant.create({"order_id": "A", "amount": "5.00"}).json["payment"]
    beside.execute("BEGIN IMMEDIATE")

    read = [
        merchant.status(payment["payment_id"]),
        *(merchant.client.get(path) for path in (payment["payment_url"], "/healthz", "/docs")),
    ]

    assert [answer.status_code for answer in read] == [200, 200, 200, 200]


@ON_SQLITE
def test_db6_a_full_disk_refuses_what_it_cannot_hold_and_leaves_nothing_half_done(
    hub: Hub, merchant: MerchantClient
) -> None:
    """SQLite's page limit is the disk: the same error, in the middle of whichever statement needs a page."""

    def fill(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # no more than there are now

    def free(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1000000")

    engine = hub.database.engine
    event.listen(engine, "checkout", fill)
    answers = [merchant.create({"order_id": f"O{number}", "amount": "5.00"}) for number in range(150)]
    event.remove(engine, "checkout", fill)
    event.listen(engine, "checkout", free)
    refused = [f"O{number}" for number, answer in enumerate(answers) if answer.status_code != 200]
    before = whole(hub)

    again = {merchant.create({"order_id": order_id, "amount": "5.00"}).status_code for order_id in refused}

    assert refused and {answer.status_code for answer in answers} == {200, 503}
    assert not before.keys() & set(refused)
    assert (again, set(whole(hub).values()), len(whole(hub))) == ({200}, {1}, 150)


@ON_POSTGRESQL
def test_db7_db8_connections_that_are_cut_anywhere_lose_and_double_nothing(
    hub: Hub, merchant: MerchantClient, database_url: str
) -> None:
    """At each statement, and at the COMMIT: whoever asks again is answered by the order's own key, done or not."""
    engine, left = hub.database.engine, [0]

    def cut(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

    statuses = []
    for name in ("before_cursor_execute", "commit"):
        event.listen(engine, name, cut)
    for number in range(12):
        left[0] = number + 1  # the last ones lie behind what a create asks, so that they change nothing
        order = {"order_id": f"O{number}", "amount": "5.00"}
        statuses.append([merchant.create(order).status_code for _ in range(3)])  # connections that rested are dead too
    for name in ("before_cursor_execute", "commit"):
        event.remove(engine, name, cut)

    assert {said for one in statuses for said in one} == {200, 503}
    assert sum(one[0] == 503 for one in statuses) >= 7
    assert [one[-1] for one in statuses] == [200] * 12
    assert whole(hub) == Counter(f"O{number}" for number in range(12))
