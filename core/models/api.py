"""What the API remembers of a key's requests: nonces, the rate bucket, and the answers to idempotent calls."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from core.db import BYTES, INT, Base, Int64, Moment, Word
from core.models.projects import STRICT


class RequestNonce(Base):
    """A nonce a key has signed with, kept until its timestamp alone would refuse the request."""

    __tablename__ = "request_nonce"
    __table_args__ = (Index("ix_request_nonce_expires_at", "expires_at"), STRICT)

    credential_id: Mapped[int] = mapped_column(INT, ForeignKey("credential.id"), primary_key=True)
    nonce: Mapped[str] = mapped_column(Word, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(Moment)


class RateBucket(Base):
    """How much of its allowance a key has used: the moment at which its bucket would be full again, in ms."""

    __tablename__ = "rate_bucket"
    __table_args__ = STRICT

    credential_id: Mapped[int] = mapped_column(INT, ForeignKey("credential.id"), primary_key=True)
    full_at_ms: Mapped[int] = mapped_column(Int64)


class IdempotencyKey(Base):
    """One `Idempotency-Key` of a key pair: what was asked first, and the answer once there is one.

    fingerprint: SHA-256 of method, target and body, hex.   held_until: while it runs; a process that died lets go then.
    """

    __tablename__ = "idempotency_key"
    __table_args__ = (
        CheckConstraint("(http_status IS NULL) = (answer IS NULL)", name="answered"),
        Index("uq_idempotency_key_credential_id_key", "credential_id", "key", unique=True),
        Index("ix_idempotency_key_expires_at", "expires_at"),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    credential_id: Mapped[int] = mapped_column(INT, ForeignKey("credential.id"))
    key: Mapped[str] = mapped_column(Word)
    fingerprint: Mapped[str] = mapped_column(Word)
    held_until: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    http_status: Mapped[int | None] = mapped_column(Int64)
    answer: Mapped[bytes | None] = mapped_column(BYTES)
