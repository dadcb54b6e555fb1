"""The payment page in a real browser: every state on phone and desktop, light and dark, with and without script."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from core.app import create_app
from core.hub import Hub
from core.ids import Mode
from core.models import Lead, Payment
from core.payments.leads import Finding
from tests.browser.conftest import Serve
from tests.checkout_ui import situations

pytestmark = pytest.mark.browser

WIDTHS = {"phone": (390, 844), "desktop": (1280, 800)}
ODD_WIDTHS = (320, 600, 959, 960, 1024, 2000)
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


def named(hub: Hub) -> Payment:
    payment = expired(hub)
    situations.name(hub, payment, Finding.COUNTED_ELSEWHERE, Finding.NOT_FINAL, Finding.NOT_FOUND)
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
    "named": (named, "This payment has expired"),
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


def test_the_page_fits_every_width(page_hub: Hub, open_page: Callable[..., Page]) -> None:
    page = open_page(waiting(page_hub))

    for width in ODD_WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        _shoot(page, f"waiting-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_copying_takes_the_exact_amount_and_the_unbroken_address(page_hub: Hub, open_page: Callable[..., Page]) -> None:
    payment = waiting(page_hub)
    page = open_page(payment, permissions=["clipboard-read", "clipboard-write"])

    copied = []
    for name in ("Copy amount", "Copy address"):
        page.get_by_role("button", name=name).click()
        copied.append(page.evaluate("navigator.clipboard.readText()"))

    assert copied == [payment.pay_units.six_places(), payment.address]
    expect(page.get_by_role("button", name="Copied address")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Address copied")


def test_selecting_the_address_by_hand_takes_it_unbroken(page_hub: Hub, open_page: Callable[..., Page]) -> None:
    payment = waiting(page_hub)
    page = open_page(payment)

    page.locator("#address").click()

    assert page.evaluate("getSelection().toString()") == payment.address


def test_without_a_clipboard_the_text_is_selected_and_copied(page_hub: Hub, open_page: Callable[..., Page]) -> None:
    payment = waiting(page_hub)
    page = open_page(payment)
    page.evaluate("delete Navigator.prototype.clipboard")

    page.get_by_role("button", name="Copy address").click()

    expect(page.locator("#live")).to_have_text("Address copied")
    assert page.evaluate("getSelection().toString()") == payment.address


def test_the_page_follows_the_payment_and_leads_to_the_shop(page_hub: Hub, open_page: Callable[..., Page]) -> None:
    payment = waiting(page_hub)
    page = open_page(payment)
    headline = page.get_by_role("heading", level=1)

    situations.detect(page_hub, payment)
    expect(headline).to_have_text("Payment detected", timeout=8000)
    expect(page.locator("#progress-text")).to_have_text("7 of 19 confirmations")
    situations.move_head(page_hub, by=3)
    expect(page.locator("#progress-text")).to_have_text("10 of 19 confirmations", timeout=8000)
    expect(page.locator("#live")).to_have_text("10 of 19 confirmations")
    situations.pay(page_hub, payment)

    expect(headline).to_have_text("Paid", timeout=8000)
    expect(page.locator("#live")).to_have_text("Paid. You are taken back to Demo shop in 3 seconds.")
    page.wait_for_url(situations.SUCCESS_URL, timeout=8000)


def test_who_wants_to_stay_stays(page_hub: Hub, open_page: Callable[..., Page]) -> None:
    page = open_page(paid(page_hub))
    page.clock.install()
    page.reload()

    page.get_by_role("button", name="Stay here").click()
    page.clock.run_for(10_000)

    expect(page.get_by_role("heading", level=1)).to_have_text("Paid")
    expect(page.get_by_role("link", name="Back to Demo shop")).to_be_focused()


def test_the_countdown_runs_to_zero_and_then_asks_the_chain(page_hub: Hub, open_page: Callable[..., Page]) -> None:
    page = open_page(waiting(page_hub))
    page.clock.install()
    page.route("**/pay/status?**", lambda route: route.abort())
    page.reload()
    expect(page.locator("#countdown")).to_have_text("30:00")

    page.clock.run_for(1_000)
    page.clock.fast_forward(1_497_000)
    expect(page.locator("#countdown")).to_have_text("5:00")
    expect(page.locator("#live")).to_have_text("5 minutes left")
    page.unroute("**/pay/status?**")
    page_hub.clock.advance(seconds=1801)
    page.clock.fast_forward(303_000)

    expect(page.get_by_role("heading", level=1)).to_have_text("Time is up — we are still checking the last blocks")


def test_a_page_that_nobody_looks_at_asks_nothing(page_hub: Hub, open_page: Callable[..., Page]) -> None:
    page = open_page(waiting(page_hub))
    page.clock.install()
    page.reload()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/pay/status?" in request.url else None)

    _hide(page, is_hidden=True)
    page.clock.run_for(60_000)
    asked_while_hidden = len(asked)
    with page.expect_request("**/pay/status?**"):
        _hide(page, is_hidden=False)

    assert asked_while_hidden == 0


def test_a_hub_that_is_away_is_asked_ever_more_rarely(page_hub: Hub, open_page: Callable[..., Page]) -> None:
    page = open_page(waiting(page_hub))
    page.clock.install()
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=503, body="{}")

    page.route("**/pay/status?**", refuse)
    page.reload()
    for _ in range(24):
        page.clock.run_for(5_000)

    assert 4 <= len(asked) <= 8, "2.5 s, then 5, 10, 20, 30, 30 …"


def test_the_token_leaves_the_hub_in_no_request(page_hub: Hub, open_page: Callable[..., Page]) -> None:
    payment = paid(page_hub)
    page = open_page(payment)
    sent: list[tuple[str, str]] = []
    page.context.on("request", lambda request: sent.append((request.url, str(request.all_headers()))))

    page.wait_for_url(situations.SUCCESS_URL, timeout=8000)

    abroad = [each for each in sent if not each[0].startswith("http://127.0.0.1:")]
    assert [url for url, _ in abroad] == [situations.SUCCESS_URL]
    assert payment.page_token not in str(abroad)
    assert page.evaluate("document.referrer") == ""


@pytest.mark.parametrize("has_script", [True, False])
def test_cancel_works_with_and_without_script(
    page_hub: Hub, open_page: Callable[..., Page], has_script: bool
) -> None:
    page = open_page(waiting(page_hub), java_script_enabled=has_script)

    page.get_by_role("button", name="Cancel this payment").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("This payment was canceled")
    expect(page.get_by_role("link", name="Back to Demo shop")).to_have_attribute("href", situations.FAIL_URL)


@pytest.mark.parametrize("has_script", [True, False])
@pytest.mark.parametrize(
    ("button", "headline"),
    [("Complete it", "Paid"), ("Let it fail", "This test payment has failed"),
     ("Let it expire", "This test payment has expired")],
)
def test_test_controls_work_with_and_without_script(
    page_hub: Hub, open_page: Callable[..., Page], button: str, headline: str, has_script: bool
) -> None:
    page = open_page(test_mode(page_hub), java_script_enabled=has_script)

    page.get_by_role("button", name=button).click()

    expect(page.get_by_role("heading", level=1)).to_have_text(headline)


def test_without_script_the_page_shows_all_and_refreshes_itself(
    page_hub: Hub, open_page: Callable[..., Page]
) -> None:
    payment = detected(page_hub)
    page = open_page(payment, java_script_enabled=False, viewport={"width": 390, "height": 844})
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment detected")
    _shoot(page, "detected-phone-noscript")

    situations.pay(page_hub, payment)

    expect(page.get_by_role("heading", level=1)).to_have_text("Paid", timeout=9000)


def test_without_script_nothing_is_offered_that_needs_it(page_hub: Hub, open_page: Callable[..., Page]) -> None:
    page = open_page(waiting(page_hub), java_script_enabled=False, viewport={"width": 390, "height": 844})
    _shoot(page, "waiting-phone-noscript")

    buttons = page.get_by_role("button").all_inner_texts()
    assert buttons == ["Pay from the demo wallet", "Find my payment", "Cancel this payment"]


@pytest.mark.parametrize("device", WIDTHS)
@pytest.mark.parametrize("name", ["waiting", "test", "paid"])
def test_whatever_is_touched_is_at_least_44_pixels(
    name: str, device: str, page_hub: Hub, open_page: Callable[..., Page]
) -> None:
    width, height = WIDTHS[device]
    page = open_page(SITUATIONS[name][0](page_hub), viewport={"width": width, "height": height})

    boxes = [each.bounding_box() for each in page.locator("button:visible, a:visible").all()]

    assert boxes
    assert [box for box in boxes if box is None or box["height"] < 44 or box["width"] < 44] == []


def test_the_keyboard_reaches_everything_in_reading_order(page_hub: Hub, open_page: Callable[..., Page]) -> None:
    page = open_page(waiting(page_hub))
    reached = []
    for _ in range(5):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText.replace(/\\s+/g, ' ')"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"

    assert reached == [
        "Copy amount", "Copy address", "Pay from the demo wallet", "Find my payment", "Cancel this payment",
    ]


@pytest.mark.parametrize("device", WIDTHS)
def test_long_and_hostile_texts_break_nothing(device: str, page_hub: Hub, open_page: Callable[..., Page]) -> None:
    width, height = WIDTHS[device]
    payment = situations.make_open(
        page_hub, order_id="<img src=x onerror=alert(1)>" + "W" * 36, description="<script>alert(1)</script>" * 10,
        amount="999999999.000001",
    )
    page = open_page(payment, viewport={"width": width, "height": height})
    alerts: list[str] = []
    page.on("dialog", lambda dialog: alerts.append(dialog.message))
    page.reload()

    _shoot(page, f"hostile-{device}")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("dd img, dd script").count() == 0
    assert alerts == []


def test_a_page_that_is_not_there_is_accessible(page_hub: Hub, open_page: Callable[..., Page]) -> None:
    payment = waiting(page_hub)
    page = open_page(payment, viewport={"width": 390, "height": 844})

    page.goto(page.url.replace(payment.page_token, "wrong"))

    expect(page.get_by_role("heading", level=1)).to_have_text("Payment not found")
    _shoot(page, "missing-phone")
    assert _violations(page) == []


def test_nothing_breaks_the_content_security_policy(page_hub: Hub, open_page: Callable[..., Page]) -> None:
    page = open_page(waiting(page_hub))
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    with page.expect_response("**/pay/status?**"):
        page.reload()

    assert said == []


def _hide(page: Page, *, is_hidden: bool) -> None:
    page.evaluate(
        "(is) => { Object.defineProperty(document, 'hidden', { value: is, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        is_hidden,
    )


def _violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


def _answer_as_shop(route: Route) -> None:
    route.fulfill(status=200, content_type="text/html", body="<!doctype html><title>The shop</title><p>Thanks</p>")


def _shoot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


@pytest.mark.parametrize(("device", "scheme"), [("phone", "light"), ("desktop", "dark")])
def test_the_form_that_finds_a_payment_is_accessible_and_fits(
    device: str, scheme: str, page_hub: Hub, open_page: Callable[..., Page]
) -> None:
    width, height = WIDTHS[device]
    page = open_page(expired(page_hub), viewport={"width": width, "height": height}, color_scheme=scheme)
    page.get_by_role("button", name="Find my payment").click()

    page.get_by_label("Transaction id").fill("no id")
    page.get_by_role("button", name="Look for it").click()

    expect(page.get_by_role("alert")).to_contain_text("not a transaction id")
    _shoot(page, f"find-{device}-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert _violations(page) == []


@pytest.mark.parametrize("script", [True, False])
def test_a_named_transaction_is_followed_with_and_without_script(
    script: bool, page_hub: Hub, open_page: Callable[..., Page]
) -> None:
    payment = expired(page_hub)
    page = open_page(payment, java_script_enabled=script)
    page.get_by_role("button", name="Find my payment").click()
    page.get_by_label("Transaction id").fill("https://tronscan.org/#/transaction/" + situations.TXID)
    page.get_by_role("button", name="Look for it").click()
    expect(page.get_by_text("We are looking for this transaction.")).to_be_visible()

    with page_hub.database.transaction() as session:
        session.query(Lead).one().finding = Finding.OTHER_TOKEN.value

    expect(page.get_by_text("This transaction moved no USDT")).to_be_visible(timeout=10_000)
