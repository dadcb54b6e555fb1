"""The schema that revisions make is the schema the models mean, walls included."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text, update
from sqlalchemy.exc import StatementError
from sqlalchemy.schema import CreateIndex

from core.db import Base, Database, check_engine, open_database
from core.errors import SchemaMismatch
from core.migrations import check_schema, upgrade
from core.models import Address, Cursor, Transfer
from core.money import Usdt
from tests.conftest import fresh_postgresql


def test_g2_revisions_and_models_agree(database: Database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, Base.metadata) == []


def test_g2_every_partial_index_and_check_is_there(database: Database):
    wanted = {
        index.name: str(CreateIndex(index).compile(dialect=database.engine.dialect)).count("WHERE")
        for table in Base.metadata.tables.values()
        for index in table.indexes
    }
    query = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        if database.is_sqlite
        else "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    )
    with database.engine.connect() as connection:
        found = {name: sql.upper().count("WHERE") for name, sql in connection.execute(text(query))}
        inspector = inspect(connection)
        checks = {
            check["name"] for table in Base.metadata.tables for check in inspector.get_check_constraints(table)
        }

    assert {name: found.get(name) for name in wanted} == wanted
    assert {
        constraint.name
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
        if constraint.__visit_name__ == "check_constraint"
    } <= checks


def test_upgrading_twice_changes_nothing(database: Database):
    upgrade(database)

    check_schema(database)


def test_g3_a_schema_of_another_version_is_refused(database: Database):
    with database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'from_the_future'"))

    with pytest.raises(SchemaMismatch, match="paywharf db upgrade"):
        check_schema(database)


def test_g3_an_empty_database_is_refused(tmp_path):
    empty = open_database(f"sqlite:///{tmp_path}/empty.db")

    with pytest.raises(SchemaMismatch):
        check_schema(empty)
    empty.dispose()


def test_db10_vital_settings_are_read_back(database: Database):
    check_engine(database)


@pytest.mark.parametrize("value", ["abc", 1.5, "1e3", 2**63, True])
def test_db5_an_integer_column_takes_integers_only(database: Database, value: object):
    with pytest.raises(StatementError, match="not a 64-bit integer"), database.transaction() as session:
        session.execute(update(Cursor).values(height=value))


def test_g1_a_database_of_the_first_version_keeps_every_row(tmp_path, postgresql_server):
    for url in (f"sqlite:///{tmp_path}/old.db", fresh_postgresql(postgresql_server, "g1_upgrade")):
        database = open_database(url)
        upgrade(database, "0001")
        with database.engine.connect() as connection:
            for statement in ROWS_OF_0001:
                connection.exec_driver_sql(statement.format(raw20=RAW20[database.is_sqlite]))
            connection.commit()

        upgrade(database)

        check_schema(database)
        with database.snapshot() as session:
            address, transfer = session.get_one(Address, 3), session.get_one(Transfer, 5)
            held = session.execute(text("SELECT address_id FROM reservation")).scalar_one()
            owed = session.execute(text("SELECT message_id, type, credential_id, state FROM delivery")).one()
            endpoint = session.execute(text("SELECT uid, is_primary, event_types, schedule FROM endpoint")).one()
        database.dispose()
        assert (address.base58, address.kind, address.xpub_id, held) == ("T1", "own", None, 3)
        assert tuple(owed) == ("evt_1", "payment.paid", 7, "failed")
        assert tuple(endpoint) == ("ep_1", 1, "payment.paid", "standard")
        assert (transfer.address_id, transfer.units, transfer.bucket) == (3, Usdt(7), "unknown")


def test_g1_foreign_keys_are_on_again_after_an_upgrade(tmp_path):
    database = open_database(f"sqlite:///{tmp_path}/new.db")
    upgrade(database)

    check_engine(database)
    database.dispose()


RAW20 = {True: f"X'{'11' * 20}'", False: f"'\\x{'11' * 20}'"}
ROWS_OF_0001 = (
    "INSERT INTO merchant (id, name, created_at) VALUES (2, 'M', 1)",
    "INSERT INTO cursor (genesis_id, network, height, block_time, head_height, updated_at) "
    "VALUES ('g', 'devnet', 9, 1, 9, 1)",
    "INSERT INTO address (id, merchant_id, kind, base58, raw20, label, created_at) "
    "VALUES (3, 2, 'own', 'T1', {raw20}, '', 1)",
    "INSERT INTO reservation (id, address_id, pay_units, from_height, held_until) VALUES (4, 3, 7, 1, 1)",
    "INSERT INTO transfer (id, genesis_id, txid, log_index, height, block_time, sender, address_id, units, bucket, "
    "recorded_at) VALUES (5, 'g', 't', 0, 9, 1, 'S', 3, 7, 'unknown', 1)",
    "INSERT INTO project (id, merchant_id, name, mode, window_s, late_window_s, created_at) "
    "VALUES (6, 2, 'P', 'test', 1, 1, 1)",
    "INSERT INTO credential (id, project_id, mode, public_key, secret, secret_last4, secret_fingerprint, old_signs, "
    "created_at) VALUES (7, 6, 'test', 'pk', {raw20}, '', '', 0, 1)",
    "INSERT INTO payment (id, payment_id, project_id, credential_id, is_test, order_id, amount_units, amount_text, "
    "pay_units, address, description, page_token, status, anomaly, version, created_at, expires_at) "
    "VALUES (8, 80, 6, 7, 1, 'O', 5, '5', 5, 'T1', '', 't', 'pending', 'none', 1, 1, 1)",
    "INSERT INTO event (id, event_id, payment_id, number, type, note, created_at) "
    "VALUES (9, 'evt_1', 8, 1, 'payment.paid', '', 1)",
    "INSERT INTO endpoint (id, project_id, uid, url, secret, enabled, created_at) "
    "VALUES (10, 6, 'ep_1', 'https://h.example.com', {raw20}, 1, 1)",
    "INSERT INTO delivery (id, event_id, endpoint_id, body, state, attempts, failures, next_attempt_at, lease_until, "
    "lease_token, last_error, created_at) VALUES (11, 9, 10, {raw20}, 'failed', 4, 4, 1, 0, '', 'HTTP 500', 1)",
)
