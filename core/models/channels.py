"""Connections to platforms: channels, what platforms told, what adapters remember, and codes that connect."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ColumnClause, ForeignKey, Index, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from core.clock import EPOCH
from core.db import BYTES, INT, Base, Flag, Int64, Moment, Word
from core.models.outbox import Endpoint
from core.models.projects import STRICT, Project

IS_DUE = "state = 'due'"
HEARS_ALL: ColumnClause[bool] = literal_column("channel.hears_all = 1")
PUSHES: ColumnClause[bool] = literal_column("channel.pushes = 1")
CALL_DUE: ColumnClause[bool] = literal_column("channel_call.state = 'due'")
HAS_ENDED = "state <> 'due'"
CALL_ENDED: ColumnClause[bool] = literal_column("channel_call.state <> 'due'")


class Channel(Base):
    """A project's connection to one platform.

    endpoint_id: the destination of its deliveries.   pushes: they go through the adapter; otherwise the outbox posts
    them to the endpoint's URL itself.   hears_all: it is told of all the project's payments, not only of those its own
    calls opened.   settings: JSON, as its adapter's schema wrote them, without secrets; sealed: those, as JSON.
    site: what tells this platform account from others of the project, where it was connected by code.
    trouble: a sentence, while something is wrong.   poll_at: when its platform is asked next; None where it calls.
    check_at: a check was asked for; checked_at, check_says: how the last one went.
    live_position, test_position: how far its people have been told of the project's events; None before the first time.
    """

    __tablename__ = "channel"
    __table_args__ = (
        CheckConstraint("(checked_at IS NULL) = (check_says = '')", name="checked"),
        Index(
            "uq_channel_site",
            "project_id",
            "adapter",
            "site",
            unique=True,
            sqlite_where=text("site <> '' AND disconnected_at IS NULL"),
            postgresql_where=text("site <> '' AND disconnected_at IS NULL"),
        ),
        Index(
            "ix_channel_poll_at",
            "poll_at",
            sqlite_where=text("poll_at IS NOT NULL"),
            postgresql_where=text("poll_at IS NOT NULL"),
        ),
        Index(
            "ix_channel_check_at",
            "check_at",
            sqlite_where=text("check_at IS NOT NULL"),
            postgresql_where=text("check_at IS NOT NULL"),
        ),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    uid: Mapped[str] = mapped_column(Word, unique=True)
    project_id: Mapped[int] = mapped_column(INT, ForeignKey("project.id"), index=True)
    endpoint_id: Mapped[int] = mapped_column(INT, ForeignKey("endpoint.id"), unique=True)
    adapter: Mapped[str] = mapped_column(Word)
    name: Mapped[str] = mapped_column(Word)
    pushes: Mapped[bool] = mapped_column(Flag)
    hears_all: Mapped[bool] = mapped_column(Flag)
    settings: Mapped[str] = mapped_column(Word)
    sealed: Mapped[bytes] = mapped_column(BYTES)
    site: Mapped[str] = mapped_column(Word, default="")
    is_traced: Mapped[bool] = mapped_column(Flag, default=False)
    paused_at: Mapped[datetime | None] = mapped_column(Moment)
    disconnected_at: Mapped[datetime | None] = mapped_column(Moment)
    heard_at: Mapped[datetime | None] = mapped_column(Moment)
    trouble: Mapped[str] = mapped_column(Word, default="")
    poll_cursor: Mapped[str | None] = mapped_column(Word)
    poll_at: Mapped[datetime | None] = mapped_column(Moment)
    poll_failures: Mapped[int] = mapped_column(Int64, default=0)
    check_at: Mapped[datetime | None] = mapped_column(Moment)
    checked_at: Mapped[datetime | None] = mapped_column(Moment)
    check_says: Mapped[str] = mapped_column(Word, default="")
    live_position: Mapped[int | None] = mapped_column(Int64)
    test_position: Mapped[int | None] = mapped_column(Int64)
    created_at: Mapped[datetime] = mapped_column(Moment)

    project: Mapped[Project] = relationship(lazy="raise")
    endpoint: Mapped[Endpoint] = relationship(lazy="raise")


class ChannelCall(Base):
    """A platform's authentic call, kept before anything acts on it; each delivery id once per channel.

    headers, query: JSON.   reason: a sentence, once it has failed.   claims, failures: as a delivery counts them.
    """

    __tablename__ = "channel_call"
    __table_args__ = (
        CheckConstraint("state IN ('due', 'done', 'failed')", name="state"),
        Index("uq_channel_call_delivery", "channel_id", "delivery_key", unique=True),
        Index("ix_channel_call_due", "look_at", sqlite_where=text(IS_DUE), postgresql_where=text(IS_DUE)),
        Index("ix_channel_call_received", "channel_id", "id"),
        Index("ix_channel_call_done_at", "done_at", sqlite_where=text(HAS_ENDED), postgresql_where=text(HAS_ENDED)),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    channel_id: Mapped[int] = mapped_column(INT, ForeignKey("channel.id"))
    delivery_key: Mapped[str] = mapped_column(Word)
    method: Mapped[str] = mapped_column(Word)
    path: Mapped[str] = mapped_column(Word)
    query: Mapped[str] = mapped_column(Word)
    headers: Mapped[str] = mapped_column(Word)
    body: Mapped[bytes] = mapped_column(BYTES)
    received_at: Mapped[datetime] = mapped_column(Moment)
    state: Mapped[str] = mapped_column(Word, default="due")
    reason: Mapped[str] = mapped_column(Word, default="")
    claims: Mapped[int] = mapped_column(Int64, default=0)
    failures: Mapped[int] = mapped_column(Int64, default=0)
    look_at: Mapped[datetime] = mapped_column(Moment)
    lease_until: Mapped[datetime] = mapped_column(Moment, default=EPOCH)
    lease_token: Mapped[str] = mapped_column(Word, default="")
    done_at: Mapped[datetime | None] = mapped_column(Moment)


class ChannelPayment(Base):
    """A payment that a channel opened. details: JSON, what its order carried, handed back with every update."""

    __tablename__ = "channel_payment"
    __table_args__ = (Index("ix_channel_payment_channel_id", "channel_id"), STRICT)

    payment_id: Mapped[int] = mapped_column(INT, ForeignKey("payment.id"), primary_key=True)
    channel_id: Mapped[int] = mapped_column(INT, ForeignKey("channel.id"))
    details: Mapped[str] = mapped_column(Word)


class ChannelValue(Base):
    """What a channel's adapter remembers under a key: in clear, or sealed."""

    __tablename__ = "channel_value"
    __table_args__ = (CheckConstraint("(clear IS NULL) <> (sealed IS NULL)", name="one"), STRICT)

    channel_id: Mapped[int] = mapped_column(INT, ForeignKey("channel.id"), primary_key=True)
    key: Mapped[str] = mapped_column(Word, primary_key=True)
    clear: Mapped[str | None] = mapped_column(Word)
    sealed: Mapped[bytes | None] = mapped_column(BYTES)


