"""What USDT costs: the last word of each source, how asking it went, and the hours that books are valued by."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, Moment, Word
from core.models.projects import STRICT


class Rate(Base):
    """The last word of one source about one currency.

    price: what one USDT costs, a decimal text.   at: when that was so.   heard_at: when the source was asked.
    """

    __tablename__ = "rate"
    __table_args__ = (CheckConstraint("length(currency) = 3", name="currency"), STRICT)

    currency: Mapped[str] = mapped_column(Word, primary_key=True)
    source: Mapped[str] = mapped_column(Word, primary_key=True)
    price: Mapped[str] = mapped_column(Word)
    at: Mapped[datetime] = mapped_column(Moment)
    heard_at: Mapped[datetime] = mapped_column(Moment)


class RateAsking(Base):
    """How asking a source went. ask_at: when it is asked next.   error: what went wrong last time; empty: nothing."""

    __tablename__ = "rate_asking"
    __table_args__ = STRICT

    source: Mapped[str] = mapped_column(Word, primary_key=True)
    ask_at: Mapped[datetime] = mapped_column(Moment)
    asked_at: Mapped[datetime] = mapped_column(Moment)
    error: Mapped[str] = mapped_column(Word, default="")


class RateHour(Base):
    """The first rate that was believed in an hour, kept for good for currencies that some project keeps books in."""

    __tablename__ = "rate_hour"
    __table_args__ = STRICT

    currency: Mapped[str] = mapped_column(Word, primary_key=True)
    hour: Mapped[datetime] = mapped_column(Moment, primary_key=True)
    price: Mapped[str] = mapped_column(Word)
    at: Mapped[datetime] = mapped_column(Moment)
    sources: Mapped[str] = mapped_column(Word)
