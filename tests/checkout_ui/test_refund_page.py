"""The refund's link: who gets in, how an address is left, and what is never taken."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from checkout_ui.wording import REFUND_OVER, REFUND_WORDS
from core.hub import Hub
from core.models import Refund
from core.payments import refunds
from core.payments.inbox import By
from core.payments.refund_words import State
from tests.checkout_ui import situations
from tests.checkout_ui.test_views import CSP, OWN

BUYER = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH"
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def token(hub: Hub) -> str:
    return situations.offer_refund(hub)


def see(client: FlaskClient, token: str) -> TestResponse:
    return client.get("/refund/", query_string={"t": token})


def send(client: FlaskClient, path: str, token: str, *, headers: dict[str, str] = OWN, **form: str) -> TestResponse:
    return client.post(f"/refund/{path}", data={"t": token, **form}, headers=headers)


def recipient(hub: Hub) -> str | None:
    with hub.database.snapshot() as session:
        return session.query(Refund).one().recipient


def set_state(hub: Hub, state: State) -> None:
    with hub.database.transaction() as session:
        refund = session.query(Refund).one()
        refund.state, refund.recipient, refund.txid, refund.log_index = state.value, BUYER, "ab" * 32, 0


def test_an_address_is_asked_read_back_and_kept_once(client: FlaskClient, hub: Hub, token: str) -> None:
    asked = see(client, token)
    checked = send(client, "check", token, address=f" {BUYER}\n")
    kept_before = recipient(hub)
    confirmed = send(client, "confirm", token, address=BUYER, read_back=BUYER[-4:])

    assert asked.status_code == 200 and 'action="check"' in asked.text and "ORDER_12345" in asked.text
    assert f'value="{BUYER}"' in checked.text and f"<span>{BUYER[:4]}</span>" in checked.text
    assert (kept_before, recipient(hub)) == (None, BUYER)
    assert (confirmed.status_code, confirmed.headers["Location"]) == (303, f"./?t={token}")
    again = send(client, "confirm", token, address="TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", read_back="Lj6t")
    assert (again.status_code, recipient(hub)) == (409, BUYER)
    assert 'action="check"' not in see(client, token).text


def test_what_was_not_read_back_is_not_kept(client: FlaskClient, hub: Hub, token: str) -> None:
    for read_back in ("", "zzzz", BUYER[-3:], BUYER[-4:].lower(), "é" * 4):
        answer = send(client, "confirm", token, address=BUYER, read_back=read_back)

        assert answer.status_code == 422 and "That is not how the address ends." in answer.text
    assert recipient(hub) is None


def test_a_wrong_address_is_explained_and_never_kept(client: FlaskClient, hub: Hub, token: str) -> None:
    own = situations.watched_address(hub)
    for text in ("", "T" * 34, BUYER[:-1] + "x", own, "\"><script>alert(1)</script>", "T" * 3000):
        checked = send(client, "check", token, address=text)
        confirmed = send(client, "confirm", token, address=text, read_back=text[-4:])

        assert (checked.status_code, confirmed.status_code) == (422, 422)
        assert 'role="alert"' in checked.text and "<script>alert" not in checked.text
    assert recipient(hub) is None


def test_every_state_has_a_page(client: FlaskClient, hub: Hub, token: str) -> None:
    for state in State:
        set_state(hub, state)
        page = see(client, token)

        assert REFUND_WORDS[state].headline in page.text
        assert ("ab" * 32 in page.text) is (state is State.VERIFIED)


def test_a_link_whose_time_is_over_takes_nothing(client: FlaskClient, hub: Hub, token: str) -> None:
    hub.clock.advance(minutes=14 * 24 * 60)  # type: ignore[attr-defined]

    assert REFUND_OVER.headline in see(client, token).text
    assert send(client, "confirm", token, address=BUYER, read_back=BUYER[-4:]).status_code == 409
    assert recipient(hub) is None


def test_every_wrong_way_in_is_answered_with_the_same_bytes(client: FlaskClient, token: str) -> None:
    queries = ["", "t=", f"t={token[:-1]}", f"t={token}x", f"t={token}&t={token}", "t=%00", "t=%ff", f"t={'x' * 5000}"]

    answers = [client.get(f"/refund/?{query}") for query in queries] + [client.get("/refund/nowhere")]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.data for answer in answers[:-1]}) == 1


def test_other_sites_forms_and_large_ones_are_refused(client: FlaskClient, hub: Hub, token: str) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}

    assert send(client, "confirm", token, headers=foreign, address=BUYER, read_back=BUYER[-4:]).status_code == 403
    assert send(client, "check", token, address="x" * 5000).status_code == 413
    assert see(client, token).headers["Content-Security-Policy"] == CSP
    assert recipient(hub) is None


def test_addresses_can_be_tried_only_so_often(client: FlaskClient, token: str) -> None:
    answers = [send(client, "check", token, address="T") for _ in range(21)]

    assert [answer.status_code for answer in answers[-2:]] == [422, 429]


def test_the_payer_is_told_of_a_withdrawn_refund(client: FlaskClient, hub: Hub, token: str) -> None:
    with hub.database.transaction() as session:
        refunds.cancel(session, hub, session.query(Refund).one().id, by=By("cli:anna"))

    assert "This refund was withdrawn" in see(client, token).text
