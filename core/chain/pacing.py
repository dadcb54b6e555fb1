"""Pace the requests made with one API key: a token bucket, a budget for the day, and what the node asks for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock

from core.clock import Clock

BURST_S = 1.0  # an idle second's worth of requests may go at once
HOUR_S, HOURS = 3600.0, 24
SPENT_QPS = 1.0  # TronGrid serves one request a second once the daily quota is spent; we keep to that by ourselves
PATIENCE_S = 5.0  # a caller waits this long for its turn; beyond it the step fails and its loop backs off


class Pacer:
    """A token bucket kept as one number, the time of the next free turn; safe to share between threads.

    qps: turns a second, None for no limit.   wait: blocks for the given seconds.   daily: turns in any 24 hours,
    None for no limit; beyond them turns go on at SPENT_QPS, so that money is still seen.
    """

    def __init__(
        self, *, clock: Clock, qps: float | None, wait: Callable[[float], object], daily: int | None = None
    ) -> None:
        self._clock = clock
        self._qps = qps
        self._wait = wait
        self._lock = Lock()
        self._next_turn = clock.monotonic() - BURST_S
        self._slow_qps = 0.0
        self._slow_until = clock.monotonic()
        self._budget = None if daily is None else DailyBudget(daily)

    @property
    def is_spent(self) -> bool:
        """Tell whether the budget of the last 24 hours is used up."""
        with self._lock:
            return self._budget is not None and self._budget.left(self._clock.monotonic()) <= 0

    def wait_s(self) -> float:
        """Tell how long a caller would have to wait for its turn now."""
        with self._lock:
            return max(0.0, self._turn(self._clock.monotonic()) - self._clock.monotonic())

    def take(self) -> float:
        """Wait for this caller's turn. Returns 0.0, or the seconds still to go where that is more than PATIENCE_S."""
        with self._lock:
            now = self._clock.monotonic()
            turn = self._turn(now)
            if turn - now > PATIENCE_S:
                return turn - now
            if self._budget is not None:
                self._budget.spend(now)
            interval_s = self._interval_s(now)
            if interval_s:
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

    def _turn(self, now: float) -> float:
        interval_s = self._interval_s(now)
        if interval_s == 0.0 and self._next_turn <= now:
            return now
        return max(self._next_turn, now - BURST_S + interval_s)

    def _interval_s(self, now: float) -> float:
        usual_s = 0.0 if self._qps is None else 1.0 / self._qps
        if self._budget is not None and self._budget.left(now) <= 0:
            usual_s = max(usual_s, 1.0 / SPENT_QPS)
        return max(usual_s, 1.0 / self._slow_qps) if now < self._slow_until else usual_s


class DailyBudget:
    """Counts turns by the hour, so that any 24 hours hold at most `daily` of them; not thread-safe by itself."""

    def __init__(self, daily: int) -> None:
        self._daily = daily
        self._hours: deque[tuple[int, int]] = deque()  # (which hour, turns in it), the oldest first
        self._spent = 0

    def left(self, now: float) -> int:
        """Give how many turns are left."""
        self._forget(int(now // HOUR_S))
        return self._daily - self._spent

    def spend(self, now: float) -> None:
        """Count one turn."""
        hour = int(now // HOUR_S)
        self._forget(hour)
        turns = self._hours.pop()[1] if self._hours and self._hours[-1][0] == hour else 0
        self._hours.append((hour, turns + 1))
        self._spent += 1

    def _forget(self, hour: int) -> None:
        while self._hours and self._hours[0][0] <= hour - HOURS - 1:
            self._spent -= self._hours.popleft()[1]


class Allowance:
    """Requests that are nice to have: a bucket that never gives more than `daily` in 24 hours; None: no limit."""

    def __init__(self, daily: int | None, *, clock: Clock) -> None:
        self._clock = clock
        self._per_s = None if daily is None else daily * 3 / 4 / 86_400
        self._most = 0.0 if daily is None else daily / 4
        self._tokens, self._at_s = self._most, clock.monotonic()

    def take(self, requests: int) -> bool:
        """Take these requests out of the bucket, or say that they cannot be afforded now."""
        if self._per_s is None:
            return True
        now_s = self._clock.monotonic()
        self._tokens = min(self._most, self._tokens + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._tokens < requests:
            return False
        self._tokens -= requests
        return True
