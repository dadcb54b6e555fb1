"""Signed requests: each counts once, for five minutes, for exactly its words; and only so many in a minute."""

from __future__ import annotations

from dataclasses import replace

from flask import Flask
from sqlalchemy import func, select

from core.api.v1.admission import BURST, has_old, prune
from core.clock import ManualClock
from core.hub import Hub
from core.ids import Mode
from core.models import RequestNonce
from core.projects import service
from core.signing import hmac_hex, matches_request, request_signature, request_text
from core.testing.factories import Shop
from core.testing.merchant import MerchantClient
from core.testing.v1_merchant import V1Client, sign

LIST = "/api/v1/payments"


def refusal(answer) -> tuple[int, str]:
    assert answer.json["ok"] is False and answer.json["error"]
    assert answer.headers["X-Request-Id"].startswith("req_")
    return answer.status_code, answer.json["code"]


def test_a_signed_request_is_answered(live: V1Client):
    answer = live.get("/payments")

    assert (answer.status_code, answer.json) == (200, {"ok": True, "payments": [], "next_cursor": None})
    assert answer.headers["X-Request-Id"].startswith("req_")
    assert answer.headers["Cache-Control"] == "no-store"


def test_our_signature_is_the_documented_one():
    words = {"timestamp": "1782928800", "nonce": "n" * 16, "method": "POST", "target": "/api/v1/x?a=%20", "body": b"{}"}

    ours = request_signature("sk_live_x", request_text(**words))

    assert ours == sign("sk_live_x", **words)
    assert matches_request("v1=" + ours[3:].upper(), "sk_live_x", request_text(**words))


def test_the_same_request_counts_once(live: V1Client):  # A6
    signed = live.headers("GET", LIST, b"")

    first, again = (live.client.get(LIST, headers=signed) for _ in range(2))

    assert (first.status_code, refusal(again)) == (200, (401, "nonce_used"))


def test_a_nonce_is_one_keys_own(live: V1Client, test: V1Client):
    answers = [client.get("/payments", X_Nonce="n" * 16) for client in (live, test)]

    assert [answer.json["code"] for answer in answers] == ["invalid_signature"] * 2  # signed with another nonce


def test_a_signature_is_for_one_method_path_and_query(live: V1Client):  # A6
    others = (
        ("GET", "/api/v1/payments/1"), ("GET", "/api/v1/payments?limit=1"), ("POST", "/api/v1/payments"),
        ("GET", "/api/v1/%70ayments"),
    )
    signed = live.headers("GET", LIST, b"")
    answers = [live.client.open(target, method=method, headers=signed) for method, target in others]

    assert [refusal(answer) for answer in answers] == [(401, "invalid_signature")] * 4


def test_a_signature_covers_the_body(live: V1Client):
    signed = live.headers("POST", LIST, b'{"order_id": "A", "amount": "1"}')
    other = b'{"order_id": "A", "amount": "2"}'

    answer = live.client.post(LIST, data=other, headers=signed, content_type="application/json")

    assert refusal(answer) == (401, "invalid_signature")


def test_a_signature_lives_five_minutes(live: V1Client, clock: ManualClock):
    def signed_off_by(seconds: int) -> V1Client:
        return replace(live, now=lambda: int(clock.now().timestamp()) + seconds)

    answers = [signed_off_by(seconds).get("/payments") for seconds in (-301, -300, 300, 301)]

    assert [answer.status_code for answer in answers] == [401, 200, 200, 401]
    assert refusal(answers[0]) == (401, "invalid_timestamp")
    assert "Here it is 1782928800." in answers[0].json["error"]


BAD_HEADERS = (
    ("X-API-Key", "pk_live_nobody", "invalid_api_key"), ("X-API-Key", "", "invalid_api_key"),
    ("X-API-Key", "pk_é", "invalid_api_key"),
    ("X-Timestamp", "", "invalid_timestamp"), ("X-Timestamp", "1782928800.0", "invalid_timestamp"),
    ("X-Timestamp", "1782928800000", "invalid_timestamp"), ("X-Timestamp", "+178292880", "invalid_timestamp"),
    ("X-Nonce", "", "invalid_nonce"), ("X-Nonce", "short", "invalid_nonce"), ("X-Nonce", "n" * 65, "invalid_nonce"),
    ("X-Nonce", "sixteen signs !!", "invalid_nonce"),
    ("X-Signature", "", "invalid_signature"), ("X-Signature", "v1=", "invalid_signature"),
    ("X-Signature", "v1=" + "0" * 128, "invalid_signature"), ("X-Signature", "v1=" + "0" * 127, "invalid_signature"),
    ("X-Signature", "v1=é", "invalid_signature"), ("X-Signature", "zz", "invalid_signature"),
)


