"""Channels: connections to platforms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate

from core.api.strict_json import JsonNumber
from core.api.v1.schemas.base import NOT_NULL, REQUIRED, Instant, Ok, Strict, StrictSchema, Text, doc

SETTINGS_LIMIT = 16 * 1024  # bytes of JSON


class Settings(Strict, fields.Dict):
    """An adapter's settings: what they may be is its schema's business."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise ValidationError("must be an object")
        plain = _plain(value)
        if len(json.dumps(plain)) > SETTINGS_LIMIT:
            raise ValidationError(f"must have at most {SETTINGS_LIMIT} bytes")
        return plain


def _plain(value: Any) -> Any:
    """Turn numbers kept as text into numbers where they are whole; other numbers stay the text they were sent as."""
    if isinstance(value, JsonNumber):
        return int(value) if value.lstrip("-").isdecimal() and len(value) < 19 else str(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


class ChannelSchema(StrictSchema):
    """A project's connection to one platform."""

    channel_id = fields.String(required=True, metadata=doc("Begins with ch_."))
    adapter = fields.String(required=True, metadata=doc("Which platform."))
    name = fields.String(required=True, metadata=doc("What its owner calls it."))
    state = fields.String(required=True, metadata=doc(
        "How it stands.", enum=["connected", "paused", "given_up", "disconnected"]
    ))
    inbound_url = fields.String(required=True, metadata=doc("Where the platform calls, or below it."))
    settings = fields.Dict(required=True, metadata=doc("As they were given, secrets left out."))
    is_traced = fields.Boolean(required=True, metadata=doc("Whether the hub's log says what it asks of the platform."))
    trouble = fields.String(required=True, metadata=doc("What is wrong, a sentence; empty while nothing is."))
    calls_waiting = fields.Integer(required=True, metadata=doc("Calls of the platform that are not read yet."))
    calls_failed = fields.Integer(required=True, metadata=doc("Calls of the platform that could not be used."))
    heard_at = Instant(required=True, allow_none=True, metadata=doc("When the platform last called."))
    checked_at = Instant(required=True, allow_none=True, metadata=doc("When the connection was last checked."))
    check_says = fields.String(required=True, metadata=doc("What that check said."))
    created_at = Instant(required=True, metadata=doc("When it was connected.", format="date-time"))


class ChannelAnswer(Ok):
    """One channel."""

    channel = fields.Nested(ChannelSchema, required=True)


class ChannelList(Ok):
    """All channels of the project."""

    channels = fields.List(fields.Nested(ChannelSchema), required=True)


class NewChannelSchema(StrictSchema):
    """What is connected, and how."""

    adapter = Text(
        required=True, validate=validate.Length(min=1, max=64, error="must have 1 to 64 characters"),
        metadata=doc("Which platform: the name of an adapter this hub has."),
    )
    name = Text(
        required=True, validate=validate.Length(min=1, max=100, error="must have 1 to 100 characters"),
        metadata=doc("What you call it, 1 to 100 characters."),
    )
    settings = Settings(required=True, metadata=doc("As the adapter wants them."))


class ChannelSettingsSchema(StrictSchema):
    """Settings to change."""

    settings = Settings(required=True, metadata=doc("Those to change; null takes one away, the others stay."))


class TraceSchema(StrictSchema):
    """Whether a channel is traced."""

    on = fields.Boolean(
        required=True, truthy={True}, falsy={False},
        error_messages={"invalid": "must be true or false", "null": NOT_NULL, "required": REQUIRED},
        metadata=doc("Whether it is traced from now on."),
    )


class NewCodeSchema(StrictSchema):
    """For which platform a code is."""

    adapter = Text(
        required=True, validate=validate.Length(min=1, max=64, error="must have 1 to 64 characters"),
        metadata=doc("Which platform: the name of an adapter this hub has."),
    )


class CodeAnswer(Ok):
    """A one-time code."""

    code = fields.String(required=True, metadata=doc("Shown this once; it connects one shop."))
    link = fields.String(required=True, metadata=doc("What the shop's owner pastes into the shop's plugin."))
    expires_at = Instant(required=True, metadata=doc("When it is too old.", format="date-time"))


class PingAnswer(Ok):
    """A test message that is on its way."""

    delivery_id = fields.Integer(required=True, metadata=doc("Read how it went: GET /deliveries/{delivery_id}."))
