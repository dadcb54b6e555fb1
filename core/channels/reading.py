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
from core.channels.adapters import adapter_of, asked
from core.channels.service import note_trouble
from core.contract import AdapterError, InboundRequest, PlatformEvent
from core.errors import BadPayload, DatabaseUnavailable, GatewayError, NoReceivingAddress, ProjectDisabled
from core.hub import Hub
from core.models import Channel, ChannelCall
from core.models.channels import CALL_DUE

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


@dataclass(frozen=True, slots=True)
class Claim:
    """A call that is ours until the lease ends; `token` is the fence."""

    call_id: int
    token: str


def has_due_call(hub: Hub) -> bool:
    """Tell whether a call waits, without taking a write lock."""
    with hub.database.snapshot() as session:
        return bool(_waiting(session, now=hub.clock.now(), limit=1))


def claim_calls(hub: Hub, *, limit: int = BATCH) -> list[Claim]:
    """Claim waiting calls, the oldest first, at most CHANNEL_CAP of a channel at once."""
    token, now = hub.ids.lease_token(), hub.clock.now()
    with hub.database.transaction() as session:
        taken = Counter(session.scalars(
            select(ChannelCall.channel_id).where(
                CALL_DUE, ChannelCall.lease_until > now, ChannelCall.lease_until <= now + FURTHEST
            )
        ))
        chosen = list[int]()
        for call_id, channel_id in _waiting(session, now=now, limit=LOOKED_AT):
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
        return _give_up(hub, claim, "Reading this call ended the process each time.")
    try:
        adapter = adapter_of(hub, channel, channel.project)
        told = asked(channel, "parse", lambda: adapter.parse(_request(call)))
        return _act(hub, claim, channel, told)
    except AdapterError as err:
        return _give_up(hub, claim, err.reason) if err.permanent else _later(hub, claim, err.reason, err.retry_after_s)
    except GatewayError as err:
        is_final = isinstance(err, BadPayload) or (err.http_status < 500 and not isinstance(err, PASSING))
        return _give_up(hub, claim, err.sentence) if is_final else _later(hub, claim, err.sentence, None)


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
            hub.wake()
            return True
        except StaleDataError:  # the watcher was faster: decide again on what is true now
            continue
    raise DatabaseUnavailable("The payment is being settled at this moment; try again.")


def _give_up(hub: Hub, claim: Claim, reason: str) -> bool:
    with hub.database.transaction() as session:
        if _finish(session, hub, claim, state="failed", reason=reason):
            _note(session, hub, claim, f"A call could not be used: {reason}")
    return False


def _later(hub: Hub, claim: Claim, reason: str, retry_after_s: float | None) -> bool:
    """Plan another look, or give up."""
    with hub.database.transaction() as session:
        call = session.get_one(ChannelCall, claim.call_id)
        if call.failures >= len(RETRY_S):
            if _finish(session, hub, claim, state="failed", reason=reason):
                _note(session, hub, claim, f"A call was given up: {reason}")
            return False
        wait_s = max(RETRY_S[call.failures], min(int(retry_after_s or 0), 86_400))
        session.execute(
            update(ChannelCall)
            .where(ChannelCall.id == claim.call_id, CALL_DUE, ChannelCall.lease_token == claim.token)
            .values(
                failures=ChannelCall.failures + 1, reason=reason[:REASON_LIMIT], lease_until=hub.clock.now(),
                look_at=hub.clock.now() + timedelta(seconds=wait_s),
            )
        )
    log.warning("a platform's call waits: %s", reason, extra={"call_id": claim.call_id})
    return False


def _finish(session: Session, hub: Hub, claim: Claim, *, state: str, reason: str = "") -> bool:
    """End a call under its fence; False where another worker has it."""
    done = session.execute(
        update(ChannelCall)
        .where(ChannelCall.id == claim.call_id, CALL_DUE, ChannelCall.lease_token == claim.token)
        .values(state=state, reason=reason[:REASON_LIMIT], done_at=hub.clock.now(), lease_until=hub.clock.now())
        .returning(ChannelCall.id)
    ).scalar_one_or_none()
    return done is not None


def _note(session: Session, hub: Hub, claim: Claim, sentence: str) -> None:
    channel_id = session.get_one(ChannelCall, claim.call_id).channel_id
    note_trouble(session, hub, session.get_one(Channel, channel_id), sentence)


def _request(call: ChannelCall) -> InboundRequest:
    return InboundRequest(
        method=call.method, path=call.path, query=json.loads(call.query), headers=json.loads(call.headers),
        body=call.body, received_at=call.received_at,
    )


def _waiting(session: Session, *, now: datetime, limit: int) -> Sequence[tuple[int, int]]:
    rows = session.execute(
        select(ChannelCall.id, ChannelCall.channel_id)
        .join(Channel, Channel.id == ChannelCall.channel_id)
        .where(CALL_DUE, ChannelCall.look_at <= now, _is_free(now), Channel.paused_at.is_(None))
        .order_by(ChannelCall.look_at, ChannelCall.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(ChannelCall.lease_until <= now, ChannelCall.lease_until > now + FURTHEST)
