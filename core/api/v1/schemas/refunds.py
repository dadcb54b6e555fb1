"""Refunds: money on its way back."""

from __future__ import annotations

from marshmallow import fields, validate

from core.api.v1.schemas.base import (
    NEXT_CURSOR, PRICE, Choice, Instant, Money, Ok, StrictSchema, Text, UsdtAmount, Whole, doc,
)
from core.api.v1.schemas.money import SUM, ActSchema
from core.models.refunds import STATES

DAYS = 90


class RefundStepSchema(StrictSchema):
    """One step of a refund."""

    state = Choice(*STATES, required=True, metadata=doc("What it was then."))
    actor = fields.String(required=True, metadata=doc("Who did it: a key, `payer`, `chain` or `hub`."))
    note = fields.String(required=True, metadata=doc("Why, where somebody said so."))
    created_at = Instant(required=True, metadata=doc("When.", format="date-time"))


class RefundSchema(StrictSchema):
    """Money promised back: a transfer's that nobody was credited with, or some of what paid a payment."""

    refund_id = fields.Integer(required=True, metadata=doc("Its number."))
    transfer_id = fields.Integer(required=True, allow_none=True, metadata=doc(
        "The transfer of the inbox whose money it is; null where it is of what paid `payment_id`."
    ))
    payment_id = fields.Integer(required=True, allow_none=True, metadata=doc("The payment it concerns."))
    state = Choice(*STATES, required=True, metadata=doc(
        "`requested`: the payer has not left an address; `addressed`: pay now; `verifying`: your transaction is being "
        "looked for; `verified`: found, and booked; `failed`: it proves nothing, see `reason`; `canceled`."
    ))
    amount = Money(required=True, metadata=doc("How much to send.", pattern=SUM))
    recipient = fields.String(required=True, allow_none=True, metadata=doc("Where to send it, once known."))
    txid = fields.String(required=True, allow_none=True, metadata=doc("The transaction that paid it."))
    reason = fields.String(required=True, metadata=doc("Why the transaction is not, or not yet, a proof."))
    expires_at = Instant(required=True, allow_none=True, metadata=doc("When its link ends.", format="date-time"))
    created_at = Instant(required=True, metadata=doc("When it was begun.", format="date-time"))


class RefundDetail(RefundSchema):
    """A refund with its steps; the link where it has just been made."""

    steps = fields.List(fields.Nested(RefundStepSchema), required=True, metadata=doc("The first one first."))
    claim_url = fields.String(required=True, allow_none=True, metadata=doc(
        "Give it to the payer, who leaves an address there, once. Shown only when it is made."
    ))


class RefundAnswer(Ok):
    """One refund."""

    refund = fields.Nested(RefundDetail, required=True)


class RefundList(Ok):
    """A page of refunds that are not over, the oldest first."""

    refunds = fields.List(fields.Nested(RefundSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata=NEXT_CURSOR)


class RequestRefundSchema(ActSchema):
    """Why, and how long the link lasts."""

    days = Whole(
        load_default=14, validate=validate.Range(min=1, max=DAYS, error="must lie between 1 and 90"),
        metadata=doc("Days until the link ends, 1 to 90."),
    )


class PaymentRefunds(Ok):
    """A payment's refunds, the oldest first, and the sums of those of what paid it."""

    refunds = fields.List(fields.Nested(RefundSchema), required=True)
    received = Money(required=True, metadata=doc("What was credited for it.", pattern=SUM))
    refunded = Money(required=True, metadata=doc("What of that was sent back, proven.", pattern=SUM))
    refundable = Money(required=True, metadata=doc("What of it is neither sent nor promised back.", pattern=SUM))


class RefundPaymentSchema(RequestRefundSchema):
    """How much, why, and how long the link lasts; or the transaction that has paid it."""

    amount = UsdtAmount(load_default=None, metadata=doc("By default all that is left of it.", pattern=PRICE))
    txid = Text(load_default=None, metadata=doc("Where you have sent it already: the transaction, or a link to it."))
    recipient = Text(load_default=None, metadata=doc("With `txid`: where that sent it; by default to the payer."))


class SentSchema(ActSchema):
    """The transaction that paid it."""

    txid = Text(required=True, metadata=doc("64 hexadecimal digits, or a link to it in a block explorer."))
