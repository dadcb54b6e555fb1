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
OF_REFUND = "refund_id IS NOT NULL"


class Event(Base):
    """Something that happened to a payment; append only, numbered per payment from 1.

    actor: who did it, where somebody did; empty for what happened by itself.
    project_id, is_test: the payment's.   position: its number in that project's stream, given by the first reader of
    the stream after its commit, so that whoever reads in order misses nothing (`core.outbox.stream`).
    refund_id: of a `refund.…` event, which of the payment's refunds it is about.
    """

    __tablename__ = "event"
    __table_args__ = (
        Index("uq_event_payment_number", "payment_id", "number", unique=True),
        Index("ix_event_refund_id", "refund_id", sqlite_where=text(OF_REFUND), postgresql_where=text(OF_REFUND)),
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
    refund_id: Mapped[int | None] = mapped_column(INT, ForeignKey("refund.id"))

    payment: Mapped[Payment] = relationship(lazy="raise")


PRIMARY = "is_primary = 1"
IS_PRIMARY: ColumnClause[bool] = literal_column(f"endpoint.{PRIMARY}")
IS_ENABLED: ColumnClause[bool] = literal_column("endpoint.enabled = 1")
IS_DUE = "state = 'due'"


class Endpoint(Base):
    """Where a project's webhooks go, with its own Standard Webhooks secret.

    is_primary: the project's webhook URL of the compatible API; there is at most one.   event_types: the words it is
    told of, separated by spaces.   schedule: `standard` or `extended`, see `core.outbox.schedule`.   disabled_why: a
    sentence, while it is not enabled.   failing_since: the first failure since it last took anything; wall time.
    """

    __tablename__ = "endpoint"
    __table_args__ = (
        CheckConstraint("(old_secret IS NULL) = (old_valid_until IS NULL)", name="rotation"),
        CheckConstraint("schedule IN ('standard', 'extended')", name="schedule"),
        Index(
            "uq_endpoint_primary",
            "project_id",
            unique=True,
            sqlite_where=text(PRIMARY),
            postgresql_where=text(PRIMARY),
        ),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    project_id: Mapped[int] = mapped_column(INT, ForeignKey("project.id"), index=True)
    uid: Mapped[str] = mapped_column(Word, unique=True)
    is_primary: Mapped[bool] = mapped_column(Flag, default=False)
    url: Mapped[str] = mapped_column(Word)
    event_types: Mapped[str] = mapped_column(Word, default="payment.paid")
    schedule: Mapped[str] = mapped_column(Word, default="standard")
    secret: Mapped[bytes] = mapped_column(BYTES)
    old_secret: Mapped[bytes | None] = mapped_column(BYTES)
    old_valid_until: Mapped[datetime | None] = mapped_column(Moment)
    enabled: Mapped[bool] = mapped_column(Flag, default=True)
    disabled_why: Mapped[str] = mapped_column(Word, default="")
    failing_since: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)


class Delivery(Base):
    """One message for one endpoint, until it is done; the body's bytes are made once.

    It carries all that an attempt sends.   event_id: the event it tells of; none for a test ping, nor for what a
    channel's people are told.   message_id: the public id, `webhook-id`, the same on every attempt; that of the event.
    credential_id: whose secret signs.   lane: the payment, where a channel's adapter is told: one at a time of each.
    attempts counts claims, failures counts recorded failed outcomes: only those use up the retry schedule.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        CheckConstraint("state IN ('due', 'done', 'failed', 'canceled')", name="state"),
        CheckConstraint("(event_id IS NULL) = (type IN ('test.ping', 'channel.notice'))", name="ping"),
        Index("uq_delivery_event_endpoint", "event_id", "endpoint_id", unique=True),
        Index("ix_delivery_endpoint_id", "endpoint_id", "id"),
        Index("ix_delivery_endpoint_state", "endpoint_id", "state", "id"),
        Index("ix_delivery_due", "next_attempt_at", sqlite_where=text(IS_DUE), postgresql_where=text(IS_DUE)),
        Index("ix_delivery_leased", "lease_until", sqlite_where=text(IS_DUE), postgresql_where=text(IS_DUE)),
        Index(
            "ix_delivery_endpoint_due",
            "endpoint_id",
            "next_attempt_at",
            sqlite_where=text(IS_DUE),
            postgresql_where=text(IS_DUE),
        ),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    event_id: Mapped[int | None] = mapped_column(INT, ForeignKey("event.id"))
    endpoint_id: Mapped[int] = mapped_column(INT, ForeignKey("endpoint.id"))
    credential_id: Mapped[int] = mapped_column(INT, ForeignKey("credential.id"))
    message_id: Mapped[str] = mapped_column(Word)
    type: Mapped[str] = mapped_column(Word)
    lane: Mapped[int | None] = mapped_column(INT)
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

    event: Mapped[Event | None] = relationship(lazy="raise")
    endpoint: Mapped[Endpoint] = relationship(lazy="raise")


class Attempt(Base):
    """One try of a delivery: what was sent, and what came back, or why nothing did.

    sent_headers, answer_headers: lines `name: value`; of the answer's only those that help to find a fault.
    """

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
    sent_headers: Mapped[str] = mapped_column(Word, default="")
    answer_headers: Mapped[str] = mapped_column(Word, default="")
