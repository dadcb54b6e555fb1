"""The bundled rate sources, against answers as the exchanges document them; nothing leaves this process."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from core.contract import AdapterError, Answer, Rate
from core.plugin_loader import load_plugins
from core.testing.hubs import Posted, RecordingDoor
from plugins.rates.constants import OwnTable, Peg
from plugins.rates.exchanges import Coinbase, Kraken

# the shape of Kraken's "Get Ticker Information" as its public clients read it; values made up, never asked for live
BOOK = {
    "a": ["0.92010000", "1", "1.000"], "b": ["0.92000000", "5000", "5000.000"], "c": ["0.92005000", "12.5"],
    "v": ["4083.6", "4412.7"], "p": ["0.9201", "0.9204"], "t": [34619, 38907], "l": ["0.91868", "0.91868"],
    "h": ["0.93171", "0.93171"], "o": "0.92028",
}
KRAKEN = {"error": [], "result": {"USDTEUR": BOOK, "USDTZUSD": BOOK | {"b": ["0.99980000", "1", "1.000"]}}}
UNKNOWN_PAIR = {"error": ["EQuery:Unknown asset pair"]}
# the shape of Coinbase's "Exchange Rates" in its documentation, with USDT as base; values made up, never asked live
COINBASE = {"data": {"currency": "USDT", "rates": {
    "AED": "3.67", "EUR": "0.9215", "JPY": "155.2", "BTC": "0.0000109", "1INCH": "3.1", "USDC": "1.0001",
}}}


def door(*answers: object, status: int = 200, **headers: str) -> RecordingDoor:
    """Give a door that answers these documents in turn, the last one again and again."""
    rest = list(answers)

    def answer(_: Posted) -> Answer:
        said = rest.pop(0) if len(rest) > 1 else rest[0]
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        return Answer(status, body, 5, {name.replace("_", "-"): value for name, value in headers.items()})

    return RecordingDoor(answer)


def test_the_peg_takes_a_usdt_for_a_dollar():
    assert Peg().fetch(door({})) == [Rate("USD", Decimal(1))]


def test_the_table_is_the_operators():
    assert OwnTable({"EUR": Decimal("0.92")}).fetch(door({})) == [Rate("EUR", Decimal("0.92"))]


def test_kraken_gives_the_best_bid_of_each_pair():
    http = door(KRAKEN)

    rates = Kraken().fetch(http)

    assert rates == [Rate("USD", Decimal("0.9998")), Rate("EUR", Decimal("0.92"))]
    assert [(one.method, one.url.partition("?")[0]) for one in http.posted] == [
        ("GET", "https://api.kraken.com/0/public/Ticker")
    ]


def test_a_pair_kraken_does_not_know_costs_only_itself():
    only_euro = {"error": [], "result": {"USDTEUR": BOOK}}
    http = door(UNKNOWN_PAIR, UNKNOWN_PAIR, only_euro, UNKNOWN_PAIR)

    assert Kraken().fetch(http) == [Rate("EUR", Decimal("0.92"))]
    assert len(http.posted) == 1 + len(Kraken.pairs)


def test_coinbase_gives_what_looks_like_a_currency():
    assert {rate.currency: rate.price for rate in Coinbase().fetch(door(COINBASE))} == {
        "AED": Decimal("3.67"), "EUR": Decimal("0.9215"), "JPY": Decimal("155.2"), "BTC": Decimal("0.0000109"),
    }


@pytest.mark.parametrize("source", [Kraken(), Coinbase()], ids=lambda source: source.name)
@pytest.mark.parametrize(
    "said",
    [
        b"", b"<html>", b"[]", b"null", b"[" * 5000, {}, {"error": []}, {"error": ["EService:Unavailable"]},
        {"error": [], "result": []}, {"error": [], "result": {"USDTEUR": {"b": ["-1"]}}},
        {"error": [], "result": {"USDTEUR": {"b": ["NaN"]}}}, {"error": [], "result": {"USDTEUR": {"b": [0.92]}}},
        {"error": [], "result": {"USDTEUR": {"b": ["0"]}}}, {"error": [], "result": {"USDTEUR": None}},
        {"data": None}, {"data": {"currency": "BTC", "rates": {"EUR": "90000"}}},
        {"data": {"currency": "USDT", "rates": {"EUR": "1e5", "USD": None, "GBP": "", "CHF": "0", "SEK": 9.1}}},
    ],
    ids=str,
)
def test_what_is_not_understood_is_no_rate(source, said):
    with pytest.raises(AdapterError):
        source.fetch(door(said))


def test_a_busy_exchange_says_when_to_come_again():
    with pytest.raises(AdapterError) as refusal:
        Coinbase().fetch(door({}, status=429, retry_after="120"))

    assert (refusal.value.retry_after_s, refusal.value.reason) == (120, "Coinbase answered with status 429.")


def test_all_four_are_brought_with_the_operators_table():
    registry = load_plugins(rate_table={"EUR": Decimal("0.92")}).registry
    found = {source.name: source for source in registry.rate_sources}

    assert registry.broken == []
    assert {"peg", "table", "kraken", "coinbase"} <= set(found)
    assert found["table"].fetch(door({})) == [Rate("EUR", Decimal("0.92"))]
