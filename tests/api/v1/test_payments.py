"""Payments on /api/v1: made, read, listed, canceled, played; each key sees its own and nothing else."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from core.app import create_app
from core.clock import ManualClock
from core.hub import Hub
from core.ids import Mode
from core.projects import service
from core.testing.factories import Shop
from core.testing.merchant import MerchantClient
from core.testing.v1_merchant import V1Client
from tests.api.v1.test_auth import refusal

ORDER = {"order_id": "ORDER_1", "amount": "50.00"}


def made(client: V1Client, number: int, **more: str) -> int:
    return client.post("/payments", {"order_id": f"O-{number}", "amount": "1.00", **more}).json["payment"]["payment_id"]


def listed(client: V1Client, query: str = "") -> list[int]:
    return [payment["payment_id"] for payment in client.get(f"/payments{query}").json["payments"]]


def test_a_payment_is_shown_in_full(live: V1Client, shop: Shop):
    answer = live.post("/payments", ORDER | {"description": "Two mugs", "success_url": "https://shop.example.com/ok"})

    payment = answer.json["payment"]
    assert (answer.status_code, answer.json["ok"]) == (201, True)
    assert re.fullmatch(r"50\.0[01]\d\d00", payment.pop("pay_amount"))
    assert re.fullmatch(r"https://hub\.example/pay/\?id=\d+&t=[\w-]{22}", payment.pop("payment_url"))
    assert 0 < payment.pop("payment_id") < 2**31
    assert payment == {
        "order_id": "ORDER_1", "status": "pending", "state": "pending", "anomaly": "none", "amount": "50.00",
        "price": None,
        "currency": "USDT", "network": "TRC20", "address": shop.address.base58, "description": "Two mugs",
        "success_url": "https://shop.example.com/ok", "fail_url": None, "created_at": "2026-07-01T18:00:00.000Z",
        "expires_at": "2026-07-01T18:30:00.000Z", "paid_at": None, "txid": None, "is_test": False,
    }


def test_null_means_none_where_a_field_is_optional(live: V1Client):
    given = ORDER | {"description": None, "success_url": None, "fail_url": None}

    payment = live.post("/payments", given).json["payment"]

    assert (payment["description"], payment["success_url"], payment["fail_url"]) == ("", None, None)


def test_both_apis_show_one_payment(live: V1Client):
    old = MerchantClient(live.client, live.key, live.secret)
    created = old.create(ORDER).json["payment"]

    again = live.post("/payments", ORDER)

    assert again.status_code == 200  # it was there
    assert again.json["payment"]["payment_id"] == created["payment_id"]
    assert again.json["payment"]["payment_url"] == created["payment_url"]


def test_a_payment_is_found_by_id_and_by_order(live: V1Client):
    created = live.post("/payments", {"order_id": "a/b?c&d=é", "amount": 5}).json["payment"]

    by_id = live.get(f"/payments/{created['payment_id']}").json["payment"]
    by_order = live.get("/payments/by-order?order_id=a%2Fb%3Fc%26d%3D%C3%A9").json["payment"]

    assert by_id == by_order == created


def test_of_an_order_the_newest_payment_is_shown(live: V1Client):
    first = made(live, 1)
    live.post(f"/payments/{first}/cancel")
    second = made(live, 1)

    assert live.get("/payments/by-order?order_id=O-1").json["payment"]["payment_id"] == second
    assert listed(live, "?order_id=O-1") == [second, first]


def test_a_page_ends_with_the_cursor_of_the_next(live: V1Client, clock: ManualClock):
    ids = []
    for number in range(7):
        ids.append(made(live, number))
        clock.advance(seconds=number % 2)  # some were made in the same millisecond
    seen, query = [], "?limit=3"
    for _ in range(3):
        page = live.get(f"/payments{query}").json
        seen.append([payment["payment_id"] for payment in page["payments"]])
        query = f"?limit=3&cursor={page['next_cursor']}"

    newest = ids[::-1]
    assert seen == [newest[:3], newest[3:6], newest[6:]]
    assert page["next_cursor"] is None


def test_pages_stay_whole_while_payments_are_made(live: V1Client, clock: ManualClock):
    ids = [made(live, number) for number in range(4)]
    cursor = live.get("/payments?limit=2").json["next_cursor"]
    clock.advance(seconds=1)
    made(live, 9)

    assert listed(live, f"?limit=2&cursor={cursor}") == [ids[1], ids[0]]


def test_a_list_is_filtered_by_status_and_time(live: V1Client, clock: ManualClock):
    first, second = made(live, 1), made(live, 2)
    clock.advance(seconds=60)
    third = made(live, 3)
    live.post(f"/payments/{second}/cancel")

    assert listed(live, "?status=pending") == [third, first]
    assert listed(live, "?status=failed") == [second]
    assert listed(live, "?status=paid") == []
    assert listed(live, "?created_from=2026-07-01T18:01:00Z") == [third]
    assert listed(live, "?created_to=2026-07-01T20:01:00%2B02:00") == [second, first]


QUERIES = (
    "limit=0", "limit=101", "limit=x", "limit=%D9%A5", "limit=1_0", "limit=-1", "limit=", "limit=1&limit=1",
    "status=lost", "status=", "cursor=x", "cursor=cDox", "cursor=%00", "cursor=" + "A" * 99, "unknown=1", "=1",
    "created_from=yesterday", "created_from=2026-13-01T00:00:00Z", "created_from=2026-07-01", "order_id=",
    "created_from=0001-01-01T00:00:00Z", "created_to=9999-12-31T23:59:59-14:00", "order_id=%E2%80%AE", "order_id=%00",
    "created_from=2026-07-01T00:00:00%00Z",
)


def test_a_query_is_read_strictly(live: V1Client):
    answers = {query: live.get(f"/payments?{query}") for query in QUERIES}

    assert [query for query, answer in answers.items() if refusal(answer)[0] not in (400, 422)] == []


def test_a_foreign_and_a_missing_payment_read_the_same(live: V1Client, test: V1Client, stranger: V1Client):  # TN1
    payment_id = made(live, 1)
    for client in (stranger, test):
        found = {client.get(f"/payments/{asked}").data for asked in (payment_id, 1, 2**31, 2**63, "9" * 20, "x", "1_0")}
        canceled = client.post(f"/payments/{payment_id}/cancel")

        assert len(found) == 1
        assert refusal(canceled) == (404, "payment_not_found")
        assert listed(client) == []
        assert client.get("/payments/by-order?order_id=O-1").data in found
    assert live.get(f"/payments/{payment_id}").json["payment"]["status"] == "pending"


def test_cancel_is_repeatable_and_says_when_it_is_too_late(live: V1Client, test: V1Client):
    payment_id, paid = made(live, 1), made(test, 1)
    test.post(f"/payments/{paid}/simulate", {"scenario": "complete"})

    first, again = (live.post(f"/payments/{payment_id}/cancel") for _ in range(2))

    assert first.json["payment"]["state"] == "canceled"
    assert (first.status_code, again.json) == (200, first.json)
    assert refusal(test.post(f"/payments/{paid}/cancel")) == (409, "payment_closed")


@pytest.mark.parametrize(("scenario", "status"), [
    ("complete", "paid"), ("exact", "paid"), ("fail", "failed"), ("expire", "expired"),
])
def test_a_test_payment_ends_as_told(test: V1Client, scenario: str, status: str):
    payment_id = made(test, 1)

    played = test.post(f"/payments/{payment_id}/simulate", {"scenario": scenario}).json["payment"]

    assert played["status"] == status
    assert (played["txid"] or "").startswith("test_") == (played["paid_at"] is not None) == (status == "paid")


def test_a_live_payment_cannot_be_played(live: V1Client):
    payment_id = made(live, 1)

    assert refusal(live.post(f"/payments/{payment_id}/simulate", {"scenario": "complete"})) == (
        403, "not_a_test_payment"
    )


def test_disabled_and_test_mode_block_creation_only(hub: Hub, shop: Shop, live: V1Client):
    payment_id = made(live, 1)
    with hub.database.transaction() as session:
        project = service.get_project(session, shop.project_id)
        service.set_mode(project, Mode.TEST)

    assert refusal(live.post("/payments", ORDER)) == (403, "project_in_test_mode")
    assert live.get(f"/payments/{payment_id}").status_code == 200
    with hub.database.transaction() as session:
        service.disable(service.get_project(session, shop.project_id), hub)
    assert refusal(live.post("/payments", ORDER)) == (403, "project_disabled")


MALFORMED: tuple[tuple[bytes, int, str], ...] = (
    (b"", 415, "unsupported_media_type"), (b"null", 400, "body_not_object"), (b"[1]", 400, "body_not_object"),
    (b"{", 400, "malformed_json"), (b"\xff", 400, "malformed_json"),
    (b'\xef\xbb\xbf{"order_id":"A","amount":"1"}', 400, "malformed_json"),
    ('{"order_id":"A","amount":"1"}'.encode("utf-16"), 400, "malformed_json"),
    (b'{"order_id":"A","order_id":"B","amount":"1"}', 400, "malformed_json"),
    (b'{"order_id":"A","amount":NaN}', 400, "malformed_json"),
    (b'{"order_id":"A","amount":-Infinity}', 400, "malformed_json"),
    (b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}", 400, "malformed_json"),
    (b'{"order_id":"A\\u0000","amount":"1"}', 400, "malformed_json"),
    (b'{"order_id":"\\ud800","amount":"1"}', 400, "malformed_json"),
    (b'{"order_id":"A","amount":1e3}', 422, "invalid_amount"),
    (b'{"order_id":"A","amount":1e400}', 422, "invalid_amount"),
    (b'{"order_id":"A","amount":' + b"9" * 5000 + b"}", 422, "invalid_amount"),
    (b'{"order_id":"A","amount":0.1234567890123456789}', 422, "too_many_decimals"),
    (b'{"order_id":"A","amount":"0"}', 422, "amount_not_positive"),
    (b'{"order_id":"A","amount":"-5"}', 422, "amount_not_positive"),
    (b'{"order_id":"A","amount":true}', 422, "invalid_amount"),
    (b'{"order_id":"A","amount":[]}', 422, "invalid_amount"),
    (b'{"order_id":"A","amount":null}', 422, "invalid_field"), (b'{"order_id":"A"}', 422, "missing_field"),
    (b'{"amount":"1"}', 422, "missing_field"), (b'{"order_id":"","amount":"1"}', 422, "missing_field"),
    (b'{"order_id":null,"amount":"1"}', 422, "invalid_field"),
    (b'{"order_id":1.5,"amount":"1"}', 422, "invalid_field"),
    ('{"order_id":"e\u0301","amount":"1"}'.encode(), 422, "invalid_field"),
    ('{"order_id":"a\u202eb","amount":"1"}'.encode(), 422, "invalid_field"),
    (b'{"order_id":"' + b"x" * 65 + b'","amount":"1"}', 422, "invalid_field"),
    (b'{"order_id":"A","amount":"1","description":5}', 422, "invalid_field"),
    (b'{"order_id":"A","amount":"1","color":"red"}', 422, "unknown_field"),  # P48
    (b'{"order_id":"A","amount":"1","currency":"EUR"}', 422, "unsupported_currency"),
    (b'{"order_id":"A","amount":"1","currency":5}', 422, "unsupported_currency"),
    (b'{"order_id":"A","amount":"1","success_url":5}', 422, "invalid_url"),
    (b'{"order_id":"A","amount":"1","success_url":"https://[evil"}', 422, "invalid_url"),
    (b'{"order_id":"A","amount":"1","success_url":"https://evil.example.org/"}', 422, "success_url_mismatch"),
    (b'{"order_id":"A","amount":"1","fail_url":"https://example.com@evil.com/"}', 422, "fail_url_mismatch"),
)


def test_every_malformed_body_gets_its_code(live: V1Client):  # P1-P48
    found = {body: refusal(live.post("/payments", body)) for body, _, _ in MALFORMED}

    assert found == {body: (status, code) for body, status, code in MALFORMED}
    assert listed(live) == []


NOT_AMOUNTS = (
    "５０", "٥٠.٠٠", "५०", "1e3", "1E-6", "1_000", " 50 ", "+50", "NaN", "sNaN", "Infinity", ".5", "5.", "0x10",
    "1e999999999", "50\n", "0.0000001", "٫5", "1234567890", "", "²",
)


def test_only_plain_decimals_are_amounts(live: V1Client):  # P1-P25
    found = {amount: refusal(live.post("/payments", {"order_id": "A", "amount": amount}))[0] for amount in NOT_AMOUNTS}

    assert found == dict.fromkeys(NOT_AMOUNTS, 422)


def test_json_numbers_are_kept_exact(live: V1Client):  # P27-P29
    sent = (50, 50.5, 0.1, "007.5")
    answers = [live.post("/payments", {"order_id": f"A{amount}", "amount": amount}) for amount in sent]

    assert [answer.json["payment"]["amount"] for answer in answers] == ["50.00", "50.50", "0.10", "7.50"]


def test_other_content_types_encodings_and_sizes_are_refused(live: V1Client):  # P49-P51
    raw = b'{"order_id": "A", "amount": "1"}'
    signed = live.headers("POST", "/api/v1/payments", raw)

    form = live.client.post("/api/v1/payments", data=raw, headers=signed, content_type="text/plain")

    assert refusal(form) == (415, "unsupported_media_type")
    assert refusal(live.post("/payments", raw, Content_Encoding="gzip")) == (415, "unsupported_media_type")
    assert refusal(live.post("/payments", b" " * 65_537, X_Signature="")) == (413, "body_too_large")


def test_unknown_paths_and_methods_answer_in_the_same_form(live: V1Client):
    wrong_method = live.client.delete("/api/v1/payments")

    assert refusal(live.client.get("/api/v1/nothing")) == (404, "not_found")
    assert refusal(live.client.get("/api/v1/payments/")) == (404, "not_found")
    assert refusal(wrong_method) == (405, "method_not_allowed")
    assert "POST" in wrong_method.headers["Allow"]


def test_our_own_bug_is_a_500_with_a_request_id(hub: Hub, live: V1Client, monkeypatch: pytest.MonkeyPatch, caplog):
    monkeypatch.setattr("core.api.v1.payments.open_payment", lambda *_, **__: 1 // 0)
    app: Flask = create_app(hub=hub)
    client = V1Client(app.test_client(), live.key, live.secret, live.now)

    answer = client.post("/payments", ORDER)

    assert refusal(answer) == (500, "gateway_error")
    assert answer.headers["X-Request-Id"] in caplog.text
