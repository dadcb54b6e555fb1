"""The demo shop delivers for a signed webhook that fits the order, once, and for nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from core.demo.orders import Order, Orders
from tests.demo.shops import CONFIG, TXID, make_demo_shop, notice_of, signed


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    """An order book with one live and one test order in USDT, and a live one in euros."""
    book = Orders(tmp_path / "shop.sqlite3")
    book.open(order_id="A1", amount="30.00", is_test=False, ordered_at="2026-07-01 18:00:00")
    book.open(order_id="T1", amount="30.00", is_test=True, ordered_at="2026-07-01 18:00:00")
    book.open(order_id="E1", amount="30.00", currency="EUR", is_test=False, ordered_at="2026-07-01 18:00:00")
    return book


@pytest.fixture
def client(orders: Orders, tmp_path: Path) -> Iterator[FlaskClient]:
    """A visitor of the shop."""
    with make_demo_shop(tmp_path).test_client() as visitor:
        yield visitor


def find(orders: Orders, order_id: str) -> Order:
    """Find an order that exists."""
    found = orders.find(order_id)
    assert found is not None
    return found


def test_a_signed_webhook_marks_the_order_paid(client: FlaskClient, orders: Orders) -> None:
    body = notice_of("A1")

    answer = client.post("/webhook", data=body, headers=signed(body))

    assert answer.status_code == 200
    assert (find(orders, "A1").is_paid, find(orders, "A1").txid) == (True, TXID)
    assert "Thank you" in client.get("/thanks?order=A1").text


def test_an_unsigned_webhook_is_refused(client: FlaskClient, orders: Orders) -> None:
    assert client.post("/webhook", data=notice_of("A1")).status_code == 401
    assert not find(orders, "A1").is_paid


@pytest.mark.parametrize("changes", [
    {"amount": "3.00"}, {"status": "pending"}, {"currency": "EUR"}, {"order_id": "B7"},
], ids=str)
def test_a_webhook_that_does_not_fit_pays_nothing(
    client: FlaskClient, orders: Orders, changes: dict[str, str]
) -> None:
    body = notice_of(**{"order_id": "A1", **changes})

    assert client.post("/webhook", data=body, headers=signed(body)).status_code == 200
    assert not find(orders, "A1").is_paid


@pytest.mark.parametrize(("order_id", "price", "is_paid"), [
    ("E1", {"amount": "30.00", "currency": "EUR", "rate": "0.92"}, True),
    ("E1", {"amount": "3.00", "currency": "EUR", "rate": "0.92"}, False),
    ("E1", {"amount": "30.00", "currency": "JPY", "rate": "155.2"}, False),
    ("E1", None, False),
    ("A1", {"amount": "30.00", "currency": "EUR", "rate": "0.92"}, False),
], ids=str)
def test_an_order_is_paid_in_the_currency_it_was_priced_in(
    client: FlaskClient, orders: Orders, order_id: str, price: dict[str, str] | None, is_paid: bool
) -> None:
    body = notice_of(order_id, **({} if price is None else {"amount": "32.61", "price": price}))

    client.post("/webhook", data=body, headers=signed(body))

    assert (find(orders, order_id).is_paid, find(orders, order_id).txid) == (is_paid, TXID if is_paid else "")


@pytest.mark.parametrize(("query", "currency"), [("", "USDT"), ("?currency=EUR", "EUR"), ("?currency=%3Cb%3E", "USDT")])
def test_the_cart_is_priced_in_a_currency_that_the_shop_has(client: FlaskClient, query: str, currency: str) -> None:
    page = client.get(f"/{query}").text

    assert f'30.00 <span class="unit">{currency}</span>' in page
    assert f'name="currency" value="{currency}"' in page


def test_a_test_payment_pays_no_live_order(client: FlaskClient, orders: Orders) -> None:
    for number, order_id in enumerate(("A1", "T1")):
        body = notice_of(order_id, is_test=True)
        client.post("/webhook", data=body, headers=signed(body, mode="test", event_id=f"evt_{number}"))

    assert (find(orders, "A1").is_paid, find(orders, "T1").is_paid) == (False, True)


def test_a_webhook_that_comes_twice_counts_once(client: FlaskClient, orders: Orders) -> None:
    first, other = notice_of("A1"), notice_of("A1", txid="ff" * 32)

    for body, event_id in ((first, "evt_1"), (first, "evt_1"), (other, "evt_1"), (other, "evt_2")):
        assert client.post("/webhook", data=body, headers=signed(body, event_id=event_id)).status_code == 200

    assert find(orders, "A1").txid == TXID


def test_coming_back_from_the_payment_page_proves_nothing(client: FlaskClient) -> None:
    answer = client.get("/thanks?order=A1")

    assert "Waiting for confirmation" in answer.text
    assert answer.headers["Refresh"] == "2"


def test_a_paid_order_is_not_asked_for_again(client: FlaskClient) -> None:
    body = notice_of("A1")
    client.post("/webhook", data=body, headers=signed(body))

    assert "Refresh" not in client.get("/thanks?order=A1").headers


@pytest.mark.parametrize("path", ["/thanks", "/thanks?order=%3Cscript%3E", "/nothing", "/order"])
def test_an_unknown_page_is_said_kindly(client: FlaskClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code in (404, 405)
    assert "<script" not in answer.text


def test_a_hub_that_is_away_is_said_kindly(client: FlaskClient, orders: Orders) -> None:
    answer = client.post("/order", data={"mode": "live"})

    assert (answer.status_code, "does not answer right now" in answer.text) == (502, True)
    assert len(orders.latest()) == 4


def test_pages_load_nothing_from_elsewhere_and_run_no_script(client: FlaskClient) -> None:
    for path in ("/", "/thanks?order=A1", "/canceled?order=A1", "/orders", "/nothing"):
        answer = client.get(path)
        policy = answer.headers["Content-Security-Policy"]

        assert policy.startswith("default-src 'none'; style-src 'self';")
        assert f"form-action 'self' {CONFIG['base_url']}" in policy
        assert "<script" not in answer.text
        assert " style=" not in answer.text


def test_a_book_without_currencies_is_read_on(tmp_path: Path) -> None:
    Orders(tmp_path / "shop.sqlite3").open(order_id="A1", amount="30.00", is_test=False, ordered_at="")
    with closing(sqlite3.connect(tmp_path / "shop.sqlite3")) as db:
        db.execute("ALTER TABLE orders DROP COLUMN currency")

    assert find(Orders(tmp_path / "shop.sqlite3"), "A1").currency == "USDT"


def test_orders_survive_a_restart(orders: Orders, tmp_path: Path) -> None:
    orders.note_payment_url("A1", "http://127.0.0.1:1/pay/?id=1&t=x")

    assert find(Orders(tmp_path / "shop.sqlite3"), "A1").payment_url.endswith("t=x")


def test_the_shop_imports_nothing_of_the_house() -> None:
    folder = Path(__file__).parent.parent.parent / "core" / "demo"
    lines = [line for path in folder.glob("*.py") for line in path.read_text().splitlines()]

    assert sorted(line for line in lines if line.startswith(("from core.", "import core"))) == sorted([
        "from core.demo.gateway import PaymentRefused, create_payment, verified_notice",
        "from core.demo.orders import Orders",
        "from core.demo.gateway import PaymentRefused",
        "from core.demo.priced import create_priced_payment",
    ])
