"""When a failed delivery is tried again: pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

STANDARD_S = (300, 900, 3600)  # the contract's 5 min, 15 min, 1 h, each from the attempt before: 80 min in all
# Standard Webhooks' table: 75 h 35 min in all, so that a weekend's outage is survived
EXTENDED_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER_PERMILLE = 100  # of the extended waits, to either side: who comes back is not met by everybody at once
LONGEST_WAIT = timedelta(hours=24)  # that a receiver can ask for


class Schedule(StrEnum):
    """How patient an endpoint's retries are; the words are public."""

    STANDARD = "standard"
    EXTENDED = "extended"


def next_attempt(
    schedule: Schedule, *, failures: int, attempted_at: datetime, drawn_permille: int = 0, retry_after_s: int = 0
) -> datetime | None:
    """Say when to try again after `failures` recorded failures; None when the schedule is used up.

    drawn_permille: a number between -JITTER_PERMILLE and JITTER_PERMILLE.   retry_after_s: what the receiver asked
    for. Both move the extended schedule alone: the times of the standard one are the contract's.
    """
    waits_s = STANDARD_S if schedule is Schedule.STANDARD else EXTENDED_S
    if failures > len(waits_s):
        return None
    wait = timedelta(seconds=waits_s[failures - 1])
    if schedule is Schedule.EXTENDED:
        wait = max(wait * (1000 + drawn_permille) / 1000, min(timedelta(seconds=retry_after_s), LONGEST_WAIT))
    return attempted_at + wait
