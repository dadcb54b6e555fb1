"""A platform's call at the door: authentic, kept once under its delivery id, and answered within a second.

Only a call whose answer must carry the payment's URL is read at once, within a budget; the others are read by a job.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import update
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from core.channels import orders
from core.channels.adapters import AdapterBroken, AdapterHangs, adapter_of, asked
from core.channels.service import get_channel, require_connected
from core.clock import EPOCH
from core.contract import Adapter, AdapterError, InboundRequest, PlatformEvent
from core.db import insert_for
from core.errors import BadPayload, ChannelBusy, ChannelUnavailable, DatabaseUnavailable
from core.hub import Hub
from core.models import Channel, ChannelCall, Payment

KEY_LIMIT = 200
BUDGET_S = 3.0  # of a call that is read at once: shops give up after five seconds, and buyers sooner
HELD = timedelta(seconds=60)  # a call that is read at once is left to whoever reads it
TRIES = 3
KEPT_HEADERS = 16 * 1024  # bytes of JSON

# A call is authentic once it is kept: what authenticated it, where that is the secret itself, is not kept with it.
TELLTALE = re.compile(r"authorization|cookie|secret|token|password|api-?key")


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a call. payments: of a call that was read at once."""

    is_new: bool
    is_read: bool = False
    payments: Sequence[Payment] = field(default_factory=tuple)


def receive(hub: Hub, uid: str, request: InboundRequest) -> Received:
    """Take a platform's call; repeating one changes nothing.

    Raises ChannelNotFound; InvalidSignature; BadPayload; ChannelUnavailable where the plugin is away or paused;
    ChannelBusy where reading took too long; and for a call read at once, what `orders.apply` raises.
    """
    with hub.database.snapshot() as session:
        channel = get_channel(session, uid)
    require_connected(channel)
    adapter = adapter_of(hub, channel, channel.project)
    try:
        delivery_id = asked(hub, channel, "verify", lambda: adapter.verify(request))
        is_inline = asked(hub, channel, "answers_inline", lambda: adapter.answers_inline(request))
    except AdapterError as err:
        raise ChannelUnavailable(err.reason) from err
    if is_inline and channel.paused_at is not None:
        raise ChannelUnavailable("This channel is paused.")
    key = delivery_key(delivery_id, request)
    with hub.database.transaction() as session:
        is_new = _keep(session, hub, channel, key, request, is_held=is_inline)
    if not is_inline:
        return Received(is_new)
    payments = _read_at_once(hub, channel, adapter, key, request)
    return Received(is_new, True, payments)


def delivery_key(delivery_id: str | None, request: InboundRequest) -> str:
    """Name a call by its platform's delivery id; by its own bytes where the platform has none."""
    if delivery_id is not None and 0 < len(delivery_id) <= KEY_LIMIT and delivery_id.isprintable():
        return f"id:{delivery_id}"
    if delivery_id:
        return "sha256:" + sha256(delivery_id.encode("utf-8", "surrogatepass")).hexdigest()
    query = json.dumps(sorted(request.query.items()))
    told = f"{request.method}\n{request.path}\n{query}\n".encode("utf-8", "surrogatepass") + request.body
    return "sha256:" + sha256(told).hexdigest()


def _keep(
    session: Session, hub: Hub, channel: Channel, key: str, request: InboundRequest, *, is_held: bool
) -> bool:
    """Write a call down, unless it was seen before."""
    now = hub.clock.now()
    headers = json.dumps({name: value for name, value in request.headers.items() if not TELLTALE.search(name)})
    if len(headers) > KEPT_HEADERS:
        raise BadPayload("The call's headers are too large.")
    made = insert_for(session, ChannelCall).values(
        channel_id=channel.id, delivery_key=key, method=request.method, path=request.path,
        query=json.dumps(dict(request.query)), headers=headers, body=request.body, received_at=request.received_at,
        state="due", reason="", claims=0, failures=0, look_at=now, lease_token="",
        lease_until=now + HELD if is_held else EPOCH,
    )
    is_new = session.scalar(made.on_conflict_do_nothing().returning(ChannelCall.id)) is not None
    session.execute(update(Channel).where(Channel.id == channel.id).values(heard_at=now))
    return is_new


def _read_at_once(
    hub: Hub, channel: Channel, adapter: Adapter, key: str, request: InboundRequest
) -> Sequence[Payment]:
    try:
        told = asked(hub, channel, "parse", lambda: adapter.parse(request), within_s=BUDGET_S)
    except AdapterHangs as err:
        raise ChannelBusy from err
    except AdapterBroken as err:
        raise ChannelUnavailable(err.reason) from err
    except AdapterError as err:
        if err.permanent:
            raise BadPayload(err.reason) from err
        raise ChannelBusy(err.reason) from err
    return _apply(hub, channel, key, told)


def _apply(hub: Hub, channel: Channel, key: str, told: Sequence[PlatformEvent]) -> Sequence[Payment]:
    for _ in range(TRIES):
        try:
            with hub.database.transaction() as session:
                payments = orders.apply(session, hub, channel, told)
                session.execute(
                    update(ChannelCall)
                    .where(ChannelCall.channel_id == channel.id, ChannelCall.delivery_key == key)
                    .values(state="done", reason="", done_at=hub.clock.now(), lease_until=EPOCH)
                )
            return payments
        except StaleDataError:  # the watcher was faster: decide again on what is true now
            continue
    raise DatabaseUnavailable("The payment is being settled at this moment; try again.")
