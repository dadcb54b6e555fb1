"""What was read from the chain: how far, by which proof, and every transfer that concerned us."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import INT, Base, Int64, Moment, Units, Word
from core.models.projects import STRICT
from core.money import Usdt

WAITS = "bucket NOT IN ('matched', 'internal') AND resolved_at IS NULL"


class Cursor(Base):
    """The last solid block applied, one row per network; the network is its genesis id.

    watcher, fence, leased_until: who may move it. The fence rises with every new holder of the lease, and each move
    names it, so that a watcher that slept through its lease can no longer write. leased_until is wall time.
    solid_height, solid_at: the highest solid height any provider has shown, and when it last rose; wall time.
    frozen_at, frozen_why: money that was credited has vanished from the chain: nothing moves until a human decides.
    """

    __tablename__ = "cursor"
    __table_args__ = (
        CheckConstraint("height >= 0", name="height"),
        STRICT,
    )

    genesis_id: Mapped[str] = mapped_column(Word, primary_key=True)
    network: Mapped[str] = mapped_column(Word, unique=True)
    height: Mapped[int] = mapped_column(Int64)
    block_time: Mapped[datetime] = mapped_column(Moment)
    head_height: Mapped[int] = mapped_column(Int64, default=0)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    watcher: Mapped[str | None] = mapped_column(Word)
    fence: Mapped[int] = mapped_column(Int64, default=0, server_default="0")
    leased_until: Mapped[datetime | None] = mapped_column(Moment)
    solid_height: Mapped[int] = mapped_column(Int64, default=0, server_default="0")
    solid_at: Mapped[datetime | None] = mapped_column(Moment)
    frozen_at: Mapped[datetime | None] = mapped_column(Moment)
    frozen_why: Mapped[str | None] = mapped_column(Word)


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


class LogCheck(Base):
    """A second proof, from another index: what an independent log query said about a range of applied blocks."""

    __tablename__ = "log_check"
    __table_args__ = (
        CheckConstraint("to_height >= from_height", name="heights"),
        Index("ix_log_check_genesis_id_to_height", "genesis_id", "to_height"),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    genesis_id: Mapped[str] = mapped_column(Word, ForeignKey("cursor.genesis_id"))
    from_height: Mapped[int] = mapped_column(Int64)
    to_height: Mapped[int] = mapped_column(Int64)
    provider: Mapped[str] = mapped_column(Word)
    found: Mapped[int] = mapped_column(Int64)
    differences: Mapped[int] = mapped_column(Int64)
    checked_at: Mapped[datetime] = mapped_column(Moment)


class Transfer(Base):
    """One Transfer log of the USDT contract to a watched address, in exactly one bucket.

    log_index: position in its transaction's logs; block_index: in its block's.   block_id: the block that credited it.
    verified_at: when the block was read again, later, and still held it.
    bucket: what it was when it came, until it is assigned.   resolution: what a human, or a policy, did about it.
    project_id: its payment's.
    """

    __tablename__ = "transfer"
    __table_args__ = (
        CheckConstraint("units > 0", name="units"),
        CheckConstraint(
            "bucket IN ('matched', 'underpaid', 'overpaid', 'late', 'duplicate', 'ambiguous', 'unknown', 'internal')",
            name="bucket",
        ),
        CheckConstraint("bucket <> 'matched' OR payment_id IS NOT NULL", name="matched"),
        CheckConstraint(
            "(resolution IS NULL) = (resolved_at IS NULL) AND "
            "(resolution IS NULL OR resolution IN ('accepted', 'attached', 'refunded', 'ignored'))",
            name="resolution",
        ),
        Index("uq_transfer_log", "txid", "log_index", unique=True),
        Index(
            "ix_transfer_inbox",
            "id",
            sqlite_where=text(WAITS),
            postgresql_where=text(WAITS),
        ),
        Index("ix_transfer_payment_id", "payment_id"),
        Index("ix_transfer_project_id", "project_id", "id"),
        Index("ix_transfer_address_id", "address_id", "height"),
        Index(
            "ix_transfer_unverified",
            "height",
            sqlite_where=text("verified_at IS NULL"),
            postgresql_where=text("verified_at IS NULL"),
        ),
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
    project_id: Mapped[int | None] = mapped_column(INT, ForeignKey("project.id"))
    resolved_at: Mapped[datetime | None] = mapped_column(Moment)
    recorded_at: Mapped[datetime] = mapped_column(Moment)
    block_id: Mapped[str | None] = mapped_column(Word)
    block_index: Mapped[int | None] = mapped_column(Int64)
    raw_log: Mapped[str | None] = mapped_column(Word)
    verified_at: Mapped[datetime | None] = mapped_column(Moment)
    resolution: Mapped[str | None] = mapped_column(Word)


class Outgoing(Base):
    """One Transfer log of the USDT contract from a watched address: what makes a balance smaller."""

    __tablename__ = "outgoing"
    __table_args__ = (
        CheckConstraint("units > 0", name="units"),
        Index("uq_outgoing_log", "txid", "log_index", unique=True),
        Index("ix_outgoing_address_id", "address_id", "height"),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    genesis_id: Mapped[str] = mapped_column(Word, ForeignKey("cursor.genesis_id"))
    txid: Mapped[str] = mapped_column(Word)
    log_index: Mapped[int] = mapped_column(Int64)
    height: Mapped[int] = mapped_column(Int64)
    block_time: Mapped[datetime] = mapped_column(Moment)
    address_id: Mapped[int] = mapped_column(INT, ForeignKey("address.id"))
    recipient: Mapped[str] = mapped_column(Word)
    units: Mapped[Usdt] = mapped_column(Units)
    recorded_at: Mapped[datetime] = mapped_column(Moment)


def in_inbox() -> ColumnElement[bool]:
    """Select transfers that wait for a human; written with literals, or SQLite would not use the partial index."""
    settled: list[ColumnElement[str]] = [literal_column("'matched'"), literal_column("'internal'")]
    return Transfer.bucket.not_in(settled) & Transfer.resolved_at.is_(None)


class ScanCount(Base):
    """Logs that named a watched address and were rightly ignored, counted by kind."""

    __tablename__ = "scan_count"
    __table_args__ = (CheckConstraint("kind IN ('zero_value', 'fake_token', 'failed')", name="kind"), STRICT)

    kind: Mapped[str] = mapped_column(Word, primary_key=True)
    seen: Mapped[int] = mapped_column(Int64, default=0)
