"""Rates: what one USDT costs."""

from __future__ import annotations

from marshmallow import fields

from core.api.v1.schemas.base import Instant, Ok, StrictSchema, doc


class RateSchema(StrictSchema):
    """What one USDT costs in a currency."""

    currency = fields.String(required=True, metadata=doc("ISO 4217."))
    rate = fields.String(required=True, metadata=doc("What one USDT costs."))
    rate_sources = fields.List(fields.String(), required=True, metadata=doc("Who says so."))
    rate_at = Instant(required=True, metadata=doc("When that was so.", format="date-time"))


class RateList(Ok):
    """Every currency that can be quoted now, by code."""

    rates = fields.List(fields.Nested(RateSchema), required=True)
