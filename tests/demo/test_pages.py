"""The demo shop's pages in a real browser: no accessibility complaint, nothing wider than a phone, no script needed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from werkzeug.serving import make_server

from core.demo.orders import Orders
from tests.demo.shops import TXID, make_demo_shop

PAGES = ("/", "/?currency=EUR", "/thanks?order=A1", "/thanks?order=A2", "/canceled?order=A2", "/orders", "/nothing")


@pytest.fixture(scope="module")
def shop_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A shop with a paid and an open order, served on loopback."""
    folder: Path = tmp_path_factory.mktemp("shop")
    orders = Orders(folder / "shop.sqlite3")
    for order_id, currency in (("A1", "USDT"), ("A2", "EUR")):
        orders.open(
            order_id=order_id, amount="30.00", currency=currency, is_test=False, ordered_at="2026-07-01 18:00:00"
        )
        orders.note_payment_url(order_id, "http://127.0.0.1:1/pay/?id=1&t=x")
    notice = {"order_id": "A1", "amount": "30.00", "is_test": False, "status": "paid", "currency": "USDT"}
    orders.take("evt_1", notice | {"txid": TXID, "paid_at": "2026-07-01 18:04:12"})
    server = make_server("127.0.0.1", 0, make_demo_shop(folder), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_shop_is_fit_for_everybody(browser: Browser, shop_url: str, width: int, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    for path in PAGES:
        page.goto(shop_url + path)
        found = Axe().run(page)

        assert (path, found.violations_count, found.generate_report()) == (path, 0, found.generate_report())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
