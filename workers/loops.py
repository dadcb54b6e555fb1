"""The loops of a running hub as steps, and the one way to drive a step until told to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event

from core.chain.lookahead import Lookahead
from core.chain.node import Node
from core.chain.scanner import Scanner
from core.errors import NodeUnavailable, WrongNetwork
from core.hub import Hub
from core.payments.controls import close_test_payments, has_due_test_payment

log = logging.getLogger(__name__)

MAX_PAUSE_S = 10.0  # between steps while they fail: a node that is back is noticed within seconds
TICK_S = 1.0


class Watch:
    """The watcher's step: apply new solid blocks, then look at the head."""

    def __init__(self, hub: Hub, node: Node, *, provider: str) -> None:
        self._hub = hub
        self._scanner = Scanner(hub, node, provider=provider)
        self._lookahead = Lookahead(hub, node)

    def step(self) -> bool:
        """Do one round; True when there is more to do at once. Raises NodeUnavailable, WrongNetwork."""
        progress = self._scanner.scan_once()
        if progress.recorded:
            self._hub.wake()
        behind = progress.applied > 1
        if not behind:
            self._lookahead.look_once()
        return behind


class Ticker:
    """The wall-clock chores: test payments end by the clock, not by the chain."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def step(self) -> bool:
        """Do the chores that are due; True when there is more to do at once."""
        with self._hub.database.snapshot() as session:
            if not has_due_test_payment(session, now=self._hub.clock.now()):
                return False
        with self._hub.database.transaction() as session:
            return close_test_payments(session, self._hub) > 0


def drive(step: Callable[[], bool], *, name: str, every_s: float, stop: Event) -> None:
    """Run a step again and again until `stop` is set; failures are logged once each and retried ever more slowly.

    Raises WrongNetwork: a watcher on a wrong network must not go on.
    """
    failures = 0
    while not stop.is_set():
        try:
            more = step()
            failures = 0
        except WrongNetwork:
            raise
        except NodeUnavailable as err:
            failures, more = failures + 1, False
            log.warning("%s: %s", name, err.sentence)
        except Exception:  # an edge: the loop must outlive a database that is away
            failures, more = failures + 1, False
            log.exception("%s failed", name)
        if not more:
            stop.wait(min(every_s * 2 ** min(failures, 6), max(MAX_PAUSE_S, every_s)))
