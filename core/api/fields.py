"""The text fields of a payment request, each read by its own rule; amounts and URLs have rooms of their own."""

from __future__ import annotations

import re
import unicodedata

from core.api.strict_json import JsonNumber, check_text
from core.errors import InvalidField, InvalidUrl, MissingField

MAX_ORDER_ID = 64
MAX_DESCRIPTION = 255
_JSON_INTEGER = re.compile(r"-?[0-9]+")


def order_id(raw: object) -> str:
    """Read the merchant's order number: 1 to 64 printable characters in NFC; a JSON integer is taken as its text.

    Not normalised but refused when not in NFC: it is the idempotency key, and must come back as it was sent.
    """
    if raw is None:
        raise MissingField("order_id is required.")
    if not isinstance(raw, str) or (isinstance(raw, JsonNumber) and not _JSON_INTEGER.fullmatch(raw)):
        raise InvalidField("order_id must be a text or a whole number.")
    text = str(raw)
    if not text.strip():
        raise MissingField("order_id must not be empty.")
    if len(text) > MAX_ORDER_ID:
        raise InvalidField(f"order_id must have at most {MAX_ORDER_ID} characters.")
    if not text.isprintable():
        raise InvalidField("order_id must consist of printable characters.")
    if not unicodedata.is_normalized("NFC", text):
        raise InvalidField("order_id must be in Unicode normalisation form C.")
    return text


def description(raw: object) -> str | None:
    """Read the optional description: at most 255 characters, normalised to NFC; None when absent or blank."""
    if raw is None:
        return None
    if not isinstance(raw, str) or isinstance(raw, JsonNumber):
        raise InvalidField("description must be a text.")
    check_text(raw)
    text = unicodedata.normalize("NFC", str(raw))
    if len(text) > MAX_DESCRIPTION:
        raise InvalidField(f"description must have at most {MAX_DESCRIPTION} characters.")
    return text if text.strip() else None


def url_text(raw: object) -> str | None:
    """Read an optional URL as text, to be judged elsewhere; None when absent, null or empty."""
    if raw is None or raw == "":
        return None
    if not isinstance(raw, str) or isinstance(raw, JsonNumber):
        raise InvalidUrl("A URL must be a text.")
    check_text(raw)
    return raw
