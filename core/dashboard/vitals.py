"""How a hub is doing, in a few figures read from the database: the same whichever of its processes is asked.

Each figure costs one look at a cursor or a partial index, but for the disabled endpoints, a small table read whole.
Counts stop at `COUNT_LIMIT`, so that a scrape of a hub in trouble costs no more than one of a hub that is well. Nothing
here counts all payments: that would read all of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from core.alarms import AlarmKind, standing_alarms
from core.hub import Hub
from core.models import Cursor, Delivery, Endpoint, Transfer
from core.models.chain import in_inbox
from core.models.outbox import DUE, IS_ENABLED

COUNT_LIMIT = 10_000
MAX_SCAN_AGE = timedelta(minutes=2)  # forty blocks; solid blocks lag the head by one minute by themselves (19 blocks)


@dataclass(frozen=True, slots=True)
class Watching:
    """Where the watcher is: blocks behind the highest solid one, age of its last block, whether it holds or froze."""

    height: int
    lag_blocks: int
    block_age_s: float
    is_held: bool
    is_frozen: bool


@dataclass(frozen=True, slots=True)
class Vitals:
    """The figures of one moment; counts are at most COUNT_LIMIT.

    watching: None before the watcher's first start.   oldest_due_s: how long the longest-waiting due delivery has
    been overdue, in seconds; the alarm of the outbox.   alarms: how many of each kind stand.
    """

    watching: Watching | None
    outbox_due: int
    oldest_due_s: float
    inbox_waiting: int
    endpoints_disabled: int
    alarms: dict[str, int] = field(default_factory=dict)


def read_vitals(session: Session, hub: Hub) -> Vitals:
    """Read the figures: six small statements."""
    now = hub.clock.now()
    due = (Delivery.state == DUE, Delivery.next_attempt_at <= now)
    oldest = session.scalar(select(func.min(Delivery.next_attempt_at)).where(*due))
    alarms = Counter(alarm.kind for alarm in standing_alarms(session))
    return Vitals(
        watching=read_watching(session, hub),
        outbox_due=_count(session, select(Delivery.id).where(*due)),
        oldest_due_s=0.0 if oldest is None else _seconds(oldest, now),
        inbox_waiting=_count(session, select(Transfer.id).where(in_inbox())),
        endpoints_disabled=_count(session, select(Endpoint.id).where(~IS_ENABLED)),
        alarms={kind.value: alarms[kind.value] for kind in AlarmKind},
    )


def read_watching(session: Session, hub: Hub) -> Watching | None:
    """Read where the watcher of this hub's network is; None before its first start."""
    cursor = session.scalar(select(Cursor).where(Cursor.network == hub.settings.network.name))
    if cursor is None:
        return None
    now = hub.clock.now()
    return Watching(
        height=cursor.height,
        lag_blocks=max(0, cursor.solid_height - cursor.height),
        block_age_s=_seconds(cursor.block_time, now),
        is_held=cursor.leased_until is not None and cursor.leased_until > now,
        is_frozen=cursor.frozen_at is not None,
    )


def weaknesses(watching: Watching | None) -> list[str]:
    """Say why payments would be seen late or not at all; the web goes on taking orders all the same."""
    if watching is None:
        return ["The watcher has never run."]
    said = []
    if watching.is_frozen:
        said.append("The watcher is frozen: look at `paywharf alarms`.")
    elif not watching.is_held:
        said.append("No watcher runs.")
    if watching.block_age_s > MAX_SCAN_AGE.total_seconds():
        said.append(f"The last block read is {int(watching.block_age_s)} seconds old.")
    return said


def _count(session: Session, rows: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(rows.limit(COUNT_LIMIT).subquery())) or 0


def _seconds(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())
