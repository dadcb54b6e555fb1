"""The demo shop in a real browser: order, checkout, pay from the demo wallet, detected, paid, back at the shop."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.journey.conftest import Demo

pytestmark = [pytest.mark.slow, pytest.mark.journey, pytest.mark.browser]
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 800}}


def look(page: Page, folder: Path, name: str) -> None:
    """Take a screenshot at both widths, and check the page with axe."""
    for size, viewport in SIZES.items():
        page.set_viewport_size(viewport)
        page.screenshot(path=folder / f"{name}-{size}.png", full_page=True)
    assert Axe().run(page).response["violations"] == []


def test_order_checkout_paid_and_back_at_the_shop(demo: Demo, browser: Browser, tmp_path: Path):
    page = browser.new_page(viewport=SIZES["phone"])
    page.goto(demo.config["shop_url"])
    look(page, tmp_path, "1-cart")

    page.get_by_role("button", name="Pay with USDT").click()
    expect(page).to_have_url(re.compile(rf"^{demo.config['base_url']}/pay/\?id=\d+&t="))
    look(page, tmp_path, "2-waiting")
    page.get_by_role("button", name="Pay from the demo wallet").click()

    expect(page.get_by_role("heading", name="Payment detected")).to_be_visible(timeout=15_000)
    look(page, tmp_path, "3-detected")
    expect(page.get_by_role("heading", name="Paid", exact=True)).to_be_visible(timeout=40_000)
    expect(page).to_have_url(re.compile(rf"^{demo.config['shop_url']}/thanks\?"), timeout=15_000)
    expect(page.get_by_text(re.compile(r"\bpaid\b", re.IGNORECASE)).first).to_be_visible(timeout=10_000)
    look(page, tmp_path, "4-back-at-the-shop")
    page.close()


def test_without_javascript_an_order_in_euros_is_paid(demo: Demo, browser: Browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(demo.config["shop_url"])

    page.get_by_role("link", name="EUR").click()
    page.get_by_role("button", name="Pay with USDT").click()
    for words in ("30.00 EUR = 32.61 USDT", "1 USDT = 0.92 EUR", "the shop\u2019s own rates"):
        expect(page.get_by_role("region", name="Order")).to_contain_text(words)
    page.get_by_role("button", name="Pay from the demo wallet").click()
    expect(page.get_by_role("heading", name="Paid", exact=True)).to_be_visible(timeout=60_000)
    page.get_by_role("link", name=re.compile("Back to")).click()

    expect(page).to_have_url(re.compile(rf"^{demo.config['shop_url']}/thanks\?"))
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible(timeout=10_000)
    expect(page.get_by_text("30.00 EUR")).to_be_visible()
    context.close()


def test_a_canceled_order_returns_to_the_shop(demo: Demo, browser: Browser):
    page = browser.new_page()
    page.goto(demo.config["shop_url"])

    page.get_by_role("button", name="Pay with USDT").click()
    page.get_by_role("button", name="Cancel this payment").click()

    expect(page.get_by_role("heading", name=re.compile("canceled", re.IGNORECASE))).to_be_visible()
    expect(page).to_have_url(re.compile(rf"^{demo.config['shop_url']}/canceled"), timeout=15_000)
    page.close()
