"""Account public keys: the published vectors, and what is refused with a sentence for who typed it."""

from __future__ import annotations

from hashlib import pbkdf2_hmac

import pytest
from base58 import b58decode_check, b58encode_check
from tronpy.hdwallet import key_from_seed
from tronpy.keys import PrivateKey

from core.chain.xpub import ExtendedKey, address_at, derive, parse_xpub
from core.errors import InvalidXpub

ACCOUNT = (  # of the mnemonic `abandon` x 11 + `about`, no passphrase: four independent derivations agree on it
    "xpub6D1AabNHCupeiLM65ZR9UStMhJ1vCpyV4XbZdyhMZBiJXALQtmn9p42VTQckoHVn8WNqS7dqnJokZHAHcHGoaQgmv8D45oNUKx6DZMNZBCd"
)
ADDRESSES = ["TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH", "TSeJkUh4Qv67VNFwY8LaAxERygNdy6NQZK",
             "TYJPRrdB5APNeRs4R7fYZSwW3TcrTKw2gx"]
# BIP 32, test vector 2: chain m and its child m/0, public
PARENT = (
    "xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB"
)
CHILD = (
    "xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvrnKZjXoUmmDznezpbZb7ap6r1D3tgFxHmwMkQTPH"
)


def altered(**changes: bytes) -> str:
    raw = bytearray(b58decode_check(ACCOUNT))
    places = {"version": (0, 4), "depth": (4, 5), "child": (9, 13), "key": (45, 78)}
    for name, value in changes.items():
        first, last = places[name]
        raw[first:last] = value
    return b58encode_check(bytes(raw)).decode()


def test_the_published_vector_is_met():
    account = parse_xpub(ACCOUNT)

    assert [str(address_at(account, index)) for index in range(3)] == ADDRESSES


def test_bip32s_own_vector_is_met():
    raw, wanted = b58decode_check(PARENT), b58decode_check(CHILD)
    child = derive(ExtendedKey(public_key=raw[45:], chain_code=raw[13:45]), 0)

    assert child is not None and (child.public_key, child.chain_code) == (wanted[45:], wanted[13:45])


@pytest.mark.parametrize("index", [-1, 2**31])
def test_a_hardened_index_is_our_own_bug(index: int):
    with pytest.raises(ValueError, match="not a public derivation index"):
        derive(parse_xpub(ACCOUNT), index)


@pytest.mark.parametrize(("text", "sentence"), [
    (ACCOUNT[:-1] + "e", "checksum"),
    ("", "checksum|not an xpub"),
    ("xprv9s21ZrQH143K", "PRIVATE"),
    (PARENT, "not an account"),
    (altered(depth=b"\x04"), "not an account"),
    (altered(child=b"\x00\x00\x00\x00"), "not an account"),
    (altered(version=bytes.fromhex("0488ade4")), "PRIVATE"),
    (altered(version=bytes.fromhex("049d7cb2")), "not an xpub"),
    (altered(key=b"\x05" + b"\x01" * 32), "no valid public key"),
    (ADDRESSES[0], "not an xpub"),
])
def test_anything_else_is_refused_with_a_sentence(text: str, sentence: str):
    with pytest.raises(InvalidXpub, match=sentence):
        parse_xpub(text)


def test_tronpys_private_derivation_finds_the_same_addresses():
    """An oracle of its own: from the seed down, with private keys."""
    seed = pbkdf2_hmac("sha512", b"abandon " * 11 + b"about", b"mnemonic", 2048)  # BIP 39, no passphrase

    found = [
        PrivateKey(key_from_seed(seed, f"m/44'/195'/0'/0/{index}")).public_key.to_base58check_address()
        for index in (0, 1, 2, 1000)
    ]

    account = parse_xpub(ACCOUNT)
    assert found == [str(address_at(account, index)) for index in (0, 1, 2, 1000)]
