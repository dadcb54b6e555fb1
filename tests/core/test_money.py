"""Prices are read exactly or refused, and never pass through a float (B1, B2, P1-P29)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import AmountNotPositive, GatewayError, InvalidAmount, TooManyDecimals
from core.money import Amount, Usdt, parse_amount

REFUSED: list[tuple[str, object, type[GatewayError]]] = [
    ("P1", "５０", InvalidAmount),
    ("P2", "٥٠.٠٠", InvalidAmount),
    ("P3", "५०", InvalidAmount),
    ("P4", "1e3", InvalidAmount),
    ("P5", "1E-6", InvalidAmount),
    ("P6", "1_000", InvalidAmount),
    ("P7", " 50 ", InvalidAmount),
    ("P8", "+50", InvalidAmount),
    ("P9", "-0", AmountNotPositive),
    ("P10", "-5", AmountNotPositive),
    ("P10-decimals", "-5.25", AmountNotPositive),
    ("P10-twice", "--5", InvalidAmount),
    ("P11", "NaN", InvalidAmount),
    ("P12", "sNaN", InvalidAmount),
    ("P13", "Infinity", InvalidAmount),
    ("P13-negative", "-Infinity", InvalidAmount),
    ("P14", ".5", InvalidAmount),
    ("P15", "5.", InvalidAmount),
    ("P16", "0x10", InvalidAmount),
    ("P17", "1e999999999", InvalidAmount),
    ("P18", "50\n", InvalidAmount),
    ("P19", "50\u0000", InvalidAmount),
    ("P20", "0.0000001", TooManyDecimals),
    ("P21", "٫5", InvalidAmount),
    ("P22", "1234567890", InvalidAmount),
    ("P23", "0", AmountNotPositive),
    ("P23-places", "0.00", AmountNotPositive),
    ("P24", "", InvalidAmount),
    ("P24-square", "²", InvalidAmount),
    ("P25", True, InvalidAmount),
    ("P26-null", None, InvalidAmount),
    ("P26-list", [], InvalidAmount),
    ("P26-object", {}, InvalidAmount),
    ("P28-fine", "0.1234567890123456789", TooManyDecimals),
    ("P33", "1" * 5000, InvalidAmount),
    ("float", 50.5, InvalidAmount),
    ("int", 50, InvalidAmount),
    ("bytes", b"50", InvalidAmount),
    ("comma", "50,00", InvalidAmount),
]


@pytest.mark.parametrize(("raw", "error"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED])
def test_what_is_no_plain_price_is_refused(raw: object, error: type[GatewayError]) -> None:
    with pytest.raises(GatewayError) as caught:
        parse_amount(raw)

    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("raw", "units", "text"),
    [
        pytest.param("50", 50_000_000, "50.00", id="P27-whole"),
        pytest.param("50.5", 50_500_000, "50.50", id="P27-one-place"),
        pytest.param("0.1", 100_000, "0.10", id="P27-tenth"),
        pytest.param("50.00", 50_000_000, "50.00", id="B2-two-places"),
        pytest.param("50.100", 50_100_000, "50.100", id="B2-three-places"),
        pytest.param("007.5", 7_500_000, "7.50", id="P29"),
        pytest.param("0.000001", 1, "0.000001", id="smallest"),
        pytest.param("999999999.999999", 999_999_999_999_999, "999999999.999999", id="greatest"),
    ],
)
def test_a_price_is_exact_and_keeps_its_decimals(raw: str, units: int, text: str) -> None:
    assert parse_amount(raw) == Amount(Usdt(units), text)


@given(st.one_of(st.text(), st.text("0123456789.-+eE ٣５"), st.integers(), st.floats(), st.none(), st.binary()))
def test_any_input_is_a_price_or_a_gateway_error(raw: object) -> None:
    try:
        amount = parse_amount(raw)
    except GatewayError:
        return

    assert amount.due.units > 0


@given(st.integers(1, 10**15 - 1))
def test_reading_undoes_writing(units: int) -> None:
    assert parse_amount(Usdt(units).six_places()).due == Usdt(units)


@pytest.mark.parametrize(
    ("units", "text"),
    [
        (50_013_400, "50.013400"),
        (0, "0.000000"),
        (1, "0.000001"),
        (-500_000, "-0.500000"),
        (2**63 - 1, "9223372036854.775807"),
        (-(2**63), "-9223372036854.775808"),
    ],
)
def test_pay_amount_always_has_six_places(units: int, text: str) -> None:
    assert Usdt(units).six_places() == text


def test_sums_add_subtract_and_compare() -> None:
    assert Usdt(3) + Usdt(4) - Usdt(2) == Usdt(5)
    assert -Usdt(5) < Usdt(0) < Usdt(1)
    assert max(Usdt(1), Usdt(3), Usdt(2)) == Usdt(3)


@pytest.mark.parametrize("units", [True, 1.0, "1", None])
def test_units_are_whole_numbers_only(units: object) -> None:
    with pytest.raises(TypeError, match="must be an int"):
        Usdt(units)  # type: ignore[arg-type]


@pytest.mark.parametrize("units", [2**63, -(2**63) - 1])
def test_units_fit_64_bits(units: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        Usdt(units)


def test_a_sum_past_64_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="64 bits"):
        Usdt(2**63 - 1) + Usdt(1)


def test_money_never_mixes_with_bare_numbers() -> None:
    with pytest.raises(TypeError):
        Usdt(1) + 1  # type: ignore[operator]
    with pytest.raises(TypeError):
        Usdt(1) - 1  # type: ignore[operator]
