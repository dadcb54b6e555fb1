"""Odd money: policies of projects, what a promise tolerates, addresses for one payment at a time, acts on the inbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()
STRICT = {"sqlite_strict": True}

RESOLUTIONS = "'accepted', 'attached', 'refunded', 'ignored'"
RESOLUTION_CHECK = (
    f"(resolution IS NULL) = (resolved_at IS NULL) AND (resolution IS NULL OR resolution IN ({RESOLUTIONS}))"
)
# name of the table, of the column, its type, the rest; both databases take a column with a named check of its own
COLUMNS = (
    ("project", "tolerance_units", "int", "DEFAULT 0 NOT NULL", "ck_project_tolerance", "tolerance_units >= 0"),
    ("project", "late_accept_s", "int", "DEFAULT 0 NOT NULL", "ck_project_late_accept", "late_accept_s >= 0"),
    ("project", "addressing", "TEXT", "DEFAULT 'auto' NOT NULL", "ck_project_addressing",
     "addressing IN ('auto', 'shared', 'pool', 'xpub')"),
    ("project", "overpaid_note", "TEXT", "DEFAULT '' NOT NULL", "", ""),
    ("address", "exclusive", "flag", "DEFAULT 0 NOT NULL", "", ""),
    ("reservation", "slack_units", "int", "DEFAULT 0 NOT NULL", "ck_reservation_slack",
     "slack_units >= 0 AND slack_units < pay_units"),
    ("reservation", "accept_until", "int", "", "", ""),
    ("reservation", "exclusive", "flag", "DEFAULT 0 NOT NULL", "", ""),
    ("payment", "accepted_at", "int", "", "", ""),
    ("event", "actor", "TEXT", "DEFAULT '' NOT NULL", "", ""),
    ("transfer", "resolution", "TEXT", "", "ck_transfer_resolution", RESOLUTION_CHECK),
)
TO_HELD = r"""
UPDATE journal_entry SET account = account || '\:held' WHERE account LIKE 'project:%' AND EXISTS (
    SELECT 1 FROM transfer JOIN address ON address.id = transfer.address_id WHERE address.kind = 'held'
    AND journal_entry.source IN ('transfer:' || transfer.id, 'assigned:' || transfer.id))
"""


def upgrade() -> None:
    """Add columns, indexes and a table; what came to held addresses moves to accounts of its own."""
    words = _words()
    for table, column, kind, rest, check, condition in COLUMNS:
        wall = f" CONSTRAINT {check} CHECK ({condition})" if check else ""
        op.execute(f'ALTER TABLE "{table}" ADD COLUMN {column} {words.get(kind, kind)} {rest}{wall}')
    op.create_index("ix_reservation_address", "reservation", ["address_id", "pay_units"])
    _index("uq_reservation_exclusive", "reservation", ["address_id"], "released_at IS NULL AND exclusive = 1", True)
    _index("ix_reservation_slack", "reservation", ["address_id", "pay_units"],
           "released_at IS NULL AND slack_units > 0", False)
    _create_inbox_act()
    op.execute(TO_HELD)


def _create_inbox_act() -> None:
    op.create_table(
        "inbox_act",
        sa.Column("id", INT, nullable=False),
        sa.Column("transfer_id", INT, nullable=False),
        sa.Column("act", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.Column("closes", sa.Integer(), nullable=False),
        sa.Column("payment_id", INT, nullable=True),
        sa.Column("refund_txid", TEXT, nullable=True),
        sa.Column("created_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_inbox_act"),
        sa.CheckConstraint(f"act IN ({RESOLUTIONS})", name=op.f("ck_inbox_act_act")),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_inbox_act_actor")),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name="fk_inbox_act_transfer_id"),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name="fk_inbox_act_payment_id"),
        **STRICT,
    )
    op.create_index("ix_inbox_act_transfer_id", "inbox_act", ["transfer_id"])
    _index("uq_inbox_act_closing", "inbox_act", ["transfer_id"], "closes = 1", True)


def _words() -> dict[str, str]:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    return {"int": "INTEGER" if is_sqlite else "BIGINT", "flag": "INTEGER"}


def _index(name: str, table: str, columns: list[str], where: str, unique: bool) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
