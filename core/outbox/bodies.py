"""The bytes of a webhook, as the contract fixes them: fields, order and formats; made once per event."""

from __future__ import annotations

import json
from datetime import datetime

from core.models import Payment

NETWORK = "TRC20"
CURRENCY = "USDT"


def paid_body(payment: Payment) -> bytes:
    """Write the `paid` webhook's body; ASCII JSON, so that no receiver's charset can matter."""
    if payment.status != "paid" or payment.paid_at is None:
        raise ValueError(f"payment {payment.payment_id} is not paid")
    fields = {
        "payment_id": payment.payment_id,
        "app_id": payment.project_id,
        "order_id": payment.order_id,
        "status": payment.status,
        "amount": payment.amount_text,
        "pay_amount": payment.pay_units.six_places(),
        "currency": CURRENCY,
        "network": NETWORK,
        "txid": payment.txid,
        "paid_at": utc_text(payment.paid_at),
        "is_test": payment.is_test,
    }
    return json.dumps(fields, separators=(",", ":")).encode("ascii")


def utc_text(moment: datetime) -> str:
    """Write a time the contract's way: `YYYY-MM-DD HH:MM:SS`, UTC."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")
