"""What a project's accounts come to is kept beside their lines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0009"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SO_FAR = """
INSERT INTO account_total (account, units)
SELECT account, SUM(units) FROM journal_entry WHERE account NOT LIKE 'chain:%' GROUP BY account
"""


def upgrade() -> None:
    """Create the table and sum up what has been booked."""
    op.create_table(
        "account_total",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("units", INT, nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_account_total"),
        sqlite_strict=True,
    )
    op.execute(SO_FAR.replace(":", r"\:"))
