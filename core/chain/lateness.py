"""Says when the watcher is late, also when it does not run at all: looked at by those who live by the wall clock."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from core.alarms import AlarmKind, clear_alarm, raise_alarm
from core.hub import Hub
from core.models import Alarm, Cursor
from core.models.alarms import stands

LATE = timedelta(minutes=5)  # solid blocks are a minute old by themselves (19 blocks)
GRACE_S = 120.0  # a hub that was off for a day catches up first
LOOK_EVERY_S = 10.0


class Lateness:
    """One process's look at the last block's age. Late is what was late all through `GRACE_S` of looking."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._late_since_s: float | None = None
        self._look_at_s = float("-inf")

    def step(self) -> None:
        """Raise the alarm, or say that it is over; a frozen watcher has an alarm of its own."""
        now_s = self._hub.clock.monotonic()
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + LOOK_EVERY_S
        network, now = self._hub.settings.network.name, self._hub.clock.now()
        with self._hub.database.snapshot() as session:
            cursor = session.scalar(select(Cursor).where(Cursor.network == network))
            wanted = select(Alarm.id).where(stands(), Alarm.kind == AlarmKind.WATCHER_LATE.value)
            is_raised = session.scalar(wanted.where(Alarm.subject == network)) is not None
        is_late = cursor is not None and cursor.frozen_at is None and now - cursor.block_time > LATE
        if not is_late:
            self._late_since_s = None
        elif self._late_since_s is None:
            self._late_since_s = now_s
        has_lasted = self._late_since_s is not None and now_s - self._late_since_s >= GRACE_S
        if cursor is not None and has_lasted and not is_raised:
            minutes = int((now - cursor.block_time).total_seconds() // 60)
            sentence = f"The watcher is {minutes} minutes behind, at block {cursor.height}: payments are seen late."
            with self._hub.database.transaction() as session:
                raise_alarm(session, kind=AlarmKind.WATCHER_LATE, subject=network, sentence=sentence, now=now)
        elif is_raised and not is_late:
            with self._hub.database.transaction() as session:
                clear_alarm(session, kind=AlarmKind.WATCHER_LATE, subject=network, now=now)
