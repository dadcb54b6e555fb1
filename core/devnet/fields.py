"""Reads the bodies of the devnet's own calls, strictly; what does not fit is Refused with a code."""

from __future__ import annotations

from core.devnet import keys
from core.devnet.wire import Json

MAX_UNITS = 2**256 - 1
TXID_HEX = 64


class Refused(Exception):
    """The call is refused; `code` is for machines, the sentence for people."""

    def __init__(self, code: str, sentence: str, *, http_status: int = 400) -> None:
        self.code = code
        self.sentence = sentence
        self.http_status = http_status
        super().__init__(sentence)


def address_in(body: Json, name: str) -> str:
    """Return a base58 address."""
    value = body.get(name)
    try:
        return keys.to_base58(keys.from_base58(value))  # type: ignore[arg-type]
    except ValueError as err:
        raise Refused("invalid_address", f"{name} must be a base58 TRON address") from err


def whole_in(body: Json, name: str, *, least: int = 0, most: int) -> int:
    """Return a whole number within limits."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Refused("invalid_field", f"{name} must be a whole number from {least} to {most}")
    return value


def flag_in(body: Json, name: str) -> bool:
    """Return true or false."""
    value = body.get(name)
    if not isinstance(value, bool):
        raise Refused("invalid_field", f"{name} must be true or false")
    return value


def txid_in(body: Json, name: str) -> bytes:
    """Return a transaction id."""
    value = body.get(name)
    if not is_txid(value):
        raise Refused("invalid_field", f"{name} must be {TXID_HEX} hex digits")
    return bytes.fromhex(str(value))


def is_txid(value: object) -> bool:
    """Tell whether a value is a transaction id in hex."""
    return isinstance(value, str) and len(value) == TXID_HEX and set(value.lower()) <= set("0123456789abcdef")
