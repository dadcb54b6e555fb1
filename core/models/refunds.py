"""Money that is on its way back to whom it came from: each refund, each step of it, and how much may go back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, exists, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import INT, Base, Int64, Moment, Units, Word
from core.models.chain import Transfer
from core.models.projects import STRICT
from core.money import Usdt

STATES = ("requested", "addressed", "verifying", "verified", "failed", "canceled")
STATES_CHECK = f"state IN {STATES!r}"
LIVE = "state IN ('requested', 'addressed', 'verifying', 'failed')"
SENT = "state NOT IN ('verifying', 'verified', 'failed') OR (recipient IS NOT NULL AND txid IS NOT NULL)"
QUEUED = "look_at IS NOT NULL"
PROVEN = "state = 'verified'"
OF_SOMETHING = "transfer_id IS NOT NULL OR payment_id IS NOT NULL"
WAITS_FOR_MONEY = "state IN ('addressed', 'verifying', 'failed')"


class Refund(Base):
    """Money promised back: all of a transfer's that nobody was credited with, or some of what paid a payment.

    transfer_id: None where it is of what paid its payment.   merchant_id: whose money it is.   after_height: the block
    of the money it returns; only a later transfer is a proof.   token_hash: SHA-256 of the token of the link under
    which the payer leaves an address, hex; None where the merchant knew one.   expires_at: when the link ends, wall
    time.   txid, log_index: the transaction the merchant named, and which of its logs proved it.   why: a word of
    `core.payments.refund_words.Why`.   look_at: when the watcher looks next, wall time.
    """

    __tablename__ = "refund"
    __table_args__ = (
        CheckConstraint(STATES_CHECK, name="state"),
        CheckConstraint("units > 0", name="units"),
        CheckConstraint(OF_SOMETHING, name="of_something"),
        CheckConstraint(SENT, name="sent"),
        CheckConstraint("state <> 'verified' OR log_index IS NOT NULL", name="verified"),
        Index("ix_refund_transfer_id", "transfer_id"),
        Index("ix_refund_payment_id", "payment_id", "id"),
        Index("ix_refund_live", "merchant_id", "id", sqlite_where=text(LIVE), postgresql_where=text(LIVE)),
        Index("uq_refund_live", "transfer_id", unique=True, sqlite_where=text(LIVE), postgresql_where=text(LIVE)),
        Index(
            "uq_refund_proof", "txid", "log_index", unique=True, sqlite_where=text(PROVEN),
            postgresql_where=text(PROVEN),
        ),
        Index("ix_refund_look_at", "look_at", sqlite_where=text(QUEUED), postgresql_where=text(QUEUED)),
        Index(
            "ix_refund_recipient", "recipient", sqlite_where=text(WAITS_FOR_MONEY),
            postgresql_where=text(WAITS_FOR_MONEY),
        ),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    transfer_id: Mapped[int | None] = mapped_column(INT, ForeignKey("transfer.id"))
    merchant_id: Mapped[int] = mapped_column(INT, ForeignKey("merchant.id"))
    after_height: Mapped[int] = mapped_column(Int64)
    payment_id: Mapped[int | None] = mapped_column(INT, ForeignKey("payment.id"))
    units: Mapped[Usdt] = mapped_column(Units)
    state: Mapped[str] = mapped_column(Word)
    token_hash: Mapped[str | None] = mapped_column(Word, unique=True)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)
    recipient: Mapped[str | None] = mapped_column(Word)
    txid: Mapped[str | None] = mapped_column(Word)
    log_index: Mapped[int | None] = mapped_column(Int64)
    why: Mapped[str] = mapped_column(Word, default="")
    looks: Mapped[int] = mapped_column(Int64, default=0)
    look_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)
    changed_at: Mapped[datetime] = mapped_column(Moment)


class RefundLimit(Base):
    """The wall before a payment's refunds: what of its money is promised or sent back is never more than paid it.

    received_units: what its project was credited with for it.   promised_units: its refunds of that, but canceled ones.
    """

    __tablename__ = "refund_limit"
    __table_args__ = (
        CheckConstraint("promised_units >= 0 AND promised_units <= received_units", name="promised"),
        STRICT,
    )

    payment_id: Mapped[int] = mapped_column(INT, ForeignKey("payment.id"), primary_key=True)
    received_units: Mapped[Usdt] = mapped_column(Units)
    promised_units: Mapped[Usdt] = mapped_column(Units)


class RefundStep(Base):
    """What happened to a refund, by whom and why; append only."""

    __tablename__ = "refund_step"
    __table_args__ = (
        CheckConstraint(STATES_CHECK, name="state"),
        CheckConstraint("actor <> ''", name="actor"),
        Index("ix_refund_step_refund_id", "refund_id"),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    refund_id: Mapped[int] = mapped_column(INT, ForeignKey("refund.id"))
    state: Mapped[str] = mapped_column(Word)
    actor: Mapped[str] = mapped_column(Word)
    note: Mapped[str] = mapped_column(Word, default="")
    created_at: Mapped[datetime] = mapped_column(Moment)


def is_live_refund() -> ColumnElement[bool]:
    """Select refunds that are not over; written with literals, or SQLite would not use the partial index."""
    words = ("'requested'", "'addressed'", "'verifying'", "'failed'")
    return Refund.state.in_([literal_column(word) for word in words])


def is_leaving() -> ColumnElement[bool]:
    """Tell of a transfer whether it is promised back: then it counts for no payment."""
    return exists().where(Refund.transfer_id == Transfer.id, is_live_refund()).correlate(Transfer)
