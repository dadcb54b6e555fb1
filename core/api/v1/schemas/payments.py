"""Payments: asked for, shown, listed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marshmallow import fields, post_load

from core.api.v1.schemas.base import (
    MONEY,
    NEXT_CURSOR,
    NOT_NULL,
    PRICE,
    Choice,
    Currency,
    Description,
    FiatAmount,
    Instant,
    Money,
    Ok,
    OrderId,
    Page,
    StrictSchema,
    Text,
    UsdtAmount,
    Url,
    doc,
)
from core.currencies import MINOR_UNITS
from core.errors import InvalidField, MissingField
from core.money import Amount
from core.payments.quoting import Price, parse_price

STATUSES = ("pending", "paid", "expired", "failed")
STATES = ("pending", "confirming", "paid", "expired", "canceled")
ANOMALIES = ("none", "underpaid", "overpaid", "late", "duplicate", "accepted")
SCENARIOS = ("exact", "complete", "under", "over", "late", "duplicate", "fail", "expire")
FIAT_PRICE = r"^[0-9]{1,15}(\.[0-9]{1,3})?$"
ORDER_ID = doc(
    "Your own order number, 1 to 64 printable characters; it identifies the payment.",
    examples=["ORDER_12345"], minLength=1, maxLength=64,
)


@dataclass(frozen=True, slots=True)
class NewPayment:
    """What a merchant asks money for, before its URLs are judged."""

    order_id: str
    amount: Amount | Price
    description: str
    success_url: str | None
    fail_url: str | None


@dataclass(frozen=True, slots=True)
class PaymentFilter:
    """Which payments, and from where in the list."""

    limit: int
    cursor: str | None = None
    status: str | None = None
    order_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


class NewPriceSchema(StrictSchema):
    """What you ask in your own currency; the hub turns it into USDT at a rate it records."""

    amount = FiatAmount(required=True, metadata=doc(
        "A decimal text with no more decimals than the currency has; a JSON number is taken too, and kept exact.",
        examples=["49.90"], pattern=FIAT_PRICE,
    ))
    currency = Text(required=True, metadata=doc("ISO 4217, in capitals.", examples=["EUR"], enum=sorted(MINOR_UNITS)))

    @post_load
    def build(self, given: dict[str, Any], **_: Any) -> Price:
        """Make it a value."""
        return parse_price(given["amount"], given["currency"])


class NewPaymentSchema(StrictSchema):
    """Ask for money: exactly one of `amount` in USDT and `price` in another currency."""

    order_id = OrderId(required=True, metadata=ORDER_ID)
    amount = UsdtAmount(
        metadata=doc(
            'USDT, a decimal text of at most six places such as "50.00"; a JSON number is taken too, and kept exact.',
            examples=["50.00"], pattern=PRICE,
        ),
    )
    price = fields.Nested(NewPriceSchema, error_messages={"null": NOT_NULL}, metadata=doc(
        "Instead of `amount`: a price in your own currency. It is converted at the hub's rate and rounded up to a "
        "hundredth of a USDT; the payment keeps the rate it was opened with.",
    ))
    currency = Currency(load_default="USDT", metadata=doc("What `amount` is in.", enum=["USDT"]))
    description = Description(
        load_default="", allow_none=True, metadata=doc("Shown in your records; at most 255 characters.", maxLength=255)
    )
    success_url = Url(
        load_default=None, allow_none=True, metadata=doc("Where the buyer goes after paying; your website's domain.")
    )
    fail_url = Url(
        load_default=None, allow_none=True, metadata=doc("Where the buyer goes otherwise; your website's domain.")
    )

    @post_load
    def build(self, given: dict[str, Any], **_: Any) -> NewPayment:
        """Make it a value; the currency has been judged."""
        given.pop("currency")
        asked = [given.pop(name) for name in ("amount", "price") if name in given]
        if not asked:
            raise MissingField("amount or price is required.")
        if len(asked) > 1:
            raise InvalidField("Give either amount (in USDT) or price, not both.")
        given["amount"] = asked[0]
        return NewPayment(**given | {"description": given["description"] or ""})  # a null is never deserialised


class QuoteSchema(StrictSchema):
    """The price a payment was opened for, and the rate that turned it into USDT."""

    amount = fields.String(required=True, metadata=doc("The price.", pattern=FIAT_PRICE))
    currency = fields.String(required=True, metadata=doc("Its currency: ISO 4217."))
    rate = fields.String(required=True, metadata=doc("What one USDT cost: `amount` of the payment is price / rate, "
                                                     "rounded up to a hundredth."))
    rate_sources = fields.List(fields.String(), required=True, metadata=doc("Who said so."))
    rate_at = Instant(required=True, metadata=doc("When that was so.", format="date-time"))


class PaymentSchema(StrictSchema):
    """A payment as it stands."""

    payment_id = fields.Integer(required=True, metadata=doc("The hub's number for it, the same in both APIs."))
    order_id = fields.String(required=True, metadata=ORDER_ID)
    status = Choice(*STATUSES, required=True, metadata=doc("What to do with the goods."))
    state = Choice(*STATES, required=True, metadata=doc("The status in detail: seen but not final, or canceled."))
    anomaly = Choice(*ANOMALIES, required=True, metadata=doc("What is odd about the money, if anything."))
    amount = fields.String(required=True, metadata=doc("What was asked, in USDT.", pattern=MONEY))
    price = fields.Nested(QuoteSchema, required=True, allow_none=True, metadata=doc(
        "What was asked in another currency; null where it was asked in USDT."
    ))
    pay_amount = Money(required=True, metadata=doc("What is to be sent: the amount and its tag.", pattern=MONEY))
    currency = fields.String(required=True, metadata=doc("Always USDT.", enum=["USDT"]))
    network = fields.String(required=True, metadata=doc("Always TRC20.", enum=["TRC20"]))
    address = fields.String(required=True, metadata=doc("Where it is to be sent."))
    payment_url = fields.String(required=True, metadata=doc("Send your buyer there.", format="uri"))
    description = fields.String(required=True, metadata=doc("As given; may be empty."))
    success_url = fields.String(required=True, allow_none=True, metadata=doc("As given."))
    fail_url = fields.String(required=True, allow_none=True, metadata=doc("As given."))
    created_at = Instant(required=True, metadata=doc("When it was made.", format="date-time"))
    expires_at = Instant(required=True, metadata=doc("When its window ends, on chain time.", format="date-time"))
    paid_at = Instant(
        required=True, allow_none=True, metadata=doc("Time of the block that paid it.", format="date-time")
    )
    txid = fields.String(required=True, allow_none=True, metadata=doc("Its transaction; `test_…` for a test payment."))
    is_test = fields.Boolean(required=True, metadata=doc("Whether it was made with a test key."))


class PaymentAnswer(Ok):
    """One payment."""

    payment = fields.Nested(PaymentSchema, required=True)


class PaymentList(Ok):
    """A page of payments, the newest first."""

    payments = fields.List(fields.Nested(PaymentSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata=NEXT_CURSOR)


class PaymentQuery(Page):
    """Which payments."""

    status = Choice(*STATUSES, metadata=doc("Only with this status."))
    order_id = OrderId(metadata=doc("Only of this order.", maxLength=64, minLength=1))
    created_from = Instant(metadata=doc("Only made at this time or later.", format="date-time"))
    created_to = Instant(metadata=doc("Only made before this time.", format="date-time"))

    @post_load
    def build(self, given: dict[str, Any], **_: Any) -> PaymentFilter:
        """Make it a value."""
        return PaymentFilter(**given)


class OrderQuery(StrictSchema):
    """Which order."""

    order_id = OrderId(required=True, metadata=ORDER_ID)


class ScenarioSchema(StrictSchema):
    """How a test payment shall end."""

    scenario = Choice(*SCENARIOS, required=True, metadata=doc(
        "Pay it exactly (`exact`, `complete`: the same), too little, too much, late or twice; fail it; or let its "
        "window end."
    ))
