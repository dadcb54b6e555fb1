"""What happened, whom to tell, and every try."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ColumnClause, ForeignKey, Index, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from core.clock import EPOCH
from core.db import BYTES, INT, Base, Flag, Int64, Moment, Word
from core.models.payments import Payment
from core.models.projects import STRICT

DUE: ColumnClause[str] = literal_column("'due'")  # a literal, or SQLite would not use the partial indexes


class Event(Base):
    """Something that happened to a payment; append only, numbered per payment from 1.

    actor: who did it, where somebody did; empty for what happened by itself.
    project_id, is_test: the payment's.   position: its number in that project's stream, given by the first reader of
    the stream after its commit, so that whoever reads in order misses nothing (`core.outbox.stream`).
    """

    __tablename__ = "event"
    __table_args__ = (
        Index("uq_event_payment_number", "payment_id", "number", unique=True),
        Index(
            "uq_event_position",
            "project_id",
            "is_test",
            "position",
            unique=True,
            sqlite_where=text("position IS NOT NULL"),
            postgresql_where=text("position IS NOT NULL"),
        ),
        Index(
            "ix_event_unplaced",
            "project_id",
            "is_test",
            "id",
            sqlite_where=text("position IS NULL"),
            postgresql_where=text("position IS NULL"),
        ),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    event_id: Mapped[str] = mapped_column(Word, unique=True)
    payment_id: Mapped[int] = mapped_column(INT, ForeignKey("payment.id"))
    number: Mapped[int] = mapped_column(Int64)
    type: Mapped[str] = mapped_column(Word)
    note: Mapped[str] = mapped_column(Word, default="")
    actor: Mapped[str] = mapped_column(Word, default="", server_default="")
    created_at: Mapped[datetime] = mapped_column(Moment)
    project_id: Mapped[int | None] = mapped_column(INT)
    is_test: Mapped[bool | None] = mapped_column(Flag)
    position: Mapped[int | None] = mapped_column(Int64)

    payment: Mapped[Payment] = relationship(lazy="raise")


class Endpoint(Base):
    """A project's webhook URL, with its own Standard Webhooks secret."""

    __tablename__ = "endpoint"
    __table_args__ = (
        CheckConstraint("(old_secret IS NULL) = (old_valid_until IS NULL)", name="rotation"),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    project_id: Mapped[int] = mapped_column(INT, ForeignKey("project.id"), unique=True)
    uid: Mapped[str] = mapped_column(Word, unique=True)
    url: Mapped[str] = mapped_column(Word)
    secret: Mapped[bytes] = mapped_column(BYTES)
    old_secret: Mapped[bytes | None] = mapped_column(BYTES)
    old_valid_until: Mapped[datetime | None] = mapped_column(Moment)
    enabled: Mapped[bool] = mapped_column(Flag, default=True)
    created_at: Mapped[datetime] = mapped_column(Moment)


class Delivery(Base):
    """One event for one destination, until it is done; the body's bytes are made once.

    attempts counts claims, failures counts recorded failed outcomes: only those use up the retry schedule.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        CheckConstraint("state IN ('due', 'done', 'failed', 'canceled')", name="state"),
        Index("uq_delivery_event_endpoint", "event_id", "endpoint_id", unique=True),
        Index("ix_delivery_endpoint_id", "endpoint_id", "id"),
        Index("ix_delivery_endpoint_state", "endpoint_id", "state", "id"),
        Index(
            "ix_delivery_due",
            "next_attempt_at",
            sqlite_where=text("state = 'due'"),
            postgresql_where=text("state = 'due'"),
        ),
        Index(
            "ix_delivery_leased",
            "endpoint_id",
            "lease_until",
            sqlite_where=text("state = 'due'"),
            postgresql_where=text("state = 'due'"),
        ),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    event_id: Mapped[int] = mapped_column(INT, ForeignKey("event.id"))
    endpoint_id: Mapped[int] = mapped_column(INT, ForeignKey("endpoint.id"))
    body: Mapped[bytes] = mapped_column(BYTES)
    state: Mapped[str] = mapped_column(Word, default="due")
    attempts: Mapped[int] = mapped_column(Int64, default=0)
    failures: Mapped[int] = mapped_column(Int64, default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(Moment)
    lease_until: Mapped[datetime] = mapped_column(Moment, default=EPOCH)
    lease_token: Mapped[str] = mapped_column(Word, default="")
    dispatched_at: Mapped[datetime | None] = mapped_column(Moment)
    last_error: Mapped[str] = mapped_column(Word, default="")
    created_at: Mapped[datetime] = mapped_column(Moment)
    done_at: Mapped[datetime | None] = mapped_column(Moment)

    event: Mapped[Event] = relationship(lazy="raise")
    endpoint: Mapped[Endpoint] = relationship(lazy="raise")


class Attempt(Base):
    """One try of a delivery: what came back, or why nothing did."""

    __tablename__ = "attempt"
    __table_args__ = (Index("ix_attempt_delivery_id", "delivery_id"), STRICT)

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    delivery_id: Mapped[int] = mapped_column(INT, ForeignKey("delivery.id"))
    number: Mapped[int] = mapped_column(Int64)
    started_at: Mapped[datetime] = mapped_column(Moment)
    elapsed_ms: Mapped[int] = mapped_column(Int64)
    http_status: Mapped[int | None] = mapped_column(Int64)
    error: Mapped[str] = mapped_column(Word, default="")
    answer_excerpt: Mapped[str] = mapped_column(Word, default="")
