"""The stream of events: every one, once, in order, however it is committed; and their deliveries."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select, update

from core.api.v1 import events as room
from core.clock import ManualClock
from core.errors import EgressFailed
from core.hub import Hub
from core.models import Delivery, Event
from core.outbox import stream
from core.outbox.delivery import attempt, claim_due
from core.outbox.stream import Stream
from core.testing.factories import Shop
from core.testing.v1_merchant import V1Client
from tests.api.v1.test_auth import refusal


def made(client: V1Client, order_id: str) -> int:
    return client.post("/payments", {"order_id": order_id, "amount": "1.00"}).json["payment"]["payment_id"]


def played(client: V1Client, order_id: str) -> int:
    payment_id = made(client, order_id)
    client.post(f"/payments/{payment_id}/simulate", {"scenario": "complete"})
    return payment_id


def seen(page: dict) -> list[tuple[str, str]]:
    return [(event["payment"]["order_id"], event["type"]) for event in page["events"]]


def test_events_come_in_order_and_each_once(test: V1Client):
    played(test, "A")
    first = test.get("/events?limit=1").json
    second = test.get(f"/events?cursor={first['next_cursor']}").json
    made(test, "B")
    third = test.get(f"/events?cursor={second['next_cursor']}").json
    nothing = test.get(f"/events?cursor={third['next_cursor']}").json

    assert (seen(first), first["has_more"], first["poll_after_s"]) == ([("A", "payment.created")], True, 0)
    assert (seen(second), second["has_more"], second["poll_after_s"]) == ([("A", "payment.paid")], False, 2)
    assert seen(third) == [("B", "payment.created")]
    assert (nothing["events"], nothing["next_cursor"]) == ([], third["next_cursor"])


def test_an_event_is_shown_with_its_payment(test: V1Client):
    payment_id = played(test, "A")
    paid = test.get("/events").json["events"][1]

    assert test.get(f"/events/{paid['event_id']}").json["event"] == paid
    assert (paid["number"], paid["type"], paid["created_at"]) == (2, "payment.paid", "2026-07-01T18:00:00.000Z")
    assert paid["payment"] == test.get(f"/payments/{payment_id}").json["payment"]
    assert refusal(test.get("/events/evt_nothing")) == (404, "event_not_found")


def test_reading_may_begin_with_what_comes_next(test: V1Client):
    made(test, "A")
    begun = test.get("/events?start=newest").json
    made(test, "B")

    assert begun["events"] == []
    assert seen(test.get(f"/events?cursor={begun['next_cursor']}").json) == [("B", "payment.created")]


def test_an_event_that_is_committed_late_is_not_missed(hub: Hub, shop: Shop, test: V1Client):
    """On PostgreSQL a smaller id may appear after a greater one was read: as if it had been hidden until now."""
    made(test, "LATE")
    with hub.database.transaction() as session:
        hidden = session.scalars(select(Event)).one()
        hidden.project_id = None
    made(test, "SOON")
    first = test.get("/events").json
    with hub.database.transaction() as session:
        session.execute(update(Event).where(Event.id == hidden.id).values(project_id=shop.project_id))

    assert seen(first) == [("SOON", "payment.created")]
    assert seen(test.get(f"/events?cursor={first['next_cursor']}").json) == [("LATE", "payment.created")]


def test_positions_are_given_once_and_without_a_gap(hub: Hub, shop: Shop, test: V1Client, live: V1Client):
    for number in range(3):
        made(test, f"T{number}")
        made(live, f"L{number}")
    mine = Stream(shop.project_id, True)
    with hub.database.transaction() as session:
        placed = [stream.place(session, mine), stream.place(session, mine)]
        theirs = select(Event.position).where(Event.is_test == mine.is_test).order_by(Event.id)
        positions = session.scalars(theirs).all()

    assert placed == [3, 0]
    assert list(positions) == [1, 2, 3]
    assert len(live.get("/events").json["events"]) == 3


def test_a_threaded_server_holds_the_answer_back(app: Flask, test: V1Client, clock: ManualClock, monkeypatch):
    begun = test.get("/events?start=newest").json
    target = f"/api/v1/events?wait=20&cursor={begun['next_cursor']}"

    class Pause:
        """Time passes, and on the third look there is something."""

        looks = 0

        def wait(self, seconds: float) -> None:
            Pause.looks += 1
            clock.advance(seconds=seconds)
            if Pause.looks == 3:
                made(test, "A")

    monkeypatch.setattr(room, "Signal", Pause)
    threaded = {"wsgi.multithread": True}

    held = test.client.get(target, headers=test.headers("GET", target, b""), environ_overrides=threaded).json
    nothing = f"/api/v1/events?wait=20&cursor={held['next_cursor']}"
    over = test.client.get(nothing, headers=test.headers("GET", nothing, b""), environ_overrides=threaded).json
    at_once = test.client.get(nothing, headers=test.headers("GET", nothing, b"")).json

    assert (seen(held), held["poll_after_s"], Pause.looks) == ([("A", "payment.created")], 0, 3 + 40)
    assert (over["events"], over["poll_after_s"]) == ([], 0)
    assert (at_once["events"], at_once["poll_after_s"]) == ([], 2)


def test_a_server_holds_only_so_many(test: V1Client, monkeypatch: pytest.MonkeyPatch):
    class Full:
        """No place is free."""

        def acquire(self, blocking: bool) -> bool:
            return False

    monkeypatch.setattr(room, "HELD_AT_ONCE", Full())
    target = "/api/v1/events?wait=20"
    threaded = {"wsgi.multithread": True}

    answer = test.client.get(target, headers=test.headers("GET", target, b""), environ_overrides=threaded).json

    assert (answer["events"], answer["poll_after_s"]) == ([], 2)


def deliver(hub: Hub) -> None:
    for claim in claim_due(hub):
        attempt(hub, claim)


def test_a_delivery_shows_what_was_sent_and_what_came_back(hub: Hub, test: V1Client):
    payment_id = played(test, "A")
    hub.http.answer = lambda _: EgressFailed("nobody there")
    deliver(hub)

    listed = test.get("/deliveries").json["deliveries"]
    shown = test.get(f"/deliveries/{listed[0]['delivery_id']}").json["delivery"]

    assert [(one["payment_id"], one["state"], one["last_error"]) for one in listed] == [
        (payment_id, "due", "nobody there")
    ]
    assert listed[0]["next_attempt_at"] == "2026-07-01T18:05:00.000Z"
    assert shown["body"] == hub.http.posted[0].body.decode()
    assert [(one["number"], one["http_status"], one["error"]) for one in shown["tries"]] == [(1, None, "nobody there")]


def test_deliveries_are_sent_again_one_by_one_or_all_that_failed(hub: Hub, test: V1Client, clock: ManualClock):
    for number in range(3):
        played(test, f"A{number}")
        clock.advance(seconds=60)
    with hub.database.transaction() as session:
        session.execute(update(Delivery).values(state="failed"))
    ids = [one["delivery_id"] for one in test.get("/deliveries?state=failed").json["deliveries"]]

    one = test.post(f"/deliveries/{ids[-1]}/resend").json["delivery"]
    some = test.post("/deliveries/resend", {"created_from": "2026-07-01T18:02:00Z"}).json
    rest = test.post("/deliveries/resend", {}).json

    assert (one["state"], one["next_attempt_at"]) == ("due", "2026-07-01T18:03:00.000Z")
    assert (some, rest) == (
        {"ok": True, "resent": 1, "has_more": False}, {"ok": True, "resent": 1, "has_more": False}
    )
    assert test.get("/deliveries?state=failed").json["deliveries"] == []


def test_deliveries_are_listed_in_pages(test: V1Client):
    for number in range(3):
        played(test, f"A{number}")
    first = test.get("/deliveries?limit=2").json
    second = test.get(f"/deliveries?limit=2&cursor={first['next_cursor']}").json

    orders = [[one["order_id"] for one in page["deliveries"]] for page in (first, second)]
    assert (orders, second["next_cursor"]) == ([["A2", "A1"], ["A0"]], None)
