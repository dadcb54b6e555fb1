"""The channels' loop: reads what platforms told, asks those that do not call, checks, and tells people."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from core.channels.checking import do_checks
from core.channels.noticing import tell_people
from core.channels.polling import ask, take_turns
from core.channels.reading import claim_calls, has_due_call, read_call
from core.hub import Hub

log = logging.getLogger(__name__)

THREADS = 8
Work = TypeVar("Work")


class ChannelWork:
    """One step does all that is due now, several platforms at once; where one hangs, its requests' deadlines end it."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="channel")

    def step(self) -> bool:
        """Read, ask, check and tell what is due; True when there may be more to read."""
        claims = claim_calls(self._hub) if has_due_call(self._hub) else []
        self._each(claims, lambda claim: read_call(self._hub, claim))
        self._each(take_turns(self._hub), lambda turn: ask(self._hub, turn))
        do_checks(self._hub)
        tell_people(self._hub)
        return bool(claims)

    def close(self) -> None:
        """Wait for what is under way."""
        self._pool.shutdown(wait=True)

    def _each(self, works: Sequence[Work], do: Callable[[Work], object]) -> None:
        for running in [self._pool.submit(do, work) for work in works]:
            try:
                running.result()
            except Exception:  # an edge: the lease ends and it is tried again
                log.exception("a channel's work failed")
