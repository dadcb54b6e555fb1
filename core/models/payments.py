"""Requests for money, the amounts promised to them, and what the head of the chain hints at."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from core.db import INT, Base, Flag, Int64, Moment, Units, Word
from core.models.projects import STRICT, Credential, Project
from core.money import Usdt

OPEN = "status IN ('pending', 'confirming')"
EXCLUSIVE = "released_at IS NULL AND exclusive = 1"
SLACK = "released_at IS NULL AND slack_units > 0"
TAKES_ORDER = "status IN ('pending', 'confirming', 'paid')"
WHOLE_QUOTE = (
    "(price_text IS NULL) = (price_currency IS NULL) AND (price_text IS NULL) = (rate IS NULL)"
    " AND (price_text IS NULL) = (rate_sources IS NULL) AND (price_text IS NULL) = (rate_at IS NULL)"
)


class Reservation(Base):
    """(address, pay_units) promised to one payment, through its window and its late window, on chain time.

    from_height: the solid height applied when the promise was made; older transfers cannot mean this payment.
    slack_units: the shortfall that was then taken for enough.   accept_until: chain time until which late money still
    pays.   exclusive: the whole address is promised, whatever the amount.
    """

    __tablename__ = "reservation"
    __table_args__ = (
        CheckConstraint("pay_units > 0", name="pay_units"),
        CheckConstraint("slack_units >= 0 AND slack_units < pay_units", name="slack"),
        Index("ix_reservation_address", "address_id", "pay_units"),
        Index(
            "uq_reservation_exclusive",
            "address_id",
            unique=True,
            sqlite_where=text(EXCLUSIVE),
            postgresql_where=text(EXCLUSIVE),
        ),
        Index(
            "ix_reservation_slack",
            "address_id",
            "pay_units",
            sqlite_where=text(SLACK),
            postgresql_where=text(SLACK),
        ),
        Index(
            "uq_reservation_held",
            "address_id",
            "pay_units",
            unique=True,
            sqlite_where=text("released_at IS NULL"),
            postgresql_where=text("released_at IS NULL"),
        ),
        Index(
            "ix_reservation_held_until",
            "held_until",
            sqlite_where=text("released_at IS NULL"),
            postgresql_where=text("released_at IS NULL"),
        ),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    address_id: Mapped[int] = mapped_column(INT, ForeignKey("address.id"))
    pay_units: Mapped[Usdt] = mapped_column(Units)
    from_height: Mapped[int] = mapped_column(Int64)
    held_until: Mapped[datetime] = mapped_column(Moment)
    released_at: Mapped[datetime | None] = mapped_column(Moment)
    slack_units: Mapped[Usdt] = mapped_column(Units, default=Usdt(0), server_default="0")
    accept_until: Mapped[datetime | None] = mapped_column(Moment)
    exclusive: Mapped[bool] = mapped_column(Flag, default=False, server_default="0")


class Payment(Base):
    """One request for money.

    Two axes: `status` says what the shop should do with the goods, `anomaly` what is odd about the money. Only
    `core.payments.settling` writes them, with what `state.settle` decides; `version` rises with every such write.
    accepted_at: when a human took what has come for enough, be it short or late.
    price_text, price_currency, rate, rate_sources, rate_at: the quote of one that was priced in fiat; else all None.
    """

    __tablename__ = "payment"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'confirming', 'paid', 'expired', 'canceled')", name="status"),
        CheckConstraint(
            "anomaly IN ('none', 'underpaid', 'overpaid', 'late', 'duplicate', 'accepted')", name="anomaly"
        ),
        CheckConstraint("amount_units > 0 AND pay_units >= amount_units", name="amounts"),
        CheckConstraint("(status = 'paid') = (paid_at IS NOT NULL AND txid IS NOT NULL)", name="paid"),
        CheckConstraint("(is_test = 1) = (reservation_id IS NULL)", name="reservation"),
        CheckConstraint("simulated IS NULL OR is_test = 1", name="simulated"),
        CheckConstraint(WHOLE_QUOTE, name="quote"),
        Index(
            "uq_payment_order",
            "project_id",
            "is_test",
            "order_id",
            unique=True,
            sqlite_where=text(TAKES_ORDER),
            postgresql_where=text(TAKES_ORDER),
        ),
        Index("ix_payment_order", "project_id", "is_test", "order_id", "created_at", "id"),
        Index("ix_payment_created", "project_id", "is_test", "created_at", "id"),
        Index("ix_payment_status", "project_id", "is_test", "status", "created_at", "id"),
        Index(
            "ix_payment_open",
            "is_test",
            "expires_at",
            sqlite_where=text(OPEN),
            postgresql_where=text(OPEN),
        ),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    payment_id: Mapped[int] = mapped_column(Int64, unique=True)
    project_id: Mapped[int] = mapped_column(INT, ForeignKey("project.id"))
    credential_id: Mapped[int] = mapped_column(INT, ForeignKey("credential.id"))
    is_test: Mapped[bool] = mapped_column(Flag)
    order_id: Mapped[str] = mapped_column(Word)
    amount_units: Mapped[Usdt] = mapped_column(Units)
    amount_text: Mapped[str] = mapped_column(Word)
    pay_units: Mapped[Usdt] = mapped_column(Units)
    address: Mapped[str] = mapped_column(Word)
    reservation_id: Mapped[int | None] = mapped_column(INT, ForeignKey("reservation.id"), unique=True)
    description: Mapped[str] = mapped_column(Word, default="")
    success_url: Mapped[str | None] = mapped_column(Word)
    fail_url: Mapped[str | None] = mapped_column(Word)
    page_token: Mapped[str] = mapped_column(Word)
    status: Mapped[str] = mapped_column(Word, default="pending")
    anomaly: Mapped[str] = mapped_column(Word, default="none")
    version: Mapped[int] = mapped_column(Int64)
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    cancel_requested_at: Mapped[datetime | None] = mapped_column(Moment)
    simulated: Mapped[str | None] = mapped_column(Word)
    paid_at: Mapped[datetime | None] = mapped_column(Moment)
    txid: Mapped[str | None] = mapped_column(Word)
    accepted_at: Mapped[datetime | None] = mapped_column(Moment)
    price_text: Mapped[str | None] = mapped_column(Word)
    price_currency: Mapped[str | None] = mapped_column(Word)
    rate: Mapped[str | None] = mapped_column(Word)
    rate_sources: Mapped[str | None] = mapped_column(Word)
    rate_at: Mapped[datetime | None] = mapped_column(Moment)

    __mapper_args__ = {"version_id_col": version}  # a decision on stale facts raises StaleDataError

    project: Mapped[Project] = relationship(lazy="raise")
    credential: Mapped[Credential] = relationship(lazy="raise")
    reservation: Mapped[Reservation | None] = relationship(lazy="raise")


class Sighting(Base):
    """Advice from the unsolidified head: a transfer that would pay this payment, worth nothing yet."""

    __tablename__ = "sighting"
    __table_args__ = STRICT

    payment_id: Mapped[int] = mapped_column(INT, ForeignKey("payment.id"), primary_key=True)
    txid: Mapped[str] = mapped_column(Word)
    height: Mapped[int] = mapped_column(Int64)
    block_time: Mapped[datetime] = mapped_column(Moment)
    seen_at: Mapped[datetime] = mapped_column(Moment)


def is_live() -> ColumnElement[bool]:
    """Select payments that ask for real money."""
    return Payment.is_test == False  # noqa: E712  SQL, not Python


def is_test() -> ColumnElement[bool]:
    """Select test payments."""
    return Payment.is_test == True  # noqa: E712  SQL, not Python


def is_open() -> ColumnElement[bool]:
    """Select payments that wait for money; written with literals, or SQLite would not use the partial index."""
    return Payment.status.in_([literal_column("'pending'"), literal_column("'confirming'")])


def takes_order() -> ColumnElement[bool]:
    """Select payments that their order cannot have a second one beside."""
    words = ("'pending'", "'confirming'", "'paid'")
    return Payment.status.in_([literal_column(word) for word in words])
