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
from core.models import Cursor


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


def test_g1_foreign_keys_are_on_again_after_an_upgrade(tmp_path):
    database = open_database(f"sqlite:///{tmp_path}/new.db")
    upgrade(database)

    check_engine(database)
    database.dispose()
