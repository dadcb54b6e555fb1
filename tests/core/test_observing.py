"""O5: one line for each answer that failed or was slow, with what finds it again and nothing that opens anything."""

from __future__ import annotations

import logging

import pytest
from flask import Flask

from core.app import create_app
from core.clock import ManualClock
from core.hub import Hub
from core.testing.factories import make_payment, make_shop
from core.testing.merchant import MerchantClient

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def app(hub: Hub) -> Flask:
    return create_app(hub=hub)


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "core.observing"]


def test_a_refused_request_is_told_with_its_code_and_key(app: Flask, hub: Hub, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    issued = make_shop(hub).keys["live"]
    merchant = MerchantClient(app.test_client(), issued.public_key, issued.secret)

    answer = merchant.create({"order_id": "A"}, X_Signature="0" * 64)

    [told] = lines(caplog)
    assert (told.method, told.route, told.status, told.code, told.key) == (
        "POST", "/api/create-payment.php", 401, "invalid_signature", issued.public_key,
    )
    assert told.request_id == answer.headers["X-Request-Id"]


def test_what_went_well_is_told_at_debug_only(app: Flask, hub: Hub, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    app.test_client().get("/healthz")
    assert lines(caplog) == []

    caplog.set_level(logging.DEBUG)
    app.test_client().get("/healthz")
    assert [told.status for told in lines(caplog)] == [200]


def test_a_slow_answer_is_told(app: Flask, clock: ManualClock, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    app.add_url_rule("/slow", view_func=lambda: clock.advance(seconds=2) or "")

    app.test_client().get("/slow")

    assert [(told.route, told.elapsed_ms) for told in lines(caplog)] == [("/slow", 2000)]


def test_a_page_is_named_by_its_route_not_by_its_url(app: Flask, hub: Hub, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    payment = make_payment(hub, make_shop(hub))

    app.test_client().get("/pay/", query_string={"id": payment.payment_id, "t": payment.page_token})
    app.test_client().get(f"/nowhere/{payment.page_token}", headers={"X-API-Key": "sk_live_" + "a" * 40})

    assert [told.route for told in lines(caplog)] == ["/pay/", "none"]
    assert payment.page_token not in str([vars(told) for told in lines(caplog)])
    assert lines(caplog)[1].key == ""
