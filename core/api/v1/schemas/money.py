"""Money: transfers, the inbox, balance, journal, addresses."""

from __future__ import annotations

from marshmallow import fields, validate

from core.api.v1.schemas.base import (
    NEXT_CURSOR,
    BodyWhole,
    Choice,
    Instant,
    Money,
    Ok,
    Page,
    StrictSchema,
    Text,
    doc,
)

BUCKETS = ("matched", "underpaid", "overpaid", "late", "duplicate", "ambiguous", "unknown", "internal")
RESOLUTIONS = ("accepted", "attached", "refunded", "ignored")
FINDINGS = (
    "asked", "not_found", "not_final", "not_counted", "counted", "unclear", "amount_differs", "counted_elsewhere",
    "decided", "older", "other_address", "other_token", "failed", "missing", "given_up",
)
SUM = r"^-?[0-9]{1,13}\.[0-9]{6}$"


class TransferSchema(StrictSchema):
    """A transfer of USDT from a final block."""

    transfer_id = fields.Integer(required=True, metadata=doc("Its number."))
    txid = fields.String(required=True, metadata=doc("Its transaction."))
    log_index = fields.Integer(required=True, metadata=doc("Its place among that transaction's logs."))
    block_height = fields.Integer(required=True, metadata=doc("Its block."))
    block_time = Instant(required=True, metadata=doc("That block's time.", format="date-time"))
    sender = fields.String(required=True, metadata=doc("Where it came from."))
    address = fields.String(required=True, metadata=doc("Where it came to."))
    amount = Money(required=True, metadata=doc("How much it brought.", pattern=SUM))
    bucket = Choice(*BUCKETS, required=True, metadata=doc("What it is to its payment, or why it is to none."))
    payment_id = fields.Integer(required=True, allow_none=True, metadata=doc("The payment it is counted for."))
    order_id = fields.String(required=True, allow_none=True, metadata=doc("That payment's order."))
    resolution = Choice(
        *RESOLUTIONS, required=True, allow_none=True, metadata=doc("What was decided about it, if anything had to be.")
    )
    resolved_at = Instant(required=True, allow_none=True, metadata=doc("When.", format="date-time"))


class TransferList(Ok):
    """A payment's transfers, the oldest first."""

    transfers = fields.List(fields.Nested(TransferSchema), required=True)


class TransferPage(Ok):
    """A page of a project's transfers, the newest first."""

    transfers = fields.List(fields.Nested(TransferSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata=NEXT_CURSOR)


class EntrySchema(TransferSchema):
    """A transfer that waits for a decision."""

    open_amount = Money(
        required=True, metadata=doc("What of it nobody has been credited with: of too much, the excess.", pattern=SUM)
    )


class CandidateSchema(StrictSchema):
    """A payment that a transfer may have been meant for."""

    payment_id = fields.Integer(required=True, metadata=doc("The payment."))
    order_id = fields.String(required=True, metadata=doc("Its order."))
    pay_amount = Money(required=True, metadata=doc("What it asked for.", pattern=SUM))
    off_amount = Money(required=True, metadata=doc("What came, less what was asked.", pattern=SUM))
    reasons = fields.List(fields.String(), required=True, metadata=doc("Sentences, the strongest first."))


class NamedBySchema(StrictSchema):
    """A payment whose payer has named the transfer. A hint: anybody can read transaction ids."""

    payment_id = fields.Integer(required=True, metadata=doc("The payment."))
    order_id = fields.String(required=True, metadata=doc("Its order."))
    finding = Choice(*FINDINGS, required=True, metadata=doc("What the payer was told, as a word."))
    named_at = Instant(required=True, metadata=doc("When.", format="date-time"))


class EntryDetail(EntrySchema):
    """A transfer that waits, with the payments it may have been meant for, the likeliest first."""

    candidates = fields.List(fields.Nested(CandidateSchema), required=True)
    named_by = fields.List(fields.Nested(NamedBySchema), required=True, metadata=doc("Whose payers have named it."))


class EntryAnswer(Ok):
    """One transfer."""

    transfer = fields.Nested(EntryDetail, required=True)


class EntryList(Ok):
    """A page of what waits, the oldest first."""

    inbox = fields.List(fields.Nested(EntrySchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata=NEXT_CURSOR)


class ActSchema(StrictSchema):
    """Why it is decided so."""

    note = Text(
        load_default="", validate=validate.Length(max=500, error="must have at most 500 characters"),
        metadata=doc("Kept with the decision."),
    )


class AttachSchema(ActSchema):
    """What the transfer was meant for."""

    payment_id = BodyWhole(required=True, metadata=doc("A payment of your project."))


class RefundedSchema(ActSchema):
    """How it was sent back."""

    refund_txid = Text(
        load_default=None, metadata=doc("The transaction that sent it back, or a link to it: it is verified.")
    )
    recipient = Text(load_default=None, metadata=doc("Where that sent it; by default to the transfer's sender."))


class BalanceSchema(StrictSchema):
    """What live payments have brought the project; test payments never count."""

    received = Money(required=True, metadata=doc("All that was credited.", pattern=SUM))
    own = Money(required=True, metadata=doc("What of it came to your own addresses.", pattern=SUM))
    held = Money(required=True, metadata=doc("What of it came to addresses the hub holds.", pattern=SUM))
    refunded = Money(required=True, metadata=doc("What of it you have sent back, proven on the chain.", pattern=SUM))
    balance = Money(required=True, metadata=doc("What was received and not refunded.", pattern=SUM))
    withdrawable = Money(required=True, metadata=doc(
        "What of `held` is still there: less what has left those addresses.", pattern=SUM
    ))


class BalanceAnswer(Ok):
    """The balance."""

    balance = fields.Nested(BalanceSchema, required=True)


class EntryLine(StrictSchema):
    """One booking on the project's account."""

    entry_id = fields.Integer(required=True, metadata=doc("Its number."))
    account = Choice("own", "held", "returned", required=True, metadata=doc(
        "Your own addresses, or those the hub holds; `returned`: what had paid an order and was sent back."
    ))
    source = fields.String(required=True, metadata=doc("What it was booked for, such as `transfer:17`."))
    amount = Money(required=True, metadata=doc("Positive: credited to you; `returned` is negative.", pattern=SUM))
    booked_at = Instant(required=True, metadata=doc("When it was booked.", format="date-time"))


class JournalList(Ok):
    """A page of bookings, the newest first."""

    entries = fields.List(fields.Nested(EntryLine), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata=NEXT_CURSOR)


class AddressSchema(StrictSchema):
    """An address that payments may be sent to."""

    address = fields.String(required=True, metadata=doc("Base58check."))
    kind = Choice("own", "held", required=True, metadata=doc("In your wallet, or held by the hub."))
    label = fields.String(required=True, metadata=doc("Your name for it."))
    created_at = Instant(required=True, metadata=doc("When it was added.", format="date-time"))


class AddressList(Ok):
    """A page of receiving addresses."""

    addresses = fields.List(fields.Nested(AddressSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata=NEXT_CURSOR)


class AddressQuery(Page):
    """Which page."""
