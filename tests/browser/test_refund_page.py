"""The refund's link in a real browser, on phone and desktop, light and dark; it has no script to do without."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from core.app import create_app
from core.hub import Hub
from core.models import Refund
from tests.browser.conftest import Serve
from tests.browser.test_checkout_page import WIDTHS, _shoot, _violations
from tests.checkout_ui import situations
from tests.checkout_ui.test_refund_page import BUYER

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("device", "scheme"), [("phone", "light"), ("phone", "dark"), ("desktop", "light")])
def test_a_payer_leaves_an_address(browser: Browser, page_hub: Hub, serve: Serve, device: str, scheme: str) -> None:
    token, base_url = situations.offer_refund(page_hub), serve(create_app(hub=page_hub, check=False))
    width, height = WIDTHS[device]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore
    page = context.new_page()
    found = []

    def look(name: str) -> None:
        _shoot(page, f"refund-{name}-{device}-{scheme}")
        found.extend(_violations(page))
        found.extend(["wide"] * (page.evaluate("document.documentElement.scrollWidth") != width))

    page.goto(f"{base_url}/refund/?t={token}")
    look("ask")
    page.get_by_label("Your USDT address").fill(BUYER[:-1])
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_be_visible()
    look("wrong")
    page.get_by_label("Your USDT address").fill(BUYER)
    page.get_by_role("button", name="Continue").click()
    look("confirm")
    page.get_by_label("Compare it with your wallet").fill(BUYER[-4:])
    page.get_by_role("button", name="This is my address").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    look("told")
    with page_hub.database.transaction() as session:
        refund = session.query(Refund).one()
        refund.state, refund.txid, refund.log_index = "verified", situations.TXID, 0
    page.reload()
    expect(page.get_by_role("heading", name="Your money was sent back")).to_be_visible()
    look("verified")
    context.close()

    assert found == []
