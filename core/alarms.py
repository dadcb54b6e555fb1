"""Alarms: what an operator must know, kept in the database until it is over or somebody has dealt with it.

Raised inside whatever transaction finds the trouble, so that finding and alarm commit together. It refuses to act:
an alarm stops nothing; what must stop says so itself.
"""

from __future__ import annotations

import logging
from datetime import datetime
from enum import StrEnum

from sqlalchemy import case, select, text, update
from sqlalchemy.orm import Session

from core.db import insert_for
from core.errors import InvalidField, NotFound
from core.models import Alarm
from core.models.alarms import STANDS, stands

log = logging.getLogger(__name__)


class AlarmKind(StrEnum):
    """What can be wrong; the words are stable."""

    FROZEN = "frozen"
    TRANSFER_MISSED = "transfer_missed"
    TRANSFER_DOUBTED = "transfer_doubted"
    BALANCE_DIFFERS = "balance_differs"
    PROVIDER_TROUBLE = "provider_trouble"
    SOLID_STALLED = "solid_stalled"
    CURSOR_STUCK = "cursor_stuck"
    WATCHER_LATE = "watcher_late"
    CONTRACT_DEPRECATED = "contract_deprecated"
    CONTRACT_PAUSED = "contract_paused"
    ADDRESS_BLACKLISTED = "address_blacklisted"
    FIRST_PAYMENT = "first_payment"
    ENDPOINT_FAILING = "endpoint_failing"
    ENDPOINT_DISABLED = "endpoint_disabled"
    CHANNEL_TROUBLE = "channel_trouble"
    CHANNEL_CONFLICT = "channel_conflict"


ENDED_BY = {  # the command that deals with the trouble itself
    AlarmKind.FROZEN.value: "paywharf unfreeze",
    AlarmKind.FIRST_PAYMENT.value: "paywharf address confirm {}",
}


def raise_alarm(session: Session, *, kind: AlarmKind, subject: str, sentence: str, now: datetime) -> bool:
    """Raise an alarm, or count on when it already stands; True when it is new, and only then it is logged."""
    statement = insert_for(session, Alarm).values(
        kind=kind.value, subject=subject, sentence=sentence, times=1, raised_at=now, last_at=now
    )
    times: int = session.execute(
        statement.on_conflict_do_update(
            index_elements=["kind", "subject"],
            index_where=text(STANDS),
            set_={"times": Alarm.times + 1, "last_at": now, "sentence": sentence},
        ).returning(Alarm.times)
    ).scalar_one()
    if times == 1:
        log.error("alarm: %s", sentence, extra={"kind": kind.value, "subject": subject})
    return times == 1


def clear_alarm(session: Session, *, kind: AlarmKind, subject: str, now: datetime) -> bool:
    """Say that a trouble is over; False when there was none."""
    cleared = session.execute(
        update(Alarm)
        .where(stands(), Alarm.kind == kind.value, Alarm.subject == subject)
        .values(cleared_at=now)
        .returning(Alarm.id)
    ).scalar_one_or_none()
    return cleared is not None


def dismiss_alarm(session: Session, *, alarm_id: int, now: datetime) -> Alarm:
    """Take an alarm as dealt with; while its cause lasts the next look raises it anew.

    Raises NotFound, InvalidField where the alarm has an act of its own that ends it.
    """
    alarm = session.scalar(select(Alarm).where(stands(), Alarm.id == alarm_id))
    if alarm is None:
        raise NotFound(f"No alarm {alarm_id} stands.")
    if alarm.kind in ENDED_BY:
        raise InvalidField(f"This alarm ends by `{ENDED_BY[alarm.kind].format(alarm.subject)}`.")
    alarm.cleared_at = now
    return alarm


def standing_alarms(session: Session) -> list[Alarm]:
    """List what stands, the gravest first, then the oldest."""
    gravest = case((Alarm.kind == AlarmKind.FROZEN.value, 0), else_=1)
    return list(session.scalars(select(Alarm).where(stands()).order_by(gravest, Alarm.id)))
