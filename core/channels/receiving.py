"""A platform's call at the door: authentic, kept once under its delivery id, and answered within a second.

Only a call whose answer must carry the payment's URL is read at once, within a budget; the others are read by a job.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from threading import BoundedSemaphore, Thread
from typing import TypeVar

from sqlalchemy import update
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from core.channels import orders
from core.channels.adapters import AdapterBroken, adapter_of, asked
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
AT_ONCE = 16  # read within a budget at the same time, those that have run over included
TRIES = 3
KEPT_HEADERS = 16 * 1024  # bytes of JSON

# A call is authentic once it is kept: what authenticated it, where that is the secret itself, is not kept with it.
TELLTALE = re.compile(r"authorization|cookie|secret|token|password|api-?key")

Got = TypeVar("Got")
_free = BoundedSemaphore(AT_ONCE)


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
        delivery_id = asked(channel, "verify", lambda: adapter.verify(request))
        is_inline = asked(channel, "answers_inline", lambda: adapter.answers_inline(request))
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


def within_budget(call: Callable[[], Got], *, budget_s: float = BUDGET_S) -> Got:
    """Do something in at most `budget_s`; raises ChannelBusy, and then it may still be going on beside us."""
    if not _free.acquire(blocking=False):
        raise ChannelBusy("Too many orders are being read at once; try again.")
    done: Future[Got] = Future()
    Thread(target=_run, args=(call, done), name="inline", daemon=True).start()
    try:
        return done.result(timeout=budget_s)
    except TimeoutError as err:
        raise ChannelBusy from err


def _run(call: Callable[[], Got], done: Future[Got]) -> None:
    try:
        done.set_result(call())
    except BaseException as err:  # handed to the caller, who alone can judge it
        done.set_exception(err)
    finally:
        _free.release()


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
        told = within_budget(lambda: asked(channel, "parse", lambda: adapter.parse(request)))
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
