"""Account public keys (BIP 32): derive a fresh address for each payment without any private key; pure.

Only the account level is taken, m/44'/195'/n' (SLIP-44, coin 195), whose addresses are `/0/index`, as wallets show
them. An xpub spends nothing, but with any one child's private key it reveals the account's: keep those apart.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from base58 import b58decode_check
from coincurve import PublicKey
from Crypto.Hash import keccak

from core.chain.addresses import TronAddress, address_of
from core.errors import InvalidXpub

VERSION = bytes.fromhex("0488b21e")  # `xpub`, the only spelling TRON wallets export
LENGTH = 78
ACCOUNT_DEPTH = 3
HARDENED = 2**31
RECEIVING = 0  # the external chain of BIP 44


@dataclass(frozen=True, slots=True)
class ExtendedKey:
    """A public key that can derive children: 33 bytes of key, 32 of chain code."""

    public_key: bytes = field(repr=False)
    chain_code: bytes = field(repr=False)


def parse_xpub(text: str) -> ExtendedKey:
    """Read an account xpub exactly as a wallet exports it. Raises InvalidXpub with a sentence for who typed it."""
    if text[:4] in ("xprv", "yprv", "zprv"):
        raise InvalidXpub("This is a PRIVATE key: never give it to anybody. Export the public one (xpub…).")
    try:
        raw = b58decode_check(text)
    except ValueError as err:
        raise InvalidXpub("The xpub has a typing error: its checksum does not fit.") from err
    if len(raw) != LENGTH or raw[:4] != VERSION:
        raise InvalidXpub("This is not an xpub: it must begin with xpub and have 111 characters.")
    if raw[4] != ACCOUNT_DEPTH or int.from_bytes(raw[9:13]) < HARDENED:
        raise InvalidXpub("This xpub is not an account's: export the key at m/44'/195'/0'.")
    try:
        PublicKey(raw[45:])
    except ValueError as err:
        raise InvalidXpub("The xpub holds no valid public key.") from err
    return ExtendedKey(public_key=raw[45:], chain_code=raw[13:45])


def address_at(account: ExtendedKey, index: int) -> TronAddress | None:
    """Derive the address `/0/index`; None for the one index in 2**127 that has no key (BIP 32)."""
    chain = derive(account, RECEIVING)
    child = derive(chain, index) if chain else None
    if child is None:
        return None
    point = PublicKey(child.public_key).format(compressed=False)[1:]
    return address_of(keccak.new(digest_bits=256, data=point).digest()[-20:])


def derive(parent: ExtendedKey, index: int) -> ExtendedKey | None:
    """Derive a child's public key (CKDpub); hardened children need the private key and are our own bug (ValueError)."""
    if not 0 <= index < HARDENED:
        raise ValueError(f"{index} is not a public derivation index")
    digest = hmac.digest(parent.chain_code, parent.public_key + index.to_bytes(4), "sha512")
    try:
        point = PublicKey(parent.public_key).add(digest[:32])
    except ValueError:
        return None
    return ExtendedKey(public_key=point.format(), chain_code=digest[32:])


def xpub_place(fingerprint: str) -> str:
    """Name the place an xpub is sealed for."""
    return f"account_xpub:{fingerprint}:xpub"
