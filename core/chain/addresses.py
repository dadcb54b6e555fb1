"""TRON addresses: strict base58check at the door, 20 raw bytes inside; no other spelling is ever accepted.

tronpy's own checks are not used: on bad input they raise IndexError or ValueError, accept hex, and turn a
21-byte hex that starts with 00 into a Bitcoin address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from base58 import b58decode_check, b58encode_check

from core.errors import InvalidAddress

PREFIX = b"\x41"
RAW_LENGTH = 20
# 25 bytes that start with 0x41 always make 34 characters that start with T.
_SHAPE = re.compile(r"T[1-9A-HJ-NP-Za-km-z]{33}")


@dataclass(frozen=True, slots=True)
class TronAddress:
    """One account of the chain in its two notations: `base58` for people, `raw20` as logs carry it."""

    base58: str
    raw20: bytes

    def __str__(self) -> str:
        return self.base58

    @property
    def hex41(self) -> str:
        """Spell the address as the node's HTTP interface wants it without `visible`: 41 and 40 hex digits."""
        return (PREFIX + self.raw20).hex()


def parse_address(text: str) -> TronAddress:
    """Read a base58check TRON address, exactly as wallets show it.

    Raises InvalidAddress, with a sentence for the person who typed it, on everything else: hex, 0x, blanks around it.
    """
    if not text:
        raise InvalidAddress("The address is empty.")
    if _SHAPE.fullmatch(text) is None:
        raise InvalidAddress("A TRON address is 34 letters and digits that begin with T, without 0, O, I and l.")
    try:
        raw = b58decode_check(text)
    except ValueError as err:
        raise InvalidAddress("The address has a typing error: its checksum does not fit.") from err
    if len(raw) != 1 + RAW_LENGTH or raw[:1] != PREFIX:
        raise InvalidAddress("The address belongs to another chain than TRON.")
    return TronAddress(base58=text, raw20=raw[1:])


def address_of(raw20: bytes) -> TronAddress:
    """Name the address whose 20 raw bytes a log or a key gave; another length is our own bug (ValueError)."""
    if len(raw20) != RAW_LENGTH:
        raise ValueError(f"{len(raw20)} bytes are no TRON address")
    return TronAddress(base58=b58encode_check(PREFIX + raw20).decode("ascii"), raw20=raw20)


ZERO_ADDRESS = address_of(bytes(RAW_LENGTH))
