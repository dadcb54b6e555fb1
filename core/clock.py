"""The one door to time: everything that asks "now" asks a Clock; nothing else in the house reads a clock.

Wall time is `now()`, aware UTC. `monotonic()` is for deadlines only. Chain time is not here: it comes from blocks.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the house needs of time; the tests' clock moves by hand."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's own clock, cut to milliseconds, the precision everything is stored with."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return from_millis(time.time_ns() // 1_000_000)

    def monotonic(self) -> float:
        """Return seconds on a clock that never steps back."""
        return time.monotonic()


class ManualClock:
    """A clock that stands still until it is advanced: for tests and simulations."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._monotonic_s = 0.0

    def now(self) -> datetime:
        """Return the moment the clock was set to."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._monotonic_s

    def advance(self, *, minutes: float = 0, seconds: float = 0) -> None:
        """Move wall and monotonic time forward together."""
        step = timedelta(minutes=minutes, seconds=seconds)
        self._now += step
        self._monotonic_s += step.total_seconds()


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def from_millis(millis: int) -> datetime:
    """Turn integer milliseconds since the epoch into an aware UTC time, exactly."""
    return EPOCH + timedelta(milliseconds=millis)


def to_millis(moment: datetime) -> int:
    """Turn an aware time into integer milliseconds since the epoch; a naive one is a bug and raises ValueError."""
    if moment.tzinfo is None:
        raise ValueError(f"naive time: {moment!r}")
    return (moment - EPOCH) // timedelta(milliseconds=1)
