"""Prices in fiat on /api/v1: quoted once, shown everywhere, refused with a code that says what to do."""

from __future__ import annotations

import json

import pytest

from core.api.compat import payment_fields
from core.hub import Hub
from core.models import Payment
from core.testing.factories import Shop, know_rates, make_payment
from core.testing.hubs import START
from core.testing.v1_merchant import V1Client
from tests.api.v1.conftest import Chain

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ORDER = {"order_id": "A", "price": {"amount": "49.90", "currency": "EUR"}}
QUOTE = {
    "amount": "49.90", "currency": "EUR", "rate": "0.92", "rate_sources": ["table"],
    "rate_at": "2026-07-01T18:00:00.000Z",
}


@pytest.fixture(autouse=True)
def known(hub: Hub) -> None:
    know_rates(hub, EUR="0.92", JPY="155.2", USD="1")


def test_a_price_becomes_usdt_and_the_quote_is_shown(live: V1Client):
    made, again = live.post("/payments", ORDER), live.post("/payments", ORDER)
    payment = made.json["payment"]

    assert (made.status_code, again.status_code, again.json["payment"]) == (201, 200, payment)
    assert (payment["amount"], payment["currency"], payment["price"]) == ("54.24", "USDT", QUOTE)
    assert payment["pay_amount"].startswith("54.2")
    assert live.get(f"/payments/{payment['payment_id']}").json["payment"]["price"] == QUOTE


def test_a_payment_in_usdt_has_no_price(live: V1Client):
    assert live.post("/payments", {"order_id": "A", "amount": "50.00"}).json["payment"]["price"] is None


def test_an_idempotent_call_is_answered_again_and_a_missing_rate_is_not_kept(live: V1Client, hub: Hub):
    order = {"order_id": "B", "price": {"amount": "5", "currency": "GBP"}}
    refused = live.post("/payments", order, Idempotency_Key="k-1")
    know_rates(hub, GBP="0.79")
    made, again = (live.post("/payments", order, Idempotency_Key="k-1") for _ in range(2))

    assert (refused.status_code, refused.json["code"]) == (503, "rate_unavailable")
    assert refused.headers["Retry-After"] == "60"
    assert (made.status_code, again.json, again.headers["Idempotent-Replayed"]) == (201, made.json, "true")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"price": None}, 422, "invalid_field"), ({"price": "49.90"}, 422, "invalid_field"),
        ({"price": []}, 422, "invalid_field"), ({"price": {}}, 422, "missing_field"),
        ({"price": {"amount": "5"}}, 422, "missing_field"), ({"price": {"currency": "EUR"}}, 422, "missing_field"),
        ({"price": {"amount": "5", "currency": "EUR", "rate": "1"}}, 422, "unknown_field"),
        ({"price": {"amount": "5.999", "currency": "EUR"}}, 422, "too_many_decimals"),
        ({"price": {"amount": "5.0", "currency": "JPY"}}, 422, "too_many_decimals"),
        ({"price": {"amount": "0", "currency": "EUR"}}, 422, "amount_not_positive"),
        ({"price": {"amount": "5", "currency": "DOGE"}}, 422, "unsupported_currency"),
        ({"price": {"amount": ["5"], "currency": "EUR"}}, 422, "invalid_price"),
        ({"price": {"amount": "5", "currency": "SEK"}}, 503, "rate_unavailable"),
        ({"amount": "50.00"}, 422, "invalid_field"), ({"currency": "EUR"}, 422, "unsupported_currency"),
    ],
    ids=str,
)
def test_a_price_that_cannot_be_is_refused_with_its_code(live: V1Client, change, status, code):
    answer = live.post("/payments", ORDER | change)

    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_neither_amount_nor_price_is_a_missing_field(live: V1Client):
    assert live.post("/payments", {"order_id": "A"}).json["error"] == "amount or price is required."
    assert live.post("/payments", ORDER | {"price": {"amount": "5"}}).json["error"] == "price.currency is required."
    assert live.post("/payments", ORDER | {"price": None}).json["error"] == "price must not be null."


def test_a_json_number_is_kept_exact(live: V1Client):
    raw = b'{"order_id": "A", "price": {"amount": 15520, "currency": "JPY"}}'

    assert live.post("/payments", raw).json["payment"]["amount"] == "100.00"


def test_webhooks_carry_the_quote_and_only_of_priced_payments(live: V1Client, chain: Chain, hub: Hub):
    for order_id, order in (("A", ORDER), ("B", {"order_id": "B", "amount": "50.00"})):
        payment = live.post("/payments", order).json["payment"]
        chain.pay(payment["address"], payment["pay_amount"])
        assert live.get(f"/payments/{payment['payment_id']}").json["payment"]["status"] == "paid", order_id

    bodies = [
        json.loads(one["webhook_body"]) for one in live.get("/events?start=oldest").json["events"]
        if one["type"] == "payment.paid"
    ]

    assert [body.get("price") for body in bodies] == [QUOTE | {"rate_at": "2026-07-01 18:00:00"}, None]
    assert "price" not in bodies[1]


def test_the_compatible_api_says_nothing_of_a_price(hub: Hub, shop: Shop):
    payment = make_payment(hub, shop, amount="49.90", currency="EUR")

    assert {name for name in payment_fields(hub, payment) if "price" in name or "rate" in name} == set()


def test_the_rates_that_a_payment_would_get_are_listed(live: V1Client, hub: Hub):
    know_rates(hub, source="peg", USD="1.5")  # two that differ: nobody can tell who is right

    assert live.get("/rates").json["rates"] == [
        {"currency": code, "rate": rate, "rate_sources": ["table"], "rate_at": QUOTE["rate_at"]}
        for code, rate in (("EUR", "0.92"), ("JPY", "155.2"))
    ]


def test_a_quote_is_whole_or_absent(hub: Hub, shop: Shop):
    payment = make_payment(hub, shop, amount="49.90", currency="EUR")

    with pytest.raises(Exception, match="quote"), hub.database.transaction() as session:
        session.get_one(Payment, payment.id).rate = None
    assert payment.rate_at == START
