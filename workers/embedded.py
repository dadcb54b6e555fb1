"""The embedded executor: a sweeper thread and a small pool drain due deliveries inside one process, without Redis.

`wake()` only shortens the wait: rows are found by the sweep anyway. Never run it inside a web worker.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Event, Thread

from core.hub import Hub
from core.outbox.delivery import BATCH, Claim, attempt, claim_due

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 1.0
IN_FLIGHT = 16  # POSTs at once; each mostly waits for its receiver


class EmbeddedExecutor:
    """Drains the outbox in the background of this process."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._due = Event()
        self._stopping = Event()
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="deliver")
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
        tried, began_s = 0, self._hub.clock.monotonic()
        flying: set[Future[bool]] = set()
        while not self._stopping.is_set():
            room = IN_FLIGHT - len(flying) if self._hub.clock.monotonic() - began_s < within_s else 0
            claims = claim_due(self._hub, limit=min(BATCH, room)) if room else []
            flying |= {self._pool.submit(self._attempt, claim) for claim in claims}
            tried += len(claims)
            if not flying:
                return tried
            _, flying = wait(flying, timeout=SWEEP_EVERY_S, return_when="FIRST_COMPLETED")
        wait(flying)
        return tried

    def _attempt(self, claim: Claim) -> bool:
        try:
            return attempt(self._hub, claim)
        except Exception:  # an edge: the row's lease ends and it is tried again
            log.exception("delivery attempt failed", extra={"delivery_id": claim.delivery_id})
            return False
