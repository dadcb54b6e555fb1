"""Channels: connections to platforms, their calls, payments, memories and codes; a delivery's lane."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0015"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT, BYTES, FLAG = sa.Text(), sa.LargeBinary(), sa.Integer()
STRICT = {"sqlite_strict": True}


def upgrade() -> None:
    """Create five tables, and one column that keeps a payment's pushes in single file."""
    op.add_column("delivery", sa.Column("lane", INT, nullable=True))
    _create_channel()
    _create_calls()
    op.create_table(
        "channel_payment",
        sa.Column("payment_id", INT, nullable=False),
        sa.Column("channel_id", INT, nullable=False),
        sa.Column("details", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("payment_id", name="pk_channel_payment"),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name="fk_channel_payment_payment_id"),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name="fk_channel_payment_channel_id"),
        **STRICT,
    )
    op.create_index("ix_channel_payment_channel_id", "channel_payment", ["channel_id"])
    op.create_table(
        "channel_value",
        sa.Column("channel_id", INT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("clear", TEXT, nullable=True),
        sa.Column("sealed", BYTES, nullable=True),
        sa.PrimaryKeyConstraint("channel_id", "key", name="pk_channel_value"),
        sa.CheckConstraint("(clear IS NULL) <> (sealed IS NULL)", name=op.f("ck_channel_value_one")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name="fk_channel_value_channel_id"),
        **STRICT,
    )
    op.create_table(
        "connect_code",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("project_id", INT, nullable=False),
        sa.Column("adapter", TEXT, nullable=False),
        sa.Column("expires_at", INT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.Column("used_at", INT, nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_connect_code"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_connect_code_project_id"),
        **STRICT,
    )
    op.create_index("ix_connect_code_expires_at", "connect_code", ["expires_at"])


def _create_channel() -> None:
    op.create_table(
        "channel",
        sa.Column("id", INT, nullable=False),
        sa.Column("uid", TEXT, nullable=False),
        sa.Column("project_id", INT, nullable=False),
        sa.Column("endpoint_id", INT, nullable=False),
        *(sa.Column(name, TEXT, nullable=False) for name in ("adapter", "name", "settings", "site", "trouble")),
        *(sa.Column(name, FLAG, nullable=False) for name in ("pushes", "hears_all", "is_traced")),
        sa.Column("sealed", BYTES, nullable=False),
        sa.Column("paused_at", INT, nullable=True),
        sa.Column("disconnected_at", INT, nullable=True),
        sa.Column("heard_at", INT, nullable=True),
        sa.Column("poll_cursor", TEXT, nullable=True),
        sa.Column("poll_at", INT, nullable=True),
        sa.Column("poll_failures", INT, nullable=False),
        sa.Column("check_at", INT, nullable=True),
        sa.Column("checked_at", INT, nullable=True),
        sa.Column("check_says", TEXT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_channel"),
        sa.UniqueConstraint("uid", name="uq_channel_uid"),
        sa.UniqueConstraint("endpoint_id", name="uq_channel_endpoint_id"),
        sa.CheckConstraint("(checked_at IS NULL) = (check_says = '')", name=op.f("ck_channel_checked")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_channel_project_id"),
        sa.ForeignKeyConstraint(["endpoint_id"], ["endpoint.id"], name="fk_channel_endpoint_id"),
        **STRICT,
    )
    op.create_index("ix_channel_project_id", "channel", ["project_id"])
    is_one = sa.text("site <> '' AND disconnected_at IS NULL")
    op.create_index(
        "uq_channel_site", "channel", ["project_id", "adapter", "site"], unique=True,
        sqlite_where=is_one, postgresql_where=is_one,
    )
    for name in ("poll_at", "check_at"):
        is_set = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"ix_channel_{name}", "channel", [name], sqlite_where=is_set, postgresql_where=is_set)


def _create_calls() -> None:
    op.create_table(
        "channel_call",
        sa.Column("id", INT, nullable=False),
        sa.Column("channel_id", INT, nullable=False),
        *(sa.Column(name, TEXT, nullable=False) for name in (
            "delivery_key", "method", "path", "query", "headers", "state", "reason", "lease_token",
        )),
        sa.Column("body", BYTES, nullable=False),
        *(sa.Column(name, INT, nullable=False) for name in (
            "received_at", "claims", "failures", "look_at", "lease_until",
        )),
        sa.Column("done_at", INT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_channel_call"),
        sa.CheckConstraint("state IN ('due', 'done', 'failed')", name=op.f("ck_channel_call_state")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name="fk_channel_call_channel_id"),
        **STRICT,
    )
    op.create_index("uq_channel_call_delivery", "channel_call", ["channel_id", "delivery_key"], unique=True)
    op.create_index("ix_channel_call_received", "channel_call", ["channel_id", "id"])
    is_due = sa.text("state = 'due'")
    op.create_index("ix_channel_call_due", "channel_call", ["look_at"], sqlite_where=is_due, postgresql_where=is_due)
