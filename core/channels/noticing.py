"""Tells a channel's people what is new: one delivery of the outbox at a time, and what happens meanwhile in the next.

However much happens, a channel is told at most once in `GATHER`. What was told is marked in the delivery's transaction,
so that it is told once; the delivery then has the outbox's patience.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, joinedload

from core.channels import news
from core.channels.adapters import AdapterBroken, adapter_of, asked, is_resting
from core.channels.news import Pile
from core.channels.trouble import About, end_trouble, has_trouble, note_trouble
from core.contract import AdapterError
from core.db import insert_for
from core.desk import Period
from core.errors import GatewayError
from core.hub import Hub
from core.ids import Mode
from core.models import Channel, Delivery, Notice
from core.outbox import stream
from core.outbox.events import CHANNEL_NOTICE
from core.outbox.stream import Stream
from core.projects.service import credential_of

log = logging.getLogger(__name__)

GATHER = timedelta(seconds=20)  # three a minute at most: a tenth of what a chat bears, and soon enough for people
HOOKS = ("has_audience", "digest_due")
LANE = 0  # no payment's: one telling of a channel at a time


def tell_people(hub: Hub) -> int:
    """Owe a telling to each channel whose people have news; returns how many were owed."""
    return sum(tell(hub, channel) for channel in tellers(hub))


def tellers(hub: Hub) -> list[Channel]:
    """List the channels whose people may be told something now."""
    kinds = [name for name, kind in hub.registry.adapters.items() if kind.tells_people]
    if not kinds:
        return []
    with hub.database.snapshot() as session:
        found = session.scalars(
            select(Channel)
            .where(Channel.adapter.in_(kinds), Channel.disconnected_at.is_(None), Channel.paused_at.is_(None))
            .options(joinedload(Channel.project), joinedload(Channel.endpoint))
        ).all()
        return [one for one in found if not is_resting(hub, one, *HOOKS) and _may_tell(session, hub, one)]


def tell(hub: Hub, channel: Channel) -> bool:
    """Owe a telling to a channel's people if they have news."""
    try:
        is_owed = _tell(hub, channel)
        if is_owed:
            hub.wake()
        return is_owed
    except Exception:  # an edge: nobody's news keep another's waiting
        log.exception("a channel's people could not be told", extra={"channel": channel.uid})
        return False


def _tell(hub: Hub, channel: Channel) -> bool:
    """Look for news without a lock, then gather it under one."""
    try:
        adapter = adapter_of(hub, channel, channel.project)
        if not asked(hub, channel, "has_audience", adapter.has_audience, key="it"):
            return False
        period = asked(hub, channel, "digest_due", lambda: adapter.digest_due(hub.clock.now()), key="it")
    except AdapterBroken as err:
        _complain(hub, channel, err.reason)
        return False
    except (AdapterError, GatewayError) as err:
        log.warning("a channel's people could not be told: %s", err, extra={"channel": channel.uid})
        return False
    if channel.trouble:
        _recover(hub, channel)
    with hub.database.snapshot() as session:
        if not _has_news(session, channel, period):
            return False
    with hub.database.transaction() as session:
        row = session.scalars(
            select(Channel)
            .where(Channel.id == channel.id)
            .options(joinedload(Channel.project), joinedload(Channel.endpoint))
            .with_for_update(of=Channel)
        ).one()
        return _may_tell(session, hub, row) and _owe(session, hub, row, period)


def _complain(hub: Hub, channel: Channel, why: str) -> None:
    """Have a plugin's bug seen, once for as long as it lasts: it is asked each second."""
    sentence = f"Its people could not be told: {why}"
    if sentence not in channel.trouble:
        with hub.database.transaction() as session:
            note_trouble(session, hub, session.get_one(Channel, channel.id), sentence, About.PEOPLE)


def _recover(hub: Hub, channel: Channel) -> None:
    with hub.database.snapshot() as session:
        is_over = not has_trouble(session, channel, About.PEOPLE)
    if not is_over:
        with hub.database.transaction() as session:
            end_trouble(session, hub, session.get_one(Channel, channel.id), About.PEOPLE)


def _may_tell(session: Session, hub: Hub, channel: Channel) -> bool:
    """Tell whether the last telling is over, and long enough ago."""
    if not channel.endpoint.enabled:
        return False
    newest = select(func.max(Notice.delivery_id)).where(Notice.channel_id == channel.id)
    last = session.scalar(select(Delivery).where(Delivery.id == newest.scalar_subquery()))
    return last is None or (last.state != "due" and last.created_at <= hub.clock.now() - GATHER)


def _has_news(session: Session, channel: Channel, period: Period | None) -> bool:
    streams = ((of, position) for of, position in _streams(channel))
    return (
        any(_has_events(session, of, position) for of, position in streams)
        or bool(news.of_money(session, channel).count)
        or any(True for _ in news.of_trouble(session, channel))
        or any(True for _ in news.of_remarks(session, channel))
        or any(True for _ in news.of_digest(session, channel, period))
    )


def _has_events(session: Session, of: Stream, position: int | None) -> bool:
    return position is None or stream.has_unplaced(session, of) or stream.newest(session, of) > position


def _owe(session: Session, hub: Hub, channel: Channel, period: Period | None) -> bool:
    """Gather all there is into one delivery; False where nothing of it is to be told."""
    piles = [
        *_payments(session, channel), news.of_money(session, channel), *news.of_trouble(session, channel),
        *news.of_remarks(session, channel), *news.of_digest(session, channel, period),
    ]
    piles = [pile for pile in piles if pile.count]
    if piles:
        _write(session, hub, channel, piles)
    return bool(piles)


def _payments(session: Session, channel: Channel) -> list[Pile]:
    """Read both streams on; the first time from their ends: nobody asked for what was before."""
    found: list[Pile] = []
    reached = []
    for of, position in _streams(channel):
        while stream.place(session, of) == stream.PLACED_AT_ONCE:
            pass
        if position is None:
            reached.append(stream.newest(session, of))
            continue
        piles, there = news.of_payments(session, of, position)
        found += piles
        reached.append(there)
    channel.live_position, channel.test_position = reached
    return found


def _streams(channel: Channel) -> list[tuple[Stream, int | None]]:
    return [
        (Stream(channel.project_id, is_test=False), channel.live_position),
        (Stream(channel.project_id, is_test=True), channel.test_position),
    ]


def _write(session: Session, hub: Hub, channel: Channel, piles: Sequence[Pile]) -> None:
    now, number = hub.clock.now(), hub.ids.event_id()
    body = {"type": CHANNEL_NOTICE, "number": number, "notices": [pile.told() for pile in piles]}
    delivery = Delivery(
        event_id=None, endpoint_id=channel.endpoint_id, message_id=number, type=CHANNEL_NOTICE, lane=LANE,
        credential_id=credential_of(session, channel.project, Mode(channel.project.mode)).id,
        body=json.dumps(body).encode(), next_attempt_at=now, created_at=now,
    )
    session.add(delivery)
    session.flush()
    for pile in piles:
        for key in pile.keys:
            row = {"channel_id": channel.id, "key": key, "kind": pile.kind, "facts": "{}", "created_at": now}
            made = insert_for(session, Notice).values(delivery_id=delivery.id, **row)
            session.execute(made.on_conflict_do_nothing())
    keys = [key for pile in piles for key in pile.keys]
    session.execute(
        update(Notice)
        .where(Notice.channel_id == channel.id, Notice.delivery_id.is_(None), Notice.key.in_(keys))
        .values(delivery_id=delivery.id)
    )
