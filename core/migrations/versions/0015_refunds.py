"""Refunds that the hub verifies, with a link for the payer's address; what left held addresses gets its own account."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0008"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()
STRICT = {"sqlite_strict": True}
STATES_CHECK = "state IN ('requested', 'addressed', 'verifying', 'verified', 'failed', 'canceled')"
LIVE = "state IN ('requested', 'addressed', 'verifying', 'failed')"
SENT = "state NOT IN ('verifying', 'verified', 'failed') OR (recipient IS NOT NULL AND txid IS NOT NULL)"

TO_HELD = r"""
UPDATE journal_entry SET account = account || '\:held' WHERE account LIKE 'spent:%' AND EXISTS (
    SELECT 1 FROM outgoing JOIN address ON address.id = outgoing.address_id
    WHERE address.kind = 'held' AND journal_entry.source = 'outgoing:' || outgoing.id)
"""


def upgrade() -> None:
    """Create two tables, and keep apart what left addresses that the hub holds."""
    op.execute(TO_HELD)
    op.create_table(
        "refund",
        sa.Column("id", INT, nullable=False),
        sa.Column("transfer_id", INT, nullable=False),
        sa.Column("payment_id", INT, nullable=True),
        sa.Column("units", INT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("token_hash", TEXT, nullable=True),
        sa.Column("expires_at", INT, nullable=True),
        sa.Column("recipient", TEXT, nullable=True),
        sa.Column("txid", TEXT, nullable=True),
        sa.Column("log_index", INT, nullable=True),
        sa.Column("why", TEXT, nullable=False),
        sa.Column("looks", INT, nullable=False),
        sa.Column("look_at", INT, nullable=True),
        sa.Column("created_at", INT, nullable=False),
        sa.Column("changed_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_refund"),
        sa.UniqueConstraint("token_hash", name="uq_refund_token_hash"),
        sa.CheckConstraint(STATES_CHECK, name=op.f("ck_refund_state")),
        sa.CheckConstraint("units > 0", name=op.f("ck_refund_units")),
        sa.CheckConstraint(SENT, name=op.f("ck_refund_sent")),
        sa.CheckConstraint("state <> 'verified' OR log_index IS NOT NULL", name=op.f("ck_refund_verified")),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name="fk_refund_transfer_id"),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name="fk_refund_payment_id"),
        **STRICT,
    )
    op.create_index("ix_refund_transfer_id", "refund", ["transfer_id"])
    _index("uq_refund_live", ["transfer_id"], LIVE, unique=True)
    _index("uq_refund_proof", ["txid", "log_index"], "state = 'verified'", unique=True)
    _index("ix_refund_look_at", ["look_at"], "look_at IS NOT NULL")
    _index("ix_refund_recipient", ["recipient"], "state IN ('addressed', 'verifying', 'failed')")
    op.create_table(
        "refund_step",
        sa.Column("id", INT, nullable=False),
        sa.Column("refund_id", INT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_refund_step"),
        sa.CheckConstraint(STATES_CHECK, name=op.f("ck_refund_step_state")),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_refund_step_actor")),
        sa.ForeignKeyConstraint(["refund_id"], ["refund.id"], name="fk_refund_step_refund_id"),
        **STRICT,
    )
    op.create_index("ix_refund_step_refund_id", "refund_step", ["refund_id"])


def _index(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, "refund", columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
