"""`Idempotency-Key` as Stripe documents it: one key, one request, one answer, for a day."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from core.api.v1 import admission
from core.clock import ManualClock
from core.hub import Hub
from core.ids import Mode
from core.models import IdempotencyKey, Payment
from core.projects import service
from core.testing.factories import Shop
from core.testing.v1_merchant import V1Client
from tests.api.v1.test_auth import prune_now, refusal

ORDER = {"order_id": "ORDER_1", "amount": "50.00"}


def payments(hub: Hub) -> int:
    with hub.database.snapshot() as session:
        return session.scalar(select(func.count(Payment.id))) or 0


def test_the_first_answer_is_given_again(live: V1Client):
    first = live.post("/payments", ORDER, Idempotency_Key="k1")
    again = live.post("/payments", ORDER, Idempotency_Key="k1")
    without = live.post("/payments", ORDER)

    assert "Idempotent-Replayed" not in first.headers
    assert (again.headers["Idempotent-Replayed"], again.status_code, again.data) == ("true", 201, first.data)
    assert without.status_code == 200
    assert first.headers["X-Request-Id"] != again.headers["X-Request-Id"]


def test_a_key_is_for_one_request(live: V1Client):
    live.post("/payments", ORDER, Idempotency_Key="k1")

    other_body = live.post("/payments", ORDER | {"amount": "51.00"}, Idempotency_Key="k1")
    other_path = live.post("/payments/1/cancel", Idempotency_Key="k1")

    assert refusal(other_body) == refusal(other_path) == (422, "idempotency_key_reused")


def test_each_api_key_has_keys_of_its_own(live: V1Client, test: V1Client, stranger: V1Client):
    answers = [client.post("/payments", ORDER, Idempotency_Key="k1") for client in (live, test, stranger)]

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert len({answer.json["payment"]["payment_id"] for answer in answers}) == 3


def test_a_key_is_kept_for_a_day(hub: Hub, live: V1Client, clock: ManualClock):
    live.post("/payments/1/cancel", Idempotency_Key="k1")
    clock.advance(minutes=24 * 60 - 1)
    prune_now(hub)
    kept = live.post("/payments/1/cancel", Idempotency_Key="k1").headers.get("Idempotent-Replayed")
    clock.advance(minutes=1)
    over = live.post("/payments/1/cancel", Idempotency_Key="k1").headers.get("Idempotent-Replayed")

    assert (kept, over) == ("true", None)


def test_a_refusal_is_an_answer_too(live: V1Client):
    live.post("/payments", ORDER)
    conflict = ORDER | {"amount": "51.00"}

    first, again = (live.post("/payments", conflict, Idempotency_Key="k1") for _ in range(2))

    assert refusal(first) == (409, "order_amount_conflict")
    assert (again.status_code, again.data, again.headers["Idempotent-Replayed"]) == (409, first.data, "true")


def test_what_means_not_now_is_not_kept(hub: Hub, shop: Shop, live: V1Client):
    with hub.database.transaction() as session:
        service.set_mode(service.get_project(session, shop.project_id), Mode.TEST)
    refused = live.post("/payments", ORDER, Idempotency_Key="k1")
    with hub.database.transaction() as session:
        service.set_mode(service.get_project(session, shop.project_id), Mode.LIVE)

    assert refused.status_code == 403
    assert live.post("/payments", ORDER, Idempotency_Key="k1").status_code == 201


def test_what_was_never_begun_is_not_kept(live: V1Client):
    wrong = live.post("/payments", {"order_id": "A"}, Idempotency_Key="k1")

    assert wrong.status_code == 422
    assert live.post("/payments", ORDER, Idempotency_Key="k1").status_code == 201


def test_our_own_bug_is_kept(live: V1Client, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as broken:
        broken.setattr("core.api.v1.payments.open_payment", lambda *_, **__: 1 // 0)
        assert live.post("/payments", ORDER, Idempotency_Key="k1").status_code == 500

    again = live.post("/payments", ORDER, Idempotency_Key="k1")

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (500, "true")


def test_work_and_answer_are_kept_together_or_not_at_all(hub: Hub, live: V1Client, monkeypatch: pytest.MonkeyPatch):
    def die(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(admission, "keep", die)
        broken.setattr(admission, "let_go", die)
        assert live.post("/payments", ORDER, Idempotency_Key="k1").status_code == 500

    assert payments(hub) == 0


def test_a_request_under_way_is_a_conflict_until_its_process_must_be_dead(hub: Hub, live: V1Client, clock: ManualClock):
    live.post("/payments", ORDER, Idempotency_Key="k1")
    with hub.database.transaction() as session:  # as it stands before the answer is there
        session.execute(update(IdempotencyKey).values(http_status=None, answer=None))

    during = live.post("/payments", ORDER, Idempotency_Key="k1")
    clock.advance(seconds=61)
    after = live.post("/payments", ORDER, Idempotency_Key="k1")

    assert refusal(during) == (409, "idempotency_in_flight")
    assert during.headers["Retry-After"] == "1"
    assert (after.status_code, payments(hub)) == (200, 1)


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb"])
def test_a_key_is_short_and_plain(live: V1Client, key: str):
    assert refusal(live.post("/payments", ORDER, Idempotency_Key=key)) == (400, "invalid_idempotency_key")


def test_twenty_racing_requests_with_one_key_do_the_work_once(app: Flask, hub: Hub, live: V1Client):
    def create(_: int) -> tuple[int, str]:
        client = V1Client(app.test_client(), live.key, live.secret, live.now)
        answer = client.post("/payments", ORDER, Idempotency_Key="k1")
        return answer.status_code, answer.json.get("code", "")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(20)))

    assert payments(hub) == 1
    assert set(answers) <= {(201, ""), (409, "idempotency_in_flight")}
    assert (201, "") in answers
