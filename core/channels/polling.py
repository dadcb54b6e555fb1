"""Asks the platforms without webhooks what is new: each channel on its own clock, cursor and findings together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.orm.exc import StaleDataError

from core.channels import orders
from core.channels.adapters import adapter_of, asked
from core.channels.reading import PASSING
from core.channels.trouble import About, end_trouble, note_trouble
from core.contract import AdapterError, PlatformEvent
from core.errors import DatabaseUnavailable, GatewayError
from core.hub import Hub
from core.models import Channel

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=90)  # nobody else asks meanwhile
LONGEST = timedelta(hours=1)  # between tries while a platform fails
LONGEST_OURS = timedelta(minutes=1)  # while the hub itself cannot, for want of a rate: buyers wait
AT_ONCE = 8
TRIES = 3


@dataclass(frozen=True, slots=True)
class Turn:
    """A channel whose platform is ours to ask."""

    channel: Channel
    failures: int


def take_turns(hub: Hub, *, limit: int = AT_ONCE) -> list[Turn]:
    """Take the channels whose platform is due to be asked; each is ours for LEASE."""
    now = hub.clock.now()
    due = (
        select(Channel)
        .where(Channel.poll_at.is_not(None), Channel.poll_at <= now, Channel.paused_at.is_(None))
        .order_by(Channel.poll_at)
        .limit(limit)
        .options(joinedload(Channel.project))
    )
    with hub.database.snapshot() as session:
        found = session.scalars(due).all()
    if not found:
        return []
    with hub.database.transaction() as session:
        taken = {
            one.id for one in found
            if session.execute(
                update(Channel)
                .where(Channel.id == one.id, Channel.poll_at == one.poll_at)
                .values(poll_at=now + LEASE)
                .returning(Channel.id)
            ).scalar_one_or_none() is not None
        }
    return [Turn(one, one.poll_failures) for one in found if one.id in taken]


def ask(hub: Hub, turn: Turn) -> bool:
    """Ask one platform and do what it says; True when that is done."""
    channel = turn.channel
    try:
        adapter = adapter_of(hub, channel, channel.project)
        told, cursor = asked(hub, channel, "poll", lambda: adapter.poll(channel.poll_cursor), key="it")
        _act(hub, channel, told, cursor, adapter.poll_every_s or 60)
    except AdapterError as err:
        _later(hub, turn, f"Its platform could not be asked: {err.reason}", int(err.retry_after_s or 0))
        return False
    except GatewayError as err:
        _later(hub, turn, f"Its orders wait: {err.sentence}", 0, longest=LONGEST_OURS)
        return False
    return True


def _act(
    hub: Hub, channel: Channel, told: Sequence[PlatformEvent], cursor: str | None, every_s: int
) -> None:
    for _ in range(TRIES):
        try:
            with hub.database.transaction() as session:
                row = session.get_one(Channel, channel.id, with_for_update=True)
                if row.poll_cursor != channel.poll_cursor or row.poll_at is None:
                    return  # somebody else has asked meanwhile, or the channel is gone
                refused = _apply_each(session, hub, row, told)
                row.poll_cursor, row.poll_failures = cursor, 0
                row.poll_at = hub.clock.now() + timedelta(seconds=every_s)
                if told:
                    row.heard_at = hub.clock.now()
                end_trouble(session, hub, row, About.PLUGIN, About.POLL)
                if refused:
                    note_trouble(session, hub, row, refused, About.LOST)
            return
        except StaleDataError:  # the watcher was faster: decide again on what is true now
            continue
    raise DatabaseUnavailable("The payment is being settled at this moment; try again.")


def _apply_each(session: Session, hub: Hub, channel: Channel, told: Sequence[PlatformEvent]) -> str:
    """Do what each event says on its own, so that an order that cannot be taken keeps no other waiting.

    Gives the first refusal's sentence.   Raises what passes by itself: then all of it is asked for again.
    """
    refused = ""
    for event in told:
        try:
            with session.begin_nested():
                orders.apply(session, hub, channel, [event])
        except GatewayError as err:
            if err.http_status >= 500 or isinstance(err, PASSING):
                raise
            order_id = getattr(event, "order_id", "(none)")  # what an adapter gives may be no event at all
            refused = refused or f"Order {order_id} could not be taken: {err.sentence}"
    return refused


def _later(hub: Hub, turn: Turn, sentence: str, retry_after_s: int, *, longest: timedelta = LONGEST) -> None:
    wait = min(timedelta(seconds=max(10 * 2 ** min(turn.failures, 10), retry_after_s)), longest)
    with hub.database.transaction() as session:
        row = session.get_one(Channel, turn.channel.id, with_for_update=True)
        if row.poll_at is None:
            return
        row.poll_failures, row.poll_at = row.poll_failures + 1, hub.clock.now() + wait
        note_trouble(session, hub, row, sentence, About.POLL)
