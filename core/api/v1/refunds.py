"""Refunds: begin one with a link for the payer, name the transaction that paid it, follow it until it is verified.

The money is sent from a wallet of the merchant's; the hub only finds it on the chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.api.v1 import cursors
from core.api.v1.door import Call, Reply, operation
from core.api.v1.inbox import deciding, find_entry, is_only_project
from core.api.v1.numbers import row_id
from core.api.v1.payments import find_payment
from core.api.v1.schemas.base import Page
from core.api.v1.schemas.money import ActSchema
from core.api.v1.schemas.refunds import (
    PaymentRefunds, RefundAnswer, RefundList, RefundPaymentSchema, RequestRefundSchema, SentSchema,
)
from core.errors import (
    AmountNotPositive, InvalidAddress, InvalidAmount, InvalidCursor, InvalidTxid, NotInInbox, PaymentNotFound,
    RefundClosed, RefundNotFound, RefundTooLarge, RefundUnderway, TooManyDecimals, TransferNotFound,
)
from core.models import Payment, Refund, RefundStep
from core.money import Usdt
from core.payments import refund_limits, refunds
from core.payments.inbox import get_entry
from core.payments.refund_words import SENTENCES, Why


@dataclass(frozen=True, slots=True)
class RefundView:
    """A refund as it is shown."""

    refund_id: int
    transfer_id: int | None
    payment_id: int | None
    state: str
    amount: Usdt
    recipient: str | None
    txid: str | None
    reason: str
    expires_at: datetime | None
    created_at: datetime
    steps: tuple[RefundStep, ...] = ()
    claim_url: str | None = None


@operation(
    "POST", "/inbox/<transfer_id>/refund", body=RequestRefundSchema, answer=RefundAnswer, statuses=(201,),
    errors=(TransferNotFound, NotInInbox, RefundUnderway),
)
def request_refund(call: Call) -> Reply:
    """Promise a transfer's money back, and get a link under which its payer leaves an address."""
    entry = find_entry(call)
    offer = refunds.request(
        call.session, call.hub, entry.transfer.id, by=deciding(call), lasts=timedelta(days=call.body["days"])
    )
    return _reply(call, offer.refund, claim_url=offer.link, http_status=201)


@operation(
    "POST", "/payments/<payment_id>/refund", body=RefundPaymentSchema, answer=RefundAnswer, statuses=(201,),
    errors=(
        PaymentNotFound, RefundTooLarge, InvalidTxid, InvalidAddress, AmountNotPositive, InvalidAmount, TooManyDecimals,
    ),
)
def refund_payment(call: Call) -> Reply:
    """Promise back what has paid an order, all that is left of it or a part.

    You get a link under which the payer leaves an address. With `txid` there is no link: you have sent the money
    already, and that transaction is looked for on the chain. The payment stays paid. A payment can have many refunds;
    together they are never more than it has received. Money that waits in the inbox is not among it.
    """
    payment, body = find_payment(call), call.body
    amount = body["amount"].due if body["amount"] else None
    if body["txid"] is not None:
        begun = refunds.pay_known_paid(
            call.session, call.hub, payment.id, amount=amount, by=deciding(call), text=body["txid"],
            recipient=body["recipient"],
        )
        return _reply(call, begun, http_status=201)
    lasts = timedelta(days=body["days"])
    offer = refunds.request_paid(call.session, call.hub, payment.id, amount=amount, by=deciding(call), lasts=lasts)
    return _reply(call, offer.refund, claim_url=offer.link, http_status=201)


@operation("GET", "/payments/<payment_id>/refunds", answer=PaymentRefunds, errors=(PaymentNotFound,))
def list_refunds_of_payment(call: Call) -> Reply:
    """List all refunds of a payment, over or not, the oldest first, and how much may still be refunded."""
    payment = find_payment(call)
    sums = refund_limits.refundable(call.session, payment)
    found = refund_limits.refunds_of_payment(call.session, payment)
    return Reply({
        "refunds": [_view(call, one) for one in found],
        "received": sums.received, "refunded": sums.refunded, "refundable": sums.left,
    })


@operation("GET", "/refunds", query=Page, answer=RefundList, errors=(InvalidCursor,))
def list_refunds(call: Call) -> Reply:
    """List the refunds that are not over, the oldest first."""
    limit: int = call.query["limit"]
    after = cursors.decode("r", call.query["cursor"], numbers=1)[0] if "cursor" in call.query else 0
    project = call.caller.project
    whole = {"merchant_id": project.merchant_id} if is_only_project(call) else {"project_id": project.id}
    found = [] if call.is_test else refunds.live_refunds(call.session, **whole, after=after, limit=limit + 1)
    cursor = cursors.encode("r", found[limit - 1].id) if len(found) > limit else None
    return Reply({"refunds": [_view(call, one) for one in found[:limit]], "next_cursor": cursor})


@operation("GET", "/refunds/<refund_id>", answer=RefundAnswer, errors=(RefundNotFound,))
def get_refund(call: Call) -> Reply:
    """Read one refund, over or not, with its steps."""
    return _reply(call, _find(call))


@operation(
    "POST", "/refunds/<refund_id>/sent", body=SentSchema, answer=RefundAnswer,
    errors=(RefundNotFound, RefundClosed, InvalidTxid),
)
def name_refund_transaction(call: Call) -> Reply:
    """Name the transaction by which you have paid a refund; it is then looked for on the chain."""
    found = _find(call)
    done = refunds.name_transaction(call.session, call.hub, found.id, call.body["txid"], by=deciding(call))
    return _reply(call, done)


@operation(
    "POST", "/refunds/<refund_id>/cancel", body=ActSchema, answer=RefundAnswer, errors=(RefundNotFound, RefundClosed)
)
def cancel_refund(call: Call) -> Reply:
    """Give up a refund that nothing was paid for."""
    return _reply(call, refunds.cancel(call.session, call.hub, _find(call).id, by=deciding(call)))


def _find(call: Call) -> Refund:
    """Find a refund that the key may decide about, as its transfer; another's is not found, like a missing one."""
    number = None if call.is_test else row_id(call.path["refund_id"])
    if number is None:
        raise RefundNotFound
    found = refunds.get_refund(call.session, number)
    if found.transfer_id is None:
        payment = call.session.get_one(Payment, found.payment_id)
        if payment.project_id != call.caller.project.id:
            raise RefundNotFound
        return found
    try:
        find_entry(call, get_entry(call.session, found.transfer_id))
    except TransferNotFound:
        raise RefundNotFound from None
    return found


def _reply(call: Call, refund: Refund, *, claim_url: str | None = None, http_status: int = 200) -> Reply:
    steps = tuple(refunds.steps_of(call.session, refund))
    return Reply({"refund": _view(call, refund, steps=steps, claim_url=claim_url)}, http_status)


def _view(
    call: Call, refund: Refund, *, steps: tuple[RefundStep, ...] = (), claim_url: str | None = None
) -> RefundView:
    payment = call.session.get(Payment, refund.payment_id) if refund.payment_id else None
    return RefundView(
        refund_id=refund.id,
        transfer_id=refund.transfer_id,
        payment_id=payment.payment_id if payment else None,
        state=refund.state,
        amount=refund.units,
        recipient=refund.recipient,
        txid=refund.txid,
        reason=SENTENCES[Why(refund.why)],
        expires_at=refund.expires_at,
        created_at=refund.created_at,
        steps=steps,
        claim_url=claim_url,
    )
