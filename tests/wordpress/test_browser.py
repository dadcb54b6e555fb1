"""A browser in a real WooCommerce: both checkouts and the pay-for-order page, on a phone and on a desk (W1-W5, W24).

Collected only with WP_DIR: our stand-in has no checkout pages. Screenshots are left in the folder SHOTS names.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.wordpress.conftest import Shop

pytestmark = [
    pytest.mark.slow, pytest.mark.journey, pytest.mark.wordpress, pytest.mark.browser, pytest.mark.timeout(300),
]
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 900}}
PATIENCE_MS = 30_000  # a real shop's screens wait for the hub, and for a busy machine
BUYER = {"first": "Ada", "last": "Quay", "street": "Kai 1", "postcode": "20457", "city": "Hamburg"}


@pytest.fixture(params=SIZES)
def page(request: pytest.FixtureRequest, browser: Browser, shop: Shop) -> Page:
    """A page with a tote in its cart."""
    return with_a_tote(browser.new_page(viewport=SIZES[request.param], locale="en-US"), shop)


def with_a_tote(page: Page, shop: Shop) -> Page:
    """Put a tote into the cart."""
    page.goto(f"{shop.site.url}/?add-to-cart={shop.site.do('option', name='bench_tote')}")
    return page


def log_in(page: Page, shop: Shop, name: str) -> None:
    """Log in; a name's password is made of it."""
    page.goto(f"{shop.site.url}/wp-login.php")
    page.get_by_label("Username or Email Address").fill(name)
    page.get_by_label("Password", exact=True).fill(f"{name}-password")
    page.get_by_role("button", name="Log In").click()
    page.wait_for_url(re.compile("wp-admin|my-account"))


def look(page: Page, name: str) -> None:
    """Leave a screenshot where somebody asked for it."""
    if "SHOTS" in os.environ:
        width = page.viewport_size["width"] if page.viewport_size else 0
        page.screenshot(path=Path(os.environ["SHOTS"]) / f"{name}-{width}.png", full_page=True)


def pay(page: Page, shop: Shop, name: str) -> None:
    """Pay on the hub's page, come back, and find the order paid."""
    expect(page).to_have_url(re.compile(rf"^{shop.project.demo.config['base_url']}/pay/"), timeout=30_000)
    look(page, f"{name}-hub")
    page.locator("button[name=scenario][value=complete]").click()
    expect(page).to_have_url(re.compile(rf"^{shop.site.url}/.*order-received/\d+"), timeout=30_000)
    order_id = int(re.search(r"order-received/(\d+)", page.url)[1])  # type: ignore[index]
    done = shop.wait(order_id, until=lambda it: it["status"] == "processing" and it["txid"])
    assert done["txid"].startswith("test_")
    page.reload()
    look(page, f"{name}-received")


def buy_in_blocks(page: Page, shop: Shop, name: str) -> None:
    """Buy what is in the cart in the Checkout block."""
    page.goto(f"{shop.site.url}/checkout/")
    page.get_by_label("Email address").fill("ada@shop.example")
    page.get_by_label("First name").fill(BUYER["first"])
    page.get_by_label("Last name").fill(BUYER["last"])
    page.get_by_label("Address", exact=True).fill(BUYER["street"])
    page.get_by_label("Postal code").fill(BUYER["postcode"])
    page.get_by_label("City").fill(BUYER["city"])
    page.get_by_label("City").blur()
    method = page.locator(".wc-block-components-radio-control__option, .wc-block-components-checkout-step").filter(
        has_text="USDT (TRC20)"
    )
    expect(method.first).to_be_visible(timeout=20_000)
    expect(page.get_by_text("Test mode: no coins move.")).to_be_visible()
    page.wait_for_timeout(1500)  # the block sends what was typed a moment later, and would refuse an earlier click
    look(page, name)
    found = Axe().run(page, context=".wc-block-checkout__payment-method").response["violations"]
    assert [one["id"] for one in found] == []

    page.get_by_role("button", name="Pay with USDT").click()

    pay(page, shop, name)


def buy_in_classic(page: Page, shop: Shop, name: str) -> None:
    """Buy what is in the cart in the checkout of old."""
    page.goto(f"{shop.site.url}/classic-checkout/")
    page.locator("#billing_first_name").fill(BUYER["first"])
    page.locator("#billing_last_name").fill(BUYER["last"])
    page.locator("#billing_address_1").fill(BUYER["street"])
    page.locator("#billing_postcode").fill(BUYER["postcode"])
    page.locator("#billing_city").fill(BUYER["city"])
    if page.locator("#billing_phone").count():
        page.locator("#billing_phone").fill("040123456")
    page.locator("#billing_email").fill("ada@shop.example")
    page.locator("#billing_email").blur()
    expect(page.get_by_text("USDT (TRC20)").first).to_be_visible()
    page.wait_for_timeout(1500)
    look(page, name)

    page.get_by_role("button", name="Pay with USDT").click()

    pay(page, shop, name)


CHECKOUTS = {"blocks": buy_in_blocks, "classic": buy_in_classic}


@pytest.mark.parametrize("checkout", CHECKOUTS)
def test_w2_w3_a_guest_buys_in_either_checkout(page: Page, shop: Shop, checkout: str):
    CHECKOUTS[checkout](page, shop, checkout)
    page.close()


@pytest.mark.parametrize("checkout", CHECKOUTS)
def test_w3_a_customer_with_an_account_buys(browser: Browser, shop: Shop, checkout: str):
    page = browser.new_page(viewport=SIZES["desktop"], locale="en-US")
    user = shop.site.do("customer", name=f"ada-{checkout}")
    log_in(page, shop, f"ada-{checkout}")

    CHECKOUTS[checkout](with_a_tote(page, shop), shop, f"{checkout}-account")

    order_id = int(re.search(r"order-received/(\d+)", page.url)[1])  # type: ignore[index]
    assert shop.site.do("buyer", id=order_id) == user
    page.close()


