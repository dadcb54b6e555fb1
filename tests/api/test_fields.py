"""order_id and description: printable, bounded, and never silently another text (P44-P47)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.api.fields import description, order_id, url_text
from core.api.strict_json import JsonNumber
from core.errors import GatewayError, InvalidField, InvalidUrl, MalformedJson, MissingField


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        pytest.param("a\u202eb", InvalidField, id="P44-bidi"),
        pytest.param("a\u0085b", InvalidField, id="P44-next-line"),
        pytest.param("a\nb", InvalidField, id="P44-line-break"),
        pytest.param("a\u200bb", InvalidField, id="P44-zero-width"),
        pytest.param("a\u00a0b", InvalidField, id="P44-no-break-space"),
        pytest.param("a\ud800", InvalidField, id="P44-surrogate"),
        pytest.param("e\u0301", InvalidField, id="P45"),
        pytest.param("", MissingField, id="P46-empty"),
        pytest.param("   ", MissingField, id="P46-blank"),
        pytest.param("x" * 65, InvalidField, id="P46-long"),
        pytest.param(None, MissingField, id="missing"),
        pytest.param(JsonNumber("1.5"), InvalidField, id="P47-fraction"),
        pytest.param(JsonNumber("1e3"), InvalidField, id="P47-exponent"),
        pytest.param(JsonNumber("1" * 65), InvalidField, id="P47-long"),
        pytest.param(True, InvalidField, id="bool"),
        pytest.param(["1"], InvalidField, id="list"),
        pytest.param({}, InvalidField, id="object"),
    ],
)
def test_a_bad_order_id_is_refused(raw: object, error: type[GatewayError]) -> None:
    with pytest.raises(GatewayError) as caught:
        order_id(raw)

    assert type(caught.value) is error
    assert caught.value.sentence.startswith("order_id ")


@pytest.mark.parametrize("raw", ["ORDER_12345", "1", "№ 7 / Ж", "é", "x" * 64, "= 1+1", "😀", " a "])
def test_a_printable_order_id_comes_back_as_sent(raw: str) -> None:
    assert order_id(raw) == raw


def test_p47_a_json_integer_is_the_same_order_as_its_text() -> None:
    read = order_id(JsonNumber("123"))

    assert read == order_id("123")
    assert type(read) is str


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (None, None),
        ("", None),
        (" ", None),
        ("Two blue chairs", "Two blue chairs"),
        ("cafe\u0301", "café"),
        ("e\u0301" * 255, "é" * 255),
    ],
)
def test_description_is_normalised(raw: object, read: str | None) -> None:
    assert description(raw) == read


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        ("x" * 256, InvalidField),
        ("a\nb", InvalidField),
        ("a\u202eb", InvalidField),
        ("a\x00b", MalformedJson),
        ("a\ud800b", MalformedJson),
        (True, InvalidField),
        (JsonNumber("12"), InvalidField),
        ([], InvalidField),
    ],
)
def test_a_bad_description_is_refused(raw: object, error: type[GatewayError]) -> None:
    with pytest.raises(GatewayError) as caught:
        description(raw)

    assert type(caught.value) is error


@pytest.mark.parametrize(("raw", "read"), [(None, None), ("", None), ("https://a.com/", "https://a.com/"), (" ", " ")])
def test_a_url_is_optional_and_checked_elsewhere(raw: object, read: str | None) -> None:
    assert url_text(raw) == read


@pytest.mark.parametrize("raw", [JsonNumber("1"), 1, True, False, [], {}])
def test_a_url_is_a_text(raw: object) -> None:
    with pytest.raises(InvalidUrl):
        url_text(raw)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.text("0123456789").map(JsonNumber)))
def test_z3_any_value_is_read_or_refused_by_a_gateway_error(raw: object) -> None:
    for read in (order_id, description, url_text):
        try:
            read(raw)
        except GatewayError:
            continue
