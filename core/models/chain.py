"""What was read from the chain: how far, by which proof, and every transfer that concerned us."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import INT, Base, Int64, Moment, Units, Word
from core.models.projects import STRICT
from core.money import Usdt


class Cursor(Base):
    """The last solid block applied, one row per network; the network is its genesis id."""

    __tablename__ = "cursor"
    __table_args__ = (CheckConstraint("height >= 0", name="height"), STRICT)

    genesis_id: Mapped[str] = mapped_column(Word, primary_key=True)
    network: Mapped[str] = mapped_column(Word, unique=True)
    height: Mapped[int] = mapped_column(Int64)
    block_time: Mapped[datetime] = mapped_column(Moment)
    head_height: Mapped[int] = mapped_column(Int64, default=0)
    updated_at: Mapped[datetime] = mapped_column(Moment)


class ScannedRange(Base):
    """Proof of coverage: consecutive heights applied by one run of the watcher from one provider."""

    __tablename__ = "scanned_range"
    __table_args__ = (
        CheckConstraint("to_height >= from_height", name="heights"),
        Index("uq_scanned_range_from", "genesis_id", "from_height", unique=True),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    genesis_id: Mapped[str] = mapped_column(Word, ForeignKey("cursor.genesis_id"))
    from_height: Mapped[int] = mapped_column(Int64)
    to_height: Mapped[int] = mapped_column(Int64)
    provider: Mapped[str] = mapped_column(Word)
    started_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)


class Transfer(Base):
    """One Transfer log of the USDT contract to a watched address, in exactly one bucket."""

    __tablename__ = "transfer"
    __table_args__ = (
        CheckConstraint("units > 0", name="units"),
        CheckConstraint(
            "bucket IN ('matched', 'underpaid', 'overpaid', 'late', 'duplicate', 'ambiguous', 'unknown')",
            name="bucket",
        ),
        CheckConstraint("bucket <> 'matched' OR payment_id IS NOT NULL", name="matched"),
        Index("uq_transfer_log", "txid", "log_index", unique=True),
        Index(
            "ix_transfer_inbox",
            "id",
            sqlite_where=text("bucket <> 'matched' AND resolved_at IS NULL"),
            postgresql_where=text("bucket <> 'matched' AND resolved_at IS NULL"),
        ),
        Index("ix_transfer_payment_id", "payment_id"),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    genesis_id: Mapped[str] = mapped_column(Word, ForeignKey("cursor.genesis_id"))
    txid: Mapped[str] = mapped_column(Word)
    log_index: Mapped[int] = mapped_column(Int64)
    height: Mapped[int] = mapped_column(Int64)
    block_time: Mapped[datetime] = mapped_column(Moment)
    sender: Mapped[str] = mapped_column(Word)
    address_id: Mapped[int] = mapped_column(INT, ForeignKey("address.id"))
    units: Mapped[Usdt] = mapped_column(Units)
    bucket: Mapped[str] = mapped_column(Word)
    payment_id: Mapped[int | None] = mapped_column(INT, ForeignKey("payment.id"))
    resolved_at: Mapped[datetime | None] = mapped_column(Moment)
    recorded_at: Mapped[datetime] = mapped_column(Moment)


def in_inbox() -> ColumnElement[bool]:
    """Select transfers that wait for a human; written with literals, or SQLite would not use the partial index."""
    return (Transfer.bucket != literal_column("'matched'")) & Transfer.resolved_at.is_(None)


class ScanCount(Base):
    """Logs that named a watched address and were rightly ignored, counted by kind."""

    __tablename__ = "scan_count"
    __table_args__ = (CheckConstraint("kind IN ('zero_value', 'fake_token', 'failed')", name="kind"), STRICT)

    kind: Mapped[str] = mapped_column(Word, primary_key=True)
    seen: Mapped[int] = mapped_column(Int64, default=0)
