"""Double-entry bookings, append only, and what the accounts come to that are asked for often."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from core.db import INT, Base, Int64, Moment, Word
from core.models.projects import STRICT


class JournalEntry(Base):
    """One line of a journal; the lines of one `source` sum to zero.

    source: what caused it, such as `transfer:17`.
    account: `chain:<address>`, `project:<id>` or `unassigned:<id>`; all of them are named in `core.ledger`.
    units: signed, 10**-6 USDT.
    """

    __tablename__ = "journal_entry"
    __table_args__ = (
        Index("uq_journal_entry_source_account", "source", "account", unique=True),
        Index("ix_journal_entry_account", "account", "id"),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    source: Mapped[str] = mapped_column(Word)
    account: Mapped[str] = mapped_column(Word)
    units: Mapped[int] = mapped_column(Int64)
    booked_at: Mapped[datetime] = mapped_column(Moment)


class AccountTotal(Base):
    """What all lines of an account come to, units; the accounts of single addresses have none."""

    __tablename__ = "account_total"
    __table_args__ = STRICT

    account: Mapped[str] = mapped_column(Word, primary_key=True)
    units: Mapped[int] = mapped_column(Int64)
