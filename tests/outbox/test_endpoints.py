"""Endpoints: several a project, each with its events, schedule, secret and health (W2, W4, W5, W7)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from core.alarms import standing_alarms
from core.errors import EgressBlocked, EndpointDisabled, InvalidField, NotFound
from core.http import Answer
from core.hub import Hub
from core.models import Attempt, Delivery, Event
from core.outbox import endpoints as service
from core.outbox.endpoints import ENDPOINT_LIMIT, create_endpoint
from core.outbox.events import OPTIONAL_TYPES, EventType
from core.outbox.health import PATIENCE
from core.outbox.history import DeliveryFilter, attempts_of, get_delivery, list_deliveries, replay, resend
from core.outbox.schedule import EXTENDED_S, JITTER_PERMILLE, STANDARD_S, Schedule, next_attempt
from core.payments.controls import Scenario
from core.projects.service import get_project
from core.testing.factories import Shop, make_shop
from core.testing.hubs import START
from tests.outbox.kit import complete, deliveries, drain, endpoints


@pytest.fixture
def shop(hub: Hub) -> Shop:
    return make_shop(hub)


def add(hub: Hub, shop: Shop, *types: str, url: str = "https://extra.example.com/", schedule: str = "standard") -> str:
    with hub.database.transaction() as session:
        project = get_project(session, shop.project_id)
        made = create_endpoint(session, hub, project, url=url, event_types=types or ("*",), schedule=schedule)
        assert made.secret.startswith("whsec_")
        return made.endpoint.uid


def extended(hub: Hub, shop: Shop) -> None:
    """Put the shop's webhook URL on the extended schedule."""
    with hub.database.transaction() as session:
        [endpoint] = service.list_endpoints(session, project_id=shop.project_id)
        service.update_endpoint(session, hub, endpoint, schedule="extended")


def alarms(hub: Hub) -> list[str]:
    with hub.database.snapshot() as session:
        return [alarm.kind for alarm in standing_alarms(session)]


def test_the_webhook_url_is_told_of_paid_alone_and_an_extra_endpoint_of_what_it_asked_for(hub: Hub, shop: Shop):
    add(hub, shop, "payment.expired")
    complete(hub, shop, "A")
    complete(hub, shop, "B", scenario=Scenario.EXPIRE)

    drain(hub)

    told = sorted((posted.url, json.loads(posted.body).get("type")) for posted in hub.http.posted)
    assert told == [("https://extra.example.com/", "payment.expired"), ("https://hooks.example.com/paywharf", None)]


