"""The watcher's lease, freeze and proofs; derived and held addresses; outgoing money; alarms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()
BYTES = sa.LargeBinary()
STRICT = {"sqlite_strict": True}

BUCKETS = "'matched', 'underpaid', 'overpaid', 'late', 'duplicate', 'ambiguous', 'unknown', 'internal'"
WAITS = "bucket NOT IN ('matched', 'internal') AND resolved_at IS NULL"
ADDRESS_CHECKS = {
    "ck_address_kind": "kind IN ('own', 'derived', 'held')",
    "ck_address_raw20": "length(raw20) = 20",
    "ck_address_derived": "(kind = 'derived') = (xpub_id IS NOT NULL AND derivation_index IS NOT NULL)",
    "ck_address_held": "(kind = 'held') = (sealed_key IS NOT NULL)",
    "ck_address_opening": "(opening_units IS NULL) = (opening_height IS NULL)",
}
TRANSFER_CHECKS = {
    "ck_transfer_bucket": f"bucket IN ({BUCKETS})",
    "ck_transfer_matched": "bucket <> 'matched' OR payment_id IS NOT NULL",
    "ck_transfer_units": "units > 0",
}


def upgrade() -> None:
    """Add tables and columns; SQLite cannot change a CHECK, so two tables are copied there."""
    _create_account_xpub()
    _create_alarm()
    _create_log_check()
    _widen_cursor()
    _widen_address()
    _widen_transfer()
    _create_outgoing()


def _create_account_xpub() -> None:
    op.create_table(
        "account_xpub",
        sa.Column("id", INT, nullable=False),
        sa.Column("merchant_id", INT, nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("xpub", BYTES, nullable=False),
        sa.Column("next_index", INT, nullable=False),
        sa.Column("label", TEXT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.Column("retired_at", INT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_account_xpub"),
        sa.CheckConstraint("next_index >= 0", name=op.f("ck_account_xpub_next_index")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_account_xpub_merchant_id"),
        sa.UniqueConstraint("fingerprint", name="uq_account_xpub_fingerprint"),
        **STRICT,
    )
    _index("uq_account_xpub_active", "account_xpub", ["merchant_id"], unique=True, where="retired_at IS NULL")


def _create_alarm() -> None:
    op.create_table(
        "alarm",
        sa.Column("id", INT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("sentence", TEXT, nullable=False),
        sa.Column("times", INT, nullable=False),
        sa.Column("raised_at", INT, nullable=False),
        sa.Column("last_at", INT, nullable=False),
        sa.Column("cleared_at", INT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_alarm"),
        **STRICT,
    )
    _index("uq_alarm_standing", "alarm", ["kind", "subject"], unique=True, where="cleared_at IS NULL")


def _create_log_check() -> None:
    op.create_table(
        "log_check",
        sa.Column("id", INT, nullable=False),
        sa.Column("genesis_id", TEXT, nullable=False),
        sa.Column("from_height", INT, nullable=False),
        sa.Column("to_height", INT, nullable=False),
        sa.Column("provider", TEXT, nullable=False),
        sa.Column("found", INT, nullable=False),
        sa.Column("differences", INT, nullable=False),
        sa.Column("checked_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_check"),
        sa.CheckConstraint("to_height >= from_height", name=op.f("ck_log_check_heights")),
        sa.ForeignKeyConstraint(["genesis_id"], ["cursor.genesis_id"], name="fk_log_check_genesis_id"),
        **STRICT,
    )
    _index("ix_log_check_genesis_id_to_height", "log_check", ["genesis_id", "to_height"])


def _widen_cursor() -> None:
    for column in (
        sa.Column("watcher", TEXT, nullable=True),
        sa.Column("fence", INT, nullable=False, server_default="0"),
        sa.Column("leased_until", INT, nullable=True),
        sa.Column("solid_height", INT, nullable=False, server_default="0"),
        sa.Column("solid_at", INT, nullable=True),
        sa.Column("frozen_at", INT, nullable=True),
        sa.Column("frozen_why", TEXT, nullable=True),
    ):
        op.add_column("cursor", column)


def _widen_address() -> None:
    if _is_sqlite():
        _copy_address()
    else:
        op.drop_constraint(op.f("ck_address_kind"), "address", type_="check")
        for column in _address_columns():
            op.add_column("address", column)
        op.create_foreign_key("fk_address_xpub_id", "address", "account_xpub", ["xpub_id"], ["id"])
        for name in ("ck_address_kind", "ck_address_derived", "ck_address_held", "ck_address_opening"):
            op.create_check_constraint(op.f(name), "address", ADDRESS_CHECKS[name])
    _index("uq_address_derived", "address", ["xpub_id", "derivation_index"], unique=True)
    pooled = "retired_at IS NULL AND kind <> 'derived'"
    _index("ix_address_pool", "address", ["merchant_id", "id"], where=pooled)


def _copy_address() -> None:
    old = ("id", "merchant_id", "kind", "base58", "raw20", "label", "created_at", "retired_at")
    _copy_table("address", old, lambda name: op.create_table(
        name,
        sa.Column("id", INT, nullable=False),
        sa.Column("merchant_id", INT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("base58", TEXT, nullable=False),
        sa.Column("raw20", BYTES, nullable=False),
        sa.Column("label", TEXT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.Column("retired_at", INT, nullable=True),
        *_address_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_address"),
        *_checks(ADDRESS_CHECKS),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_address_merchant_id"),
        sa.ForeignKeyConstraint(["xpub_id"], ["account_xpub.id"], name="fk_address_xpub_id"),
        sa.UniqueConstraint("base58", name="uq_address_base58"),
        sa.UniqueConstraint("raw20", name="uq_address_raw20"),
        **STRICT,
    ))
    op.create_index("ix_address_merchant_id", "address", ["merchant_id"])


def _address_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("xpub_id", INT, nullable=True),
        sa.Column("derivation_index", INT, nullable=True),
        sa.Column("sealed_key", BYTES, nullable=True),
        sa.Column("opening_units", INT, nullable=True),
        sa.Column("opening_height", INT, nullable=True),
        sa.Column("first_paid_at", INT, nullable=True),
        sa.Column("confirmed_at", INT, nullable=True),
        sa.Column("blacklisted_at", INT, nullable=True),
    ]


def _widen_transfer() -> None:
    if _is_sqlite():
        _copy_transfer()
    else:
        op.drop_constraint(op.f("ck_transfer_bucket"), "transfer", type_="check")
        for column in _transfer_columns():
            op.add_column("transfer", column)
        op.create_check_constraint(op.f("ck_transfer_bucket"), "transfer", TRANSFER_CHECKS["ck_transfer_bucket"])
        op.drop_index("ix_transfer_inbox", "transfer")
    op.execute("UPDATE transfer SET verified_at = recorded_at")  # what an older version credited is not read again
    _index("ix_transfer_inbox", "transfer", ["id"], where=WAITS)
    _index("ix_transfer_address_id", "transfer", ["address_id", "height"])
    _index("ix_transfer_unverified", "transfer", ["height"], where="verified_at IS NULL")


def _copy_transfer() -> None:
    old = (
        "id", "genesis_id", "txid", "log_index", "height", "block_time", "sender", "address_id", "units", "bucket",
        "payment_id", "resolved_at", "recorded_at",
    )
    _copy_table("transfer", old, lambda name: op.create_table(
        name,
        sa.Column("id", INT, nullable=False),
        sa.Column("genesis_id", TEXT, nullable=False),
        sa.Column("txid", TEXT, nullable=False),
        sa.Column("log_index", INT, nullable=False),
        sa.Column("height", INT, nullable=False),
        sa.Column("block_time", INT, nullable=False),
        sa.Column("sender", TEXT, nullable=False),
        sa.Column("address_id", INT, nullable=False),
        sa.Column("units", INT, nullable=False),
        sa.Column("bucket", TEXT, nullable=False),
        sa.Column("payment_id", INT, nullable=True),
        sa.Column("resolved_at", INT, nullable=True),
        sa.Column("recorded_at", INT, nullable=False),
        *_transfer_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_transfer"),
        *_checks(TRANSFER_CHECKS),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name="fk_transfer_address_id"),
        sa.ForeignKeyConstraint(["genesis_id"], ["cursor.genesis_id"], name="fk_transfer_genesis_id"),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name="fk_transfer_payment_id"),
        **STRICT,
    ))
    op.create_index("ix_transfer_payment_id", "transfer", ["payment_id"])
    op.create_index("uq_transfer_log", "transfer", ["txid", "log_index"], unique=True)


def _transfer_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("block_id", TEXT, nullable=True),
        sa.Column("block_index", INT, nullable=True),
        sa.Column("raw_log", TEXT, nullable=True),
        sa.Column("verified_at", INT, nullable=True),
    ]


def _create_outgoing() -> None:
    op.create_table(
        "outgoing",
        sa.Column("id", INT, nullable=False),
        sa.Column("genesis_id", TEXT, nullable=False),
        sa.Column("txid", TEXT, nullable=False),
        sa.Column("log_index", INT, nullable=False),
        sa.Column("height", INT, nullable=False),
        sa.Column("block_time", INT, nullable=False),
        sa.Column("address_id", INT, nullable=False),
        sa.Column("recipient", TEXT, nullable=False),
        sa.Column("units", INT, nullable=False),
        sa.Column("recorded_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outgoing"),
        sa.CheckConstraint("units > 0", name=op.f("ck_outgoing_units")),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name="fk_outgoing_address_id"),
        sa.ForeignKeyConstraint(["genesis_id"], ["cursor.genesis_id"], name="fk_outgoing_genesis_id"),
        **STRICT,
    )
    _index("uq_outgoing_log", "outgoing", ["txid", "log_index"], unique=True)
    _index("ix_outgoing_address_id", "outgoing", ["address_id", "height"])


def _copy_table(name: str, columns: Sequence[str], create: Callable[[str], object]) -> None:
    """Replace a table by one with other walls and the same rows; foreign keys are off meanwhile (see upgrade())."""
    listed = ", ".join(f'"{column}"' for column in columns)
    create(f"{name}_new")
    op.execute(f'INSERT INTO "{name}_new" ({listed}) SELECT {listed} FROM "{name}"')
    op.drop_table(name)
    op.rename_table(f"{name}_new", name)


def _checks(checks: dict[str, str]) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(condition, name=op.f(name)) for name, condition in checks.items()]


def _index(name: str, table: str, columns: list[str], *, unique: bool = False, where: str | None = None) -> None:
    partial = {} if where is None else {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
    op.create_index(name, table, columns, unique=unique, **partial)


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
