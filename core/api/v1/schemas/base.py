"""What every schema of /api/v1 is made of: strict fields, and the words of their refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from core.api import fields as rules
from core.api.strict_json import JsonNumber, check_text
from core.errors import UnsupportedCurrency
from core.money import Amount, Usdt, parse_amount

UNKNOWN, REQUIRED, NOT_NULL = "is not known here", "is required", "must not be null"
WHOLE = re.compile(r"0|[1-9][0-9]{0,15}")
RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")
FIRST_YEAR, LAST_YEAR = 1970, 9998  # so that no time zone leads out of what a datetime holds
MONEY = r"^[0-9]{1,13}\.[0-9]{2,6}$"
PRICE = r"^[0-9]{1,9}(\.[0-9]{1,6})?$"


class StrictSchema(Schema):
    """A schema that refuses what it does not know and keeps its fields' order."""

    error_messages = {"unknown": UNKNOWN, "type": "must be an object"}


class Strict(fields.Field[Any]):
    """Give a field our words for what is missing or null."""

    default_error_messages = {"required": REQUIRED, "null": NOT_NULL, "validator_failed": "has an invalid value"}


class Text(Strict, fields.String):
    """A JSON string; a number is none."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, str) or isinstance(value, JsonNumber):
            raise ValidationError("must be a text")
        check_text(value)
        return str(value)


class OrderId(Text):
    """The merchant's order number, as the compatible API reads it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        return rules.order_id(value)


class Description(Text):
    """A short text, normalised; absent when blank."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        return rules.description(value) or ""


class Url(Text):
    """A URL as text; whose it may be is the project's business."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        return rules.url_text(value)


class UsdtAmount(Strict):
    """An amount of USDT that is asked: a decimal text, or a JSON number, kept exact."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Amount:
        return parse_amount(value)


class FiatAmount(Strict):
    """A price's amount: a decimal text, or a JSON number, kept exact; it is judged together with its currency."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> object:
        return value


class Currency(Text):
    """What the amount is in: USDT."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if value != "USDT" or isinstance(value, JsonNumber):
            raise UnsupportedCurrency
        return str(value)


class Money(Strict, fields.String):
    """A sum of USDT, shown with six decimals."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value.six_places() if isinstance(value, Usdt) else value


class Whole(Strict, fields.Integer):
    """A whole number in a query: its digits, at most 16 of them."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, str) or not WHOLE.fullmatch(value):
            raise ValidationError("must be a whole number")
        return int(value)


class BodyWhole(Whole):
    """A whole number in a body: a JSON number, no text."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, JsonNumber):
            raise ValidationError("must be a whole number")
        return super()._deserialize(value, attr, data, **kwargs)


class Choice(Text):
    """One of a few words."""

    def __init__(self, *words: str, **kwargs: Any) -> None:
        said = f"must be one of: {', '.join(words)}"
        super().__init__(validate=validate.OneOf(words, error=said), **kwargs)


class Instant(Strict, fields.String):
    """A moment: RFC 3339; shown in UTC with milliseconds."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, str) or not RFC3339.fullmatch(value):
            raise ValidationError("must be a time such as 2026-07-01T18:30:00Z")
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValidationError("is not a time that exists") from None
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise ValidationError(f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}")
        return max(moment.astimezone(UTC), datetime(FIRST_YEAR, 1, 1, tzinfo=UTC))

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if isinstance(value, datetime):
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return value


def doc(text: str, **more: Any) -> dict[str, Any]:
    """Say what a field is, for the OpenAPI document."""
    return {"description": text} | more


class Page(StrictSchema):
    """How every list is asked for."""

    limit = Whole(
        load_default=50,
        validate=validate.Range(min=1, max=100, error="must lie between 1 and 100"),
        metadata=doc("How many at most, 1 to 100."),
    )
    cursor = Text(
        validate=validate.Length(max=64, error="is too long"), metadata=doc("`next_cursor` of the page before.")
    )


class Ok(StrictSchema):
    """What every good answer says first."""

    ok = fields.Boolean(required=True, metadata=doc("Always true here: check it first.", enum=[True]))


class Error(StrictSchema):
    """What every refusal says."""

    ok = fields.Boolean(required=True, metadata=doc("Always false here.", enum=[False]))
    error = fields.String(required=True, metadata=doc("A sentence for people."))
    code = fields.String(required=True, metadata=doc("A word for programs; it never changes."))


NEXT_CURSOR = doc("Give it as `cursor` to get the next page; null on the last one.")
