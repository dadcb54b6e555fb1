"""Two public exchanges that say without a key what USDT costs: Kraken's order books, Coinbase's exchange rates.

Answers are read strictly: a number is a decimal text, and what is not understood is no rate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from core.contract import AdapterError, Answer, Http, Rate, RateSource

NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,18})?")


class Kraken(RateSource):
    """The best bid for USDT on Kraken: what a merchant would get for it there and then.

    Source: docs.kraken.com, Get Ticker Information; `b` is the bid as [price, whole lot volume, lot volume]. Kraken
    names the dollar pair USDTZUSD, and refuses a whole request for one pair it does not know ("EQuery:Unknown asset
    pair"): then each is asked alone, and unknown ones are passed over.
    """

    name = "kraken"
    url = "https://api.kraken.com/0/public/Ticker?pair="
    pairs: Mapping[str, str] = {
        "USD": "USDTZUSD", "EUR": "USDTEUR", "GBP": "USDTGBP", "CHF": "USDTCHF", "CAD": "USDTCAD", "AUD": "USDTAUD",
        "JPY": "USDTJPY",
    }

    def fetch(self, http: Http) -> Sequence[Rate]:
        """Ask for all pairs at once, or one by one where that is refused."""
        books = self._books(http, ",".join(self.pairs.values()))
        if books is None:
            books = {}
            for pair in self.pairs.values():
                books |= self._books(http, pair) or {}
        return _some(list(self._rates(books)), "Kraken")

    def _books(self, http: Http, pairs: str) -> dict[str, Any] | None:
        """Ask for pairs; None where one of them is unknown."""
        said = _object(http.send("GET", self.url + pairs), "Kraken")
        errors = said.get("error")
        if isinstance(errors, list) and "EQuery:Unknown asset pair" in errors:
            return None
        if errors != [] or not isinstance(said.get("result"), dict):
            raise AdapterError(f"Kraken answered with an error: {errors}")
        return dict(said["result"])

    def _rates(self, books: Mapping[str, Any]) -> Iterator[Rate]:
        for currency, pair in self.pairs.items():
            book = books.get(pair) or books.get(f"USDT{currency}")
            bid = book.get("b") if isinstance(book, dict) else None
            price = _number(bid[0]) if isinstance(bid, list) and bid else None
            if price:
                yield Rate(currency, price)


class Coinbase(RateSource):
    """What Coinbase says one USDT is in every currency it knows.

    Source: docs.cdp.coinbase.com, Data API, Exchange Rates: `{"data": {"currency": "USDT", "rates": {"EUR": "0.92"}}}`;
    some 640 rates, 16 KB, of which most are other coins.
    """

    name = "coinbase"
    url = "https://api.coinbase.com/v2/exchange-rates?currency=USDT"

    def fetch(self, http: Http) -> Sequence[Rate]:
        """Ask for all rates; three capital letters may be a currency, which the hub decides."""
        data = _object(http.send("GET", self.url), "Coinbase").get("data")
        rates = data.get("rates") if isinstance(data, dict) and data.get("currency") == "USDT" else None
        if not isinstance(rates, dict):
            raise AdapterError("Coinbase answered without rates for USDT.")
        read = {code: _number(price) for code, price in rates.items() if re.fullmatch("[A-Z]{3}", code)}
        return _some([Rate(code, price) for code, price in read.items() if price], "Coinbase")


def _object(answer: Answer, name: str) -> dict[str, Any]:
    """Read an answer that must be a JSON object; raises AdapterError with how long to wait, where that is said."""
    if answer.status != 200:
        wait = answer.headers.get("retry-after", "")
        raise AdapterError(
            f"{name} answered with status {answer.status}.", retry_after_s=float(wait) if wait.isdecimal() else None
        )
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError) as err:
        raise AdapterError(f"{name} answered with something that is no JSON.") from err
    if not isinstance(said, dict):
        raise AdapterError(f"{name} answered with something that is no JSON object.")
    return said


def _some(rates: list[Rate], name: str) -> list[Rate]:
    if not rates:
        raise AdapterError(f"{name} answered without a rate that can be read.")
    return rates


def _number(value: object) -> Decimal | None:
    """Read a positive decimal text; None for anything else."""
    if not isinstance(value, str) or not NUMBER.fullmatch(value):
        return None
    return Decimal(value) or None
