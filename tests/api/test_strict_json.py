"""Bodies are read exactly or refused with an error of ours, never with a crash (P30-P43)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.api.strict_json import JsonNumber, strict_json, strict_object
from core.errors import BodyNotObject, BodyTooLarge, GatewayError, InvalidField, MalformedJson
from core.money import Usdt, parse_amount

REFUSED: list[tuple[str, bytes, type[GatewayError]]] = [
    ("P30", b'{"a": 1, "a": 1}', MalformedJson),
    ("P30-nested", b'{"x": [{"a": 1, "a": 2}]}', MalformedJson),
    ("P30-escaped", b'{"a": 1, "\\u0061": 2}', MalformedJson),
    ("P31-nan", b'{"a": NaN}', MalformedJson),
    ("P31-infinity", b'{"a": Infinity}', MalformedJson),
    ("P31-minus-infinity", b'{"a": -Infinity}', MalformedJson),
    ("P34", b"[" * 30_000, MalformedJson),
    ("P34-balanced", b"[" * 30_000 + b"]" * 30_000, MalformedJson),
    ("P34-objects", b'{"a":' * 10_000 + b"1" + b"}" * 10_000, MalformedJson),
    ("P35", b"[" * 21 + b"]" * 21, MalformedJson),
    ("P35-after-a-string", b'["]]]]", ' + b"[" * 20 + b"]" * 20 + b"]", MalformedJson),
    ("P35-after-a-quote", b'["\\"]", ' + b"[" * 20 + b"]" * 20 + b"]", MalformedJson),
    ("P36", b'{"a": "\\ud800"}', MalformedJson),
    ("P36-low-first", b'{"a": "\\udc00\\ud800"}', MalformedJson),
    ("P36-raw", b'{"a": "\xed\xa0\x80"}', MalformedJson),
    ("P36-key", b'{"\\ud800": 1}', MalformedJson),
    ("P37", b'{"a": "\\u0000"}', MalformedJson),
    ("P37-raw", b'{"a": "\x00"}', MalformedJson),
    ("P38-le", '{"a": 1}'.encode("utf-16-le"), MalformedJson),
    ("P38-be", '{"a": 1}'.encode("utf-16-be"), MalformedJson),
    ("P38-bom", '{"a": 1}'.encode("utf-16"), MalformedJson),
    ("P38-utf-32", '{"a": 1}'.encode("utf-32"), MalformedJson),
    ("P39", b'\xef\xbb\xbf{"a": 1}', MalformedJson),
    ("P40", b'{"a": "\xff"}', MalformedJson),
    ("P40-overlong", b'{"a": "\xc0\xaf"}', MalformedJson),
    ("P41", b'{"a": 1} x', MalformedJson),
    ("P41-second", b'{"a": 1}{"a": 2}', MalformedJson),
    ("P42", b"", MalformedJson),
    ("P42-blank", b" \n", MalformedJson),
    ("P43-null", b"null", BodyNotObject),
    ("P43-string", b'"x"', BodyNotObject),
    ("P43-list", b"[1]", BodyNotObject),
    ("P43-number", b"1", BodyNotObject),
    ("P44-bidi", b'{"a": "x\\u202ey"}', InvalidField),
    ("P44-control", b'{"a": "x\\u0085y"}', InvalidField),
    ("line-break", b'{"a": "x\\ny"}', InvalidField),
    ("raw-line-break", b'{"a": "x\ny"}', MalformedJson),
    ("control-in-key", b'{"x\\u202ey": 1}', InvalidField),
    ("control-in-list", b'{"a": [{"b": ["\\u0007"]}]}', InvalidField),
    ("P51", b'{"a": "' + b"x" * 65_528 + b'"}', BodyTooLarge),
    ("leading-zero", b'{"a": 01}', MalformedJson),
    ("plus", b'{"a": +1}', MalformedJson),
    ("hex", b'{"a": 0x10}', MalformedJson),
    ("single-quotes", b"{'a': 1}", MalformedJson),
    ("comment", b'{"a": 1 /* x */}', MalformedJson),
    ("trailing-comma", b'{"a": 1,}', MalformedJson),
    ("full-width-digit", '{"a": ５}'.encode(), MalformedJson),
    ("form", b"order_id=1&amount=50", MalformedJson),
]


@pytest.mark.parametrize(("body", "error"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED])
def test_what_is_not_clean_json_is_refused(body: bytes, error: type[GatewayError]) -> None:
    with pytest.raises(GatewayError) as caught:
        strict_object(body)

    assert type(caught.value) is error
    assert 400 <= caught.value.http_status < 500


def test_a_clean_body_is_read_as_it_was_sent() -> None:
    body = '{"order_id": "Ж-1 😀", "amount": 50.10, "n": -0, "list": [true, false, null, ""], "e": {}}'

    assert strict_object(body.encode()) == {
        "order_id": "Ж-1 😀",
        "amount": "50.10",
        "n": "-0",
        "list": [True, False, None, ""],
        "e": {},
    }


@pytest.mark.parametrize("number", ["50", "50.5", "0.1", "1e400", "1e3", "-5", "0.1234567890123456789", "1" * 5000])
def test_p27_p32_p33_numbers_keep_every_digit_as_text(number: str) -> None:
    read = strict_object(f'{{"amount": {number}}}'.encode())["amount"]

    assert isinstance(read, JsonNumber)
    assert read == number


@pytest.mark.parametrize(("sent", "units"), [("50", 50_000_000), ("50.5", 50_500_000), ("0.1", 100_000)])
def test_p27_a_json_number_is_an_exact_price(sent: str, units: int) -> None:
    assert parse_amount(strict_json(sent.encode())).due == Usdt(units)


def test_p35_twenty_levels_are_enough_for_anyone() -> None:
    assert strict_json(b"[" * 20 + b"]" * 20) is not None


def test_p35_brackets_inside_strings_do_not_count() -> None:
    body = json.dumps({"a": "[{" * 100, '"[[': '\\"' + "[" * 50}).encode()

    assert strict_object(body)["a"] == "[{" * 100


def test_p36_a_pair_of_surrogate_escapes_is_one_character() -> None:
    assert strict_json(b'"\\ud83d\\ude00"') == "😀"


def test_p51_sixty_four_kib_are_read_and_one_byte_more_is_not() -> None:
    body = b'{"a": "' + b"x" * 65_527 + b'"}'

    assert len(body) == 65_536
    assert len(str(strict_object(body)["a"])) == 65_527


@pytest.mark.parametrize("hostile", [b'"' + b"\\" * 65_000, b'"' * 65_000, b'["\\"' * 16_000, b'{"' * 32_000])
def test_hostile_quotes_cost_linear_time(hostile: bytes) -> None:
    with pytest.raises(MalformedJson):
        strict_json(hostile)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs"))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdé", max_size=4), inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(st.text("abcdé", max_size=4), json_values), st.booleans())
def test_every_clean_object_is_read(document: dict[str, object], ascii_only: bool) -> None:
    read = strict_object(json.dumps(document, ensure_ascii=ascii_only).encode())

    assert json.loads(json.dumps(document), parse_int=str) == read


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text('{}[]",:\\u0ab12dNaInfity-+.eE \n', max_size=80).map(str.encode),
        st.builds(lambda a, b, c: a + b + c, st.just(b'{"a": "'), st.binary(max_size=20), st.just(b'"}')),
    )
)
def test_z3_any_bytes_are_an_object_or_a_gateway_error(body: bytes) -> None:
    try:
        read = strict_object(body)
    except GatewayError as error:
        assert error.http_status in (400, 413, 422)
        return

    assert json.loads(body, parse_int=str, parse_float=str) == read