class ConnectCode(Base):
    """A one-time code by which a shop's plugin connects itself; only its digest is kept."""

    __tablename__ = "connect_code"
    __table_args__ = STRICT

    digest: Mapped[str] = mapped_column(Word, primary_key=True)
    project_id: Mapped[int] = mapped_column(INT, ForeignKey("project.id"))
    adapter: Mapped[str] = mapped_column(Word)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    used_at: Mapped[datetime | None] = mapped_column(Moment)


class ChannelMember(Base):
    """Somebody who runs a shop from its channel. person: as the platform names them.   name: as they say."""

    __tablename__ = "channel_member"
    __table_args__ = (CheckConstraint("role IN ('viewer', 'operator', 'owner')", name="role"), STRICT)

    channel_id: Mapped[int] = mapped_column(INT, ForeignKey("channel.id"), primary_key=True)
    person: Mapped[str] = mapped_column(Word, primary_key=True)
    name: Mapped[str] = mapped_column(Word)
    role: Mapped[str] = mapped_column(Word)
    created_at: Mapped[datetime] = mapped_column(Moment)


class ChannelInvite(Base):
    """A one-time code by which somebody becomes a channel's member; only its digest is kept."""

    __tablename__ = "channel_invite"
    __table_args__ = (CheckConstraint("role IN ('viewer', 'operator', 'owner')", name="role"), STRICT)

    digest: Mapped[str] = mapped_column(Word, primary_key=True)
    channel_id: Mapped[int] = mapped_column(INT, ForeignKey("channel.id"))
    role: Mapped[str] = mapped_column(Word)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    used_at: Mapped[datetime | None] = mapped_column(Moment)


class Notice(Base):
    """Something that a channel's people are told once: each key once per channel.

    delivery_id: the delivery that tells it; None while it waits for the next.   facts: JSON, texts by name.
    """

    __tablename__ = "notice"
    __table_args__ = (
        Index("uq_notice_key", "channel_id", "key", unique=True),
        Index("ix_notice_told", "channel_id", "delivery_id"),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    channel_id: Mapped[int] = mapped_column(INT, ForeignKey("channel.id"))
    key: Mapped[str] = mapped_column(Word)
    kind: Mapped[str] = mapped_column(Word)
    facts: Mapped[str] = mapped_column(Word)
    delivery_id: Mapped[int | None] = mapped_column(INT, ForeignKey("delivery.id"))
    created_at: Mapped[datetime] = mapped_column(Moment)
