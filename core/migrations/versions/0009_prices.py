"""Prices in fiat: what payments were priced at, what sources say USDT costs, and what currency books are kept in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0013"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()
STRICT = {"sqlite_strict": True}
WHOLE_QUOTE = (
    "(price_text IS NULL) = (price_currency IS NULL) AND (price_text IS NULL) = (rate IS NULL)"
    " AND (price_text IS NULL) = (rate_sources IS NULL) AND (price_text IS NULL) = (rate_at IS NULL)"
)


def upgrade() -> None:
    """Add columns and three tables."""
    number = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    for column in ("price_text", "price_currency", "rate", "rate_sources"):
        op.execute(f"ALTER TABLE payment ADD COLUMN {column} TEXT")
    op.execute(f"ALTER TABLE payment ADD COLUMN rate_at {number} CONSTRAINT ck_payment_quote CHECK ({WHOLE_QUOTE})")
    op.execute("ALTER TABLE project ADD COLUMN reporting_currency TEXT")
    op.create_table(
        "rate",
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("price", TEXT, nullable=False),
        sa.Column("at", INT, nullable=False),
        sa.Column("heard_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("currency", "source", name="pk_rate"),
        sa.CheckConstraint("length(currency) = 3", name=op.f("ck_rate_currency")),
        **STRICT,
    )
    op.create_table(
        "rate_asking",
        sa.Column("source", TEXT, nullable=False),
        sa.Column("ask_at", INT, nullable=False),
        sa.Column("asked_at", INT, nullable=False),
        sa.Column("error", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_rate_asking"),
        **STRICT,
    )
    op.create_table(
        "rate_hour",
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("hour", INT, nullable=False),
        sa.Column("price", TEXT, nullable=False),
        sa.Column("at", INT, nullable=False),
        sa.Column("sources", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("currency", "hour", name="pk_rate_hour"),
        **STRICT,
    )
