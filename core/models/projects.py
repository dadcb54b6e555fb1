"""Who owns what: merchants, projects, key pairs, receiving addresses, and the hub's own secrets."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from core.db import BYTES, INT, Base, Flag, Int64, Moment, Units, Word
from core.ids import Mode
from core.money import Usdt

STRICT = {"sqlite_strict": True}
TOLERANCE_LIMIT = 5_000_000  # units: the largest shortfall a project may tolerate; exchanges deduct 1 to 3 USDT


class Merchant(Base):
    """An account that owns projects and addresses."""

    __tablename__ = "merchant"
    __table_args__ = STRICT

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    name: Mapped[str] = mapped_column(Word)
    created_at: Mapped[datetime] = mapped_column(Moment)


class Project(Base):
    """One website, bot or service. `website_host` is its identity: normalised, unique across all merchants.

    Policies, for payments opened from then on: tolerance_units, a shortfall that is taken for enough; late_accept_s,
    how long after its window exact money still pays; addressing, where payments get their address from, `auto` being
    the merchant's xpub if there is one, else shared.   overpaid_note: what a buyer who sent too much is told.
    reporting_currency: what its statements are valued in, ISO 4217; None: only in what payments were priced in.
    test_now: what its test payments take for the time, until it is moved; None: the wall clock's.
    """

    __tablename__ = "project"
    __table_args__ = (
        CheckConstraint("mode IN ('test', 'live')", name="mode"),
        CheckConstraint("window_s > 0 AND late_window_s >= 0", name="windows"),
        CheckConstraint("(website_host IS NULL) = (website_url IS NULL)", name="website"),
        CheckConstraint("tolerance_units >= 0", name="tolerance"),
        CheckConstraint("late_accept_s >= 0", name="late_accept"),
        CheckConstraint("addressing IN ('auto', 'shared', 'pool', 'xpub')", name="addressing"),
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
    tolerance_units: Mapped[Usdt] = mapped_column(Units, default=Usdt(0), server_default="0")
    late_accept_s: Mapped[int] = mapped_column(Int64, default=0, server_default="0")
    addressing: Mapped[str] = mapped_column(Word, default="auto", server_default="auto")
    overpaid_note: Mapped[str] = mapped_column(Word, default="", server_default="")
    created_at: Mapped[datetime] = mapped_column(Moment)

    reporting_currency: Mapped[str | None] = mapped_column(Word)
    test_now: Mapped[datetime | None] = mapped_column(Moment)

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


class AccountXpub(Base):
    """A merchant's account public key (BIP 32, m/44'/195'/n'): each payment gets an address of its own from it.

    xpub is sealed: it spends nothing, but names every address of the account.   next_index: the first never derived.
    """

    __tablename__ = "account_xpub"
    __table_args__ = (
        CheckConstraint("next_index >= 0", name="next_index"),
        Index(
            "uq_account_xpub_active",
            "merchant_id",
            unique=True,
            sqlite_where=text("retired_at IS NULL"),
            postgresql_where=text("retired_at IS NULL"),
        ),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    merchant_id: Mapped[int] = mapped_column(INT, ForeignKey("merchant.id"))
    fingerprint: Mapped[str] = mapped_column(Word, unique=True)
    xpub: Mapped[bytes] = mapped_column(BYTES)
    next_index: Mapped[int] = mapped_column(Int64, default=0)
    label: Mapped[str] = mapped_column(Word, default="")
    created_at: Mapped[datetime] = mapped_column(Moment)
    retired_at: Mapped[datetime | None] = mapped_column(Moment)


POOLED = "retired_at IS NULL AND kind <> 'derived'"


class Address(Base):
    """A merchant's TRON address, watched for all its projects; checksum verified before it gets here.

    kind: `own`, the merchant's, watch-only; `derived` from its account xpub, watch-only, for one payment alone;
    `held`, whose private key the hub keeps, sealed.   opening: what it held on chain at a solid height, so that its
    balance can be proven from there.   first_paid_at: chain time of its first transfer; confirmed_at: when the merchant
    said that it arrived.   blacklisted_at: chain time since when the USDT contract lets it send nothing.
    exclusive: in the pool, promised to one payment at a time; shared addresses never are.
    """

    __tablename__ = "address"
    __table_args__ = (
        CheckConstraint("kind IN ('own', 'derived', 'held')", name="kind"),
        CheckConstraint("length(raw20) = 20", name="raw20"),
        CheckConstraint(
            "(kind = 'derived') = (xpub_id IS NOT NULL AND derivation_index IS NOT NULL)", name="derived"
        ),
        CheckConstraint("(kind = 'held') = (sealed_key IS NOT NULL)", name="held"),
        CheckConstraint("(opening_units IS NULL) = (opening_height IS NULL)", name="opening"),
        Index("uq_address_derived", "xpub_id", "derivation_index", unique=True),
        Index(
            "ix_address_pool",
            "merchant_id",
            "id",
            sqlite_where=text(POOLED),
            postgresql_where=text(POOLED),
        ),
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
    xpub_id: Mapped[int | None] = mapped_column(INT, ForeignKey("account_xpub.id"))
    derivation_index: Mapped[int | None] = mapped_column(Int64)
    sealed_key: Mapped[bytes | None] = mapped_column(BYTES)
    opening_units: Mapped[Usdt | None] = mapped_column(Units)
    opening_height: Mapped[int | None] = mapped_column(Int64)
    first_paid_at: Mapped[datetime | None] = mapped_column(Moment)
    confirmed_at: Mapped[datetime | None] = mapped_column(Moment)
    blacklisted_at: Mapped[datetime | None] = mapped_column(Moment)
    exclusive: Mapped[bool] = mapped_column(Flag, default=False, server_default="0")


class HubSecret(Base):
    """A secret of the hub itself, encrypted: the key of the payment-id permutation."""

    __tablename__ = "hub_secret"
    __table_args__ = STRICT

    name: Mapped[str] = mapped_column(Word, primary_key=True)
    value: Mapped[bytes] = mapped_column(BYTES)
