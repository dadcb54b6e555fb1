"""Sources that ask nobody: the peg, which takes a USDT for a dollar, and the operator's own table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from core.contract import Http, Rate, RateSource


class Peg(RateSource):
    """One USDT is one US dollar: what Tether promises, not what a market says."""

    name = "peg"

    def fetch(self, http: Http) -> Sequence[Rate]:
        """Give the dollar."""
        return [Rate("USD", Decimal(1))]


class OwnTable(RateSource):
    """What the operator has decided (PAYWHARF_RATE_TABLE)."""

    name = "table"

    def __init__(self, rates: Mapping[str, Decimal]) -> None:
        self._rates = dict(rates)

    def fetch(self, http: Http) -> Sequence[Rate]:
        """Give the table; an empty one is no error."""
        return [Rate(currency, price) for currency, price in self._rates.items()]
