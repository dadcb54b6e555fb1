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
RUN = 16  # blocks handed on at once, so that quiet ones may share a transaction

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
        """Yield what was read of these heights, in order, in runs of at most RUN.

        Raises what a read raised, after everything before it has been yielded.
        """
        flying: deque[Future[T]] = deque()
        run: list[T] = []
        height = first
        try:
            while flying or height <= last:
                height = self._top_up(flying, height, last)
                if run and (len(run) == RUN or flying[0].exception() is not None):
                    yield run
                    run = []
                    continue
                run.append(flying.popleft().result())
            if run:
                yield run
        finally:
            for future in flying:
                future.cancel()

    def close(self) -> None:
        """Begin no further read; those under way end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _top_up(self, flying: deque[Future[T]], height: int, last: int) -> int:
        """Begin further reads, twice as many as shall be under way, so that none waits for a run to be applied."""
        room = min(2 * self._window() - sum(1 for future in flying if not future.done()), 2 * RUN - len(flying))
        for number in range(height, min(last, height + room - 1) + 1):
            flying.append(self._pool.submit(self._timed, number))
            height = number + 1
        return height

    def _window(self) -> int:
        return min(self._most, max(LEAST_LANES, round(self._read_s / WORTH_A_LANE_S)))

    def _timed(self, height: int) -> T:
        began_s = self._clock.monotonic()
        answer = self._read(height)
        self._read_s += (self._clock.monotonic() - began_s - self._read_s) / 8
        return answer
