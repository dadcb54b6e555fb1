"""Several endpoints a project, each with its events and schedule; deliveries that carry all they send; test pings."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0005"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()
BYTES = sa.LargeBinary()
STRICT = {"sqlite_strict": True}

ENDPOINT_CHECKS = {
    "ck_endpoint_rotation": "(old_secret IS NULL) = (old_valid_until IS NULL)",
    "ck_endpoint_schedule": "schedule IN ('standard', 'extended')",
}
DELIVERY_CHECKS = {
    "ck_delivery_state": "state IN ('due', 'done', 'failed', 'canceled')",
    "ck_delivery_ping": "(event_id IS NULL) = (type = 'test.ping')",
}
ENDPOINT_ROWS = """
    INSERT INTO endpoint_new (id, project_id, uid, is_primary, url, event_types, schedule, secret, old_secret,
        old_valid_until, enabled, disabled_why, created_at)
    SELECT id, project_id, uid, 1, url, 'payment.paid', 'standard', secret, old_secret, old_valid_until, enabled, '',
        created_at FROM endpoint"""
DELIVERY_ROWS = """
    INSERT INTO delivery_new (id, event_id, endpoint_id, credential_id, message_id, type, body, state, attempts,
        failures, next_attempt_at, lease_until, lease_token, dispatched_at, last_error, created_at, done_at)
    SELECT d.id, d.event_id, d.endpoint_id, p.credential_id, e.event_id, e.type, d.body, d.state, d.attempts,
        d.failures, d.next_attempt_at, d.lease_until, d.lease_token, d.dispatched_at, d.last_error, d.created_at,
        d.done_at FROM delivery d JOIN event e ON e.id = d.event_id JOIN payment p ON p.id = e.payment_id"""
DELIVERY_FILL = """
    UPDATE delivery SET credential_id = p.credential_id, message_id = e.event_id, type = e.type
    FROM event e JOIN payment p ON p.id = e.payment_id WHERE e.id = delivery.event_id"""


def upgrade() -> None:
    """Widen endpoints and deliveries; SQLite cannot drop a wall, so both tables are copied there."""
    if op.get_bind().dialect.name == "sqlite":
        _copy("endpoint", ENDPOINT_ROWS, _create_endpoint)
        _copy("delivery", DELIVERY_ROWS, _create_delivery)
        op.create_index("uq_delivery_event_endpoint", "delivery", ["event_id", "endpoint_id"], unique=True)
        op.create_index("ix_delivery_endpoint_id", "delivery", ["endpoint_id", "id"])
        op.create_index("ix_delivery_endpoint_state", "delivery", ["endpoint_id", "state", "id"])
    else:
        _widen_endpoint()
        _widen_delivery()
    op.create_index("ix_endpoint_project_id", "endpoint", ["project_id"])
    _index("uq_endpoint_primary", "endpoint", ["project_id"], "is_primary = 1", unique=True)
    _index("ix_delivery_due", "delivery", ["next_attempt_at"], "state = 'due'")
    _index("ix_delivery_leased", "delivery", ["lease_until"], "state = 'due'")
    _index("ix_delivery_endpoint_due", "delivery", ["endpoint_id", "next_attempt_at"], "state = 'due'")
    for name in ("sent_headers", "answer_headers"):
        op.add_column("attempt", sa.Column(name, TEXT, nullable=False, server_default=""))


def _create_endpoint(name: str) -> None:
    op.create_table(
        name,
        sa.Column("id", INT, nullable=False),
        sa.Column("project_id", INT, nullable=False),
        sa.Column("uid", TEXT, nullable=False),
        sa.Column("is_primary", sa.Integer(), nullable=False),
        sa.Column("url", TEXT, nullable=False),
        sa.Column("event_types", TEXT, nullable=False),
        sa.Column("schedule", TEXT, nullable=False),
        sa.Column("secret", BYTES, nullable=False),
        sa.Column("old_secret", BYTES, nullable=True),
        sa.Column("old_valid_until", INT, nullable=True),
        sa.Column("enabled", sa.Integer(), nullable=False),
        sa.Column("disabled_why", TEXT, nullable=False),
        sa.Column("failing_since", INT, nullable=True),
        sa.Column("created_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_endpoint"),
        *_checks(ENDPOINT_CHECKS),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_endpoint_project_id"),
        sa.UniqueConstraint("uid", name="uq_endpoint_uid"),
        **STRICT,
    )


def _create_delivery(name: str) -> None:
    op.create_table(
        name,
        sa.Column("id", INT, nullable=False),
        sa.Column("event_id", INT, nullable=True),
        sa.Column("endpoint_id", INT, nullable=False),
        sa.Column("credential_id", INT, nullable=False),
        sa.Column("message_id", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", INT, nullable=False),
        sa.Column("failures", INT, nullable=False),
        sa.Column("next_attempt_at", INT, nullable=False),
        sa.Column("lease_until", INT, nullable=False),
        sa.Column("lease_token", TEXT, nullable=False),
        sa.Column("dispatched_at", INT, nullable=True),
        sa.Column("last_error", TEXT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.Column("done_at", INT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        *_checks(DELIVERY_CHECKS),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_delivery_event_id"),
        sa.ForeignKeyConstraint(["endpoint_id"], ["endpoint.id"], name="fk_delivery_endpoint_id"),
        sa.ForeignKeyConstraint(["credential_id"], ["credential.id"], name="fk_delivery_credential_id"),
        **STRICT,
    )


def _widen_endpoint() -> None:
    for column in (
        sa.Column("is_primary", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("event_types", TEXT, nullable=False, server_default="payment.paid"),
        sa.Column("schedule", TEXT, nullable=False, server_default="standard"),
        sa.Column("disabled_why", TEXT, nullable=False, server_default=""),
        sa.Column("failing_since", INT, nullable=True),
    ):
        op.add_column("endpoint", column)
    for name in ("is_primary", "event_types", "schedule", "disabled_why"):
        op.alter_column("endpoint", name, server_default=None)
    op.drop_constraint("uq_endpoint_project_id", "endpoint", type_="unique")
    name = "ck_endpoint_schedule"
    op.create_check_constraint(op.f(name), "endpoint", ENDPOINT_CHECKS[name])


def _widen_delivery() -> None:
    for column in ("credential_id", "message_id", "type"):
        op.add_column("delivery", sa.Column(column, INT if column == "credential_id" else TEXT, nullable=True))
    op.execute(DELIVERY_FILL)
    for column in ("credential_id", "message_id", "type"):
        op.alter_column("delivery", column, nullable=False)
    op.alter_column("delivery", "event_id", nullable=True)
    op.create_foreign_key("fk_delivery_credential_id", "delivery", "credential", ["credential_id"], ["id"])
    name = "ck_delivery_ping"
    op.create_check_constraint(op.f(name), "delivery", DELIVERY_CHECKS[name])
    op.drop_index("ix_delivery_due", "delivery")
    op.drop_index("ix_delivery_leased", "delivery")


def _copy(name: str, rows: str, create: Callable[[str], None]) -> None:
    """Replace a table by one with other walls and the same rows; foreign keys are off meanwhile (see upgrade())."""
    create(f"{name}_new")
    op.execute(rows)
    op.drop_table(name)
    op.rename_table(f"{name}_new", name)


def _checks(checks: dict[str, str]) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(condition, name=op.f(name)) for name, condition in checks.items()]


def _index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