def test_two_endpoints_are_sent_one_event_under_one_id_with_secrets_of_their_own(hub: Hub, shop: Shop):
    add(hub, shop, "payment.paid")
    complete(hub, shop)

    drain(hub)

    first, second = hub.http.posted
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert first.headers["X-Signature"] == second.headers["X-Signature"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_the_body_of_another_event_says_what_happened_and_which_of_the_payments_events_it_is(hub: Hub, shop: Shop):
    add(hub, shop, "payment.expired")
    complete(hub, shop, scenario=Scenario.EXPIRE)
    drain(hub)

    body = json.loads(hub.http.posted[0].body)
    assert {key: body[key] for key in ("status", "txid", "paid_at", "is_test", "type", "sequence")} == {
        "status": "expired", "txid": None, "paid_at": None, "is_test": True, "type": "payment.expired", "sequence": 2,
    }
    assert (body["amount"], body["created_at"]) == ("50.00", "2026-07-01 18:00:00")


def test_every_event_has_an_id_of_its_own(hub: Hub, shop: Shop):
    for number in range(5):
        complete(hub, shop, f"O{number}")

    with hub.database.snapshot() as session:
        ids = session.scalars(select(Event.event_id)).all()
    assert len(set(ids)) == len(ids) == 10


def test_all_types_but_created_can_be_asked_for():
    assert set(OPTIONAL_TYPES) == {kind.value for kind in EventType} - {"payment.created"}


@pytest.mark.parametrize("types", [["payment.created"], ["payment.nonsense"], [], ["*", "payment.paid"]])
def test_unknown_types_are_refused(hub: Hub, shop: Shop, types: list[str]):
    with pytest.raises(InvalidField, match="event_types"), hub.database.transaction() as session:
        create_endpoint(
            session, hub, get_project(session, shop.project_id), url="https://x.example.com/", event_types=types
        )


def test_s41_an_endpoint_cannot_lead_into_our_own_network(hub: Hub, shop: Shop):
    with pytest.raises(EgressBlocked):
        add(hub, shop, url="https://127.0.0.1/")
    assert len(endpoints(hub)) == 1


def test_a_project_has_at_most_ten_endpoints(hub: Hub, shop: Shop):
    for number in range(ENDPOINT_LIMIT - 1):
        add(hub, shop, url=f"https://e{number}.example.com/")
    with pytest.raises(InvalidField, match="at most 10"):
        add(hub, shop)


def test_another_projects_endpoint_is_not_found(hub: Hub, shop: Shop):
    other = make_shop(hub, website="https://other.example.com")
    with hub.database.snapshot() as session, pytest.raises(NotFound):
        service.get_endpoint(session, endpoints(hub)[0].uid, project_id=other.project_id)


def test_a_ping_is_signed_with_the_test_key_and_names_no_payment(hub: Hub, shop: Shop, clock):
    with hub.database.transaction() as session:
        [endpoint] = service.list_endpoints(session, project_id=shop.project_id)
        service.ping(session, hub, endpoint)
        with pytest.raises(InvalidField, match="wait 10 seconds"):
            service.ping(session, hub, endpoint)

    assert drain(hub) == [True]

    [posted] = hub.http.posted
    body = json.loads(posted.body)
    assert (body["type"], body["app_id"], "payment_id" in body) == ("test.ping", shop.project_id, False)
    assert posted.headers["webhook-id"].startswith("evt_")
    clock.advance(seconds=10)
    with hub.database.transaction() as session:
        service.ping(session, hub, service.get_endpoint(session, endpoint.uid))


def test_a_rotated_secret_signs_beside_the_old_one_for_a_day(hub: Hub, shop: Shop, clock):
    with hub.database.transaction() as session:
        [endpoint] = service.list_endpoints(session, project_id=shop.project_id)
        service.rotate_secret(session, hub, endpoint)
    complete(hub, shop, "A")
    drain(hub)
    clock.advance(minutes=24 * 60)
    complete(hub, shop, "B")
    drain(hub)

    assert [posted.headers["webhook-signature"].count("v1,") for posted in hub.http.posted] == [2, 1]


@pytest.mark.parametrize("failures", range(1, 12))
def test_w2_the_extended_schedule_is_that_of_standard_webhooks(failures: int):
    waits = [next_attempt(Schedule.EXTENDED, failures=failures, attempted_at=START, drawn_permille=drawn)
             for drawn in (-JITTER_PERMILLE, 0, JITTER_PERMILLE)]

    if failures > len(EXTENDED_S):
        assert waits == [None, None, None]
        return
    planned = EXTENDED_S[failures - 1]
    assert waits == [START + timedelta(seconds=planned) * share / 10 for share in (9, 10, 11)]
    assert sum(EXTENDED_S) == 75 * 3600 + 35 * 60 + 5


@pytest.mark.parametrize(("asked", "wait"), [("900", 900), ("1", 5), ("99999999", 86_400), ("soon", 5), ("²", 5)])
def test_w2_an_extended_endpoint_is_left_alone_as_long_as_it_asks_but_a_day(hub: Hub, shop: Shop, asked, wait):
    extended(hub, shop)
    complete(hub, shop)
    hub.http.answer = lambda _: Answer(503, b"", 5, {"retry-after": asked})

    drain(hub)

    [row] = deliveries(hub)
    assert wait * 0.9 <= (row.next_attempt_at - START).total_seconds() <= wait * 1.1


def test_w1_no_answer_moves_the_standard_schedule(hub: Hub, shop: Shop):
    complete(hub, shop)
    hub.http.answer = lambda _: Answer(410, b"", 5, {"retry-after": "7200"})

    drain(hub)

    [row] = deliveries(hub)
    assert (row.state, (row.next_attempt_at - START).total_seconds()) == ("due", STANDARD_S[0])
    assert endpoints(hub)[0].enabled


def test_w2_a_gone_receiver_disables_its_extended_endpoint_and_what_it_is_owed_waits_for_a_replay(
    hub: Hub, shop: Shop, clock
):
    extended(hub, shop)
    for number in range(4):
        complete(hub, shop, f"O{number}")
    hub.http.answer = lambda _: Answer(410, b"", 5)
    drain(hub)
    complete(hub, shop, "LATER")

    assert {row.state for row in deliveries(hub)} == {"canceled"}
    assert (alarms(hub), endpoints(hub)[0].disabled_why) == (["endpoint_disabled"], "Its receiver answered 410 Gone.")
    wanted = DeliveryFilter(project_id=shop.project_id, state="canceled")
    hub.http.answer = lambda _: Answer(200, b"", 5)
    with hub.database.transaction() as session:
        assert replay(session, wanted, now=clock.now()) == 0
        service.enable_endpoint(session, hub, service.list_endpoints(session)[0])
        assert replay(session, wanted, now=clock.now()) == 5
    while drain(hub):
        pass
    assert ({row.state for row in deliveries(hub)}, alarms(hub)) == ({"done"}, [])


@pytest.mark.parametrize(("schedule", "enabled"), [("standard", True), ("extended", False)])
def test_w4_five_days_of_failures_raise_an_alarm_and_end_an_extended_endpoint(
    hub: Hub, shop: Shop, clock, schedule: str, enabled: bool
):
    if schedule == "extended":
        extended(hub, shop)
    hub.http.answer = lambda _: Answer(500, b"", 5)
    complete(hub, shop, "A")
    drain(hub)
    assert alarms(hub) == []
    clock.advance(seconds=PATIENCE.total_seconds())
    complete(hub, shop, "B")
    drain(hub)

    assert endpoints(hub)[0].enabled is enabled
    assert alarms(hub) == ["endpoint_failing" if enabled else "endpoint_disabled"]


def test_a_success_ends_the_failing_and_its_alarm(hub: Hub, shop: Shop, clock):
    hub.http.answer = lambda _: Answer(500, b"", 5)
    complete(hub, shop)
    for _ in range(4):
        drain(hub)
        clock.advance(seconds=3600)
    assert (deliveries(hub)[0].state, alarms(hub)) == ("failed", ["endpoint_failing"])
    hub.http.answer = lambda _: Answer(200, b"", 5)
    with hub.database.transaction() as session:
        resend(session, session.scalars(select(Delivery)).one(), now=clock.now())

    assert drain(hub) == [True]

    assert (endpoints(hub)[0].failing_since, alarms(hub)) == (None, [])


def test_nothing_is_resent_to_a_disabled_endpoint(hub: Hub, shop: Shop, clock):
    complete(hub, shop)
    drain(hub)
    with hub.database.transaction() as session:
        service.disable_endpoint(session, hub, service.list_endpoints(session)[0])
    with hub.database.transaction() as session, pytest.raises(EndpointDisabled):
        resend(session, session.scalars(select(Delivery)).one(), now=clock.now())


def test_j14_w5_a_replay_takes_what_its_filter_says_and_keeps_ids_and_bytes(hub: Hub, shop: Shop, clock):
    for name in ("A", "B", "C"):
        complete(hub, shop, name)
        drain(hub)
        clock.advance(minutes=1)
    since, until = START + timedelta(minutes=1), START + timedelta(minutes=2)

    with hub.database.transaction() as session:
        project = shop.project_id
        wanted = DeliveryFilter(project_id=project, state="done", type="payment.paid", since=since, until=until)
        assert replay(session, wanted, now=clock.now()) == 1
        assert replay(session, wanted, now=clock.now()) == 0
    drain(hub)

    again, original = hub.http.posted[3], hub.http.posted[1]
    assert (again.body, again.headers["webhook-id"]) == (original.body, original.headers["webhook-id"])


@pytest.mark.parametrize("wanted", [DeliveryFilter(state="failed"), DeliveryFilter(project_id=1, state="due")])
def test_a_replay_of_everybodys_or_of_what_comes_anyway_is_refused(hub: Hub, wanted: DeliveryFilter):
    with hub.database.transaction() as session, pytest.raises(InvalidField):
        replay(session, wanted, now=hub.clock.now())


def test_the_log_shows_request_answer_and_timing_and_no_secret(hub: Hub, shop: Shop):
    """W3, W12: of the answer the first 2,000 bytes and the headers that help; a cookie is not among them."""
    complete(hub, shop)
    headers = {"content-type": "text/html", "set-cookie": "session=1", "server": "x\x00y" + "z" * 500}
    hub.http.answer = lambda _: Answer(500, b"<b>oops</b>\x00" + b"x" * 5000, 42, headers)
    drain(hub)

    with hub.database.snapshot() as session:
        [row] = list_deliveries(session, DeliveryFilter(project_id=shop.project_id))
        [tried] = attempts_of(session, get_delivery(session, row.id, project_id=shop.project_id))
    assert (tried.number, tried.http_status, tried.elapsed_ms, len(tried.answer_excerpt)) == (1, 500, 42, 1999)
    assert tried.answer_headers == "content-type: text/html\nserver: xy" + "z" * 197
    sent = dict(line.split(": ", 1) for line in tried.sent_headers.splitlines())
    assert sent == dict(hub.http.posted[0].headers)
    secrets = (shop.webhook_secret or "", *(pair.secret for pair in shop.keys.values()))
    assert not any(secret in tried.sent_headers for secret in secrets)


def test_the_list_goes_on_after_a_page_and_shows_no_other_project(hub: Hub, shop: Shop):
    other = make_shop(hub, website="https://other.example.com")
    for number in range(3):
        complete(hub, shop, f"O{number}")
    complete(hub, other, "OTHER")

    with hub.database.snapshot() as session:
        wanted = DeliveryFilter(project_id=shop.project_id, state="due")
        first = list_deliveries(session, wanted, limit=2)
        rest = list_deliveries(session, wanted, before_id=first[-1].id)
        with pytest.raises(NotFound):
            get_delivery(session, first[0].id, project_id=other.project_id)
        assert session.scalars(select(Attempt)).all() == []
    orders = [row.event.payment.order_id for row in (*first, *rest)]
    assert orders == ["O2", "O1", "O0"]
