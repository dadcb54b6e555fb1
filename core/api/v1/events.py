"""Events: what happened, in order, with a cursor; answered at once or held back until something happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import BoundedSemaphore, Event as Signal

from flask import request
from sqlalchemy import select

from core.api.v1 import cursors
from core.api.v1.door import Call, Reply, operation
from core.api.v1.payments import PaymentView, show
from core.api.v1.schemas.events import EventAnswer, EventList, EventQuery
from core.errors import EventNotFound, InvalidCursor
from core.hub import Hub
from core.models import Event, Payment, Refund
from core.outbox import stream
from core.outbox.bodies import event_body, paid_body
from core.outbox.events import EventType
from core.outbox.stream import Stream

HELD_AT_ONCE = BoundedSemaphore(4)  # half of a web worker's threads: the others go on answering
LOOK_EVERY_S = 0.5
POLL_AFTER_S = 2  # what a server that cannot hold the answer back asks for


@dataclass(frozen=True, slots=True)
class EventView:
    """An event as it is shown."""

    event_id: str
    type: str
    number: int
    note: str
    actor: str
    created_at: datetime
    payment: PaymentView
    webhook_body: str


@operation("GET", "/events", query=EventQuery, answer=EventList, errors=(InvalidCursor,))
def list_events(call: Call) -> Reply:
    """Read events in the order they happened, each exactly once.

    Keep `next_cursor` and go on from it. With `wait`, the answer is held back until there is an event or the time is
    over; a server that cannot hold it answers at once and says in `poll_after_s` when to ask again.
    """
    wanted, begins = call.query, _beginning(call)
    page = _read(call, begins)
    waited = False
    if not page.events and wanted["wait"] and request.environ.get("wsgi.multithread"):
        page, waited = _wait(call, begins, page)
    next_in_s = 0 if page.has_more or waited else POLL_AFTER_S
    return Reply({
        "events": page.events,
        "next_cursor": cursors.encode("e", page.position),
        "has_more": page.has_more,
        "poll_after_s": next_in_s,
    })


@operation("GET", "/events/<event_id>", answer=EventAnswer, errors=(EventNotFound,))
def get_event(call: Call) -> Reply:
    """Read an event."""
    found = call.session.execute(
        select(Event, Payment)
        .join(Payment, Payment.id == Event.payment_id)
        .where(Event.event_id == call.path["event_id"])
    ).one_or_none()
    if found is None or (found[1].project_id, found[1].is_test) != (call.caller.project.id, call.is_test):
        raise EventNotFound
    return Reply({"event": _view(call.hub, *found, stream.refunds_of(call.session, [found]))})


@dataclass(frozen=True, slots=True)
class _Page:
    events: list[EventView]
    position: int
    has_more: bool


def _beginning(call: Call) -> int:
    if "cursor" in call.query:
        return cursors.decode("e", call.query["cursor"], numbers=1)[0]
    if call.query["start"] == "oldest":
        return 0
    _place_all(call)
    with call.hub.database.snapshot() as session:
        return stream.newest(session, _stream(call))


def _read(call: Call, position: int) -> _Page:
    """Read a page, once all that can be on it has a position."""
    limit: int = call.query["limit"]
    with call.hub.database.snapshot() as session:
        rows = stream.after(session, _stream(call), position, limit=limit + 1)
        refunds = stream.refunds_of(session, rows)
        is_whole = len(rows) > limit or not stream.has_unplaced(session, _stream(call))
    if not is_whole:
        _place_all(call)
        with call.hub.database.snapshot() as session:  # the one before does not see what was placed since
            rows = stream.after(session, _stream(call), position, limit=limit + 1)
            refunds = stream.refunds_of(session, rows)
    shown = rows[:limit]
    last = shown[-1][0].position if shown else position
    return _Page([_view(call.hub, *row, refunds) for row in shown], last or position, len(rows) > limit)


def _place_all(call: Call) -> None:
    more = True
    while more:
        with call.hub.database.transaction() as session:
            more = stream.place(session, _stream(call)) == stream.PLACED_AT_ONCE


def _wait(call: Call, position: int, page: _Page) -> tuple[_Page, bool]:
    """Look again and again until there is something; without a free place, do not wait at all."""
    if not HELD_AT_ONCE.acquire(blocking=False):
        return page, False
    try:
        ends_s, pause = call.hub.clock.monotonic() + call.query["wait"], Signal()
        while not page.events and call.hub.clock.monotonic() < ends_s:
            pause.wait(LOOK_EVERY_S)
            page = _read(call, position)
        return page, True
    finally:
        HELD_AT_ONCE.release()


def _stream(call: Call) -> Stream:
    return Stream(call.caller.project.id, call.is_test)


def _webhook_body(happened: Event, payment: Payment, refund: Refund | None) -> bytes:
    return paid_body(payment) if happened.type == EventType.PAID else event_body(payment, happened, refund)


def _view(hub: Hub, happened: Event, payment: Payment, refunds: Mapping[int | None, Refund]) -> EventView:
    return EventView(
        event_id=happened.event_id,
        type=happened.type,
        number=happened.number,
        note=happened.note,
        actor=happened.actor,
        created_at=happened.created_at,
        payment=show(hub, payment),
        webhook_body=_webhook_body(happened, payment, refunds.get(happened.refund_id)).decode(),
    )
