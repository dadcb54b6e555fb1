"""The page's door: who gets in, what forms do, what every answer carries."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.test import TestResponse

from checkout_ui import views
from core.errors import NodeUnavailable
from core.hub import Hub
from core.ids import Mode
from core.models import Payment
from core.testing.factories import make_shop
from tests.checkout_ui import situations
from tests.statements import recorded

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
)
OWN = {"Sec-Fetch-Site": "same-origin"}
HOSTILE = "\"><script>alert(1)</script>{{7*7}}'&"


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def see(client: FlaskClient, payment: Payment, *, path: str = "", **query: str) -> TestResponse:
    given = {"id": str(payment.payment_id), "t": payment.page_token, **query}
    return client.get(f"/pay/{path}", query_string=given)


def send(
    client: FlaskClient, payment: Payment, path: str, *, headers: dict[str, str] = OWN, **form: str
) -> TestResponse:
    given = {"id": str(payment.payment_id), "t": payment.page_token, **form}
    return client.post(f"/pay/{path}", data=given, headers=headers)


def test_the_page_shows_the_exact_amount_and_the_whole_address(client: FlaskClient, hub: Hub):
    payment = situations.make_open(hub)

    answer = see(client, payment)

    text = re.sub(r"<[^>]+>", "", answer.text)
    assert answer.status_code == 200
    assert f"{payment.pay_units.six_places()} USDT" in text
    assert payment.address in text
    assert "Two espresso cups, blue" in text and "ORDER_12345" in text
    assert "Only USDT on TRON (TRC20)." in text


def test_a15_every_wrong_way_in_is_answered_with_the_same_bytes(client: FlaskClient, hub: Hub):
    payment = situations.make_open(hub)
    number, token = payment.payment_id, payment.page_token
    other = situations.make_open(hub, order_id="OTHER", shop=make_shop(hub, website="https://other.example"))
    queries = [
        f"id={number}&t={'x' * 22}", f"id={number}&t=", f"id={number}", f"t={token}", "", f"id={number + 1}&t={token}",
        f"id={number}&t={other.page_token}", f"id={number}&t={token}&t={token}", f"id={number}&id={number}&t={token}",
        f"id=0{number}&t={token}", f"id=%20{number}&t={token}", f"id={2**63}&t={token}", f"id=１&t={token}",
        f"id={number}&t=%ff%00é", f"id={'9' * 5000}&t={token}", f"id=-1&t={token}", f"id={number}&t={token.swapcase()}",
    ]

    answers = [client.get(f"/pay/?{query}") for query in queries]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.data for answer in answers}) == 1
    assert len({str(sorted(answer.headers)) for answer in answers}) == 1
    assert b"Payment not found" in answers[0].data


@pytest.mark.parametrize("path", ["cancel", "simulate", "demo-wallet"])
def test_a15_forms_with_a_wrong_token_change_nothing_and_look_the_same(client: FlaskClient, hub: Hub, path: str):
    payment = situations.make_open(hub, mode=Mode.TEST)

    wrong = send(client, payment, path, t="x" * 22, scenario="complete")
    unknown = send(client, payment, path, id="1", scenario="complete")

    assert (wrong.status_code, wrong.data) == (404, unknown.data)
    assert situations.status_of(hub, payment) == "pending"


@pytest.mark.parametrize("path", ["", "status"])
def test_tn2_every_answer_carries_the_headers(client: FlaskClient, hub: Hub, path: str):
    payment = situations.make_open(hub)

    for answer in (see(client, payment, path=path), see(client, payment, path=path, t="wrong")):
        assert answer.headers["Content-Security-Policy"] == CSP
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_tn2_the_page_holds_no_inline_script_style_or_foreign_address(client: FlaskClient, hub: Hub):
    page = see(client, situations.make_open(hub)).text

    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=", page)
    assert re.findall(r"(?:src|href|action)=\"(?![a-z./-]+(?:\?v=[0-9a-f]{12})?\")[^\"]*", page) == []


def test_tn3_hostile_texts_are_shown_and_stay_inert(client: FlaskClient, hub: Hub):
    payment = situations.make_open(hub, order_id=HOSTILE, description=HOSTILE * 2)

    page = see(client, payment).text

    assert "<script>alert" not in page and "49" not in page.split("<dl>")[1].split("</dl>")[0]
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}&#39;&amp;") == 3


def test_tn4_a_form_of_another_site_is_refused(client: FlaskClient, hub: Hub):
    payment = situations.make_open(hub)
    foreign = [
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"},
        {"Origin": "https://shop.example.com"}, {"Origin": "https://hub.example.evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://hub.example"},
    ]

    answers = [send(client, payment, "cancel", headers=headers) for headers in foreign]

    assert [answer.status_code for answer in answers] == [403] * 6
    assert situations.status_of(hub, payment) == "pending"


@pytest.mark.parametrize(
    "headers", [OWN, {"Origin": "https://hub.example"}, {"Origin": "http://localhost"}, {"Origin": "null"}, {}]
)
def test_tn4_the_page_s_own_form_is_taken_from_every_browser(client: FlaskClient, hub: Hub, headers: dict[str, str]):
    payment = situations.make_open(hub)

    answer = send(client, payment, "cancel", headers=headers)

    assert answer.status_code == 303
    assert situations.status_of(hub, payment) == "canceled"


def test_cancel_leads_back_to_the_page(client: FlaskClient, hub: Hub):
    payment = situations.make_open(hub)

    answer = send(client, payment, "cancel")

    assert answer.headers["Location"] == f"./?id={payment.payment_id}&t={payment.page_token}"
    assert "This payment was canceled" in see(client, payment).text


def test_cancel_is_refused_kindly_once_a_transfer_is_underway(client: FlaskClient, hub: Hub):
    payment = situations.make_open(hub)
    situations.detect(hub, payment)

    answer = send(client, payment, "cancel")

    assert answer.headers["Location"].endswith("&note=transfer_underway")
    assert "it can no longer be canceled" in see(client, payment, note="transfer_underway").text
    assert situations.status_of(hub, payment) == "confirming"


def test_cancel_decides_again_when_the_watcher_was_faster(
    client: FlaskClient, hub: Hub, monkeypatch: pytest.MonkeyPatch
):
    payment = situations.make_open(hub)
    cancel, left = views.controls.cancel, [StaleDataError("moved"), StaleDataError("moved")]

    def lose_twice(*parts: object) -> None:
        if left:
            raise left.pop()
        cancel(*parts)  # type: ignore[arg-type]

    monkeypatch.setattr(views.controls, "cancel", lose_twice)

    assert send(client, payment, "cancel").headers["Location"].endswith(payment.page_token)
    assert situations.status_of(hub, payment) == "canceled"


@pytest.mark.parametrize(("scenario", "status"), [("complete", "paid"), ("fail", "canceled"), ("expire", "expired")])
def test_test_controls_end_a_test_payment_and_wake_the_worker(
    client: FlaskClient, hub: Hub, scenario: str, status: str
):
    payment = situations.make_open(hub, mode=Mode.TEST)
    woken: list[bool] = []
    hub.wake = lambda: woken.append(True)

    answer = send(client, payment, "simulate", scenario=scenario)

    assert answer.status_code == 303
    assert situations.status_of(hub, payment) == status
    assert woken == [True]


def test_tn6_a_live_payment_cannot_be_simulated(client: FlaskClient, hub: Hub):
    payment = situations.make_open(hub)

    answer = send(client, payment, "simulate", scenario="complete")

    assert answer.status_code == 403
    assert "Only a test payment can be simulated." in answer.text
    assert situations.status_of(hub, payment) == "pending"


@pytest.mark.parametrize("scenario", ["", "paid", "COMPLETE", "<script>"])
def test_an_unknown_scenario_is_refused(client: FlaskClient, hub: Hub, scenario: str):
    payment = situations.make_open(hub, mode=Mode.TEST)

    assert send(client, payment, "simulate", scenario=scenario).status_code == 422


def test_a_test_payment_is_labelled_and_has_controls(client: FlaskClient, hub: Hub):
    page = see(client, situations.make_open(hub, mode=Mode.TEST)).text

    assert "[TEST]" in page and "This is a test." in page and 'action="simulate"' in page
    assert "demo-wallet" not in page


def test_the_status_says_what_moves(client: FlaskClient, hub: Hub):
    payment = situations.make_open(hub)
    before = see(client, payment, path="status").json
    situations.detect(hub, payment, confirmations=7)

    after = see(client, payment, path="status").json

    assert before == {
        "ok": True, "state": "waiting", "version": 1, "confirmations": None, "progress_text": None,
        "seconds_left": 1800, "named": "", "poll_ms": 2500,
    }
    assert after["state"] == "detected" and after["version"] > before["version"]
    assert (after["confirmations"], after["progress_text"]) == (7, "7 of 19 confirmations")


def test_the_status_of_a_missing_payment_is_an_error_in_json(client: FlaskClient, hub: Hub):
    payment = situations.make_open(hub)

    wrong, unknown = see(client, payment, path="status", t="x"), see(client, payment, path="status", id="1")

    assert (wrong.status_code, wrong.data) == (404, unknown.data)
    assert json.loads(wrong.data)["code"] == "payment_not_found"


def test_a_view_asks_the_database_once_and_writes_nothing(client: FlaskClient, hub: Hub):
    payment = situations.make_open(hub)
    situations.detect(hub, payment)
    with recorded(hub.database.engine) as seen:
        see(client, payment)

    assert [statement.verb for statement in seen.statements] == ["SELECT"]


@pytest.mark.parametrize("network", ["mainnet", "nile", "shasta", "custom"])
def test_the_demo_wallet_does_not_exist_off_the_devnet(client: FlaskClient, hub: Hub, network: str):
    payment = situations.make_open(hub)
    hub.settings = replace(hub.settings, network=replace(hub.settings.network, name=network))

    answer = send(client, payment, "demo-wallet")

    assert (answer.status_code, answer.data) == (404, see(client, payment, t="wrong").data)


def test_the_demo_wallet_pays_exactly_what_is_asked(
    client: FlaskClient, hub: Hub, monkeypatch: pytest.MonkeyPatch
):
    payment = situations.make_open(hub)
    paid: list[dict[str, object]] = []
    monkeypatch.setattr(views, "pay_from_demo_wallet", lambda network, **sent: paid.append(sent))

    answer = send(client, payment, "demo-wallet")

    assert paid == [{"to": payment.address, "amount": payment.pay_units}]
    assert answer.headers["Location"].endswith("&note=demo_wallet_sent")


@pytest.mark.parametrize(
    ("happened", "note"), [(situations.detect, "transfer_underway"), (situations.cancel, "payment_closed")]
)
def test_the_demo_wallet_does_not_pay_twice(
    client: FlaskClient, hub: Hub, monkeypatch: pytest.MonkeyPatch, happened: Callable[..., None], note: str
):
    payment = situations.make_open(hub)
    happened(hub, payment)
    monkeypatch.setattr(views, "pay_from_demo_wallet", lambda *_, **__: pytest.fail("paid"))

    assert send(client, payment, "demo-wallet").headers["Location"].endswith(f"&note={note}")


def test_the_demo_wallet_says_when_the_devnet_is_away(
    client: FlaskClient, hub: Hub, monkeypatch: pytest.MonkeyPatch
):
    payment = situations.make_open(hub)
    monkeypatch.setattr(views, "pay_from_demo_wallet", _fail_with(NodeUnavailable()))

    assert send(client, payment, "demo-wallet").headers["Location"].endswith("&note=node_unavailable")


def test_style_and_script_may_be_kept_for_ever_under_their_content_s_address(client: FlaskClient, hub: Hub):
    page = see(client, situations.make_open(hub)).text
    addresses = re.findall(r"\"(static/[^\"]+)\"", page)

    answers = [client.get(f"/pay/{address}") for address in addresses]

    assert len(addresses) == 3
    assert {answer.headers["Cache-Control"] for answer in answers} == {"public, max-age=31536000, immutable"}
    assert {answer.headers["X-Content-Type-Options"] for answer in answers} == {"nosniff"}


@pytest.mark.parametrize(
    ("path", "status"),
    [("checkout.css", 200), ("checkout.css?v=old", 200), ("nothing.css", 404), ("..%2fviews.py", 404)],
)
def test_other_static_addresses_are_not_kept(client: FlaskClient, path: str, status: int):
    answer = client.get(f"/pay/static/{path}")

    assert answer.status_code == status
    assert "immutable" not in answer.headers["Cache-Control"]


def test_a_database_that_is_away_is_said_to_a_person(client: FlaskClient, hub: Hub, monkeypatch: pytest.MonkeyPatch):
    payment = situations.make_open(hub)
    monkeypatch.setattr(views, "read_viewed", _fail_with(OperationalError("SELECT", {}, Exception("gone"))))

    answer = see(client, payment)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.mimetype == "text/html" and "gone" not in answer.text


def test_a_bug_is_logged_without_the_token_and_shown_without_details(
    client: FlaskClient, hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    payment = situations.make_open(hub)
    monkeypatch.setattr(views, "read_viewed", _fail_with(KeyError("secret detail")))

    answer = see(client, payment)

    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "checkout.show_page" in caplog.text and payment.page_token not in caplog.text


def test_a_form_that_is_too_large_is_refused(client: FlaskClient, hub: Hub):
    payment = situations.make_open(hub)

    answer = send(client, payment, "cancel", stuffing="x" * 5000)

    assert answer.status_code == 413
    assert situations.status_of(hub, payment) == "pending"


def _fail_with(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail
