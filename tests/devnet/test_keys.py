"""Addresses and signatures."""

from __future__ import annotations

import pytest

from core.devnet import keys, wire
from core.devnet.keys import BadSignature

KEY = bytes(31) + b"\x01"
DIGEST = bytes(range(32))


def test_address_of_a_known_key() -> None:
    assert keys.to_base58(keys.address_of(KEY)) == "TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2HC"


def test_zero_address_in_base58_spec_1() -> None:
    assert keys.to_base58(keys.ZERO_ADDRESS) == "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb"


@pytest.mark.parametrize("shift", [0, 27])
def test_signer_is_recovered_from_both_forms_of_v(shift: int) -> None:
    signature = keys.sign(private_key=KEY, digest=DIGEST)
    signature = signature[:64] + bytes([signature[64] + shift])

    assert keys.recover(digest=DIGEST, signature=signature) == keys.address_of(KEY)


@pytest.mark.parametrize("signature", [b"", bytes(64), bytes(65), b"\xff" * 65, bytes(64) + b"\x09"])
def test_rubbish_is_no_signature(signature: bytes) -> None:
    with pytest.raises(BadSignature):
        keys.recover(digest=DIGEST, signature=signature)


@pytest.mark.parametrize(
    "text",
    [
        "", "T", "41zz", "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwc", "0x" + "00" * 20, "00" * 21, "41" + "00" * 19,
        "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWw0", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", None, 5, "T" + "é" * 33,
    ],
)  # fmt: skip
def test_bad_addresses_are_value_errors_spec_4(text: object) -> None:
    with pytest.raises(ValueError):
        wire.parse_address(text)


def test_keys_stay_out_of_repr() -> None:
    assert KEY.hex() not in repr(keys.KeyRing(KEY))
