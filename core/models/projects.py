"""Who owns what: merchants, projects, key pairs, receiving addresses, and the hub's own secrets."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from core.db import BYTES, INT, Base, Flag, Int64, Moment, Word
from core.ids import Mode

STRICT = {"sqlite_strict": True}


class Merchant(Base):
    """An account that owns projects and addresses."""

    __tablename__ = "merchant"
    __table_args__ = STRICT

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    name: Mapped[str] = mapped_column(Word)
    created_at: Mapped[datetime] = mapped_column(Moment)


class Project(Base):
    """One website, bot or service. `website_host` is its identity: normalised, unique across all merchants."""

    __tablename__ = "project"
    __table_args__ = (
        CheckConstraint("mode IN ('test', 'live')", name="mode"),
        CheckConstraint("window_s > 0 AND late_window_s >= 0", name="windows"),
        CheckConstraint("(website_host IS NULL) = (website_url IS NULL)", name="website"),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    merchant_id: Mapped[int] = mapped_column(INT, ForeignKey("merchant.id"), index=True)
    name: Mapped[str] = mapped_column(Word)
    website_url: Mapped[str | None] = mapped_column(Word)
    website_host: Mapped[str | None] = mapped_column(Word, unique=True)
    mode: Mapped[str] = mapped_column(Word, default=Mode.TEST)
    disabled_at: Mapped[datetime | None] = mapped_column(Moment)
    window_s: Mapped[int] = mapped_column(Int64)
    late_window_s: Mapped[int] = mapped_column(Int64)
    created_at: Mapped[datetime] = mapped_column(Moment)

    merchant: Mapped[Merchant] = relationship(lazy="raise")


class Credential(Base):
    """A key pair of a project, test or live; two secrets are valid while a rotation lasts."""

    __tablename__ = "credential"
    __table_args__ = (
        CheckConstraint("mode IN ('test', 'live')", name="mode"),
        CheckConstraint("(old_secret IS NULL) = (old_valid_until IS NULL)", name="rotation"),
        Index("uq_credential_project_id_mode", "project_id", "mode", unique=True),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    project_id: Mapped[int] = mapped_column(INT, ForeignKey("project.id"))
    mode: Mapped[str] = mapped_column(Word)
    public_key: Mapped[str] = mapped_column(Word, unique=True)
    secret: Mapped[bytes] = mapped_column(BYTES)
    secret_last4: Mapped[str] = mapped_column(Word)
    secret_fingerprint: Mapped[str] = mapped_column(Word)
    old_secret: Mapped[bytes | None] = mapped_column(BYTES)
    old_valid_until: Mapped[datetime | None] = mapped_column(Moment)
    old_signs: Mapped[bool] = mapped_column(Flag, default=False)
    created_at: Mapped[datetime] = mapped_column(Moment)

    project: Mapped[Project] = relationship(lazy="raise")


class Address(Base):
    """A merchant's TRON address, watched for all its projects; checksum verified before it gets here."""

    __tablename__ = "address"
    __table_args__ = (
        CheckConstraint("kind IN ('own')", name="kind"),
        CheckConstraint("length(raw20) = 20", name="raw20"),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    merchant_id: Mapped[int] = mapped_column(INT, ForeignKey("merchant.id"), index=True)
    kind: Mapped[str] = mapped_column(Word, default="own")
    base58: Mapped[str] = mapped_column(Word, unique=True)
    raw20: Mapped[bytes] = mapped_column(BYTES, unique=True)
    label: Mapped[str] = mapped_column(Word, default="")
    created_at: Mapped[datetime] = mapped_column(Moment)
    retired_at: Mapped[datetime | None] = mapped_column(Moment)


class HubSecret(Base):
    """A secret of the hub itself, encrypted: the key of the payment-id permutation."""

    __tablename__ = "hub_secret"
    __table_args__ = STRICT

    name: Mapped[str] = mapped_column(Word, primary_key=True)
    value: Mapped[bytes] = mapped_column(BYTES)
