"""Prices in fiat, and the only bridge from them to USDT: pure, exact, and never to the merchant's loss.

A rate says what one USDT costs in a currency. What is due is rounded up to whole hundredths of a USDT, so that the tag
that marks a payment stays in the digits behind. No float and no true division: fractions are exact.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

from core.currencies import MINOR_UNITS
from core.errors import AmountNotPositive, InvalidPrice, RateUnavailable, TooManyDecimals, UnsupportedCurrency
from core.money import UNITS_PER_USDT, Amount, Usdt, parse_amount

STEPS_PER_USDT = 100  # a quoted price is due in whole hundredths; tags begin at 0.0001
RATE_DIGITS = Context(prec=10, rounding=ROUND_DOWN)  # a lower rate asks for more USDT: never to the merchant's loss
AMOUNT = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?")  # 15 digits: prices in rials have many; ASCII digits only
CODE = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Price:
    """What a merchant asks in its own currency. amount: > 0, no finer than the currency's minor unit."""

    amount: Decimal
    currency: str

    @property
    def text(self) -> str:
        """Write the amount with all decimals of its currency: "49.90", "500", "1.250"."""
        return f"{self.amount:.{MINOR_UNITS[self.currency]}f}"

    def __str__(self) -> str:
        return f"{self.text} {self.currency}"


@dataclass(frozen=True, slots=True)
class Heard:
    """What one source said last. price: of one USDT.   at: when that was so, as it says, or when it was asked."""

    source: str
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Guards:
    """When a source is believed. max_deviation_percent: from the median.   min_sources: that must agree, >= 1."""

    max_age: timedelta
    max_deviation_percent: Decimal
    min_sources: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """A source and why it is not used; an empty reason means that it is."""

    heard: Heard
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is believed about a currency. rate: None while nothing can be; `reason` then says why.

    at: of the oldest word among those believed.
    """

    currency: str
    verdicts: tuple[Verdict, ...]
    rate: Decimal | None = None
    at: datetime | None = None
    reason: str = ""

    @property
    def sources(self) -> tuple[str, ...]:
        """Name the sources that are believed."""
        return tuple(verdict.heard.source for verdict in self.verdicts if not verdict.reason)


@dataclass(frozen=True, slots=True)
class Quote:
    """A price in USDT, and how that came about: anybody can do the sum again from rate and price."""

    price: Price
    amount: Amount
    rate: Decimal
    sources: tuple[str, ...]
    at: datetime


def parse_price(amount: object, currency: object) -> Price:
    """Read a price from what a merchant sent: a decimal text or the text of a JSON number, and an ISO 4217 code.

    Raises UnsupportedCurrency, InvalidPrice, TooManyDecimals, AmountNotPositive (all HTTP 422).
    """
    code = parse_currency(currency)
    if not isinstance(amount, str):
        raise InvalidPrice
    match = AMOUNT.fullmatch(amount.removeprefix("-"))
    if match is None:
        raise InvalidPrice
    places = MINOR_UNITS[code]
    if len(match[2] or "") > places:
        raise TooManyDecimals(f"A price in {code} must have {f'at most {places}' if places else 'no'} decimal places.")
    value = Decimal(match[0])
    if amount.startswith("-") or not value:
        raise AmountNotPositive
    return Price(value, code)


def parse_currency(raw: object) -> str:
    """Read an ISO 4217 code, in capitals; raises UnsupportedCurrency."""
    if not isinstance(raw, str) or not CODE.fullmatch(raw) or raw not in MINOR_UNITS:
        raise UnsupportedCurrency("price.currency must be a currency's ISO 4217 code such as EUR, in capitals.")
    return str(raw)


def judge(currency: str, heard: Sequence[Heard], *, guards: Guards, now: datetime) -> Judged:
    """Decide what one USDT costs: the median of the fresh sources that agree with each other.

    Left out: words older than `max_age`, then those further from the median of the rest than `max_deviation_percent`.
    Those that agree must be `min_sources`, and more than half of the fresh ones; otherwise nothing is believed.
    """
    stale = [one for one in heard if now - one.at > guards.max_age]
    fresh = [one for one in heard if one not in stale]
    middle = median([one.price for one in fresh]) if fresh else Decimal(0)
    strayed = [one for one in fresh if abs(one.price - middle) * 100 > middle * guards.max_deviation_percent]
    agreed = [one for one in fresh if one not in strayed]
    verdicts = tuple(sorted(
        [
            *(Verdict(one) for one in agreed),
            *(Verdict(one, f"off by more than {guards.max_deviation_percent} % from the median") for one in strayed),
            *(Verdict(one, f"older than {_span(guards.max_age)}") for one in stale),
        ],
        key=lambda verdict: verdict.heard.source,
    ))
    reason = _shortage(currency, heard=len(heard), fresh=len(fresh), agreed=len(agreed), least=guards.min_sources)
    if reason:
        return Judged(currency, verdicts, reason=reason)
    rate = RATE_DIGITS.plus(median([one.price for one in agreed]))
    return Judged(currency, verdicts, rate, min(one.at for one in agreed))


def quote(price: Price, judged: Judged) -> Quote:
    """Turn a price into what is due in USDT, rounded up to a hundredth.

    Raises RateUnavailable (HTTP 503), InvalidPrice for more USDT than a payment can ask (HTTP 422).
    """
    if judged.rate is None or judged.at is None:
        raise RateUnavailable(judged.reason)
    steps = -(-(Fraction(price.amount) * STEPS_PER_USDT) // Fraction(judged.rate))
    text = f"{steps // STEPS_PER_USDT}.{steps % STEPS_PER_USDT:02d}"
    if steps >= 10**9 * STEPS_PER_USDT:
        raise InvalidPrice("The price is more than a payment can ask: 999999999.99 USDT.")
    return Quote(price, parse_amount(text), judged.rate, judged.sources, judged.at)


def worth(sum_: Usdt, rate: Decimal, currency: str) -> str:
    """Write what a sum of USDT was worth at a rate, in the currency's minor units; halves are rounded up."""
    exact = Decimal(sum_.units) * rate * (Decimal(1).scaleb(-6))
    places = MINOR_UNITS[currency]
    return f"{exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP):f}"


def rate_text(rate: Decimal) -> str:
    """Write a rate without an exponent or idle zeros: "0.92", "1", "155.2"."""
    text = f"{rate:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def median(values: Sequence[Decimal]) -> Decimal:
    """Give the middle value, or the mean of the two in the middle; values: at least one."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) * Decimal("0.5")


def _shortage(currency: str, *, heard: int, fresh: int, agreed: int, least: int) -> str:
    """Say why nothing can be believed; empty where it can."""
    if not heard:
        return f"No rate source of this hub knows {currency}."
    if not fresh:
        return f"The rates for {currency} are too old at the moment; try again later."
    if agreed < least or 2 * agreed <= fresh:
        return f"Too few rate sources agree about {currency} at the moment; try again later."
    return ""


def _span(span: timedelta) -> str:
    seconds = span // timedelta(seconds=1)
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"


assert UNITS_PER_USDT % STEPS_PER_USDT == 0  # a step is whole units
