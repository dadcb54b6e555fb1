"""Addresses: one spelling is accepted, everything else gets a sentence and never another exception."""

import pytest
from base58 import b58encode_check
from hypothesis import given
from hypothesis import strategies as st

from core.chain.addresses import ZERO_ADDRESS, TronAddress, address_of, parse_address
from core.errors import GatewayError, InvalidAddress

USDT_MAINNET = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
USDT_MAINNET_RAW = bytes.fromhex("a614f803b6fd780986a42c78ec9c7f77e6ded13c")

KNOWN = [
    (USDT_MAINNET, USDT_MAINNET_RAW),
    ("TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBf", bytes.fromhex("eca9bc828a3005b9a3b909f2cc5c2a54794de05f")),
    ("TG3XXyExBkPp9nzdajDZsozEu4BkaSJozs", bytes.fromhex("42a1e39aefa49290f2b3f9ed688d7cecf86cd6e0")),
    ("T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb", bytes(20)),
]

REFUSED = {
    "T56 empty": "",
    "T56 wrong checksum": USDT_MAINNET[:-1] + "u",
    "T56 hex with 41": "41a614f803b6fd780986a42c78ec9c7f77e6ded13c",
    "T56 hex of 20 bytes": "a614f803b6fd780986a42c78ec9c7f77e6ded13c",
    "T56 0x": "0xa614f803b6fd780986a42c78ec9c7f77e6ded13c",
    "bad hex": "41zz",
    "blank before": " " + USDT_MAINNET,
    "blank after": USDT_MAINNET + " ",
    "line end after": USDT_MAINNET + "\n",
    "NUL inside": USDT_MAINNET[:5] + "\0" + USDT_MAINNET[6:],
    "lower case": USDT_MAINNET.lower(),
    "letter that is not base58": "T0" + USDT_MAINNET[2:],
    "full-width": "\uff34" + USDT_MAINNET[1:],
    "Cyrillic look-alike": "\u0422" + USDT_MAINNET[1:],
    "surrogate": "\ud800" * 34,
    "too short": USDT_MAINNET[:-1],
    "too long": USDT_MAINNET + "t",
    "huge": "T" * 100_000,
    "Bitcoin": "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "Ethereum": "0xdAC17F958D2ee523a2206206994597C13D831ec7",
    "prefix 00": b58encode_check(b"\x00" + USDT_MAINNET_RAW).decode(),
    "prefix 42": b58encode_check(b"\x42" + USDT_MAINNET_RAW).decode(),
    "19 bytes": b58encode_check(b"\x41" + USDT_MAINNET_RAW[1:]).decode(),
    "21 bytes": b58encode_check(b"\x41" + USDT_MAINNET_RAW + b"\x01").decode(),
}


@pytest.mark.parametrize(("text", "raw20"), KNOWN)
def test_known_addresses_read_and_write_the_same(text, raw20):
    assert parse_address(text) == TronAddress(base58=text, raw20=raw20)
    assert address_of(raw20) == parse_address(text)
    assert str(address_of(raw20)) == text


def test_hex_for_the_node_is_41_and_the_raw_bytes():
    assert parse_address(USDT_MAINNET).hex41 == "41" + USDT_MAINNET_RAW.hex()


def test_the_zero_address_is_the_one_usdt_refuses():
    assert ZERO_ADDRESS.base58 == "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb"


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_every_other_spelling_is_refused_with_a_sentence(text):
    with pytest.raises(InvalidAddress) as refusal:
        parse_address(text)

    assert refusal.value.sentence.endswith(".")


@given(st.text() | st.text(alphabet="T123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", max_size=40))
def test_no_text_raises_anything_but_a_gateway_error(text):
    try:
        parse_address(text)
    except GatewayError:
        pass


@given(st.binary(min_size=20, max_size=20))
def test_every_raw_address_survives_the_round_trip(raw20):
    assert parse_address(address_of(raw20).base58).raw20 == raw20


@given(st.binary(min_size=20, max_size=20), st.integers(0, 33), st.sampled_from("123ABCabc"))
def test_one_changed_letter_is_never_another_address(raw20, position, letter):
    good = address_of(raw20).base58
    changed = good[:position] + letter + good[position + 1:]

    if changed != good:
        with pytest.raises(InvalidAddress):
            parse_address(changed)


@pytest.mark.parametrize("length", [0, 19, 21])
def test_a_raw_address_of_another_length_is_our_bug(length):
    with pytest.raises(ValueError, match="no TRON address"):
        address_of(bytes(length))
