"""A project's events as one numbered stream for each mode, which whoever reads in order reads in full.

Ids are drawn before commit, so on PostgreSQL a smaller one may appear after a greater one has been read. A position is
therefore given after commit, under a lock, by the first who reads; what has one never moves, and none is ever skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Row, func, literal, select, update
from sqlalchemy.orm import Session

from core.ids import Mode
from core.models import Credential, Event, Payment, Refund

PLACED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Stream:
    """Whose events: one project's, of one mode."""

    project_id: int
    is_test: bool


def has_unplaced(session: Session, stream: Stream) -> bool:
    """Tell whether events wait for their position, without taking a lock."""
    return session.scalar(select(Event.id).where(*_unplaced(stream)).limit(1)) is not None


def place(session: Session, stream: Stream) -> int:
    """Give positions to the oldest events that have none, so many at a time; returns how many."""
    mode = Mode.TEST if stream.is_test else Mode.LIVE
    lock = select(Credential.id).where(Credential.project_id == stream.project_id, Credential.mode == mode.value)
    session.execute(lock.with_for_update(key_share=True))
    last = newest(session, stream)
    waiting = select(Event.id).where(*_unplaced(stream)).order_by(Event.id).limit(PLACED_AT_ONCE)
    ids = session.scalars(waiting).all()
    if ids:
        session.execute(update(Event), [{"id": id, "position": last + n} for n, id in enumerate(ids, start=1)])
    return len(ids)


def newest(session: Session, stream: Stream) -> int:
    """Give the position of the newest event that has one; 0 where none has."""
    wanted = select(func.max(Event.position)).where(*_of(stream), Event.position.is_not(None))
    return session.scalar(wanted) or 0


def after(session: Session, stream: Stream, position: int, *, limit: int) -> Sequence[Row[Event, Payment]]:
    """Read the events after a position, in order, each with its payment as it stands now."""
    return session.execute(
        select(Event, Payment)
        .join(Payment, Payment.id == Event.payment_id)
        .where(*_of(stream), Event.position > position)
        .order_by(Event.position)
        .limit(limit)
    ).all()


def refunds_of(session: Session, rows: Sequence[Row[Event, Payment]]) -> dict[int | None, Refund]:
    """Read the refunds that events are about, by their ids, in one query; most have none."""
    wanted = {event.refund_id for event, _ in rows if event.refund_id is not None}
    if not wanted:
        return {}
    return {refund.id: refund for refund in session.scalars(select(Refund).where(Refund.id.in_(wanted)))}


def _of(stream: Stream) -> tuple[ColumnElement[bool], ...]:
    return Event.project_id == stream.project_id, Event.is_test == literal(stream.is_test, Event.is_test.type)


def _unplaced(stream: Stream) -> tuple[ColumnElement[bool], ...]:
    return *_of(stream), Event.position.is_(None)
