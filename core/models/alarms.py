"""What an operator must know, until it is over or somebody has dealt with it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import INT, Base, Int64, Moment, Word
from core.models.projects import STRICT

STANDS = "cleared_at IS NULL"


class Alarm(Base):
    """One trouble with one thing; raised again it only counts on, cleared it stays as history.

    kind: a stable word.   subject: what it is about, such as a provider, an address or a height.   Times are wall time.
    """

    __tablename__ = "alarm"
    __table_args__ = (
        Index(
            "uq_alarm_standing",
            "kind",
            "subject",
            unique=True,
            sqlite_where=text(STANDS),
            postgresql_where=text(STANDS),
        ),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    kind: Mapped[str] = mapped_column(Word)
    subject: Mapped[str] = mapped_column(Word)
    sentence: Mapped[str] = mapped_column(Word)
    times: Mapped[int] = mapped_column(Int64, default=1)
    raised_at: Mapped[datetime] = mapped_column(Moment)
    last_at: Mapped[datetime] = mapped_column(Moment)
    cleared_at: Mapped[datetime | None] = mapped_column(Moment)


def stands() -> ColumnElement[bool]:
    """Select alarms that nobody has cleared."""
    return Alarm.cleared_at.is_(None)
