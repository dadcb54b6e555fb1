"""Prices and quotes: read strictly, judged with suspicion, rounded up exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.api.strict_json import JsonNumber
from core.currencies import MINOR_UNITS
from core.errors import GatewayError, InvalidPrice, RateUnavailable
from core.money import Usdt
from core.payments.quoting import Guards, Heard, Judged, Price, judge, parse_price, quote, rate_text, worth

NOW = datetime(2026, 7, 1, 18, 0, tzinfo=UTC)
GUARDS = Guards(timedelta(minutes=10), Decimal(2), 1)


def heard(*prices: str, age_s: int = 0) -> list[Heard]:
    return [
        Heard(f"source{number}", Decimal(price), NOW - timedelta(seconds=age_s))
        for number, price in enumerate(prices, start=1)
    ]


def at_rate(rate: str, currency: str = "EUR") -> Judged:
    return judge(currency, heard(rate), guards=GUARDS, now=NOW)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("49.90", "EUR", "49.90"), ("49.9", "EUR", "49.90"), ("50", "USD", "50.00"),
        (JsonNumber("50.5"), "USD", "50.50"),
        ("500", "JPY", "500"), ("1.234", "KWD", "1.234"), ("1", "KWD", "1.000"), ("0.01", "EUR", "0.01"),
        ("000000000049.90", "EUR", "49.90"), ("123456789012345", "IRR", "123456789012345.00"),
    ],
)
def test_a_price_is_read_exactly_and_written_with_its_currencys_decimals(amount, currency, text):
    assert parse_price(amount, currency).text == text


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        ("49.999", "EUR", "too_many_decimals"), ("500.0", "JPY", "too_many_decimals"),
        ("1.2345", "KWD", "too_many_decimals"), ("0", "EUR", "amount_not_positive"),
        ("0.00", "EUR", "amount_not_positive"), ("-5", "EUR", "amount_not_positive"), ("", "EUR", "invalid_price"),
        ("1,5", "EUR", "invalid_price"), ("1e3", "EUR", "invalid_price"), (".5", "EUR", "invalid_price"),
        ("5.", "EUR", "invalid_price"), ("+5", "EUR", "invalid_price"), (" 5", "EUR", "invalid_price"),
        ("5\n", "EUR", "invalid_price"), ("NaN", "EUR", "invalid_price"), ("٥", "EUR", "invalid_price"),
        ("５", "EUR", "invalid_price"), ("1_000", "EUR", "invalid_price"), (5, "EUR", "invalid_price"),
        (None, "EUR", "invalid_price"), ("1" * 16, "EUR", "invalid_price"), ("5", "eur", "unsupported_currency"),
        ("5", "XXX", "unsupported_currency"), ("5", "USDT", "unsupported_currency"), ("5", "", "unsupported_currency"),
        ("5", None, "unsupported_currency"), ("5", "EUR\n", "unsupported_currency"),
        ("5", "XAU", "unsupported_currency"),
    ],
)
def test_anything_else_is_refused_with_its_code(amount, currency, code):
    with pytest.raises(GatewayError) as refusal:
        parse_price(amount, currency)

    assert (refusal.value.code, refusal.value.http_status) == (code, 422)


def test_minor_units_are_those_of_iso_4217():
    assert [MINOR_UNITS[code] for code in ("USD", "JPY", "KRW", "KWD", "BHD", "CLP", "HUF", "TND")] == [
        2, 0, 0, 3, 3, 0, 2, 3,
    ]
    assert all(len(code) == 3 and code.isupper() for code in MINOR_UNITS)


@pytest.mark.parametrize(
    ("price", "currency", "rate", "amount"),
    [
        ("50.00", "USD", "1", "50.00"),  # the peg changes nothing
        ("46.00", "EUR", "0.92", "50.00"),  # no crumb of a division is rounded up
        ("49.90", "EUR", "0.92", "54.24"),  # 54.2391… up
        ("0.01", "EUR", "0.92", "0.02"),
        ("1", "JPY", "155.2", "0.01"),
        ("15520", "JPY", "155.2", "100.00"),
        ("10.000", "KWD", "0.3075", "32.53"),
        ("100.00", "EUR", "3", "33.34"),
    ],
)
def test_what_is_due_is_rounded_up_to_a_hundredth(price, currency, rate, amount):
    found = quote(parse_price(price, currency), at_rate(rate, currency))

    assert (found.amount.text, found.amount.due.units % 10_000) == (amount, 0)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    cents=st.integers(1, 10**11),
    rate=st.decimals("0.0001", "1000000", places=8, allow_nan=False, allow_infinity=False),
)
def test_a_quote_never_asks_less_than_the_price_nor_a_step_too_much(cents, rate):
    price, believed = Price(Decimal(cents).scaleb(-2), "EUR"), at_rate(str(rate))
    try:
        found = quote(price, believed)
    except InvalidPrice:
        return  # more than a payment can ask
    due, step = Fraction(found.amount.due.units, 10**6), Fraction(1, 100)

    assert (due - step) * Fraction(believed.rate) < Fraction(price.amount) <= due * Fraction(believed.rate)
    assert Fraction(believed.rate) <= Fraction(rate)  # a rate is never rounded to the merchant's loss


def test_the_quote_can_be_done_again_from_what_is_stored():
    found = quote(parse_price("49.90", "EUR"), judge("EUR", heard("0.91234567891234", "0.92"), guards=GUARDS, now=NOW))

    again = quote(found.price, at_rate(rate_text(found.rate)))

    assert again.amount == found.amount


def test_a_price_beyond_what_a_payment_can_ask_is_refused():
    with pytest.raises(InvalidPrice, match="999999999.99 USDT"):
        quote(parse_price("999999999999999", "EUR"), at_rate("0.92"))


@pytest.mark.parametrize(
    ("prices", "rate", "used"),
    [
        (("0.92",), "0.92", 1), (("0.92", "0.93"), "0.925", 2), (("0.91", "0.92", "0.93"), "0.92", 3),
        (("0.92", "0.921", "1.40"), "0.9205", 2),  # an outlier is left out, and the median taken anew
        (("0.92", "0.921", "0.0001"), "0.9205", 2),
        (("0.92", "1.40"), None, 0),  # nobody can tell who is right
        (("0.5", "1.0", "1.5"), None, 1),  # the median agrees with itself alone: no majority
        (("1", "1", "2", "2"), None, 0),
    ],
)
def test_the_median_of_those_that_agree_is_believed(prices, rate, used):
    found = judge("EUR", heard(*prices), guards=GUARDS, now=NOW)

    assert (found.rate, len(found.sources)) == (Decimal(rate) if rate else None, used)
    assert bool(found.reason) is (rate is None)


def test_an_old_word_is_left_out_and_named():
    words = [*heard("0.92"), Heard("slow", Decimal("0.80"), NOW - timedelta(seconds=601))]

    found = judge("EUR", words, guards=GUARDS, now=NOW)

    assert (found.rate, found.sources) == (Decimal("0.92"), ("source1",))
    reasons = {one.heard.source: one.reason for one in found.verdicts}
    assert reasons == {"slow": "older than 10 min", "source1": ""}


def test_a_word_exactly_as_old_as_allowed_still_counts():
    assert judge("EUR", heard("0.92", age_s=600), guards=GUARDS, now=NOW).rate == Decimal("0.92")


def test_the_quote_is_as_old_as_its_oldest_word():
    words = [*heard("0.92"), Heard("older", Decimal("0.92"), NOW - timedelta(seconds=90))]

    assert judge("EUR", words, guards=GUARDS, now=NOW).at == NOW - timedelta(seconds=90)


@pytest.mark.parametrize(
    ("words", "guards", "sentence"),
    [
        ([], GUARDS, "No rate source of this hub knows EUR."),
        (heard("0.92", age_s=700), GUARDS, "The rates for EUR are too old"),
        (heard("0.92"), Guards(timedelta(minutes=10), Decimal(2), 2), "Too few rate sources agree about EUR"),
        (heard("0.92", "1.4"), GUARDS, "Too few rate sources agree about EUR"),
    ],
)
def test_without_a_rate_the_refusal_says_why_and_that_it_may_pass(words, guards, sentence):
    with pytest.raises(RateUnavailable, match=sentence) as refusal:
        quote(parse_price("5", "EUR"), judge("EUR", words, guards=guards, now=NOW))

    assert (refusal.value.http_status, refusal.value.code, refusal.value.retry_after_s) == (
        503, "rate_unavailable", 60,
    )


@pytest.mark.parametrize(
    ("units", "rate", "currency", "value"),
    [
        (54_240_100, "0.92", "EUR", "49.90"), (1, "0.92", "EUR", "0.00"), (5_000, "1", "USD", "0.01"),
        (100_000_000, "155.2", "JPY", "15520"), (32_530_000, "0.3075", "KWD", "10.003"),
    ],
)
def test_a_sums_worth_is_in_minor_units(units, rate, currency, value):
    assert worth(Usdt(units), Decimal(rate), currency) == value


@pytest.mark.parametrize(
    ("rate", "text"),
    [("0.920", "0.92"), ("1", "1"), ("100", "100"), ("1E+2", "100"), ("1E-7", "0.0000001")],
)
def test_a_rate_is_written_without_exponent_or_idle_zeros(rate, text):
    assert rate_text(Decimal(rate)) == text
