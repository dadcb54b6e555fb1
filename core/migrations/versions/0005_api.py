"""The API: nonces, rate buckets, idempotency keys, the numbered stream of events, and indexes for its lists."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()
STRICT = {"sqlite_strict": True}


def upgrade() -> None:
    """Add tables, the columns that place events in their project's stream, and indexes."""
    _create_nonce_and_bucket()
    _create_idempotency_key()
    _place_events()
    op.drop_index("ix_payment_order", "payment")
    op.create_index("ix_payment_order", "payment", ["project_id", "is_test", "order_id", "created_at", "id"])
    op.create_index("ix_payment_created", "payment", ["project_id", "is_test", "created_at", "id"])
    op.create_index("ix_payment_status", "payment", ["project_id", "is_test", "status", "created_at", "id"])
    op.create_index("ix_delivery_endpoint_id", "delivery", ["endpoint_id", "id"])
    op.create_index("ix_delivery_endpoint_state", "delivery", ["endpoint_id", "state", "id"])
    op.drop_index("ix_journal_entry_account", "journal_entry")
    op.create_index("ix_journal_entry_account", "journal_entry", ["account", "id"])


def _create_nonce_and_bucket() -> None:
    op.create_table(
        "request_nonce",
        sa.Column("credential_id", INT, nullable=False),
        sa.Column("nonce", TEXT, nullable=False),
        sa.Column("expires_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("credential_id", "nonce", name="pk_request_nonce"),
        sa.ForeignKeyConstraint(["credential_id"], ["credential.id"], name="fk_request_nonce_credential_id"),
        **STRICT,
    )
    op.create_index("ix_request_nonce_expires_at", "request_nonce", ["expires_at"])
    op.create_table(
        "rate_bucket",
        sa.Column("credential_id", INT, nullable=False),
        sa.Column("full_at_ms", INT, nullable=False),
        sa.PrimaryKeyConstraint("credential_id", name="pk_rate_bucket"),
        sa.ForeignKeyConstraint(["credential_id"], ["credential.id"], name="fk_rate_bucket_credential_id"),
        **STRICT,
    )


def _create_idempotency_key() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("id", INT, nullable=False),
        sa.Column("credential_id", INT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("held_until", INT, nullable=False),
        sa.Column("expires_at", INT, nullable=False),
        sa.Column("http_status", INT, nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_idempotency_key"),
        sa.CheckConstraint(
            "(http_status IS NULL) = (answer IS NULL)", name=op.f("ck_idempotency_key_answered")
        ),
        sa.ForeignKeyConstraint(["credential_id"], ["credential.id"], name="fk_idempotency_key_credential_id"),
        **STRICT,
    )
    op.create_index("uq_idempotency_key_credential_id_key", "idempotency_key", ["credential_id", "key"], unique=True)
    op.create_index("ix_idempotency_key_expires_at", "idempotency_key", ["expires_at"])


def _place_events() -> None:
    """Columns without a foreign key of their own: they repeat the payment's, which has one."""
    op.add_column("event", sa.Column("project_id", INT, nullable=True))
    op.add_column("event", sa.Column("is_test", sa.Integer(), nullable=True))
    op.add_column("event", sa.Column("position", INT, nullable=True))
    for column in ("project_id", "is_test"):
        op.execute(
            f"UPDATE event SET {column} = (SELECT {column} FROM payment WHERE payment.id = event.payment_id)"
        )
    _index("uq_event_position", ["project_id", "is_test", "position"], where="position IS NOT NULL", unique=True)
    _index("ix_event_unplaced", ["project_id", "is_test", "id"], where="position IS NULL")


def _index(name: str, columns: list[str], *, where: str, unique: bool = False) -> None:
    partial = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
    op.create_index(name, "event", columns, unique=unique, **partial)
