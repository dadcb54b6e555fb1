"""The one reader of JSON that comes from outside: exact, bounded and suspicious; it knows no field by name.

What Python's reader lets through, and this one refuses: duplicate keys, NaN and Infinity, UTF-16 and byte-order marks,
lone surrogates, NUL, deep nesting (RecursionError) and integers of 5,000 digits (ValueError). Numbers stay text.
"""

from __future__ import annotations

import json
import re
from typing import NoReturn

from core.errors import BodyNotObject, BodyTooLarge, InvalidField, MalformedJson

MAX_BODY_BYTES = 64 * 1024
MAX_DEPTH = 20

# A string, whose brackets do not count, or one bracket. Possessive, so that hostile text costs linear time.
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|[\[\]{}]', re.DOTALL)
# NUL and lone surrogates cannot be stored: PostgreSQL refuses them, and UTF-8 cannot encode the latter (P36, P37).
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Controls C0, DEL and C1, and the marks that turn the direction of text: they make one text look like another.
_DECEPTIVE = re.compile("[\x01-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class JsonNumber(str):
    """A JSON number as the text it was sent as, so that no digit is lost on the way to whole units."""

    __slots__ = ()


def strict_json(body: bytes) -> object:
    """Read one JSON document; numbers come as JsonNumber.

    Raises BodyTooLarge past 64 KiB; MalformedJson for all that is not clean JSON in UTF-8, at most 20 levels deep,
    each key once; InvalidField for a text with control or direction-changing characters (P30-P47).
    """
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge
    try:
        text = body.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        raise MalformedJson("The request body is not valid UTF-8.") from error
    _refuse_depth(text)
    try:
        document: object = json.loads(
            text,
            object_pairs_hook=_unique_object,
            parse_constant=_refuse_constant,
            parse_int=JsonNumber,
            parse_float=JsonNumber,
        )
    except json.JSONDecodeError as error:
        raise MalformedJson from error
    _check_texts(document)
    return document


def strict_object(body: bytes) -> dict[str, object]:
    """Read a JSON object; as strict_json, and BodyNotObject when the document is anything else."""
    document = strict_json(body)
    if not isinstance(document, dict):
        raise BodyNotObject
    return document


def check_text(text: str) -> None:
    """Refuse what no text may hold: MalformedJson for what cannot be stored, InvalidField for what deceives."""
    if _UNSTORABLE.search(text):
        raise MalformedJson("A text in the request contains a NUL or an unpaired surrogate.")
    if _DECEPTIVE.search(text):
        raise InvalidField("A text in the request contains a control or direction-changing character.")


def _refuse_depth(text: str) -> None:
    """Count brackets outside strings before the reader recurses; unbalanced ones are the reader's to refuse."""
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        if token[0] in ("[", "{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise MalformedJson(f"The request body is nested more than {MAX_DEPTH} levels deep.")
        elif token[0] in ("]", "}"):
            depth -= 1


def _unique_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedJson("The request body has the same key twice in one object.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedJson(f"{name} is not a JSON number.")


def _check_texts(value: object) -> None:
    """Check every text and key of a document, which is at most MAX_DEPTH deep."""
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, list):
        for item in value:
            _check_texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            check_text(key)
            _check_texts(item)