@pytest.mark.parametrize("checkout", CHECKOUTS)
def test_w5_a_theme_without_blocks_sells_too(browser: Browser, shop: Shop, checkout: str):
    """Storefront where the folder has it, or another classic theme; the other tests have a theme of blocks."""
    block, classic = shop.site.do("theme", blocks=False)
    page = browser.new_page(viewport=SIZES["desktop"], locale="en-US")
    try:
        CHECKOUTS[checkout](with_a_tote(page, shop), shop, f"{checkout}-{classic}")
    finally:
        shop.site.do("theme", name=block)
    page.close()


def test_w24_a_checkout_asks_nobody_but_the_shop_and_the_hub(browser: Browser, shop: Shop):
    page = browser.new_page(viewport=SIZES["desktop"], locale="en-US")
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))

    buy_in_blocks(with_a_tote(page, shop), shop, "blocks-asks")

    ours = {shop.site.host, urlsplit(shop.project.demo.config["base_url"]).netloc, ""}
    assert asked - ours <= {"secure.gravatar.com", "s.w.org"}, "WordPress' own are no matter of ours"
    page.close()


def test_w2_the_pay_for_order_page_leads_to_the_payment(page: Page, shop: Shop):
    order = shop.site.do("new_order")
    page.goto(f"{shop.site.url}/?wc-api=paywharf_return&order={order['id']}&key={order['key']}")
    expect(page).to_have_url(re.compile("order-pay"))
    look(page, "pay-for-order")

    page.get_by_role("button", name="Pay with USDT").click()

    pay(page, shop, "pay-for-order")
    page.close()


def test_w26_w27_leaving_unpaid_shows_waiting_and_leads_back_to_paying(browser: Browser, shop: Shop):
    order = shop.ordered()
    page = browser.new_page(viewport=SIZES["phone"])

    page.goto(shop.site.do("received_url", id=order["id"]))

    expect(page.get_by_text("We are waiting for your payment")).to_be_visible()
    look(page, "waiting")
    shop.project.play(order["redirect"], "complete")
    expect(page.get_by_text("We are waiting for your payment")).to_be_hidden(timeout=20_000)
    look(page, "waiting-over")
    page.close()


def test_the_owner_sees_settings_notices_and_the_box_of_an_order(browser: Browser, shop: Shop):
    order = shop.ordered()
    shop.tell(shop.fields(order))
    page = browser.new_page(viewport=SIZES["desktop"])
    log_in(page, shop, "owner")

    page.goto(f"{shop.site.url}/wp-admin/admin.php?page=wc-settings&tab=checkout&section=paywharf")
    page.get_by_role("link", name="Check the connection").click()
    expect(page.locator(".paywharf-findings")).to_contain_text("The hub accepts them.", timeout=PATIENCE_MS)
    look(page, "settings")
    assert page.locator("input[type=password]").evaluate_all("all => all.map(one => one.value)") == ["", "", ""]
    page.get_by_label("Title", exact=True).fill("USDT (TRC20)!")
    page.get_by_label("Title", exact=True).fill("USDT (TRC20)")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Your settings have been saved.")).to_be_visible(timeout=PATIENCE_MS)
    kept = shop.site.do("option", name="woocommerce_paywharf_settings")
    assert kept["test_secret"] == shop.project.keys["test"]["secret"], "an empty field keeps the secret"

    page.goto(shop.site.do("edit_url", id=order["id"]))
    expect(page.locator("#paywharf")).to_contain_text(order["meta"]["payment_id"])
    look(page, "order")
    page.close()


@pytest.mark.timeout(600)  # the ten minutes that it may take
def test_w1_from_the_zip_to_a_first_test_payment_by_what_the_screen_shows(browser: Browser, shop: Shop):
    """Last of all: the plugin is taken away, and installed by an owner's clicks."""
    link = shop.project.demo.cli("channels", "code", str(shop.project.project_id), "woocommerce")["link"]
    shop.site.do("plugin", do="delete")
    page, began_s = browser.new_page(viewport=SIZES["desktop"], locale="en-US"), time.monotonic()
    log_in(page, shop, "owner")
    page.goto(f"{shop.site.url}/wp-admin/plugins.php")
    page.get_by_role("link", name=re.compile("^Add (New )?Plugin|^Add New$")).last.click()
    page.get_by_role("button", name="Upload Plugin").or_(page.get_by_role("link", name="Upload Plugin")).first.click()
    page.locator("input[type=file]").set_input_files(shop.site.zip_path)
    page.get_by_role("button", name="Install Now").click()
    page.get_by_role("link", name="Activate Plugin").click()
    row = page.locator("tr[data-plugin='paywharf/paywharf.php']")
    row.get_by_role("link", name="Settings").click()
    page.get_by_label("Connect link from your hub").fill(link)
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_text("Connected to the project")).to_be_visible(timeout=PATIENCE_MS)
    look(page, "connected")
    page.get_by_label("Offer USDT at the checkout").check()
    page.get_by_label("Mode", exact=True).select_option("test")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Your settings have been saved.")).to_be_visible(timeout=PATIENCE_MS)
    page.close()

    page = with_a_tote(browser.new_page(viewport=SIZES["phone"], locale="en-US"), shop)
    buy_in_blocks(page, shop, "first-payment")

    assert time.monotonic() - began_s < 600
    shop.site.do("disconnect")
    page.close()
