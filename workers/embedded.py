"""The embedded executor: a sweeper thread and a pool drain due deliveries inside one process, without Redis.

One thread has the database: it claims, packs and writes down, each for many deliveries at once; the others only POST.
`wake()` only shortens the wait: rows are found by the sweep anyway. Never run it inside a web worker.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Event, Thread

from core.hub import Hub
from core.outbox.delivery import BATCH, Parcel, claim_due, finish, pack, send
from core.outbox.outcomes import Outcome

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 1.0
IN_FLIGHT = 64  # POSTs at once to receivers that answer; each mostly waits
SLOW_AFTER_S = 1.0  # a POST that takes longer no longer counts among them, so that slow receivers hold up nobody
THREADS = 160  # POSTs at once in all
ROOM_WORTH_A_CLAIM = 8  # while others fly: a claim costs the same for one row or for many

Tried = tuple[Parcel, Outcome | None]


class EmbeddedExecutor:
    """Drains the outbox in the background of this process."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._due = Event()
        self._stopping = Event()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="deliver")
        self._landed: SimpleQueue[Tried] = SimpleQueue()
        self._flying: dict[int, float] = {}  # delivery id: when it took off
        self._thread = Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Start sweeping."""
        self._thread.start()

    def wake(self) -> None:
        """Hint that something is due now."""
        self._due.set()

    def stop(self) -> None:
        """Stop sweeping and wait for the deliveries under way; what is not finished is found again later."""
        self._stopping.set()
        self._due.set()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown(wait=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._due.clear()
            try:
                self.step()
            except Exception:  # an edge: the loop must outlive a database that is away
                log.exception("sweep failed")
            self._due.wait(SWEEP_EVERY_S)

    def step(self, *, within_s: float = float("inf")) -> int:
        """Drain what is due now, and begin nothing new after `within_s`; returns how many deliveries were tried."""
        tried, ends_s = 0, self._hub.clock.monotonic() + within_s
        while True:
            if not self._stopping.is_set() and self._hub.clock.monotonic() < ends_s:
                tried += self._take_off()
            if not self._flying:
                return tried
            self._land()

    def _take_off(self) -> int:
        """Claim as many as there is room for, and start them."""
        young = sum(began_s > self._hub.clock.monotonic() - SLOW_AFTER_S for began_s in self._flying.values())
        room = min(IN_FLIGHT - young, THREADS - len(self._flying), BATCH)
        if room < ROOM_WORTH_A_CLAIM:
            return 0
        claims = claim_due(self._hub, limit=room)
        for parcel in pack(self._hub, claims) if claims else ():
            self._flying[parcel.claim.delivery_id] = self._hub.clock.monotonic()
            self._pool.submit(self._fly, parcel)
        return len(claims)

    def _land(self) -> None:
        """Wait until a POST is over, or for a second; write down all that are."""
        landed = list[Tried]()
        try:
            landed.append(self._landed.get(timeout=SWEEP_EVERY_S))
            while True:
                landed.append(self._landed.get_nowait())
        except Empty:
            pass
        for parcel, _ in landed:
            self._flying.pop(parcel.claim.delivery_id, None)
        if tried := [(parcel, outcome) for parcel, outcome in landed if outcome is not None]:
            self._write_down(tried)

    def _write_down(self, tried: list[tuple[Parcel, Outcome]]) -> None:
        """Finish a batch; where that fails, each by itself, so that one row cannot spoil the others'."""
        try:
            finish(self._hub, tried)
        except Exception:  # an edge: the rows' leases end and they are tried again
            log.exception("deliveries could not be written down", extra={"deliveries": len(tried)})
            for one in tried if len(tried) > 1 else ():
                self._write_down([one])

    def _fly(self, parcel: Parcel) -> None:
        outcome = None
        try:
            outcome = send(self._hub, parcel)
        except Exception:  # an edge: the row's lease ends and it is tried again
            log.exception("delivery attempt failed", extra={"delivery_id": parcel.claim.delivery_id})
        finally:
            self._landed.put((parcel, outcome))
