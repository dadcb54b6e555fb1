"""Read several blocks at once while the watcher is behind, and hand them on strictly in order.

How many are in flight follows from how long a read takes: threads cost more than they bring while the node answers
in a millisecond or two (eight of them halve the rate there, and raise it eightfold at 50 ms).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from core.clock import Clock

WORTH_A_LANE_S = 0.006  # a read that takes this long leaves the processor to another one
LEAST_LANES = 2  # one block is read while the one before is applied
BATCH = 50  # blocks handed on at once, so that quiet ones may share a transaction

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """A window of reads in flight; at most `most` at once. Close it when the watcher ends."""

    def __init__(self, read: Callable[[int], T], *, most: int, clock: Clock) -> None:
        self._read = read
        self._most = most
        self._clock = clock
        self._read_s = 0.0
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="read")

    def runs(self, first: int, last: int) -> Iterator[list[T]]:
        """Yield what was read of these heights, in order, in runs of what is ready.

        Raises what a read raised, after everything before it has been yielded.
        """
        flying: deque[Future[T]] = deque()
        height = first
        try:
            while flying or height <= last:
                room = min(self._window() - _under_way(flying), BATCH - len(flying), last + 1 - height)
                for _ in range(room):
                    flying.append(self._pool.submit(self._timed, height))
                    height += 1
                yield _ready(flying)
        finally:
            for future in flying:
                future.cancel()

    def close(self) -> None:
        """Begin no further read; those under way end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _window(self) -> int:
        return min(self._most, max(LEAST_LANES, round(self._read_s / WORTH_A_LANE_S)))

    def _timed(self, height: int) -> T:
        began_s = self._clock.monotonic()
        answer = self._read(height)
        self._read_s += (self._clock.monotonic() - began_s - self._read_s) / 8
        return answer


def _under_way(flying: deque[Future[T]]) -> int:
    return sum(1 for future in flying if not future.done())


def _ready(flying: deque[Future[T]]) -> list[T]:
    """Take the run at the front that is done, at least one; a failure ends the run, and begins the next by raising."""
    run = [flying.popleft().result()]
    while flying and flying[0].done() and flying[0].exception() is None:
        run.append(flying.popleft().result())
    return run
