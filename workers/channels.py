"""The channels' loop: reads what platforms told, asks those that do not call, checks, and tells people."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial

from core.channels.checking import due_checks
from core.channels.noticing import tell, tellers
from core.channels.polling import AT_ONCE, ask, take_turns
from core.channels.reading import BATCH, claim_calls, has_due_call, read_call
from core.channels.service import check_channel
from core.hub import Hub

log = logging.getLogger(__name__)

THREADS = 64  # each mostly waits, for one channel's platform
SLOW_AFTER_S = 1.0  # what takes longer goes on beside the next step, so that a slow platform holds up nobody
ROOM_WORTH_A_LOOK = 8

Work = tuple[str, Callable[[], object]]


class ChannelWork:
    """One step begins all that is due now, several platforms at once, and waits for what answers soon."""

    def __init__(self, hub: Hub, *, slow_after_s: float = SLOW_AFTER_S) -> None:
        self._hub = hub
        self._slow_after_s = slow_after_s
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="channel")
        self._going: dict[str, Future[object]] = {}

    def step(self) -> bool:
        """Read, ask, check and tell what is due; True when there may be more to read."""
        self._land()
        if THREADS - len(self._going) < ROOM_WORTH_A_LOOK:
            return False
        claims = claim_calls(self._hub, limit=self._room(BATCH)) if has_due_call(self._hub) else []
        self._begin((f"call {claim.call_id} {claim.token}", partial(read_call, self._hub, claim)) for claim in claims)
        self._begin(self._chores())
        return bool(claims)

    def close(self) -> None:
        """Wait for what is under way."""
        self._pool.shutdown(wait=True)

    def _room(self, wanted: int) -> int:
        return max(0, min(wanted, THREADS - len(self._going)))

    def _chores(self) -> Iterator[Work]:
        """List what is due beside calls."""
        for turn in take_turns(self._hub, limit=self._room(AT_ONCE)):
            yield f"poll {turn.channel.uid}", partial(ask, self._hub, turn)
        for uid in due_checks(self._hub):
            yield f"check {uid}", partial(check_channel, self._hub, uid)
        for channel in tellers(self._hub):
            yield f"tell {channel.uid}", partial(tell, self._hub, channel)

    def _begin(self, works: Iterator[Work]) -> None:
        """Begin what is not under way already, as far as there is room, and wait for it a moment."""
        begun = list[Future[object]]()
        for name, work in works:
            if name not in self._going and self._room(1):
                self._going[name] = self._pool.submit(work)
                begun.append(self._going[name])
        wait(begun, timeout=self._slow_after_s)
        self._land()

    def _land(self) -> None:
        """Forget what is over."""
        for name, done in [(name, one) for name, one in self._going.items() if one.done()]:
            del self._going[name]
            try:
                done.result()
            except Exception:  # an edge: the lease ends and it is tried again
                log.exception("a channel's work failed: %s", name)
