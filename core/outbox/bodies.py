"""The bytes of a webhook, as the contract fixes them: fields, order and formats; made once per event."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from core.models import Endpoint, Event, Payment, Refund

NETWORK = "TRC20"
CURRENCY = "USDT"
PUBLIC_WORDS = {"confirming": "pending", "canceled": "failed"}  # the other statuses are public as they are


def paid_body(payment: Payment) -> bytes:
    """Write the `paid` webhook's body; ASCII JSON, so that no receiver's charset can matter."""
    if payment.status != "paid" or payment.paid_at is None:
        raise ValueError(f"payment {payment.payment_id} is not paid")
    return _written(_fields(payment))


def event_body(payment: Payment, happened: Event, refund: Refund | None = None) -> bytes:
    """Write any other event's body: the contract's fields as they stand, then what happened and when.

    `status` is the public word; `txid` and `paid_at` are null until there is one.   `sequence` counts the payment's
    events from 1, so that a receiver can tell an older one that comes later.   `refund`, of a refund's event: which.
    """
    happening = {"type": happened.type, "sequence": happened.number, "created_at": utc_text(happened.created_at)}
    return _written(_fields(payment) | happening | (_refund(refund) if refund else {}))


def ping_body(endpoint: Endpoint, *, sent_at: datetime, is_test: bool = True) -> bytes:
    """Write a test ping's body: it names no payment, so that no receiver can take it for one."""
    return _written({
        "type": "test.ping", "app_id": endpoint.project_id, "endpoint_id": endpoint.uid,
        "created_at": utc_text(sent_at), "is_test": is_test,
    })


def utc_text(moment: datetime) -> str:
    """Write a time the contract's way: `YYYY-MM-DD HH:MM:SS`, UTC."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _fields(payment: Payment) -> dict[str, object]:
    return {
        "payment_id": payment.payment_id,
        "app_id": payment.project_id,
        "order_id": payment.order_id,
        "status": PUBLIC_WORDS.get(payment.status, payment.status),
        "amount": payment.amount_text,
        "pay_amount": payment.pay_units.six_places(),
        "currency": CURRENCY,
        "network": NETWORK,
        "txid": payment.txid,
        "paid_at": utc_text(payment.paid_at) if payment.paid_at else None,
        "is_test": payment.is_test,
    } | _price(payment)


def _price(payment: Payment) -> dict[str, object]:
    """Write the quote of a payment that was priced in fiat, which only /api/v1 makes; others have no such field."""
    if payment.price_text is None or payment.rate_at is None:
        return {}
    return {"price": {
        "amount": payment.price_text,
        "currency": payment.price_currency,
        "rate": payment.rate,
        "rate_sources": (payment.rate_sources or "").split(),
        "rate_at": utc_text(payment.rate_at),
    }}


def _refund(refund: Refund) -> dict[str, object]:
    """Write which refund an event is about, and how it stands; its link stands nowhere."""
    return {"refund": {
        "refund_id": refund.id,
        "state": refund.state,
        "amount": refund.units.six_places(),
        "recipient": refund.recipient,
        "txid": refund.txid,
        "transfer_id": refund.transfer_id,
    }}


def _written(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode("ascii")
