"""Money that paid an order can go back too: a refund names its merchant, its height and maybe no transfer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0016"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()
STRICT = {"sqlite_strict": True}
STATES_CHECK = "state IN ('requested', 'addressed', 'verifying', 'verified', 'failed', 'canceled')"
LIVE = "state IN ('requested', 'addressed', 'verifying', 'failed')"
SENT = "state NOT IN ('verifying', 'verified', 'failed') OR (recipient IS NOT NULL AND txid IS NOT NULL)"
OF_SOMETHING = "transfer_id IS NOT NULL OR payment_id IS NOT NULL"
WHOSE = (
    "(SELECT address.merchant_id FROM transfer JOIN address ON address.id = transfer.address_id "
    "WHERE transfer.id = refund.transfer_id)"
)
SINCE = "(SELECT transfer.height FROM transfer WHERE transfer.id = refund.transfer_id)"
KEPT = (
    "id, transfer_id, payment_id, units, state, token_hash, expires_at, recipient, txid, log_index, why, looks, "
    "look_at, created_at, changed_at"
)


def upgrade() -> None:
    """Widen what a refund may be, add the wall before a payment's refunds, and let events name a refund."""
    if op.get_bind().dialect.name == "sqlite":
        _copy_refunds()
    else:
        _alter_refunds()
    op.create_index("ix_refund_payment_id", "refund", ["payment_id", "id"])
    _index("ix_refund_live", ["merchant_id", "id"], LIVE)
    op.create_table(
        "refund_limit",
        sa.Column("payment_id", INT, nullable=False),
        sa.Column("received_units", INT, nullable=False),
        sa.Column("promised_units", INT, nullable=False),
        sa.PrimaryKeyConstraint("payment_id", name="pk_refund_limit"),
        sa.CheckConstraint(
            "promised_units >= 0 AND promised_units <= received_units", name=op.f("ck_refund_limit_promised")
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name="fk_refund_limit_payment_id"),
        **STRICT,
    )
    kind = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    op.execute(
        f"ALTER TABLE event ADD COLUMN refund_id {kind} CONSTRAINT fk_event_refund_id REFERENCES refund(id)"
    )
    named = sa.text("refund_id IS NOT NULL")
    op.create_index("ix_event_refund_id", "event", ["refund_id"], sqlite_where=named, postgresql_where=named)


def _alter_refunds() -> None:
    for name, value in {"merchant_id": WHOSE, "after_height": SINCE}.items():
        op.add_column("refund", sa.Column(name, INT, nullable=True))
        op.execute(f"UPDATE refund SET {name} = {value}")
        op.alter_column("refund", name, nullable=False)
    op.alter_column("refund", "transfer_id", nullable=True)
    op.create_foreign_key("fk_refund_merchant_id", "refund", "merchant", ["merchant_id"], ["id"])
    op.create_check_constraint(op.f("ck_refund_of_something"), "refund", OF_SOMETHING)


def _copy_refunds() -> None:
    """Replace the table by one with the other walls and the same rows; foreign keys are off meanwhile."""
    op.create_table(
        "refund_new",
        sa.Column("id", INT, nullable=False),
        sa.Column("transfer_id", INT, nullable=True),
        sa.Column("merchant_id", INT, nullable=False),
        sa.Column("after_height", INT, nullable=False),
        sa.Column("payment_id", INT, nullable=True),
        sa.Column("units", INT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("token_hash", TEXT, nullable=True),
        sa.Column("expires_at", INT, nullable=True),
        *(sa.Column(name, TEXT, nullable=True) for name in ("recipient", "txid")),
        sa.Column("log_index", INT, nullable=True),
        sa.Column("why", TEXT, nullable=False),
        sa.Column("looks", INT, nullable=False),
        sa.Column("look_at", INT, nullable=True),
        *(sa.Column(name, INT, nullable=False) for name in ("created_at", "changed_at")),
        sa.PrimaryKeyConstraint("id", name="pk_refund"),
        sa.UniqueConstraint("token_hash", name="uq_refund_token_hash"),
        sa.CheckConstraint(STATES_CHECK, name=op.f("ck_refund_state")),
        sa.CheckConstraint("units > 0", name=op.f("ck_refund_units")),
        sa.CheckConstraint(OF_SOMETHING, name=op.f("ck_refund_of_something")),
        sa.CheckConstraint(SENT, name=op.f("ck_refund_sent")),
        sa.CheckConstraint("state <> 'verified' OR log_index IS NOT NULL", name=op.f("ck_refund_verified")),
        *(
            sa.ForeignKeyConstraint([f"{name}_id"], [f"{name}.id"], name=f"fk_refund_{name}_id")
            for name in ("transfer", "merchant", "payment")
        ),
        **STRICT,
    )
    op.execute(
        f"INSERT INTO refund_new ({KEPT}, merchant_id, after_height) SELECT {KEPT}, {WHOSE}, {SINCE} FROM refund"
    )
    op.drop_table("refund")
    op.rename_table("refund_new", "refund")
    op.create_index("ix_refund_transfer_id", "refund", ["transfer_id"])
    _index("uq_refund_live", ["transfer_id"], LIVE, unique=True)
    _index("uq_refund_proof", ["txid", "log_index"], "state = 'verified'", unique=True)
    _index("ix_refund_look_at", ["look_at"], "look_at IS NOT NULL")
    _index("ix_refund_recipient", ["recipient"], "state IN ('addressed', 'verifying', 'failed')")


def _index(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, "refund", columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
