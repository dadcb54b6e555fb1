"""How often a page's forms may be sent: a bucket for each subject in the database, shared by every web process."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import bindparam, case, delete, select
from sqlalchemy.orm import Session

from core.clock import to_millis
from core.db import Int64, dialect_of, insert_in
from core.errors import TooManyTries
from core.hub import Hub
from core.models import FormBucket

PRUNE_AT_ONCE = 500


def take(session: Session, hub: Hub, subject: str, *, every: timedelta, burst: int) -> None:
    """Take one from a subject's bucket: `burst` at once, then one in every span (GCRA). Raises TooManyTries."""
    step_ms, now_ms = every // timedelta(milliseconds=1), to_millis(hub.clock.now())
    values = {"subject": subject, "now": now_ms, "step": step_ms, "most": burst * step_ms}
    if session.connection().scalar(_step(dialect_of(session)), values) is not None:
        return
    full_at_ms = session.scalar(select(FormBucket.full_at_ms).where(FormBucket.subject == subject)) or now_ms
    refusal = TooManyTries()
    refusal.retry_after_s = max(1, -(-(full_at_ms + step_ms - now_ms - burst * step_ms) // 1000))
    raise refusal


def has_full(session: Session, hub: Hub) -> bool:
    """Tell whether `prune` has anything to do, without taking a write lock."""
    return session.scalar(_full(hub).limit(1)) is not None


def prune(session: Session, hub: Hub) -> None:
    """Forget buckets that are full again, some at a time: nothing of a visitor is kept for longer than needed."""
    full = session.scalars(_full(hub).limit(PRUNE_AT_ONCE)).all()
    session.execute(delete(FormBucket).where(FormBucket.subject.in_(full)))


def _full(hub: Hub) -> Any:
    return select(FormBucket.subject).where(FormBucket.full_at_ms < to_millis(hub.clock.now()))


@cache
def _step(dialect: str) -> Any:
    now, step = bindparam("now", type_=Int64()), bindparam("step", type_=Int64())
    full_at = case((FormBucket.full_at_ms > now, FormBucket.full_at_ms), else_=now) + step
    return (
        insert_in(dialect, FormBucket)
        .values(subject=bindparam("subject"), full_at_ms=now + step)
        .on_conflict_do_update(
            index_elements=["subject"], set_={"full_at_ms": full_at}, where=full_at - now <= bindparam("most")
        )
        .returning(FormBucket.full_at_ms)
    )
