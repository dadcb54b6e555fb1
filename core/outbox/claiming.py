"""Claim what is due: by compare-and-set, and never more of one endpoint than its cap, which the database counts.

Nobody's backlog delays another's: the oldest due rows are looked at first; where they are too many to be looked
through, one endpoint after the other is asked for its oldest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement, and_, bindparam, func, literal_column, or_, select, text, union_all, update,
)
from sqlalchemy.orm import Session, aliased

from core.db import Moment, dialect_of
from core.hub import Hub
from core.models import Delivery
from core.models.outbox import DUE

LEASE = timedelta(seconds=60)  # four times a POST's own limit of 15 s
# A lease further ahead than this was given by a clock that was set back since; less is another worker's clock, or its
# claim between our look at the clock and our turn: eight processes claimed rows twice without this margin.
FURTHEST = LEASE + timedelta(seconds=60)
BATCH = 100
ENDPOINT_CAP = 2  # deliveries at once per endpoint, so that a slow one delays only itself (W11)
WINDOW = 200  # due rows looked at before endpoints are asked one by one
CLAIM_TURN = 1_737_201_964  # the advisory lock by which PostgreSQL lets one worker claim at a time: any number of ours


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that is ours until the lease ends; `token` is the fence."""

    delivery_id: int
    token: str
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class _Row:
    """A row that could be claimed."""

    delivery_id: int
    endpoint_id: int
    due_at: datetime
    lane: int | None = None


def claim_due(hub: Hub, *, limit: int = BATCH) -> list[Claim]:
    """Claim due deliveries, at most ENDPOINT_CAP in flight per endpoint; the claim is committed on return."""
    token = hub.ids.lease_token()
    with hub.database.transaction() as session:
        _take_turn(session)
        now = hub.clock.now()  # after the wait: leases given meanwhile are not from the future
        wanted = _claimable(session, now=now, limit=limit)
        if not wanted:
            return []
        claimed = session.scalars(
            update(Delivery)
            .where(Delivery.id.in_(wanted), Delivery.state == DUE, is_unleased(Delivery, now))
            .values(lease_token=token, lease_until=now + LEASE, attempts=Delivery.attempts + 1)
            .returning(Delivery.id)
            .execution_options(synchronize_session=False)
        ).all()
    return [Claim(delivery_id, token, now) for delivery_id in claimed]


def is_unleased(row: Any, now: Any) -> ColumnElement[bool]:
    """No lease, or one that ended, or one further ahead than any lease: a clock was set back (J15)."""
    latest = now + FURTHEST if isinstance(now, datetime) else bindparam("latest", type_=Moment)
    return or_(row.lease_until <= now, row.lease_until > latest)


def _take_turn(session: Session) -> None:
    """Wait until nobody else is claiming, so that a cap that was counted still holds; SQLite has one writer anyway."""
    connection = session.connection()  # begins: on SQLite, this waits for the writer before us
    if dialect_of(session) == "postgresql":
        connection.execute(TURN)


def _claimable(session: Session, *, now: datetime, limit: int) -> list[int]:
    """List due rows, oldest first, as far as each endpoint's cap of deliveries in flight allows."""
    values = {"now": now, "latest": now + FURTHEST}
    found = session.connection().execute(SIGHT, values).all()
    in_flight = Counter(row.endpoint_id for row in found if row.is_leased)
    lanes = {(row.endpoint_id, row.lane) for row in found if row.is_leased and row.lane is not None}
    seen = [_Row(row.id, row.endpoint_id, row.next_attempt_at, row.lane) for row in found if not row.is_leased]
    chosen = _choose(seen, in_flight, lanes, limit=limit)
    if len(chosen) < limit and len(seen) == WINDOW:
        walked = session.connection().execute(WALK, values).all()
        oldest = [_Row(row[1 + n], row.endpoint_id, row.due_at) for row in walked for n in range(ENDPOINT_CAP)
                  if row[1 + n] is not None]
        chosen = _choose(_in_lanes(session, oldest), in_flight, lanes, limit=limit)
    return chosen


def _in_lanes(session: Session, rows: Sequence[_Row]) -> list[_Row]:
    """Look up the lanes of rows that a walk has found."""
    wanted = select(Delivery.id, Delivery.lane).where(Delivery.id.in_([row.delivery_id for row in rows]))
    lane_of = {row.id: row.lane for row in session.execute(wanted.where(Delivery.lane.is_not(None)))}
    return [replace(row, lane=lane_of.get(row.delivery_id)) for row in rows]


def _choose(
    rows: Sequence[_Row], in_flight: Counter[int], lanes: Set[tuple[int, int]], *, limit: int
) -> list[int]:
    """Take the oldest rows, of each endpoint as many as its cap leaves room for, and one of each lane."""
    taken, used, chosen = Counter(in_flight), set(lanes), list[int]()
    for row in sorted(rows, key=lambda row: (row.due_at, row.delivery_id)):
        if row.lane is not None and (row.endpoint_id, row.lane) in used:
            continue
        if len(chosen) < limit and taken[row.endpoint_id] < ENDPOINT_CAP:
            taken[row.endpoint_id] += 1
            if row.lane is not None:
                used.add((row.endpoint_id, row.lane))
            chosen.append(row.delivery_id)
    return chosen


def _due(row: Any) -> ColumnElement[bool]:
    now = bindparam("now", type_=Moment)
    return and_(row.state == DUE, row.next_attempt_at <= now, is_unleased(row, now))


def _sight() -> Any:
    """What is in flight, and the oldest rows that are due and free."""
    now, latest = bindparam("now", type_=Moment), bindparam("latest", type_=Moment)
    columns = (Delivery.id, Delivery.endpoint_id, Delivery.next_attempt_at, Delivery.lane)
    free = (
        select(*columns, literal_column("0").label("is_leased"))
        .where(_due(Delivery))
        .order_by(Delivery.next_attempt_at)
        .limit(WINDOW)
        .subquery()
    )
    flying: Any = select(*columns, literal_column("1").label("is_leased")).where(
        Delivery.state == DUE, Delivery.lease_until > now, Delivery.lease_until <= latest
    )
    return union_all(flying, select(free))


def _walk() -> Any:
    """Each endpoint with unfinished rows, from one to the next by the index, with its oldest rows that are due."""
    first, following, free = aliased(Delivery), aliased(Delivery), aliased(Delivery)
    lowest = select(func.min(first.endpoint_id).label("endpoint_id")).where(first.state == DUE)
    walk = lowest.cte("walk", recursive=True)
    onward = (
        select(func.min(following.endpoint_id))
        .where(following.state == DUE, following.endpoint_id > walk.c.endpoint_id)
        .correlate(walk)
        .scalar_subquery()
    )
    walk = walk.union_all(select(onward).where(walk.c.endpoint_id.is_not(None)))
    oldest = (
        select(free.id)
        .where(free.endpoint_id == walk.c.endpoint_id, _due(free))
        .order_by(free.next_attempt_at, free.id)
        .correlate(walk)
        .limit(1)
    )
    due_at = oldest.with_only_columns(free.next_attempt_at).scalar_subquery().label("due_at")
    rows = (oldest.offset(n).scalar_subquery() for n in range(ENDPOINT_CAP))
    return select(walk.c.endpoint_id, *rows, due_at).where(walk.c.endpoint_id.is_not(None))


# Built once: every round of every worker asks them.
SIGHT, WALK = _sight(), _walk()
TURN = text(f"SELECT pg_advisory_xact_lock({CLAIM_TURN})")
