"""Opaque places in a list: a page ends with one and the next begins after it. They grant nothing: lists are scoped."""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from core.errors import InvalidCursor

PLACE = re.compile(rb"([a-z]+)((?::[0-9]{1,16}){1,2})")  # at most 16 digits: far inside 64 bits
LONGEST = 64


def encode(kind: str, *numbers: int) -> str:
    """Write a place as a cursor."""
    place = ":".join([kind, *map(str, numbers)])
    return urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def decode(kind: str, cursor: str, *, numbers: int) -> tuple[int, ...]:
    """Read a cursor of this kind of list; raises InvalidCursor for anything that `encode` did not make."""
    if len(cursor) > LONGEST or not cursor.isascii():
        raise InvalidCursor
    try:
        place = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (ValueError, binascii.Error):
        raise InvalidCursor from None
    match = PLACE.fullmatch(place)
    found = tuple(int(part) for part in match[2][1:].split(b":")) if match else ()
    if match is None or match[1].decode() != kind or len(found) != numbers or encode(kind, *found) != cursor:
        raise InvalidCursor
    return found
