"""The compatible API against the contract: fields, formats, sentences, precedence, idempotency."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import func, select

from core.hub import Hub
from core.ids import Mode
from core.models import Payment, Reservation
from core.payments.controls import Scenario, cancel, simulate
from core.projects import service
from core.testing.factories import Shop, make_shop
from core.testing.merchant import MerchantClient

ORDER = {"order_id": "ORDER_12345", "amount": "50.00"}


@pytest.fixture
def shop(hub: Hub) -> Shop:
    return make_shop(hub)


@pytest.fixture
def live(app: Flask, shop: Shop) -> MerchantClient:
    return MerchantClient(app.test_client(), shop.keys["live"].public_key, shop.keys["live"].secret)


@pytest.fixture
def test(app: Flask, shop: Shop) -> MerchantClient:
    return MerchantClient(app.test_client(), shop.keys["test"].public_key, shop.keys["test"].secret)


def change(hub: Hub, shop: Shop, **changes: object) -> None:
    with hub.database.transaction() as session:
        project = service.get_project(session, shop.project_id)
        for name, value in changes.items():
            setattr(project, name, value)


def refusal(answer) -> tuple[int, str, str]:
    assert answer.json["ok"] is False
    assert answer.content_type == "application/json"
    return answer.status_code, answer.json["error"], answer.json["code"]


def test_a_live_payment_is_answered_to_the_letter(live: MerchantClient, shop: Shop):
    answer = live.create(ORDER | {"description": "Two mugs"})

    payment = answer.json["payment"]
    assert answer.status_code == 200
    assert answer.json.keys() == {"ok", "payment"}
    assert answer.json["ok"] is True
    assert list(payment.keys()) and set(payment) == {
        "payment_id", "order_id", "status", "amount", "pay_amount", "currency", "network", "address", "payment_url",
        "expires_at", "is_test",
    }
    assert {key: payment[key] for key in ("order_id", "status", "amount", "currency", "network", "is_test")} == {
        "order_id": "ORDER_12345", "status": "pending", "amount": "50.00", "currency": "USDT", "network": "TRC20",
        "is_test": False,
    }
    assert payment["address"] == shop.address.base58
    assert payment["expires_at"] == "2026-07-01 18:30:00"
    assert re.fullmatch(r"50\.0[01]\d\d00", payment["pay_amount"])
    assert type(payment["payment_id"]) is int and 0 < payment["payment_id"] < 2**31
    assert re.fullmatch(
        rf"https://hub\.example/pay/\?id={payment['payment_id']}&t=[\w-]{{22}}", payment["payment_url"]
    )


def test_a_paid_payment_reads_with_txid_and_paid_at(hub: Hub, test: MerchantClient):
    created = test.create(ORDER).json["payment"]
    with hub.database.transaction() as session:
        payment = session.scalars(select(Payment)).one()
        simulate(session, hub, payment, Scenario.COMPLETE)

    read = test.status(created["payment_id"]).json["payment"]

    assert read.keys() - created.keys() == {"txid", "paid_at"}
    assert (read["status"], read["paid_at"]) == ("paid", "2026-07-01 18:00:00")
    assert read["txid"].startswith("test_")
    assert {key: read[key] for key in created if key != "status"} == {
        key: created[key] for key in created if key != "status"
    }


def test_a_test_payment_needs_no_address_and_shows_the_zero_address(app: Flask, hub: Hub):
    shop = make_shop(hub, with_address=False, mode=Mode.TEST)
    client = MerchantClient(app.test_client(), shop.keys["test"].public_key, shop.keys["test"].secret)

    payment = client.create(ORDER).json["payment"]

    assert (payment["is_test"], payment["address"]) == (True, "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb")
    with hub.database.snapshot() as session:
        assert session.scalar(select(func.count(Reservation.id))) == 0


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [('"50"', "50.00"), ("50", "50.00"), ("50.5", "50.50"), ('"50.100"', "50.100"), ("0.1", "0.10"),
     ('"007.5"', "7.50"), ('"0.000001"', "0.000001"), ('"999999999.999999"', "999999999.999999")],
)
def test_amounts_are_exact_and_echo_the_merchants_decimals(live: MerchantClient, sent: str, echoed: str):
    answer = live.create(b'{"order_id":"A","amount":' + sent.encode() + b"}")

    assert answer.json["payment"]["amount"] == echoed


def test_fixed_sentences_about_keys_and_signatures(live: MerchantClient, test: MerchantClient):
    unknown = MerchantClient(live.client, "pk_live_" + "0" * 24, live.secret)
    crossed = MerchantClient(live.client, test.key, live.secret)

    assert refusal(unknown.create(ORDER)) == (401, "Invalid API key", "invalid_api_key")
    assert refusal(crossed.create(ORDER)) == (401, "Invalid signature", "invalid_signature")  # A3
    assert refusal(live.create(ORDER, X_Signature="é" * 64))[1] == "Invalid signature"  # P54
    assert refusal(live.create(ORDER, X_Signature=""))[1] == "Invalid signature"
    assert refusal(live.client.post("/api/create-payment.php", data=b"{}"))[1] == "Invalid API key"
    assert refusal(live.client.get("/api/payment-status.php?payment_id=1"))[1] == "Invalid API key"


def test_the_signature_covers_the_exact_bytes(live: MerchantClient):
    raw = b'{ "order_id" : "A",\n"amount":"1.00" }'
    signature = live.sign(raw)

    compact = live.create(b'{"order_id":"A","amount":"1.00"}', X_Signature=signature)

    assert (live.create(raw).status_code, compact.status_code) == (200, 401)


def test_upper_case_hex_and_a_prefix_are_accepted(live: MerchantClient):  # P56
    raw = json.dumps(ORDER).encode()

    answers = [
        live.create(raw, X_Signature=live.sign(raw).upper()), live.create(raw, X_Signature="sha256=" + live.sign(raw))
    ]

    assert [answer.status_code for answer in answers] == [200, 200]


def test_two_signature_headers_are_refused(live: MerchantClient):  # P53
    raw = json.dumps(ORDER).encode()
    headers = [("X-API-Key", live.key), ("X-Signature", live.sign(raw)), ("X-Signature", live.sign(raw))]

    answer = live.client.post(
        "/api/create-payment.php", data=raw, headers=headers, content_type="application/json"
    )

    assert refusal(answer)[1] == "Invalid signature"


def test_fixed_sentences_about_the_project(hub: Hub, shop: Shop, live: MerchantClient):
    change(hub, shop, website_url=None, website_host=None)
    no_website = refusal(live.create(ORDER))
    change(hub, shop, mode="test")
    test_mode = refusal(live.create(ORDER))
    change(hub, shop, disabled_at=hub.clock.now())
    disabled = refusal(live.create(b"not even json"))

    assert no_website == (409, "Project website is not configured.", "website_not_configured")
    assert test_mode == (
        403,
        "Project is currently in Test mode. Use test API credentials or switch project to Live mode.",
        "project_in_test_mode",
    )
    assert disabled == (403, "Project is disabled.", "project_disabled")


def test_disabled_and_test_mode_never_block_reading(hub: Hub, shop: Shop, live: MerchantClient):
    payment_id = live.create(ORDER).json["payment"]["payment_id"]
    change(hub, shop, mode="test", disabled_at=hub.clock.now())

    assert live.status(payment_id).json["payment"]["payment_id"] == payment_id


def test_a_test_key_keeps_working_in_live_mode(test: MerchantClient):
    assert test.create(ORDER).json["payment"]["is_test"] is True


@pytest.mark.parametrize("amount", ["0", "0.00", "-5", "-0.01"])
def test_the_fixed_sentence_about_amounts(live: MerchantClient, amount: str):
    answer = live.create({"order_id": "A", "amount": amount})

    assert refusal(answer) == (422, "Amount must be greater than zero", "amount_not_positive")


def test_fixed_sentences_about_return_urls(live: MerchantClient):
    foreign = "https://evil.example.org/ok"

    success = refusal(live.create(ORDER | {"success_url": foreign}))
    fail = refusal(live.create(ORDER | {"fail_url": foreign}))
    kept = live.create(ORDER | {"success_url": "https://www.shop.example.com/ok", "fail_url": ""})

    assert success == (422, "Success URL domain does not match project website.", "success_url_mismatch")
    assert fail == (422, "Fail URL domain does not match project website.", "fail_url_mismatch")
    assert kept.status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"null", 400), (b"[1]", 400), (b'"x"', 400), (b"{", 400), (b"{}x", 400), (b"\xff", 400),
        (b'\xef\xbb\xbf{"order_id":"A","amount":"1"}', 400),
        ('{"order_id":"A","amount":"1"}'.encode("utf-16"), 400),
        (b'{"order_id":"A","order_id":"B","amount":"1"}', 400),
        (b'{"order_id":"A","amount":NaN}', 400),
        (b'{"order_id":"A","amount":Infinity}', 400),
        (b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}", 400),
        (b'{"order_id":"A\\u0000","amount":"1"}', 400),
        (b'{"order_id":"A","amount":"50\\u0000"}', 400),
        (b'{"order_id":"\\ud800","amount":"1"}', 400),
        (b'{"order_id":"A","amount":1e3}', 422), (b'{"order_id":"A","amount":"1e3"}', 422),
        (b'{"order_id":"A","amount":1e400}', 422), (b'{"order_id":"A","amount":' + b"9" * 5000 + b"}", 422),
        ('{"order_id":"A","amount":"５０"}'.encode(), 422), ('{"order_id":"A","amount":"٥٠"}'.encode(), 422),
        (b'{"order_id":"A","amount":"0.0000001"}', 422), (b'{"order_id":"A","amount":" 50 "}', 422),
        (b'{"order_id":"A","amount":true}', 422), (b'{"order_id":"A","amount":null}', 422),
        (b'{"order_id":"A","amount":[]}', 422), (b'{"order_id":"A","amount":{}}', 422), (b'{"order_id":"A"}', 422),
        (b'{"amount":"1"}', 422), (b'{"order_id":"","amount":"1"}', 422), (b'{"order_id":[],"amount":"1"}', 422),
        (b'{"order_id":"' + b"x" * 65 + b'","amount":"1"}', 422), (b'{"order_id":true,"amount":"1"}', 422),
        (b'{"order_id":"A","amount":"1","description":5}', 422),
        (b'{"order_id":"A","amount":"1","currency":"EUR"}', 422),
        (b'{"order_id":"A","amount":"1","success_url":5}', 422),
        (b'{"order_id":"A","amount":"1","success_url":"https://[evil"}', 422),
        (b'{"order_id":"A","amount":"1","success_url":"javascript:alert(1)"}', 422),
    ],
)
def test_malformed_bodies_get_a_clear_4xx(live: MerchantClient, body: bytes, status: int):
    answer = live.create(body)

    assert (answer.status_code, answer.json["ok"]) == (status, False)
    assert answer.json["error"] and answer.json["code"]


def test_a_body_past_64_kib_is_refused_before_its_signature(live: MerchantClient):  # P51
    answer = live.create(b" " * 65_537, X_Signature="00")

    assert refusal(answer)[0::2] == (413, "body_too_large")


def test_a_chunked_body_is_read(live: MerchantClient):  # P52
    raw = json.dumps(ORDER).encode()
    answer = live.client.post(
        "/api/create-payment.php",
        headers={"X-API-Key": live.key, "X-Signature": live.sign(raw), "Transfer-Encoding": "chunked"},
        content_type="application/json; charset=utf-16",  # P49: the bytes decide
        environ_overrides={"wsgi.input": __import__("io").BytesIO(raw), "wsgi.input_terminated": True},
    )

    assert answer.status_code == 200


def test_other_content_types_and_encodings_are_refused(live: MerchantClient):  # P49, P50
    raw = json.dumps(ORDER).encode()
    signed = {"X-API-Key": live.key, "X-Signature": live.sign(raw)}

    form = live.client.post("/api/create-payment.php", data=raw, headers=signed, content_type="text/plain")
    gzip = live.create(raw, Content_Encoding="gzip")

    assert (form.status_code, gzip.status_code) == (415, 415)


def test_a_foreign_and_a_missing_payment_read_the_same(app: Flask, hub: Hub, live: MerchantClient):  # A5, P58, P59
    other = make_shop(hub, website="https://other.example.net", webhook_url=None)
    stranger = MerchantClient(app.test_client(), other.keys["live"].public_key, other.keys["live"].secret)
    payment_id = live.create(ORDER).json["payment"]["payment_id"]

    answers = {
        stranger.status(asked).data
        for asked in (payment_id, 1, 2**31, 2**63, "9" * 20, "５", "1_0", " 7 ", "-1", "0", "abc", "")
    }

    assert len(answers) == 1
    assert stranger.status(payment_id).status_code == 404


def test_payment_id_is_given_exactly_once(live: MerchantClient):  # P60
    signed = {"X-API-Key": live.key, "X-Signature": live.sign(b"")}

    missing = live.client.get("/api/payment-status.php", headers=signed)
    twice = live.client.get("/api/payment-status.php?payment_id=1&payment_id=1", headers=signed)

    assert (missing.status_code, twice.status_code) == (400, 400)


def test_other_paths_and_methods_answer_in_the_same_form(live: MerchantClient):
    wrong_method = live.client.get("/api/create-payment.php")

    assert refusal(live.client.get("/api/nothing"))[0] == 404
    assert refusal(wrong_method)[0] == 405
    assert "POST" in wrong_method.headers["Allow"]


def test_the_same_order_is_the_same_payment(live: MerchantClient):
    first = live.create(ORDER).json["payment"]
    again = live.create(ORDER | {"amount": 50, "description": "changed", "success_url": "https://shop.example.com/x"})

    assert (again.status_code, again.json["payment"]) == (200, first)


def test_an_order_number_as_json_integer_is_the_same_order(live: MerchantClient):  # P47
    answers = [live.create({"order_id": order_id, "amount": "1"}) for order_id in (123, "123")]
    ids = {answer.json["payment"]["payment_id"] for answer in answers}

    assert len(ids) == 1


def test_the_same_order_with_another_amount_is_a_conflict(live: MerchantClient):
    live.create(ORDER)

    assert refusal(live.create(ORDER | {"amount": "50.01"}))[0::2] == (409, "order_amount_conflict")


def test_test_and_live_orders_are_two_worlds(live: MerchantClient, test: MerchantClient):  # TN6
    ids = {client.create(ORDER).json["payment"]["payment_id"] for client in (live, test)}

    assert len(ids) == 2


def test_a_canceled_order_may_be_opened_anew_at_another_price(hub: Hub, live: MerchantClient):
    first = live.create(ORDER).json["payment"]
    with hub.database.transaction() as session:
        cancel(session, hub, session.scalars(select(Payment)).one())

    second = live.create(ORDER | {"amount": "49"}).json["payment"]

    assert live.status(first["payment_id"]).json["payment"]["status"] == "failed"
    assert (second["status"], second["payment_id"] != first["payment_id"]) == ("pending", True)


def test_both_secrets_are_valid_during_a_rotation(hub: Hub, shop: Shop, live: MerchantClient, clock):  # A12
    with hub.database.transaction() as session:
        project = service.get_project(session, shop.project_id)
        issued = service.rotate_key(session, hub, project, Mode.LIVE)
    rotated = MerchantClient(live.client, live.key, issued.secret)

    during = [client.create(ORDER).status_code for client in (live, rotated)]
    clock.advance(minutes=24 * 60 + 1)
    after = [client.create(ORDER).status_code for client in (live, rotated)]

    assert (during, after) == ([200, 200], [401, 200])


def test_fifty_racing_creates_of_one_order_make_one_payment(app: Flask, hub: Hub, live: MerchantClient):
    def create(_: int) -> tuple[int, int]:
        client = MerchantClient(app.test_client(), live.key, live.secret)
        answer = client.create(ORDER)
        return answer.status_code, answer.json["payment"]["payment_id"]

    with ThreadPoolExecutor(10) as pool:
        answers = set(pool.map(create, range(50)))

    assert len(answers) == 1
    with hub.database.snapshot() as session:
        assert session.scalar(select(func.count(Payment.id))) == 1
        assert session.scalar(select(func.count(Reservation.id))) == 1


@pytest.mark.slow
def test_five_hundred_racing_creates_of_one_price_get_distinct_amounts(app: Flask, live: MerchantClient):
    def create(number: int) -> str | None:
        client = MerchantClient(app.test_client(), live.key, live.secret)
        answer = client.create({"order_id": f"O{number}", "amount": "9.99"})
        assert answer.status_code in (200, 503), answer.json
        return answer.json["payment"]["pay_amount"] if answer.status_code == 200 else None

    with ThreadPoolExecutor(10) as pool:
        amounts = [amount for amount in pool.map(create, range(500)) if amount]

    assert len(set(amounts)) == len(amounts) == 500
