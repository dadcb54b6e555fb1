"""The loops of a running hub as steps, and the one way to drive a step until told to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event

from sqlalchemy.orm.exc import StaleDataError

from core.api.v1 import admission
from core.chain.fleet import BlockDisputed, Fleet
from core.chain.guard import Guard
from core.chain.lateness import Lateness
from core.chain.lookahead import Lookahead
from core.chain.scanner import Progress, Scanner
from core.chain.tracing import Tracer
from core.channels import forgetting
from core.errors import NodeUnavailable, WrongNetwork
from core.hub import Hub
from core.payments import allowances
from core.payments.controls import close_test_payments, has_due_test_payment

log = logging.getLogger(__name__)

MAX_PAUSE_S = 10.0  # between steps while they fail: a node that is back is noticed within seconds
TICK_S = 1.0
EARLY, SOON = 0.97, 0.34  # of the poll interval: one miss in 33 blocks, and a third of a block's time lost by it


class Watch:
    """The watcher's step: apply new solid blocks, look at the head, guard what was done, look for what payers name."""

    def __init__(self, hub: Hub, fleet: Fleet, *, holder: str | None = None) -> None:
        self._hub = hub
        self._scanner = Scanner(hub, fleet, holder=holder)
        self._lookahead = Lookahead(hub, fleet)
        self._guard = Guard(hub, fleet)
        self._tracer = Tracer(hub, fleet)
        self._has_applied = False
        self._was_active: bool | None = None

    def step(self) -> bool:
        """Do one round; True when there is more to do at once. Raises NodeUnavailable, WrongNetwork."""
        try:
            progress = self._scanner.scan_once()
        except NodeUnavailable as err:  # also the disagreement that only a survey can find to be over
            if isinstance(err, BlockDisputed):
                self._guard.note_dispute(err.sentence)
            self._guard.survey_if_due()
            if not self._scanner.has_applied:
                raise
            log.warning("watcher: %s", err.sentence)  # no reason to slow down: blocks were applied before it
            self._hub.wake()
            return True
        self._has_applied = progress.applied > 0
        if self._has_applied:
            self._guard.note_progress()
        self._tell_role(progress)
        if progress.recorded:
            self._hub.wake()
        if progress.is_active:
            self._look_around(is_behind=progress.is_behind)
        return progress.is_behind

    def _look_around(self, *, is_behind: bool) -> None:
        """Look at the head and for what payers name; the guard's rounds do not wait until that succeeds."""
        try:
            if is_behind:
                self._lookahead.look_far()
            else:
                self._lookahead.look_once()
            self._tracer.step()
        finally:
            if is_behind:
                self._guard.survey_if_due()
            else:
                self._guard.step()

    def _tell_role(self, progress: Progress) -> None:
        """Say once, and at each change, whether this watcher watches or stands by."""
        if progress.is_active is not self._was_active:
            self._was_active = progress.is_active
            role = "watching" if progress.is_active else "standing by: another watcher holds the lease"
            log.info("%s, at solid block %d", role, progress.height)

    def pause_s(self) -> float:
        """Give the time to the next step.

        Where requests are counted, a step that found a block comes a little early next time, so that it drifts to
        the very moment when blocks appear; one that found none comes soon again.
        """
        every_s = self._hub.settings.poll_interval_s
        if not self._hub.settings.live_requests:
            return every_s
        return every_s * (EARLY if self._has_applied else SOON)

    def close(self) -> None:
        """Give the lease back."""
        self._scanner.close()


class Ticker:
    """The wall-clock chores: test payments end by the clock, a late watcher is noticed, and what need no longer be
    remembered is forgotten."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lateness = Lateness(hub)

    def step(self) -> bool:
        """Do the chores that are due; True when test payments ended, and there may be more."""
        self._lateness.step()
        with self._hub.database.snapshot() as session:
            has_due = has_due_test_payment(session, now=self._hub.clock.now())
            has_old = admission.has_old(session, self._hub)
            has_full = allowances.has_full(session, self._hub)
            has_old_calls = forgetting.has_old(session, self._hub)
        if has_full:
            with self._hub.database.transaction() as session:
                allowances.prune(session, self._hub)
        if has_old:
            with self._hub.database.transaction() as session:
                admission.prune(session, self._hub)
        if has_old_calls:
            with self._hub.database.transaction() as session:
                forgetting.prune(session, self._hub)
        if not has_due:
            return False
        try:
            with self._hub.database.transaction() as session:
                return close_test_payments(session, self._hub) > 0
        except StaleDataError:  # another process's ticker was faster
            return True


def drive(step: Callable[[], bool], *, name: str, every_s: Callable[[], float], stop: Event) -> None:
    """Run a step again and again until `stop` is set; failures are logged once each and retried ever more slowly.

    every_s: the pause after a step that has done all there was.

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
            pause_s = every_s()
            stop.wait(min(pause_s * 2 ** min(failures, 6), max(MAX_PAUSE_S, pause_s)))
