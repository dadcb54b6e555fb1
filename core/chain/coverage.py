"""The proof that no block was left out, read from the scanned ranges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.hub import Hub
from core.models import Cursor, LogCheck, ScannedRange


@dataclass(frozen=True, slots=True)
class Gap:
    """Heights between two scanned ranges that no range holds, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which blocks were applied, by whom, and which are missing from the proof; heights are included at both ends."""

    first: int
    last: int
    since: datetime
    ranges: int
    providers: dict[str, int]
    gaps: list[Gap]
    logs_checked_to: int | None


def coverage(session: Session, hub: Hub) -> Coverage | None:
    """Put the scanned ranges together; None before the first block."""
    cursor = session.scalar(select(Cursor).where(Cursor.network == hub.settings.network.name))
    if cursor is None:
        return None
    ranges = session.scalars(
        select(ScannedRange).where(ScannedRange.genesis_id == cursor.genesis_id).order_by(ScannedRange.from_height)
    ).all()
    if not ranges:
        return None
    gaps: list[Gap] = []
    providers: dict[str, int] = {}
    reached = ranges[0].from_height - 1
    for found in ranges:
        if found.from_height > reached + 1:
            gaps.append(Gap(reached + 1, found.from_height - 1))
        providers[found.provider] = providers.get(found.provider, 0) + found.to_height - found.from_height + 1
        reached = max(reached, found.to_height)
    if reached < cursor.height:
        gaps.append(Gap(reached + 1, cursor.height))
    checked = session.scalar(
        select(LogCheck.to_height).where(LogCheck.genesis_id == cursor.genesis_id).order_by(LogCheck.to_height.desc())
    )
    first = ranges[0]
    return Coverage(first.from_height, cursor.height, first.started_at, len(ranges), providers, gaps, checked)
