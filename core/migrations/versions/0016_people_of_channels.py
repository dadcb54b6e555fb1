"""Who runs a shop from its channel, what they are told once, and deliveries that tell it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0017"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT, BYTES = sa.Text(), sa.LargeBinary()
STRICT = {"sqlite_strict": True}
ROLE = "role IN ('viewer', 'operator', 'owner')"
STATE = "state IN ('due', 'done', 'failed', 'canceled')"
WITHOUT_EVENT = "(event_id IS NULL) = (type IN ('test.ping', 'channel.notice'))"
COLUMNS = """id, event_id, endpoint_id, credential_id, message_id, type, lane, body, state, attempts, failures,
    next_attempt_at, lease_until, lease_token, dispatched_at, last_error, created_at, done_at"""


def upgrade() -> None:
    """Create three tables and widen what a delivery may be; SQLite cannot change a wall, so it is copied there."""
    for name in ("live_position", "test_position"):
        op.add_column("channel", sa.Column(name, INT, nullable=True))
    if op.get_bind().dialect.name == "sqlite":
        _copy_deliveries()
    else:
        op.drop_constraint(op.f("ck_delivery_ping"), "delivery", type_="check")
        op.create_check_constraint(op.f("ck_delivery_ping"), "delivery", WITHOUT_EVENT)
    _create_people()
    op.create_table(
        "notice",
        sa.Column("id", INT, nullable=False),
        sa.Column("channel_id", INT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("facts", TEXT, nullable=False),
        sa.Column("delivery_id", INT, nullable=True),
        sa.Column("created_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notice"),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name="fk_notice_channel_id"),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name="fk_notice_delivery_id"),
        **STRICT,
    )
    op.create_index("uq_notice_key", "notice", ["channel_id", "key"], unique=True)
    op.create_index("ix_notice_told", "notice", ["channel_id", "delivery_id"])


def _create_people() -> None:
    op.create_table(
        "channel_member",
        sa.Column("channel_id", INT, nullable=False),
        sa.Column("person", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "person", name="pk_channel_member"),
        sa.CheckConstraint(ROLE, name=op.f("ck_channel_member_role")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name="fk_channel_member_channel_id"),
        **STRICT,
    )
    op.create_table(
        "channel_invite",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("channel_id", INT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("expires_at", INT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.Column("used_at", INT, nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_channel_invite"),
        sa.CheckConstraint(ROLE, name=op.f("ck_channel_invite_role")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name="fk_channel_invite_channel_id"),
        **STRICT,
    )
    op.create_index("ix_channel_invite_expires_at", "channel_invite", ["expires_at"])


def _copy_deliveries() -> None:
    """Replace the table by one with the other wall and the same rows; foreign keys are off meanwhile."""
    op.create_table(
        "delivery_new",
        sa.Column("id", INT, nullable=False),
        sa.Column("event_id", INT, nullable=True),
        sa.Column("endpoint_id", INT, nullable=False),
        sa.Column("credential_id", INT, nullable=False),
        *(sa.Column(name, TEXT, nullable=False) for name in ("message_id", "type")),
        sa.Column("lane", INT, nullable=True),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        *(sa.Column(name, INT, nullable=False) for name in ("attempts", "failures", "next_attempt_at", "lease_until")),
        sa.Column("lease_token", TEXT, nullable=False),
        sa.Column("dispatched_at", INT, nullable=True),
        sa.Column("last_error", TEXT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.Column("done_at", INT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        sa.CheckConstraint(STATE, name=op.f("ck_delivery_state")),
        sa.CheckConstraint(WITHOUT_EVENT, name=op.f("ck_delivery_ping")),
        *(
            sa.ForeignKeyConstraint([f"{name}_id"], [f"{name}.id"], name=f"fk_delivery_{name}_id")
            for name in ("event", "endpoint", "credential")
        ),
        **STRICT,
    )
    op.execute(f"INSERT INTO delivery_new ({COLUMNS}) SELECT {COLUMNS} FROM delivery")
    op.drop_table("delivery")
    op.rename_table("delivery_new", "delivery")
    op.create_index("uq_delivery_event_endpoint", "delivery", ["event_id", "endpoint_id"], unique=True)
    op.create_index("ix_delivery_endpoint_id", "delivery", ["endpoint_id", "id"])
    op.create_index("ix_delivery_endpoint_state", "delivery", ["endpoint_id", "state", "id"])
    for name, columns in {
        "ix_delivery_due": ["next_attempt_at"], "ix_delivery_leased": ["lease_until"],
        "ix_delivery_endpoint_due": ["endpoint_id", "next_attempt_at"],
    }.items():
        op.create_index(name, "delivery", columns, sqlite_where=sa.text("state = 'due'"))
