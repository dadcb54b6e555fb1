"""The payment page in a real browser: every state on phone and desktop, light and dark, with and without script."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from core.app import create_app
from core.clock import ManualClock
from core.hub import Hub
from core.ids import Mode
from core.models import Payment
from tests.browser.conftest import Serve
from tests.checkout_ui import situations

pytestmark = pytest.mark.browser

WIDTHS = {"phone": (390, 844), "desktop": (1280, 800)}
SHOTS = os.environ.get("PAYWHARF_TEST_SHOTS")  # a folder to keep screenshots in, to be looked at


def waiting(hub: Hub) -> Payment:
    return situations.make_open(hub)


def checking(hub: Hub) -> Payment:
    payment = situations.make_open(hub)
    hub.clock.advance(minutes=31)
    return payment


def detected(hub: Hub) -> Payment:
    payment = situations.make_open(hub)
    situations.detect(hub, payment)
    return payment


def paid(hub: Hub) -> Payment:
    payment = situations.make_open(hub)
    situations.pay(hub, payment)
    return payment


def expired(hub: Hub) -> Payment:
    payment = situations.make_open(hub)
    situations.expire(hub, payment)
    return payment


def late(hub: Hub) -> Payment:
    payment = expired(hub)
    hub.clock.advance(minutes=40)
    situations.pay(hub, payment)
    return payment


def canceled(hub: Hub) -> Payment:
    payment = situations.make_open(hub)
    situations.cancel(hub, payment)
    return payment


def test_mode(hub: Hub) -> Payment:
    return situations.make_open(hub, mode=Mode.TEST)


test_mode.__test__ = False  # type: ignore[attr-defined]
SITUATIONS: dict[str, tuple[Callable[[Hub], Payment], str]] = {
    "waiting": (waiting, "Waiting for your payment"),
    "checking": (checking, "Time is up — we are still checking the last blocks"),
    "detected": (detected, "Payment detected"),
    "paid": (paid, "Paid"),
    "expired": (expired, "This payment has expired"),
    "late": (late, "Your transfer arrived too late"),
    "canceled": (canceled, "This payment was canceled"),
    "test": (test_mode, "Waiting for a test payment"),
}


@pytest.fixture
def open_page(browser: Browser, page_hub: Hub, serve: Serve) -> Iterator[Callable[..., Page]]:
    """Open a payment's page in a browser context of its own."""
    base_url = serve(create_app(hub=page_hub, check=False))
    contexts: list[BrowserContext] = []

    def start(payment: Payment, **options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        context.route("https://shop.example.com/**", _answer_as_shop)
        page = context.new_page()
        page.goto(f"{base_url}/pay/?id={payment.payment_id}&t={payment.page_token}")
        return page

    yield start
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", WIDTHS)
@pytest.mark.parametrize("name", SITUATIONS)
def test_every_state_is_accessible_and_fits(
    name: str, device: str, scheme: str, page_hub: Hub, open_page: Callable[..., Page]
) -> None:
    arrange, headline = SITUATIONS[name]
    width, height = WIDTHS[device]

    page = open_page(
        arrange(page_hub), viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )

    expect(page.get_by_role("heading", level=1)).to_have_text(headline)
    _shoot(page, f"{name}-{device}-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert _violations(page) == []


def _violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


def _answer_as_shop(route: Route) -> None:
    route.fulfill(status=200, content_type="text/html", body="<!doctype html><title>The shop</title><p>Thanks</p>")


def _shoot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)
