"""The job that reads what platforms told: parse outside any transaction, act and finish in one, under the fence.

A crash anywhere costs a lease's time: the call is claimed again, and everything it asks for is repeatable.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.orm.exc import StaleDataError

from core.channels import orders
from core.channels.adapters import AdapterBroken, adapter_of, asked, resting
from core.channels.trouble import About, end_trouble, note_trouble
from core.contract import AdapterError, InboundRequest, OrderCanceled, OrderPlaced, PlatformEvent
from core.errors import (
    BadPayload, ChannelUnavailable, DatabaseUnavailable, GatewayError, NoReceivingAddress, ProjectDisabled,
)
from core.hub import Hub
from core.models import Channel, ChannelCall
from core.models.channels import CALL_DUE, CALL_ENDED

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)  # four times what a request of an adapter's may take
FURTHEST = LEASE + timedelta(seconds=120)  # a lease further ahead was given by a clock that was set back since
BATCH = 16
CHANNEL_CAP = 2  # calls of one channel at once, so that a slow platform delays only itself
LOOKED_AT = 200
RETRY_S = (5, 30, 120, 600, 3600, 3600, 10_800, 21_600)  # 11 h 13 min in all: a platform's bad night
MAX_CLAIMS = 20  # whoever was claimed so often has ended the process each time
TRIES = 3
PASSING = (ProjectDisabled, NoReceivingAddress)  # refusals that end without the platform's doing
REASON_LIMIT = 500
SHOWN_AFTER = 3  # failures, some three minutes: a platform that is away for a moment is no trouble
NAMED = 3  # orders of one call


@dataclass(frozen=True, slots=True)
class Claim:
    """A call that is ours until the lease ends; `token` is the fence."""

    call_id: int
    token: str


@dataclass(frozen=True, slots=True)
class _Failed:
    """A call that could not be read. name: for a human.   is_odd: the platform has no part in it."""

    claim: Claim
    name: str
    reason: str
    wait_s: int
    is_odd: bool


def has_due_call(hub: Hub) -> bool:
    """Tell whether a call waits, without taking a write lock."""
    with hub.database.snapshot() as session:
        return bool(_waiting(session, hub, limit=1))


def claim_calls(hub: Hub, *, limit: int = BATCH) -> list[Claim]:
    """Claim waiting calls, the oldest first, at most CHANNEL_CAP of a channel at once."""
    token, now = hub.ids.lease_token(), hub.clock.now()
    with hub.database.transaction() as session:
        taken = Counter(session.scalars(
            select(ChannelCall.channel_id).where(
                CALL_DUE, ChannelCall.lease_until > now, ChannelCall.lease_until <= now + FURTHEST,
                ChannelCall.look_at <= now + FURTHEST,  # all of them: it lets the index of what is due answer
            )
        ))
        chosen = list[int]()
        full = [channel_id for channel_id, count in taken.items() if count >= CHANNEL_CAP]
        for call_id, channel_id in _waiting(session, hub, limit=LOOKED_AT, full=full):
            if taken[channel_id] < CHANNEL_CAP and len(chosen) < limit:
                taken[channel_id] += 1
                chosen.append(call_id)
        if not chosen:
            return []
        claimed = session.scalars(
            update(ChannelCall)
            .where(ChannelCall.id.in_(chosen), CALL_DUE, _is_free(now))
            .values(lease_token=token, lease_until=now + LEASE, claims=ChannelCall.claims + 1)
            .returning(ChannelCall.id)
            .execution_options(synchronize_session=False)
        ).all()
    return [Claim(call_id, token) for call_id in sorted(claimed)]


def read_call(hub: Hub, claim: Claim) -> bool:
    """Read one claimed call and do what it says; True when that is done."""
    with hub.database.snapshot() as session:
        call = session.get_one(ChannelCall, claim.call_id)
        channel = session.scalars(
            select(Channel).where(Channel.id == call.channel_id).options(joinedload(Channel.project))
        ).one()
    if call.claims > MAX_CLAIMS:
        return _give_up(hub, _Failed(claim, _named(call, ()), "Reading it ended the process each time.", 0, True))
    told: Sequence[PlatformEvent] = ()
    try:
        adapter = adapter_of(hub, channel, channel.project)
        told = asked(hub, channel, "parse", lambda: adapter.parse(_request(call)), key=f"call {call.id}")
        return _act(hub, claim, channel, told)
    except AdapterError as err:
        wait_s = int(err.retry_after_s or 0)
        is_final, is_odd, reason = err.permanent, isinstance(err, AdapterBroken), err.reason
    except GatewayError as err:
        wait_s, is_odd, reason = 0, isinstance(err, ChannelUnavailable), err.sentence
        is_final = isinstance(err, BadPayload) or (err.http_status < 500 and not isinstance(err, PASSING))
    failed = _Failed(claim, _named(call, told), reason, wait_s, is_odd)
    return _give_up(hub, failed) if is_final else _later(hub, failed)


def again(session: Session, hub: Hub, call: ChannelCall) -> None:
    """Have a failed call read once more."""
    call.state, call.failures, call.claims, call.reason, call.look_at = "due", 0, 0, "", hub.clock.now()


def _act(hub: Hub, claim: Claim, channel: Channel, told: Sequence[PlatformEvent]) -> bool:
    for _ in range(TRIES):
        try:
            with hub.database.transaction() as session:
                if not _finish(session, hub, claim, state="done"):
                    return False
                orders.apply(session, hub, channel, told)
                if channel.trouble:
                    end_trouble(session, hub, session.get_one(Channel, channel.id), About.PLUGIN)
                    _recover(session, hub, channel)
            hub.wake()
            return True
        except StaleDataError:  # the watcher was faster: decide again on what is true now
            continue
    raise DatabaseUnavailable("The payment is being settled at this moment; try again.")


def _give_up(hub: Hub, failed: _Failed) -> bool:
    with hub.database.transaction() as session:
        _lose(session, hub, failed, "could not be used")
    return False


def _later(hub: Hub, failed: _Failed) -> bool:
    """Plan another look, or give up."""
    now = hub.clock.now()
    with hub.database.transaction() as session:
        call = session.get_one(ChannelCall, failed.claim.call_id)
        if call.failures >= len(RETRY_S):
            _lose(session, hub, failed, "was given up")
            return False
        is_shown = failed.is_odd or call.failures >= SHOWN_AFTER
        wait_s = max(RETRY_S[call.failures], min(failed.wait_s, 86_400))
        session.execute(
            update(ChannelCall)
            .where(ChannelCall.id == call.id, CALL_DUE, ChannelCall.lease_token == failed.claim.token)
            .values(
                failures=ChannelCall.failures + 1, reason=failed.reason[:REASON_LIMIT], lease_until=now,
                look_at=now + timedelta(seconds=wait_s),
            )
        )
        if is_shown:
            _note(session, hub, failed, f"{failed.name} waits: {failed.reason}", About.READING)
    log.warning("a platform's call waits: %s", failed.reason, extra={"call_id": failed.claim.call_id})
    return False


def _lose(session: Session, hub: Hub, failed: _Failed, fate: str) -> None:
    """Give a call up, and have somebody look at it."""
    if _finish(session, hub, failed.claim, state="failed", reason=failed.reason):
        channel = _note(session, hub, failed, f"{failed.name} {fate}: {failed.reason}", About.LOST)
        _recover(session, hub, channel)


def _recover(session: Session, hub: Hub, channel: Channel) -> None:
    """End the troubles that a call which was read, or given up, has proven to be over."""
    session.flush()
    of_ours = ChannelCall.channel_id == channel.id
    waits = select(ChannelCall.id).where(of_ours, CALL_DUE, ChannelCall.failures > 0).limit(1)
    lost = select(ChannelCall.id).where(of_ours, CALL_ENDED, ChannelCall.state == "failed").limit(1)
    over = [about for about, rows in ((About.READING, waits), (About.LOST, lost)) if session.scalar(rows) is None]
    end_trouble(session, hub, session.get_one(Channel, channel.id), *over)


def _finish(session: Session, hub: Hub, claim: Claim, *, state: str, reason: str = "") -> bool:
    """End a call under its fence; False where another worker has it."""
    done = session.execute(
        update(ChannelCall)
        .where(ChannelCall.id == claim.call_id, CALL_DUE, ChannelCall.lease_token == claim.token)
        .values(state=state, reason=reason[:REASON_LIMIT], done_at=hub.clock.now(), lease_until=hub.clock.now())
        .returning(ChannelCall.id)
    ).scalar_one_or_none()
    return done is not None


def _note(session: Session, hub: Hub, failed: _Failed, sentence: str, about: About) -> Channel:
    channel = session.get_one(Channel, session.get_one(ChannelCall, failed.claim.call_id).channel_id)
    note_trouble(session, hub, channel, f"{sentence} See paywharf channels calls {channel.uid}.", about)
    return channel


def _named(call: ChannelCall, told: Sequence[PlatformEvent]) -> str:
    """Name a call by its number and by what its platform calls it: its delivery id, its orders."""
    orders_told = [one.order_id for one in told if isinstance(one, (OrderPlaced, OrderCanceled))]
    names = [f"delivery {call.delivery_key[3:]}"] if call.delivery_key.startswith("id:") else []
    names += [f"order {one}" for one in orders_told[:NAMED]]
    return f"Call {call.id} ({', '.join(names)})" if names else f"Call {call.id}"


def _request(call: ChannelCall) -> InboundRequest:
    return InboundRequest(
        method=call.method, path=call.path, query=json.loads(call.query), headers=json.loads(call.headers),
        body=call.body, received_at=call.received_at,
    )


def _waiting(session: Session, hub: Hub, *, limit: int, full: Sequence[int] = ()) -> Sequence[tuple[int, int]]:
    """Look for calls of channels that are neither paused nor resting. full: channels that have enough under way."""
    now = hub.clock.now()
    columns = zip((Channel.id, Channel.uid, Channel.adapter), (full, *resting(hub, "parse")), strict=True)
    passed_over = [column.not_in(those) for column, those in columns if those]
    rows = session.execute(
        select(ChannelCall.id, ChannelCall.channel_id)
        .join(Channel, Channel.id == ChannelCall.channel_id)
        .where(CALL_DUE, ChannelCall.look_at <= now, _is_free(now), Channel.paused_at.is_(None), *passed_over)
        .order_by(ChannelCall.look_at, ChannelCall.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(ChannelCall.lease_until <= now, ChannelCall.lease_until > now + FURTHEST)
