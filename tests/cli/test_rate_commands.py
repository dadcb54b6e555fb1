"""What `paywharf rates` says: what is known, by whose word, and why a source is not believed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from core.clock import ManualClock
from core.hub import Hub
from core.plugin_loader import load_plugins
from core.testing.factories import know_rates
from tests.cli.conftest import Ask, Run

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def sources(hub: Hub) -> None:
    hub.registry = load_plugins(rate_table={"EUR": Decimal("0.92")}).registry


def test_what_is_asked_now_is_shown(ask: Ask) -> None:
    before, after = ask("rates"), ask("rates", "--now")

    assert (before["rates"], before["sources"][0]["error"]) == ([], "not asked yet")
    assert [(one["currency"], one["rate"], one["sources"], one["why_not"]) for one in after["rates"]] == [
        ("EUR", "0.92", "table", ""), ("USD", "1", "peg", ""),
    ]
    assert [(one["source"], one["currencies"], one["error"]) for one in after["sources"]] == [
        ("peg", 1, ""), ("table", 1, ""),
    ]


def test_a_source_that_is_not_believed_is_named_with_the_reason(hub: Hub, clock: ManualClock, ask: Ask) -> None:
    hub.settings = replace(hub.settings, rate_sources=("kraken", "coinbase", "table", "gone"))
    know_rates(hub, source="kraken", EUR="0.92")
    clock.advance(seconds=700)
    know_rates(hub, source="coinbase", EUR="0.921")
    know_rates(hub, source="table", EUR="0.922")

    told = ask("rates", "--currency", "EUR")

    assert [(one["source"], one["used"], one["why_not"]) for one in told["words"]] == [
        ("coinbase", True, ""), ("kraken", False, "older than 10 min"), ("table", True, ""),
    ]
    assert told["sources"][-1]["error"] == "no plugin brings this source"


def test_a_person_reads_why_there_is_no_rate(hub: Hub, run: Run) -> None:
    know_rates(hub, source="peg", EUR="1.40")
    know_rates(hub, source="table", EUR="0.92")

    said = run("rates").stdout

    assert "Too few rate sources agree about EUR" in said
    assert "peg: off by more than 2 % from the median" in said


def test_a_currency_that_does_not_exist_is_refused(run: Run) -> None:
    result = run("rates", "--currency", "XXX")

    assert (result.exit_code, "ISO 4217" in result.stderr) == (1, True)
