"""G1, G4: a database of every earlier revision, rows in each table, comes up to date, whole, and takes money again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import column, create_engine, inspect, select, table, text
from sqlalchemy.engine import Connection

from core.backup import archive, restoring, taking
from core.chain.scanner import Scanner
from core.clock import ManualClock
from core.db import Database, open_database
from core.hub import Hub
from core.ids import Mode
from core.ledger import journal
from core.migrations import FOLDER, check_schema, head_revision, reshaping, upgrade, upgrade_on
from core.models import Address, Delivery, Payment, Project, Refund, Transfer
from core.models.chain import in_inbox
from core.money import Usdt
from core.outbox.stream import Stream, place
from core.projects import service
from core.projects.keys import inbound_secrets
from core.testing.chains import FakeChain
from core.testing.factories import Shop, make_payment
from core.testing.hubs import START, TEST_CONTRACT, make_hub
from tests.conftest import KINDS, fresh_postgresql
from tests.migrations.rows import HEIGHT, OWN, ROWS, SECRETS, Values, rows_at
from tests.outbox.kit import drain

REVISIONS = [script.revision for script in ScriptDirectory(str(FOLDER)).walk_revisions()][::-1]
# changed by an upgrade on purpose: what older code credited is not read again; held money has accounts of its own
CHANGED = {("transfer", "verified_at"), ("journal_entry", "account")}


@pytest.fixture(scope="module")
def sqlite_eras(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An SQLite file at each revision, without rows."""
    folder = tmp_path_factory.mktemp("eras")
    database = open_database(f"sqlite:///{folder}/now.db")
    eras = {}
    for revision in REVISIONS:
        upgrade(database, revision)
        database.dispose()  # the last connection writes all into the one file
        eras[revision] = Path(shutil.copy(folder / "now.db", folder / f"{revision}.db"))
    return eras


@pytest.fixture(scope="module")
def postgresql_eras(postgresql_server: str) -> dict[str, str]:
    """The name of a PostgreSQL database at each revision, without rows."""
    url = fresh_postgresql(postgresql_server, "era_now")
    admin = create_engine(url.replace("era_now", "postgres"), isolation_level="AUTOCOMMIT")
    for revision in REVISIONS:
        database = open_database(url)
        upgrade(database, revision)
        database.dispose()
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE era_{revision} TEMPLATE era_now"))
    admin.dispose()
    return {revision: url.replace("era_now", f"era_{revision}") for revision in REVISIONS}


@pytest.fixture(params=[(kind, revision) for kind in KINDS for revision in REVISIONS], ids="-".join)
def old(request: pytest.FixtureRequest) -> Iterator[tuple[Database, list[tuple[str, Values]]]]:
    """A database as it was at an earlier revision, and its rows."""
    kind, revision = request.param
    eras = request.getfixturevalue(f"{kind}_eras")
    if kind == "sqlite":
        path = shutil.copy(eras[revision], request.getfixturevalue("tmp_path") / "old.db")
        database = open_database(f"sqlite:///{path}")
    else:
        database = open_database(eras[revision])
    found = rows_at(REVISIONS[: REVISIONS.index(revision) + 1])
    with database.transaction() as session:
        connection = session.connection()
        if revision in ROWS:  # of a newer one its author's tests speak
            assert {name for name in inspect(connection).get_table_names()} - {"alembic_version"} == {
                name for name, _ in found
            }
        for name, values in found:
            connection.execute(table(name, *map(column, values)).insert(), values)
        _count_on(connection, {name for name, values in found if "id" in values})
    yield database, found
    database.dispose()


def _count_on(connection: Connection, names: set[str]) -> None:
    for name in names if connection.dialect.name == "postgresql" else ():
        connection.exec_driver_sql(
            f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))"
        )


def kept(database: Database, name: str, values: Values) -> Values:
    """Read a row again by its first column or columns, as far as it was written."""
    keys = [key for key in values if key in ("id", "name", "genesis_id", "kind", "nonce", "subject")][:1]
    keys = keys or [next(iter(values))]
    with database.snapshot() as session:
        query = select(*map(column, values)).select_from(table(name))
        query = query.where(*(column(key) == values[key] for key in keys))
        return dict(session.connection().execute(query).mappings().one())


@pytest.mark.slow
def test_g1_no_row_is_lost_or_changed_and_the_books_and_the_shop_go_on(old, clock: ManualClock):
    database, written = old

    upgrade(database)

    check_schema(database)
    for name, values in written:
        same = {key: value for key, value in values.items() if (name, key) not in CHANGED}
        assert (name, kept(database, name, same)) == (name, same)
    hub = make_hub(database, clock=clock)
    books_are_right(hub)
    secrets_open(hub)
    money_arrives(hub)


