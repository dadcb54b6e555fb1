"""The first schema: merchants and projects, payments and reservations, chain, ledger, outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()
BYTES = sa.LargeBinary()
STRICT = {"sqlite_strict": True}


def upgrade() -> None:
    """Create every table and index."""
    _create_cursor()
    _create_hub_secret()
    _create_journal_entry()
    _create_merchant()
    _create_scan_count()
    _create_address()
    _create_project()
    _create_scanned_range()
    _create_credential()
    _create_endpoint()
    _create_reservation()
    _create_payment()
    _create_event()
    _create_sighting()
    _create_transfer()
    _create_delivery()
    _create_attempt()


def _create_cursor() -> None:
    op.create_table(
        "cursor",
        sa.Column("genesis_id", TEXT, nullable=False),
        sa.Column("network", TEXT, nullable=False),
        sa.Column("height", INT, nullable=False),
        sa.Column("block_time", INT, nullable=False),
        sa.Column("head_height", INT, nullable=False),
        sa.Column("updated_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("genesis_id", name="pk_cursor"),
        sa.CheckConstraint("height >= 0", name=op.f("ck_cursor_height")),
        sa.UniqueConstraint("network", name="uq_cursor_network"),
        **STRICT,
    )


def _create_hub_secret() -> None:
    op.create_table(
        "hub_secret",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("value", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_hub_secret"),
        **STRICT,
    )


def _create_journal_entry() -> None:
    op.create_table(
        "journal_entry",
        sa.Column("id", INT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("units", INT, nullable=False),
        sa.Column("booked_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_journal_entry"),
        **STRICT,
    )
    op.create_index("ix_journal_entry_account", "journal_entry", ["account"])
    op.create_index("uq_journal_entry_source_account", "journal_entry", ["source", "account"], unique=True)


def _create_merchant() -> None:
    op.create_table(
        "merchant",
        sa.Column("id", INT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_merchant"),
        **STRICT,
    )


def _create_scan_count() -> None:
    op.create_table(
        "scan_count",
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("seen", INT, nullable=False),
        sa.PrimaryKeyConstraint("kind", name="pk_scan_count"),
        sa.CheckConstraint("kind IN ('zero_value', 'fake_token', 'failed')", name=op.f("ck_scan_count_kind")),
        **STRICT,
    )


def _create_address() -> None:
    op.create_table(
        "address",
        sa.Column("id", INT, nullable=False),
        sa.Column("merchant_id", INT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("base58", TEXT, nullable=False),
        sa.Column("raw20", BYTES, nullable=False),
        sa.Column("label", TEXT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.Column("retired_at", INT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_address"),
        sa.CheckConstraint("kind IN ('own')", name=op.f("ck_address_kind")),
        sa.CheckConstraint("length(raw20) = 20", name=op.f("ck_address_raw20")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_address_merchant_id"),
        sa.UniqueConstraint("base58", name="uq_address_base58"),
        sa.UniqueConstraint("raw20", name="uq_address_raw20"),
        **STRICT,
    )
    op.create_index("ix_address_merchant_id", "address", ["merchant_id"])


def _create_project() -> None:
    op.create_table(
        "project",
        sa.Column("id", INT, nullable=False),
        sa.Column("merchant_id", INT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("website_url", TEXT, nullable=True),
        sa.Column("website_host", TEXT, nullable=True),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("disabled_at", INT, nullable=True),
        sa.Column("window_s", INT, nullable=False),
        sa.Column("late_window_s", INT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_project"),
        sa.CheckConstraint("mode IN ('test', 'live')", name=op.f("ck_project_mode")),
        sa.CheckConstraint("(website_host IS NULL) = (website_url IS NULL)", name=op.f("ck_project_website")),
        sa.CheckConstraint("window_s > 0 AND late_window_s >= 0", name=op.f("ck_project_windows")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_project_merchant_id"),
        sa.UniqueConstraint("website_host", name="uq_project_website_host"),
        **STRICT,
    )
    op.create_index("ix_project_merchant_id", "project", ["merchant_id"])


def _create_scanned_range() -> None:
    op.create_table(
        "scanned_range",
        sa.Column("id", INT, nullable=False),
        sa.Column("genesis_id", TEXT, nullable=False),
        sa.Column("from_height", INT, nullable=False),
        sa.Column("to_height", INT, nullable=False),
        sa.Column("provider", TEXT, nullable=False),
        sa.Column("started_at", INT, nullable=False),
        sa.Column("updated_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scanned_range"),
        sa.CheckConstraint("to_height >= from_height", name=op.f("ck_scanned_range_heights")),
        sa.ForeignKeyConstraint(["genesis_id"], ["cursor.genesis_id"], name="fk_scanned_range_genesis_id"),
        **STRICT,
    )
    op.create_index("uq_scanned_range_from", "scanned_range", ["genesis_id", "from_height"], unique=True)


def _create_credential() -> None:
    op.create_table(
        "credential",
        sa.Column("id", INT, nullable=False),
        sa.Column("project_id", INT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("public_key", TEXT, nullable=False),
        sa.Column("secret", BYTES, nullable=False),
        sa.Column("secret_last4", TEXT, nullable=False),
        sa.Column("secret_fingerprint", TEXT, nullable=False),
        sa.Column("old_secret", BYTES, nullable=True),
        sa.Column("old_valid_until", INT, nullable=True),
        sa.Column("old_signs", sa.Integer(), nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_credential"),
        sa.CheckConstraint("mode IN ('test', 'live')", name=op.f("ck_credential_mode")),
        sa.CheckConstraint("(old_secret IS NULL) = (old_valid_until IS NULL)", name=op.f("ck_credential_rotation")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_credential_project_id"),
        sa.UniqueConstraint("public_key", name="uq_credential_public_key"),
        **STRICT,
    )
    op.create_index("uq_credential_project_id_mode", "credential", ["project_id", "mode"], unique=True)


def _create_endpoint() -> None:
    op.create_table(
        "endpoint",
        sa.Column("id", INT, nullable=False),
        sa.Column("project_id", INT, nullable=False),
        sa.Column("uid", TEXT, nullable=False),
        sa.Column("url", TEXT, nullable=False),
        sa.Column("secret", BYTES, nullable=False),
        sa.Column("old_secret", BYTES, nullable=True),
        sa.Column("old_valid_until", INT, nullable=True),
        sa.Column("enabled", sa.Integer(), nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_endpoint"),
        sa.CheckConstraint("(old_secret IS NULL) = (old_valid_until IS NULL)", name=op.f("ck_endpoint_rotation")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_endpoint_project_id"),
        sa.UniqueConstraint("project_id", name="uq_endpoint_project_id"),
        sa.UniqueConstraint("uid", name="uq_endpoint_uid"),
        **STRICT,
    )


def _create_reservation() -> None:
    op.create_table(
        "reservation",
        sa.Column("id", INT, nullable=False),
        sa.Column("address_id", INT, nullable=False),
        sa.Column("pay_units", INT, nullable=False),
        sa.Column("from_height", INT, nullable=False),
        sa.Column("held_until", INT, nullable=False),
        sa.Column("released_at", INT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_reservation"),
        sa.CheckConstraint("pay_units > 0", name=op.f("ck_reservation_pay_units")),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name="fk_reservation_address_id"),
        **STRICT,
    )
    op.create_index(
        "ix_reservation_held_until",
        "reservation",
        ["held_until"],
        sqlite_where=sa.text("released_at IS NULL"),
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_index(
        "uq_reservation_held",
        "reservation",
        ["address_id", "pay_units"],
        unique=True,
        sqlite_where=sa.text("released_at IS NULL"),
        postgresql_where=sa.text("released_at IS NULL"),
    )


def _create_payment() -> None:
    op.create_table(
        "payment",
        sa.Column("id", INT, nullable=False),
        sa.Column("payment_id", INT, nullable=False),
        sa.Column("project_id", INT, nullable=False),
        sa.Column("credential_id", INT, nullable=False),
        sa.Column("is_test", sa.Integer(), nullable=False),
        sa.Column("order_id", TEXT, nullable=False),
        sa.Column("amount_units", INT, nullable=False),
        sa.Column("amount_text", TEXT, nullable=False),
        sa.Column("pay_units", INT, nullable=False),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("reservation_id", INT, nullable=True),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("success_url", TEXT, nullable=True),
        sa.Column("fail_url", TEXT, nullable=True),
        sa.Column("page_token", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("anomaly", TEXT, nullable=False),
        sa.Column("version", INT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.Column("expires_at", INT, nullable=False),
        sa.Column("cancel_requested_at", INT, nullable=True),
        sa.Column("simulated", TEXT, nullable=True),
        sa.Column("paid_at", INT, nullable=True),
        sa.Column("txid", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_payment"),
        sa.CheckConstraint("amount_units > 0 AND pay_units >= amount_units", name=op.f("ck_payment_amounts")),
        sa.CheckConstraint(
            "anomaly IN ('none', 'underpaid', 'overpaid', 'late', 'duplicate', 'accepted')",
            name=op.f("ck_payment_anomaly"),
        ),
        sa.CheckConstraint(
            "(status = 'paid') = (paid_at IS NOT NULL AND txid IS NOT NULL)",
            name=op.f("ck_payment_paid"),
        ),
        sa.CheckConstraint("(is_test = 1) = (reservation_id IS NULL)", name=op.f("ck_payment_reservation")),
        sa.CheckConstraint("simulated IS NULL OR is_test = 1", name=op.f("ck_payment_simulated")),
        sa.CheckConstraint(
            "status IN ('pending', 'confirming', 'paid', 'expired', 'canceled')",
            name=op.f("ck_payment_status"),
        ),
        sa.ForeignKeyConstraint(["credential_id"], ["credential.id"], name="fk_payment_credential_id"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_payment_project_id"),
        sa.ForeignKeyConstraint(["reservation_id"], ["reservation.id"], name="fk_payment_reservation_id"),
        sa.UniqueConstraint("payment_id", name="uq_payment_payment_id"),
        sa.UniqueConstraint("reservation_id", name="uq_payment_reservation_id"),
        **STRICT,
    )
    op.create_index(
        "ix_payment_open",
        "payment",
        ["is_test", "expires_at"],
        sqlite_where=sa.text("status IN ('pending', 'confirming')"),
        postgresql_where=sa.text("status IN ('pending', 'confirming')"),
    )
    op.create_index("ix_payment_order", "payment", ["project_id", "is_test", "order_id"])
    op.create_index(
        "uq_payment_order",
        "payment",
        ["project_id", "is_test", "order_id"],
        unique=True,
        sqlite_where=sa.text("status IN ('pending', 'confirming', 'paid')"),
        postgresql_where=sa.text("status IN ('pending', 'confirming', 'paid')"),
    )


def _create_event() -> None:
    op.create_table(
        "event",
        sa.Column("id", INT, nullable=False),
        sa.Column("event_id", TEXT, nullable=False),
        sa.Column("payment_id", INT, nullable=False),
        sa.Column("number", INT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name="fk_event_payment_id"),
        sa.UniqueConstraint("event_id", name="uq_event_event_id"),
        **STRICT,
    )
    op.create_index("uq_event_payment_number", "event", ["payment_id", "number"], unique=True)


def _create_sighting() -> None:
    op.create_table(
        "sighting",
        sa.Column("payment_id", INT, nullable=False),
        sa.Column("txid", TEXT, nullable=False),
        sa.Column("height", INT, nullable=False),
        sa.Column("block_time", INT, nullable=False),
        sa.Column("seen_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("payment_id", name="pk_sighting"),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name="fk_sighting_payment_id"),
        **STRICT,
    )


def _create_transfer() -> None:
    op.create_table(
        "transfer",
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
        sa.PrimaryKeyConstraint("id", name="pk_transfer"),
        sa.CheckConstraint(
            "bucket IN ('matched', 'underpaid', 'overpaid', 'late', 'duplicate', 'ambiguous', 'unknown')",
            name=op.f("ck_transfer_bucket"),
        ),
        sa.CheckConstraint("bucket <> 'matched' OR payment_id IS NOT NULL", name=op.f("ck_transfer_matched")),
        sa.CheckConstraint("units > 0", name=op.f("ck_transfer_units")),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name="fk_transfer_address_id"),
        sa.ForeignKeyConstraint(["genesis_id"], ["cursor.genesis_id"], name="fk_transfer_genesis_id"),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name="fk_transfer_payment_id"),
        **STRICT,
    )
    op.create_index(
        "ix_transfer_inbox",
        "transfer",
        ["id"],
        sqlite_where=sa.text("bucket <> 'matched' AND resolved_at IS NULL"),
        postgresql_where=sa.text("bucket <> 'matched' AND resolved_at IS NULL"),
    )
    op.create_index("ix_transfer_payment_id", "transfer", ["payment_id"])
    op.create_index("uq_transfer_log", "transfer", ["txid", "log_index"], unique=True)


def _create_delivery() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", INT, nullable=False),
        sa.Column("event_id", INT, nullable=False),
        sa.Column("endpoint_id", INT, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", INT, nullable=False),
        sa.Column("failures", INT, nullable=False),
        sa.Column("next_attempt_at", INT, nullable=False),
        sa.Column("lease_until", INT, nullable=False),
        sa.Column("lease_token", TEXT, nullable=False),
        sa.Column("dispatched_at", INT, nullable=True),
        sa.Column("last_error", TEXT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.Column("done_at", INT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        sa.CheckConstraint("state IN ('due', 'done', 'failed', 'canceled')", name=op.f("ck_delivery_state")),
        sa.ForeignKeyConstraint(["endpoint_id"], ["endpoint.id"], name="fk_delivery_endpoint_id"),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_delivery_event_id"),
        **STRICT,
    )
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["next_attempt_at"],
        sqlite_where=sa.text("state = 'due'"),
        postgresql_where=sa.text("state = 'due'"),
    )
    op.create_index(
        "ix_delivery_leased",
        "delivery",
        ["endpoint_id", "lease_until"],
        sqlite_where=sa.text("state = 'due'"),
        postgresql_where=sa.text("state = 'due'"),
    )
    op.create_index("uq_delivery_event_endpoint", "delivery", ["event_id", "endpoint_id"], unique=True)


def _create_attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("id", INT, nullable=False),
        sa.Column("delivery_id", INT, nullable=False),
        sa.Column("number", INT, nullable=False),
        sa.Column("started_at", INT, nullable=False),
        sa.Column("elapsed_ms", INT, nullable=False),
        sa.Column("http_status", INT, nullable=True),
        sa.Column("error", TEXT, nullable=False),
        sa.Column("answer_excerpt", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_attempt"),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name="fk_attempt_delivery_id"),
        **STRICT,
    )
    op.create_index("ix_attempt_delivery_id", "attempt", ["delivery_id"])
