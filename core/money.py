"""Money as whole units of 10**-6 USDT, and the strict reading of what merchants write; no float, no Decimal here.

The price's own decimals are kept beside it, because the compatible API echoes them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.errors import AmountNotPositive, InvalidAmount, TooManyDecimals

UNITS_PER_USDT = 10**6  # the contract's decimals() is 6
INT64_LIMIT = 2**63  # the width of the columns money is stored in: 9.2 * 10**12 USDT

AMOUNT = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,6}))?")  # ASCII digits only: \d would take full-width and Arabic ones
TOO_FINE = re.compile(r"-?[0-9]{1,9}\.[0-9]{7,}")


@dataclass(frozen=True, slots=True, order=True)
class Usdt:
    """A sum of USDT in whole units of 10**-6; negative sums are for the ledger, and every sum fits 64 bits."""

    units: int

    def __post_init__(self) -> None:
        if type(self.units) is not int:  # a bool is an int to isinstance
            raise TypeError(f"units must be an int, not {type(self.units).__name__}")
        if not -INT64_LIMIT <= self.units < INT64_LIMIT:
            raise ValueError("units do not fit 64 bits")

    def __add__(self, other: Usdt) -> Usdt:
        if not isinstance(other, Usdt):
            return NotImplemented
        return Usdt(self.units + other.units)

    def __sub__(self, other: Usdt) -> Usdt:
        if not isinstance(other, Usdt):
            return NotImplemented
        return Usdt(self.units - other.units)

    def __neg__(self) -> Usdt:
        return Usdt(-self.units)

    def six_places(self) -> str:
        """Write the sum as the API does, always with six decimals: "50.013400"."""
        whole, fraction = divmod(abs(self.units), UNITS_PER_USDT)
        return f"{'-' if self.units < 0 else ''}{whole}.{fraction:06d}"


@dataclass(frozen=True, slots=True)
class Amount:
    """A price: what is due, and the text that echoes the merchant's decimals, at least two ("50" -> "50.00")."""

    due: Usdt
    text: str


def parse_amount(raw: object) -> Amount:
    """Read a price from what a merchant sent: text, or the text of a JSON number, exactly.

    Raises AmountNotPositive for zero and below, TooManyDecimals past six places, InvalidAmount for all else (P1-P29).
    """
    if not isinstance(raw, str):
        raise InvalidAmount
    match = AMOUNT.fullmatch(raw.removeprefix("-"))
    if match is None:
        raise TooManyDecimals if TOO_FINE.fullmatch(raw) else InvalidAmount
    whole, fraction = int(match[1]), match[2] or ""
    units = whole * UNITS_PER_USDT + int(fraction.ljust(6, "0"))
    if raw.startswith("-") or units == 0:
        raise AmountNotPositive
    return Amount(Usdt(units), f"{whole}.{fraction.ljust(2, '0')}")