def books_are_right(hub: Hub) -> None:
    """Journals, standings and the inbox are what they were."""
    with hub.database.snapshot() as session:
        has_held = session.scalar(select(Address.id).where(Address.kind == "held")) is not None
        balance = 50_000_200 + 49_000_000 + (9_000_000 if has_held else 0)
        assert (journal.imbalance(session), journal.project_balance(session, 1)) == (0, Usdt(balance))
        assert journal.account_sum(session, journal.project_account(1, is_held=True)) == (-9_000_000 if has_held else 0)
        assert set(session.execute(select(Refund.merchant_id, Refund.after_height))) <= {(1, 2)}
        standings = session.execute(select(Payment.order_id, Payment.status, Payment.anomaly).order_by(Payment.id))
        assert [tuple(row) for row in standings] == [
            ("OPEN", "pending", "none"), ("PAID", "paid", "none"), ("SHORT", "expired", "underpaid"),
            ("TEST", "paid", "none"), ("GIVEN-UP", "canceled", "none"),
        ]
        waiting = set(session.scalars(select(Transfer.id).where(in_inbox())))
        assert {2} <= waiting <= {2, 3, 4}


def secrets_open(hub: Hub) -> None:
    """Keys that merchants were given before go on working."""
    with hub.database.snapshot() as session:
        project = session.get_one(Project, 1)
        for mode, secret in SECRETS.items():
            credential = service.credential_of(session, project, Mode(mode))
            assert inbound_secrets(credential, hub.vault, now=hub.clock.now()) == [secret]


def money_arrives(hub: Hub) -> None:
    """An old open payment and a new one are paid, told, placed and booked; the new amount is nobody else's."""
    chain = FakeChain(TEST_CONTRACT, START - timedelta(minutes=1))
    chain.skip(HEIGHT)
    fresh = make_payment(hub, Shop(1, 1, {}, None, None), order_id="NEW")
    assert fresh.pay_units.units not in {50_000_000 + n * 100 for n in (1, 3, 5)}
    for units in (50_000_100, fresh.pay_units.units):
        chain.mine(chain.transfer(OWN.base58, units))
    scanner = Scanner(hub, chain.fleet(hub.clock), holder="new")
    while scanner.scan_once().is_behind:
        pass
    while drain(hub):
        pass
    with hub.database.transaction() as session:
        place(session, Stream(1, is_test=False))
        paid = session.scalars(select(Payment.status).where(Payment.order_id.in_(["OPEN", "NEW"]))).all()
        assert paid == ["paid", "paid"]
        assert journal.imbalance(session) == 0
        assert set(session.scalars(select(Delivery.state).where(Delivery.endpoint_id == 1))) == {"done"}
    assert len(hub.http.posted) == 3  # the one that was due before the upgrade, and one for each of these


@pytest.mark.parametrize("old", [("sqlite", "0001")], indirect=True, ids=["0001"])
def test_a_backup_of_the_first_version_is_restored_up_to_date(old, clock: ManualClock, tmp_path: Path):
    database, written = old
    taking.take(make_hub(database, clock=clock), tmp_path / "old.backup")
    now = make_hub(open_database(f"sqlite:///{tmp_path}/now.db"), clock=clock)
    head, _ = archive.inspect(tmp_path / "old.backup")

    restoring.restore(now, tmp_path / "old.backup", head)

    check_schema(now.database)
    assert sum(len(values) for _, values in written) > 100
    books_are_right(now)
    secrets_open(now)
    now.database.dispose()


def test_every_released_revision_is_tried():
    assert list(ROWS) == [revision for revision in REVISIONS if revision in ROWS]
    assert len(ROWS) >= 7


@pytest.mark.parametrize("kind", KINDS)
def test_g4_an_upgrade_that_dies_leaves_the_old_schema_and_is_done_the_next_time(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
):
    if kind == "sqlite":
        path = shutil.copy(request.getfixturevalue("sqlite_eras")["0002"], tmp_path / "dying.db")
        database = open_database(f"sqlite:///{path}")
    else:
        database = open_database(fresh_postgresql(request.getfixturevalue("postgresql_server"), "dying"))
        upgrade(database, "0002")

    with pytest.raises(KeyboardInterrupt), reshaping(database) as connection:
        upgrade_on(connection)
        raise KeyboardInterrupt

    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "0002"
        assert "inbox_act" not in inspect(connection).get_table_names()
    upgrade(database)
    check_schema(database)
    assert head_revision() == REVISIONS[-1]
    database.dispose()
