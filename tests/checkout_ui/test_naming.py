"""The buyer names a transaction on the page: the form, its refusals, and what the page then shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.hub import Hub
from core.ids import Mode
from core.models import Lead, Payment
from core.payments.leads import Finding
from checkout_ui.wording import FOUND
from core.testing.factories import make_shop
from tests.checkout_ui import situations
from tests.checkout_ui.test_views import see, send

TXID = situations.TXID
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def set_finding(hub: Hub, finding: Finding) -> None:
    with hub.database.transaction() as session:
        session.query(Lead).one().finding = finding.value


@pytest.mark.parametrize("end", [None, situations.expire, situations.cancel])
def test_a_page_that_shows_no_money_offers_to_look_for_it(
    client: FlaskClient, hub: Hub, end: Callable[[Hub, Payment], None] | None
) -> None:
    payment = situations.make_open(hub)
    if end:
        end(hub, payment)

    assert "Find my payment" in see(client, payment).text
    page = see(client, payment, path="transaction").text
    assert 'action="transaction"' in page and "http-equiv" not in page


def test_paid_and_test_payments_offer_nothing(client: FlaskClient, hub: Hub) -> None:
    shop = make_shop(hub)
    paid = situations.make_open(hub, shop=shop)
    situations.pay(hub, paid)
    played = situations.make_open(hub, shop=shop, order_id="T", mode=Mode.TEST)

    for payment in (paid, played):
        assert "Find my payment" not in see(client, payment).text
        assert see(client, payment, path="transaction").status_code == 303
        assert send(client, payment, "transaction", txid=TXID).headers["Location"].endswith("note=payment_closed")


def test_a_named_transaction_is_shown_with_what_became_of_it(client: FlaskClient, hub: Hub) -> None:
    payment = situations.make_open(hub)
    situations.expire(hub, payment)

    answer = send(client, payment, "transaction", txid=f"https://tronscan.org/#/transaction/{TXID.upper()}")

    assert (answer.status_code, answer.headers["Location"]) == (
        303, f"./?id={payment.payment_id}&t={payment.page_token}"
    )
    page = see(client, payment).text
    assert FOUND[Finding.ASKED] in page and TXID in page
    assert '<meta http-equiv="refresh" content="5' in page
    assert see(client, payment, path="status").json["poll_ms"] == 2500  # type: ignore[index]


def test_every_finding_has_its_sentence_and_tells_a_live_page(client: FlaskClient, hub: Hub) -> None:
    payment = situations.make_open(hub)
    send(client, payment, "transaction", txid=TXID)
    marks = set()
    for finding in Finding:
        set_finding(hub, finding)
        marks.add(see(client, payment, path="status").json["named"])  # type: ignore[index]

        assert FOUND[finding] in see(client, payment).text
    assert len(marks) == len(Finding)


def test_what_is_no_transaction_id_leads_back_to_the_form(client: FlaskClient, hub: Hub) -> None:
    payment = situations.make_open(hub)
    for text in ("", "x", "<script>alert(1)</script>", TXID + "0", "é" * 64, "\x00" * 64):
        where = send(client, payment, "transaction", txid=text).headers["Location"]

        assert where.startswith("transaction?") and where.endswith("invalid_txid")
    assert "not a transaction id" in see(client, payment, path="transaction", note="invalid_txid").text


def test_too_many_tries_are_said_kindly(client: FlaskClient, hub: Hub) -> None:
    payment = situations.make_open(hub)
    for number in range(5):
        send(client, payment, "transaction", txid=f"{number:064x}")

    assert send(client, payment, "transaction", txid=TXID).headers["Location"].endswith("note=too_many_tries")


def test_a_visitor_is_counted_over_all_pages_where_one_can_be_told(client: FlaskClient, hub: Hub) -> None:
    shop = make_shop(hub)
    payments = [situations.make_open(hub, shop=shop, order_id=f"O{number}") for number in range(11)]

    def last(*addresses: str) -> list[bool]:
        """Name one transaction on each page; tell of the last two whether they were refused."""
        answers = [
            client.post(
                "/pay/transaction", data={"id": payment.payment_id, "t": payment.page_token, "txid": TXID},
                environ_overrides={"REMOTE_ADDR": addresses[number % len(addresses)]},
            )
            for number, payment in enumerate(payments)
        ]
        hub.clock.advance(minutes=6)  # type: ignore[attr-defined]
        return [answer.headers["Location"].endswith("too_many_tries") for answer in answers[-2:]]

    assert last("192.0.2.7") == [False, True]
    assert last("2001:db8::1", "2001:db8::2:3") == [False, True]  # one household
    assert [last(address) for address in ("127.0.0.1", "::1", "")] == [[False, False]] * 3


def test_a_wrong_token_or_a_foreign_form_names_nothing(client: FlaskClient, hub: Hub) -> None:
    payment = situations.make_open(hub)

    assert send(client, payment, "transaction", t="x" * 22, txid=TXID).status_code == 404
    assert send(client, payment, "transaction", headers={"Sec-Fetch-Site": "cross-site"}, txid=TXID).status_code == 403
    assert see(client, payment, path="transaction", t="x" * 22).status_code == 404
    with hub.database.snapshot() as session:
        assert session.query(Lead).count() == 0


def test_who_has_paid_something_is_not_asked_to_pay_in_the_same_breath(client: FlaskClient, hub: Hub) -> None:
    payment = situations.make_open(hub)
    before = see(client, payment).text
    situations.name(hub, payment, Finding.AMOUNT_DIFFERS)
    after = see(client, payment).text

    assert ("<details" in before, "Pay from the demo wallet" in before) == (False, True)
    assert ("<details" in after, "Pay from the demo wallet" in after) == (True, False)


def test_nothing_is_looked_for_on_a_paid_page(client: FlaskClient, hub: Hub) -> None:
    payment = situations.make_open(hub)
    situations.name(hub, payment, Finding.NOT_FOUND, Finding.OTHER_TOKEN)
    situations.pay(hub, payment)

    page = see(client, payment).text

    assert (FOUND[Finding.NOT_FOUND] in page, FOUND[Finding.OTHER_TOKEN] in page) == (False, True)
