"""When a failed delivery is tried again: pure."""

from __future__ import annotations

from datetime import datetime, timedelta

STANDARD_S = (300, 900, 3600)  # the contract's 5 min, 15 min, 1 h, each from the attempt before: 80 min in all


def next_attempt(*, failures: int, attempted_at: datetime) -> datetime | None:
    """Say when to try again after `failures` recorded failures; None when the schedule is used up."""
    if failures > len(STANDARD_S):
        return None
    return attempted_at + timedelta(seconds=STANDARD_S[failures - 1])
