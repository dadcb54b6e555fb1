"""Addresses, keys and signatures of the simulated chain; every key descends from one seed, nothing is random here.

An address is 21 raw bytes, 0x41 and 20 more; base58check is for the edge.
"""

from __future__ import annotations

import hashlib

import base58
from coincurve import PrivateKey, PublicKey
from Crypto.Hash import keccak

PREFIX = b"\x41"
ADDRESS_BYTES = 21
SIGNATURE_BYTES = 65
ZERO_ADDRESS = PREFIX + bytes(20)
WITNESSES = 27  # the number of super representatives (spec: consensus)


class BadSignature(ValueError):
    """The bytes are no signature a public key can be recovered from."""


def keccak256(data: bytes) -> bytes:
    """Hash as the TVM does."""
    return bytes(keccak.new(digest_bits=256, data=data).digest())


def to_base58(address: bytes) -> str:
    """Write a raw address in base58check."""
    return str(base58.b58encode_check(address).decode())


def from_base58(text: str) -> bytes:
    """Read a base58check address; ValueError if it is not one."""
    if not isinstance(text, str) or len(text) != 34 or not text.isascii():
        raise ValueError("not a base58check address")
    address = bytes(base58.b58decode_check(text))
    if len(address) != ADDRESS_BYTES or address[:1] != PREFIX:
        raise ValueError("not a TRON address")
    return address


def address_of(private_key: bytes) -> bytes:
    """Return the raw address a private key signs for."""
    return _address_of_public(PrivateKey(private_key).public_key)


def sign(*, private_key: bytes, digest: bytes) -> bytes:
    """Sign a 32-byte digest: r, s and v = 0 or 1, deterministic (RFC 6979)."""
    return PrivateKey(private_key).sign_recoverable(digest, hasher=None)


def recover(*, digest: bytes, signature: bytes) -> bytes:
    """Return the raw address that signed a digest; v may be 0, 1, 27 or 28. Raises BadSignature."""
    if len(signature) < SIGNATURE_BYTES:
        raise BadSignature(f"Signature size is {len(signature)}")
    v = signature[64] - 27 if signature[64] >= 27 else signature[64]
    if v > 3:
        raise BadSignature(f"Header byte out of range: {signature[64]}")
    try:
        public = PublicKey.from_signature_and_message(signature[:64] + bytes([v]), digest, hasher=None)
    except Exception as err:  # coincurve raises bare Exception when no key can be recovered
        raise BadSignature("Could not recover public key from signature") from err
    return _address_of_public(public)


class KeyRing:
    """The devnet's own keys, all derived from the chain's seed."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self.wallet = self._derive("wallet")
        self.faucet = self._derive("faucet")
        self.pauper = self._derive("pauper")  # has TRX for fees and never a token: its transfers revert
        self._witnesses = [self._derive(f"witness-{index}") for index in range(WITNESSES)]
        self._witness_addresses = [address_of(key) for key in self._witnesses]

    def __repr__(self) -> str:
        return "KeyRing(…)"

    def witness_address(self, index: int) -> bytes:
        """Return the address of the witness of this number."""
        return self._witness_addresses[index % WITNESSES]

    def witness_signature(self, *, index: int, digest: bytes) -> bytes:
        """Sign a block header as its witness."""
        return sign(private_key=self._witnesses[index % WITNESSES], digest=digest)

    def _derive(self, label: str) -> bytes:
        return hashlib.sha256(self._seed + label.encode()).digest()


def _address_of_public(public: PublicKey) -> bytes:
    return PREFIX + keccak256(public.format(compressed=False)[1:])[-20:]
