"""How far the solid scan has come, and the proof of which blocks it applied: the cursor and the scanned ranges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, update
from sqlalchemy.orm import Session

from core.errors import NodeUnavailable
from core.hub import Hub
from core.models import Cursor, ScannedRange

# Built once and asked on the connection: every block asks them, and building one costs more than its answer.
MOVE = (
    update(Cursor)
    .where(
        Cursor.genesis_id == bindparam("of_network"),
        Cursor.height == bindparam("before"),
        Cursor.fence == bindparam("held"),
        Cursor.frozen_at.is_(None),
    )
    .values(height=bindparam("applied"), block_time=bindparam("at"), updated_at=bindparam("now"))
)
EXTEND = (
    update(ScannedRange)
    .where(
        ScannedRange.id == bindparam("range_id"),
        ScannedRange.to_height == bindparam("before"),
        ScannedRange.provider == bindparam("shown_by"),
    )
    .values(to_height=bindparam("applied"), updated_at=bindparam("now"))
)


class CursorMoved(NodeUnavailable):
    """Another watcher has applied this block or holds the lease: start over from the cursor."""

    code = "cursor_moved"
    sentence = "Another watcher has moved the cursor."


@dataclass(frozen=True, slots=True)
class Extent:
    """Consecutive heights applied at once: the last one's block time, and the provider that showed it."""

    first: int
    last: int
    block_time: datetime
    provider: str


def move_cursor(
    session: Session, hub: Hub, genesis_id: str, extent: Extent, *, fence: int, range_id: int | None
) -> int:
    """Move the cursor over these blocks and note them as scanned; returns the id of the range they are in.

    fence: of the lease this watcher holds.   range_id: this run's range so far.
    Raises CursorMoved where the cursor, the lease or a freeze says no.
    """
    now = hub.clock.now()
    values = {
        "of_network": genesis_id, "before": extent.first - 1, "applied": extent.last, "held": fence,
        "at": extent.block_time, "now": now,
    }
    if session.connection().execute(MOVE, values).rowcount != 1:
        raise CursorMoved
    if range_id is not None:
        values = {
            "range_id": range_id, "before": extent.first - 1, "applied": extent.last, "shown_by": extent.provider,
            "now": now,
        }
        if session.connection().execute(EXTEND, values).rowcount == 1:
            return range_id
    fresh = ScannedRange(
        genesis_id=genesis_id,
        from_height=extent.first,
        to_height=extent.last,
        provider=extent.provider,
        started_at=now,
        updated_at=now,
    )
    session.add(fresh)
    session.flush()
    return fresh.id
