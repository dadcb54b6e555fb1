"""The demo bot in a real browser: bought in the imitated chat, paid on the devnet, one message that lives."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, expect

from tests.journey.conftest import Demo
from tests.journey.test_demo_shop import SIZES, look

pytestmark = [pytest.mark.slow, pytest.mark.journey, pytest.mark.browser]


def test_the_demo_bot_sells_in_the_imitated_chat(demo: Demo, browser: Browser, tmp_path: Path):
    context = browser.new_context(viewport=SIZES["phone"])
    page = context.new_page()
    page.goto(demo.config["chat_url"])
    look(page, tmp_path, "1-empty")

    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Deckhand mug · 9.90 EUR").click(timeout=15_000)
    bill = page.get_by_label("Quay & Kettle").nth(1)
    expect(bill).to_contain_text("Waiting for your transfer", timeout=15_000)
    expect(bill).to_contain_text("9.90 EUR = 10.77 USDT")
    look(page, tmp_path, "2-waiting")
    with context.expect_page() as opened:
        bill.get_by_role("link", name="Pay").click()
    opened.value.get_by_role("button", name="Pay from the demo wallet").click()
    expect(bill).to_contain_text("Transfer seen", timeout=15_000)
    look(page, tmp_path, "3-seen")
    requests.post(f"{demo.config['devnet_url']}/devnet/advance", json={"blocks": 20}, timeout=10).raise_for_status()

    expect(bill).to_contain_text("Paid. Thank you!", timeout=15_000)
    rings = page.get_by_label("Quay & Kettle").nth(2)
    expect(rings).to_contain_text("Paid. Thank you!", timeout=15_000)
    expect(bill.get_by_role("button")).to_have_count(0)
    look(page, tmp_path, "4-paid")
    context.close()


def test_without_javascript_the_chat_works_by_forms(demo: Demo, browser: Browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(demo.config["chat_url"] + "?language=de&start=tote")

    page.get_by_role("button", name="Start: tote").click()
    bill = page.get_by_label("Quay & Kettle")
    expect(bill).to_contain_text("Warte auf deine Überweisung")
    bill.get_by_role("button", name="Abbrechen").click()
    expect(page.get_by_role("status")).to_contain_text("Warte auf deine Überweisung")
    page.wait_for_timeout(1_000)
    page.get_by_role("link", name="Look for news").click()

    expect(bill).to_contain_text("Abgebrochen")
    context.close()
