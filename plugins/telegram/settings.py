"""What a managed bot is told: its token, what it sells, and to whom it reports."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import Schema, ValidationError, fields, validate, validates, validates_schema

from core.contract import Secret
from core.currencies import MINOR_UNITS
from plugins.telegram.words import LANGUAGES

TOKEN = re.compile(r"[0-9]{1,16}:[A-Za-z0-9_-]{30,64}")
CODE = re.compile(r"[A-Za-z0-9_-]{1,40}")  # of an item: in deep links (64 at most) and callback data (64 bytes)
PRICE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
BOT_API = "https://api.telegram.org"
ITEM_LIMIT = 20  # buttons below one message


def has_places_of(currency: str, amount: str) -> bool:
    """Tell whether an amount has no more decimals than its currency; USDT and what is unknown here have six."""
    return len(amount.partition(".")[2]) <= MINOR_UNITS.get(currency, 6)


class Item(Schema):
    """Something that is sold. price: in the channel's currency."""

    code = fields.String(required=True, validate=validate.Regexp(CODE.pattern + "$", error="is no code"))
    title = fields.String(required=True, validate=validate.Length(1, 100))
    price = fields.String(required=True, validate=validate.Regexp(PRICE.pattern + "$", error="is no price"))


class TelegramSettings(Schema):
    """A managed bot's settings."""

    token = Secret(required=True, validate=validate.Regexp(TOKEN.pattern + "$", error="is no bot token"))
    catalogue = fields.List(fields.Nested(Item), load_default=list, validate=validate.Length(max=ITEM_LIMIT))
    currency = fields.String(load_default="USDT")
    free_amounts = fields.Boolean(load_default=True)
    owner_chat_id = fields.Integer(load_default=None, allow_none=True)
    language = fields.String(load_default="en", validate=validate.OneOf(LANGUAGES))
    digest_hour = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(0, 23))
    time_zone = fields.String(load_default="UTC")
    updates = fields.String(load_default="poll", validate=validate.OneOf(("poll", "webhook")))
    bot_api_url = fields.String(load_default=BOT_API, validate=validate.Regexp(r"https?://[^/?#\s]+$"))

    @validates("currency")
    def currency_is_known(self, name: str, **_: Any) -> None:
        """Refuse a currency that no price can be in."""
        if name != "USDT" and name not in MINOR_UNITS:
            raise ValidationError("is no currency")

    @validates("time_zone")
    def zone_is_known(self, name: str, **_: Any) -> None:
        """Refuse a zone whose hours this machine does not know."""
        try:
            ZoneInfo(name)
        except (ValueError, OSError, LookupError) as err:
            raise ValidationError("is no time zone that this machine knows, such as Europe/Berlin") from err

    @validates_schema
    def prices_fit(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a price finer than its currency: no order could be made of it."""
        currency = str(data["currency"])
        if not all(has_places_of(currency, str(item["price"])) for item in data["catalogue"]):
            raise ValidationError(f"has a price with more decimals than {currency} has", "catalogue")

    @validates("catalogue")
    def codes_differ(self, catalogue: list[dict[str, Any]], **_: Any) -> None:
        """Refuse two items of one code."""
        codes = [item.get("code") for item in catalogue]
        if len(codes) != len(set(codes)):
            raise ValidationError("has two items with one code")
