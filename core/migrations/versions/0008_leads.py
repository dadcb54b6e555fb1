"""Payers name their transactions: leads for the watcher, and buckets that limit a page's forms."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()
STRICT = {"sqlite_strict": True}
FINDINGS = (
    "asked", "not_found", "not_final", "not_counted", "counted", "unclear", "amount_differs", "counted_elsewhere",
    "decided", "older", "other_address", "other_token", "failed", "missing", "given_up",
)


def upgrade() -> None:
    """Create two tables."""
    op.create_table(
        "lead",
        sa.Column("id", INT, nullable=False),
        sa.Column("payment_id", INT, nullable=False),
        sa.Column("txid", TEXT, nullable=False),
        sa.Column("finding", TEXT, nullable=False),
        sa.Column("transfer_id", INT, nullable=True),
        sa.Column("looks", INT, nullable=False),
        sa.Column("look_at", INT, nullable=True),
        sa.Column("asked_at", INT, nullable=False),
        sa.Column("found_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lead"),
        sa.CheckConstraint(f"finding IN {FINDINGS!r}", name=op.f("ck_lead_finding")),
        sa.CheckConstraint("length(txid) = 64", name=op.f("ck_lead_txid")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name="fk_lead_payment_id"),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name="fk_lead_transfer_id"),
        **STRICT,
    )
    op.create_index("uq_lead_payment_id_txid", "lead", ["payment_id", "txid"], unique=True)
    op.create_index("ix_lead_transfer_id", "lead", ["transfer_id"])
    is_open = sa.text("look_at IS NOT NULL")
    op.create_index("ix_lead_look_at", "lead", ["look_at"], sqlite_where=is_open, postgresql_where=is_open)
    op.create_table(
        "form_bucket",
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("full_at_ms", INT, nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_form_bucket"),
        **STRICT,
    )
    op.create_index("ix_form_bucket_full_at_ms", "form_bucket", ["full_at_ms"])
