"""Read a request's query and body by a schema: each name once, nothing unknown, every refusal one sentence and code."""

from __future__ import annotations

from typing import Any

from flask import Request
from marshmallow import Schema, ValidationError
from marshmallow.exceptions import SCHEMA

from core.api.strict_json import strict_object
from core.api.v1.schemas.base import REQUIRED, UNKNOWN
from core.errors import BadParameter, GatewayError, InvalidField, MissingField, UnknownField, UnsupportedMediaType


def read_query(schema: type[Schema] | None, request: Request) -> Any:
    """Read the query; raises BadParameter, or what a field itself raises."""
    given: dict[str, object] = {}
    for name, values in request.args.lists():
        if len(values) != 1:
            raise BadParameter(f"{_shown(name)} must be given at most once.")
        given[name] = values[0]
    if schema is None and given:
        raise BadParameter(f"{_shown(next(iter(given)))} {UNKNOWN}.")
    if schema is None:
        return None
    try:
        return schema().load(given)
    except ValidationError as error:
        name, message = _first(error)
        raise BadParameter(f"{name} {message}.") from None


def read_input(schema: type[Schema] | None, request: Request, raw: bytes) -> Any:
    """Read the body; a call that requires nothing takes none, or an empty object."""
    if not raw and not requires_body(schema):
        return None if schema is None else schema().load({})
    if request.mimetype != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType
    given = strict_object(raw)
    if schema is None:
        if given:
            raise UnknownField(f"{_shown(next(iter(given)))} {UNKNOWN}.")
        return None
    try:
        return schema().load(given)
    except ValidationError as error:
        raise _refusal(error) from None


def requires_body(schema: type[Schema] | None) -> bool:
    """Tell whether a call has a field that must be given."""
    return schema is not None and any(field.required for field in schema().fields.values())


def _refusal(error: ValidationError) -> GatewayError:
    name, message = _first(error)
    kinds: dict[str, type[GatewayError]] = {UNKNOWN: UnknownField, REQUIRED: MissingField}
    return kinds.get(message, InvalidField)(f"{name} {message}.")


def _first(error: ValidationError) -> tuple[str, str]:
    """Give the first complaint: the field's name, with dots where it is nested, and what is wrong with it."""
    name, found = next(iter(error.messages_dict.items()))
    path = [str(name)]
    while not isinstance(found, str):
        if isinstance(found, dict):
            inner, found = next(iter(found.items()))
            path += [inner] if isinstance(inner, str) and inner != SCHEMA else []
        else:
            found = found[0]
    return _shown(".".join(path)), found


def _shown(name: str) -> str:
    """Show a name that a stranger chose: short and printable."""
    return "".join(character for character in name if character.isprintable())[:40] or "A name"
