"""What failures mean for a delivery and for its endpoint: the next attempt, giving up, an alarm, the end of patience.

The standard schedule is the contract's and never ends an endpoint: it only gives up on deliveries and raises an alarm.
An extended one is also disabled, by a receiver's 410 or after five days without one success.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.alarms import AlarmKind, clear_alarm, raise_alarm
from core.hub import Hub
from core.models import Delivery, Endpoint
from core.models.outbox import DUE
from core.outbox.outcomes import GONE, Landed
from core.outbox.schedule import JITTER_PERMILLE, Schedule, next_attempt

PATIENCE = timedelta(days=5)  # of failures only; as Svix has it


def note(session: Session, hub: Hub, landed: Sequence[Landed]) -> None:
    """Draw the conclusions from attempts that were written down in this very transaction."""
    recovered = set[int]()
    for one in sorted(landed, key=lambda one: one.endpoint.id):  # one order for all workers: no deadlock
        if one.outcome.notice:
            _notice(session, hub, one)
        if not one.outcome.is_success:
            _fail(session, hub, one)
        elif one.endpoint.failing_since is not None and one.endpoint.id not in recovered:
            recovered.add(one.endpoint.id)
            _recover(session, one.endpoint, now=hub.clock.now())


def cancel_waiting(session: Session, endpoint_id: int, *, why: str, now: datetime) -> int:
    """Cancel what an endpoint is still owed and nobody is sending now; returns how many. A replay makes them due."""
    canceled = session.scalars(
        update(Delivery)
        .where(Delivery.endpoint_id == endpoint_id, Delivery.state == DUE, Delivery.lease_until <= now)
        .values(state="canceled", last_error=why)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    return len(canceled.all())


def _recover(session: Session, endpoint: Endpoint, *, now: datetime) -> None:
    session.execute(update(Endpoint).where(Endpoint.id == endpoint.id).values(failing_since=None))
    clear_alarm(session, kind=AlarmKind.ENDPOINT_FAILING, subject=endpoint.uid, now=now)


def _fail(session: Session, hub: Hub, one: Landed) -> None:
    """Plan the next attempt, or give up; and see whether the endpoint has had its chances."""
    now = hub.clock.now()
    endpoint = session.scalars(
        select(Endpoint).where(Endpoint.id == one.endpoint.id).execution_options(populate_existing=True)
    ).one()
    endpoint.failing_since = endpoint.failing_since or one.claimed_at
    if endpoint.enabled:
        _judge(session, endpoint, one, now=now)
    if not endpoint.enabled:
        _end(session, one, state="canceled")
        return
    if one.outcome.is_permanent:
        _give_up(session, endpoint, one, now=now)
        return
    schedule = Schedule(endpoint.schedule)
    drawn = hub.ids.below(2 * JITTER_PERMILLE + 1) - JITTER_PERMILLE if schedule is Schedule.EXTENDED else 0
    retry_at = next_attempt(
        schedule, failures=one.failures, attempted_at=one.claimed_at, drawn_permille=drawn,
        retry_after_s=one.outcome.retry_after_s,
    )
    if retry_at is None:
        _give_up(session, endpoint, one, now=now)
        return
    session.execute(update(Delivery).where(Delivery.id == one.delivery_id).values(next_attempt_at=retry_at))


def _give_up(session: Session, endpoint: Endpoint, one: Landed, *, now: datetime) -> None:
    _end(session, one, state="failed")
    sentence = f"A delivery to endpoint {endpoint.uid} failed for the last time: {one.outcome.error}"
    _alarm(session, endpoint, sentence, now=now)


def _notice(session: Session, hub: Hub, one: Landed) -> None:
    """Keep what a human must look at although the delivery is done: a platform's order says otherwise."""
    raise_alarm(
        session, kind=AlarmKind.CHANNEL_CONFLICT, subject=one.outcome.about, sentence=one.outcome.notice,
        now=hub.clock.now(),
    )


def _judge(session: Session, endpoint: Endpoint, one: Landed, *, now: datetime) -> None:
    """Disable an endpoint of the extended schedule that is gone or has failed for days; else only say so."""
    assert endpoint.failing_since is not None
    has_failed_long = endpoint.failing_since <= now - PATIENCE
    is_extended = endpoint.schedule == Schedule.EXTENDED
    if is_extended and one.outcome.http_status == GONE:
        disable(session, endpoint, why="Its receiver answered 410 Gone.", now=now)
    elif is_extended and has_failed_long:
        disable(session, endpoint, why=f"It took nothing for {PATIENCE.days} days.", now=now)
    elif has_failed_long:
        _alarm(session, endpoint, f"Endpoint {endpoint.uid} has taken nothing for {PATIENCE.days} days.", now=now)


def disable(session: Session, endpoint: Endpoint, *, why: str, now: datetime) -> int:
    """Send an endpoint nothing more; what it is owed is canceled. Returns how many; an alarm stays until it is enabled.

    why: a sentence.
    """
    endpoint.enabled, endpoint.disabled_why = False, why
    sentence = f"Endpoint {endpoint.uid} of project {endpoint.project_id} was disabled: {why}"
    raise_alarm(session, kind=AlarmKind.ENDPOINT_DISABLED, subject=endpoint.uid, sentence=sentence, now=now)
    session.flush()
    return cancel_waiting(session, endpoint.id, why=f"The endpoint was disabled: {why}", now=now)


def _end(session: Session, one: Landed, *, state: str) -> None:
    session.execute(update(Delivery).where(Delivery.id == one.delivery_id).values(state=state))


def _alarm(session: Session, endpoint: Endpoint, sentence: str, *, now: datetime) -> None:
    raise_alarm(session, kind=AlarmKind.ENDPOINT_FAILING, subject=endpoint.uid, sentence=sentence, now=now)
