"""Pace the requests to one node: a token bucket that can be slowed and paused by what the node answers."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from core.clock import Clock

BURST_S = 1.0  # an idle second's worth of requests may go at once
PATIENCE_S = 5.0  # a caller waits this long for its turn; beyond it the step fails and its loop backs off


class Pacer:
    """A token bucket kept as one number, the time of the next free turn; safe to share between threads.

    qps: turns a second, None for no limit.   wait: blocks for the given seconds.
    """

    def __init__(self, *, clock: Clock, qps: float | None, wait: Callable[[float], object]) -> None:
        self._clock = clock
        self._qps = qps
        self._wait = wait
        self._lock = Lock()
        self._next_turn = clock.monotonic() - BURST_S
        self._slow_qps = 0.0
        self._slow_until = clock.monotonic()

    def take(self) -> float:
        """Wait for this caller's turn. Returns 0.0, or the seconds still to go where that is more than PATIENCE_S."""
        with self._lock:
            now = self._clock.monotonic()
            interval_s = self._interval_s(now)
            if interval_s == 0.0 and self._next_turn <= now:
                return 0.0
            turn = max(self._next_turn, now - BURST_S + interval_s)
            if turn - now > PATIENCE_S:
                return turn - now
            self._next_turn = turn + interval_s
        if turn > now:
            self._wait(turn - now)
        return 0.0

    def pause(self, seconds: float) -> None:
        """Give nobody a turn for so long."""
        with self._lock:
            self._next_turn = max(self._next_turn, self._clock.monotonic() + seconds)

    def slow_down(self, *, qps: float, for_s: float) -> None:
        """Give at most `qps` turns a second for the next `for_s` seconds."""
        with self._lock:
            now = self._clock.monotonic()
            still_slow = now < self._slow_until
            self._slow_qps = min(qps, self._slow_qps) if still_slow else qps
            self._slow_until = max(self._slow_until, now + for_s)

    def _interval_s(self, now: float) -> float:
        usual_s = 0.0 if self._qps is None else 1.0 / self._qps
        return max(usual_s, 1.0 / self._slow_qps) if now < self._slow_until else usual_s
