"""Deliveries: bytes, signatures, schedule, leases, caps."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from standardwebhooks import Webhook

from core.errors import EgressFailed
from core.http import Answer
from core.hub import Hub
from core.ids import Mode
from core.models import Attempt, Delivery, Endpoint, Event, Payment
from core.outbox.delivery import LEASE, attempt, claim_due
from core.outbox.history import resend
from core.payments.controls import Scenario, simulate
from core.projects import service
from core.testing.factories import Shop, make_payment, make_shop
from tests.outbox.kit import drain


@pytest.fixture
def shop(hub: Hub) -> Shop:
    return make_shop(hub)


def complete(hub: Hub, shop: Shop, order_id: str = "ORDER_1") -> Payment:
    payment = make_payment(hub, shop, order_id=order_id, mode=Mode.TEST)
    with hub.database.transaction() as session:
        simulate(session, hub, session.get_one(Payment, payment.id), Scenario.COMPLETE)
    return payment


def only_delivery(hub: Hub) -> Delivery:
    with hub.database.snapshot() as session:
        return session.scalars(select(Delivery)).one()


def test_the_body_has_the_contracts_fields_in_the_contracts_order(hub: Hub, shop: Shop):
    payment = complete(hub, shop)

    assert drain(hub) == [True]

    body = json.loads(hub.http.posted[0].body)
    assert list(body) == [
        "payment_id", "app_id", "order_id", "status", "amount", "pay_amount", "currency", "network", "txid",
        "paid_at", "is_test",
    ]
    assert (body["payment_id"], body["app_id"], body["order_id"]) == (payment.payment_id, shop.project_id, "ORDER_1")
    assert (body["status"], body["amount"], body["currency"], body["network"]) == ("paid", "50.00", "USDT", "TRC20")
    assert (body["paid_at"], body["is_test"], body["txid"][:5]) == ("2026-07-01 18:00:00", True, "test_")


def test_x_signature_is_made_with_the_secret_of_the_set_that_created_the_payment(hub: Hub, shop: Shop):
    complete(hub, shop)
    drain(hub)

    posted = hub.http.posted[0]
    expected = hmac.new(shop.keys["test"].secret.encode(), posted.body, hashlib.sha256).hexdigest()
    assert posted.headers["X-Signature"] == expected
    assert posted.headers["Content-Type"] == "application/json"


def test_w9_the_published_standardwebhooks_package_accepts_it_and_refuses_a_flipped_byte(
    hub: Hub, shop: Shop, monkeypatch
):
    complete(hub, shop)
    drain(hub)
    posted = hub.http.posted[0]
    monkeypatch.setattr("standardwebhooks.webhooks.datetime", _FrozenDatetime(hub.clock.now()))
    webhook = Webhook(shop.webhook_secret)

    assert webhook.verify(posted.body, posted.headers)["order_id"] == "ORDER_1"
    with pytest.raises(Exception, match="No matching signature"):
        webhook.verify(posted.body.replace(b"50.00", b"50.01"), posted.headers)


class _FrozenDatetime:
    def __init__(self, now) -> None:
        self._now = now

    def now(self, tz=None):
        return self._now

    def __getattr__(self, name):
        import datetime

        return getattr(datetime.datetime, name)


def test_w1_failures_are_tried_again_after_5_15_and_60_minutes_and_then_the_delivery_has_failed(
    hub: Hub, shop: Shop, clock
):
    complete(hub, shop)
    hub.http.answer = lambda _: Answer(500, b"broken", 5)
    waits = []

    for _ in range(4):
        drain(hub)
        delivery = only_delivery(hub)
        waits.append(int((delivery.next_attempt_at - clock.now()).total_seconds()))
        clock.advance(seconds=max(waits[-1], 0))

    assert waits[:3] == [300, 900, 3600]
    assert (delivery.state, delivery.failures, delivery.last_error) == ("failed", 4, "HTTP 500")
    assert drain(hub) == []
    assert len({(posted.body, posted.headers["webhook-id"]) for posted in hub.http.posted}) == 1


@pytest.mark.parametrize("status", [199, 300, 301, 302, 304, 400, 404, 410, 500])
def test_w3_only_2xx_is_success(hub: Hub, shop: Shop, status: int):
    complete(hub, shop)
    hub.http.answer = lambda _: Answer(status, b"", 5)

    assert (drain(hub), only_delivery(hub).state) == ([False], "due")


def test_an_unreachable_receiver_is_recorded_with_its_reason(hub: Hub, shop: Shop):
    complete(hub, shop)
    hub.http.answer = lambda _: EgressFailed("The connection was refused.")

    drain(hub)

    with hub.database.snapshot() as session:
        tried = session.scalars(select(Attempt)).one()
    assert (tried.http_status, tried.error) == (None, "The connection was refused.")


def test_j5_one_row_is_claimed_by_one_worker(hub: Hub, shop: Shop):
    complete(hub, shop)

    assert [len(claim_due(hub)), len(claim_due(hub))] == [1, 0]


def test_j7_a_claim_lost_in_a_crash_is_found_again_after_its_lease_without_using_up_a_retry(
    hub: Hub, shop: Shop, clock
):
    complete(hub, shop)
    claim_due(hub)
    clock.advance(seconds=LEASE.total_seconds() + 1)

    assert drain(hub) == [True]
    assert (only_delivery(hub).attempts, only_delivery(hub).failures) == (2, 0)


def test_j6_a_worker_that_lost_its_lease_writes_nothing(hub: Hub, shop: Shop, clock):
    complete(hub, shop)
    slow = claim_due(hub)[0]
    clock.advance(seconds=LEASE.total_seconds() + 1)
    drain(hub)

    assert attempt(hub, slow) is False
    with hub.database.snapshot() as session:
        assert len(session.scalars(select(Attempt)).all()) == 1


def test_j15_a_lease_from_a_clock_that_was_set_back_does_not_block(hub: Hub, shop: Shop, clock):
    complete(hub, shop)
    with hub.database.transaction() as session:
        session.execute(update(Delivery).values(lease_until=clock.now() + timedelta(days=1), lease_token="old"))

    assert drain(hub) == [True]


def test_w11_an_endpoint_has_at_most_two_deliveries_in_flight(hub: Hub, shop: Shop):
    for number in range(5):
        complete(hub, shop, f"O{number}")
    other = make_shop(hub, website="https://other.example.net", webhook_url="https://hooks.example.net/x")
    complete(hub, other, "OTHER")

    first, second = claim_due(hub), claim_due(hub)

    assert (len(first), len(second)) == (3, 0)


def test_w5_a_resend_keeps_event_id_and_bytes(hub: Hub, shop: Shop, clock):
    complete(hub, shop)
    drain(hub)
    with hub.database.transaction() as session:
        resend(session, session.scalars(select(Delivery)).one(), now=clock.now())

    drain(hub)

    first, second = hub.http.posted
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])


def test_w7_both_webhook_secrets_sign_during_a_rotation(hub: Hub, shop: Shop):
    with hub.database.transaction() as session:
        service.rotate_webhook_secret(session, hub, service.get_project(session, shop.project_id))
    complete(hub, shop)

    drain(hub)

    assert hub.http.posted[0].headers["webhook-signature"].count("v1,") == 2


def test_a_project_without_webhook_url_is_owed_nothing(hub: Hub):
    shop = make_shop(hub, webhook_url=None)
    complete(hub, shop)

    with hub.database.snapshot() as session:
        assert session.scalars(select(Delivery)).all() == []
        assert session.scalars(select(Event.type).order_by(Event.number)).all() == ["payment.created", "payment.paid"]


def test_secrets_are_sealed_at_rest(hub: Hub, shop: Shop):
    with hub.database.snapshot() as session:
        stored = session.scalars(select(Endpoint)).one().secret

    assert shop.webhook_secret.encode() not in stored
    assert stored.startswith(b"v1:t1:")