def test_bad_headers_are_refused_by_name(live: V1Client):  # P53-P57
    found = {
        (header, value): refusal(live.client.get(LIST, headers=live.headers("GET", LIST, b"") | {header: value}))
        for header, value, _ in BAD_HEADERS
    }

    assert found == {(header, value): (401, code) for header, value, code in BAD_HEADERS}


def test_every_header_is_given_exactly_once(live: V1Client):
    signed = live.headers("GET", LIST, b"")
    codes = {}
    for name in signed:
        twice = [*signed.items(), (name, signed[name])]
        codes[name] = refusal(live.client.get(LIST, headers=twice))[1]

    assert codes == {
        "X-API-Key": "invalid_api_key", "X-Timestamp": "invalid_timestamp", "X-Nonce": "invalid_nonce",
        "X-Signature": "invalid_signature",
    }


def test_the_two_apis_signatures_are_no_use_to_each_other(live: V1Client):
    """A v1 request that was captured cannot be sent to the compatible API as a body, nor the other way round."""
    old = MerchantClient(live.client, live.key, live.secret)
    signed = live.headers("GET", LIST, b"")
    text = request_text(
        timestamp=signed["X-Timestamp"], nonce=signed["X-Nonce"], method="GET", target=LIST, body=b""
    )

    as_body = live.client.get(
        "/api/payment-status.php?payment_id=1", data=text,
        headers={"X-API-Key": live.key, "X-Signature": signed["X-Signature"].removeprefix("v1=")},
    )
    body_only = live.client.get(LIST, headers={"X-API-Key": live.key, "X-Signature": old.sign(b"")})

    assert refusal(as_body) == (401, "invalid_signature")
    assert refusal(body_only)[0] == 401  # A4, A6
    assert not matches_request(f"v1={hmac_hex(live.secret, text)}", live.secret, text)


def test_a_test_key_with_the_live_secret_is_refused(live: V1Client, test: V1Client):  # A3
    assert refusal(replace(test, secret=live.secret).get("/payments")) == (401, "invalid_signature")


def test_both_secrets_are_valid_during_a_rotation(hub: Hub, shop: Shop, live: V1Client, clock: ManualClock):  # A12
    with hub.database.transaction() as session:
        issued = service.rotate_key(session, hub, service.get_project(session, shop.project_id), Mode.LIVE)
    rotated = replace(live, secret=issued.secret)

    during = [client.get("/payments").status_code for client in (live, rotated)]
    clock.advance(minutes=24 * 60 + 1)
    after = [client.get("/payments").status_code for client in (live, rotated)]

    assert (during, after) == ([200, 200], [401, 200])


def test_a_key_has_a_rate_of_its_own(live: V1Client, test: V1Client, clock: ManualClock):  # A13
    until_refused = [live.get("/payments").status_code for _ in range(BURST)]
    refused = live.get("/payments")
    other = test.get("/payments").status_code
    clock.advance(seconds=1)
    later = [live.get("/payments").status_code for _ in range(11)]

    assert set(until_refused) == {200}
    assert refusal(refused) == (429, "rate_limited")
    assert refused.headers["Retry-After"] == "1"
    assert other == 200
    assert later == [200] * 10 + [429]  # 600 a minute


def test_whoever_cannot_sign_uses_up_nobodys_rate(live: V1Client, hub: Hub):
    forged = replace(live, secret="sk_live_guess")

    answers = {forged.get("/payments").status_code for _ in range(BURST + 1)}

    assert (answers, live.get("/payments").status_code) == ({401}, 200)
    with hub.database.snapshot() as session:
        assert session.scalar(select(func.count()).select_from(RequestNonce)) == 1


def test_a_hub_may_be_without_limits(app: Flask, hub: Hub, live: V1Client):
    hub.settings = replace(hub.settings, api_rate_per_minute=0)

    assert {live.get("/payments").status_code for _ in range(BURST + 1)} == {200}


def test_old_nonces_are_forgotten_once_they_cannot_be_used(hub: Hub, live: V1Client, clock: ManualClock):
    signed = live.headers("GET", LIST, b"")
    live.client.get(LIST, headers=signed)

    clock.advance(seconds=300)
    kept = prune_now(hub)
    replayed = live.client.get(LIST, headers=signed)
    clock.advance(seconds=301)

    assert (kept, refusal(replayed)) == (0, (401, "nonce_used"))
    assert (prune_now(hub), prune_now(hub)) == (1, 0)
    assert refusal(live.client.get(LIST, headers=signed)) == (401, "invalid_timestamp")


def prune_now(hub: Hub) -> int:
    with hub.database.transaction() as session:
        expected = has_old(session, hub)
        gone = prune(session, hub)
    assert (gone > 0) == expected
    return gone
