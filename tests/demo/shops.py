"""A demo shop without a process, and webhooks as a hub would send them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask

from core.demo.shop import create_shop
from core.signing import hmac_hex, standard_webhook_headers

CONFIG: dict[str, Any] = {
    "base_url": "http://127.0.0.1:1",
    "shop_url": "http://127.0.0.1:3",
    "webhook_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
    "test": {"key": "pk_test_A", "secret": "sk_test_A"},
    "live": {"key": "pk_live_A", "secret": "sk_live_A"},
}
TXID = "7b4f67b9260e5de8c09013aa6313690f64e66108cf235f961ebceb0cf387ec5d"


def make_demo_shop(folder: Path) -> Flask:
    """Build a shop whose hub answers nothing."""
    return create_shop(CONFIG, folder=folder)


def notice_of(order_id: str, **changes: object) -> bytes:
    """Write a webhook's body."""
    fields: dict[str, object] = {
        "payment_id": 123, "app_id": 1, "order_id": order_id, "status": "paid", "amount": "30.00",
        "pay_amount": "30.013400", "currency": "USDT", "network": "TRC20", "txid": TXID,
        "paid_at": "2026-07-01 18:04:12", "is_test": False,
    }
    return json.dumps(fields | changes).encode()


def signed(
    body: bytes, *, event_id: str = "evt_1", mode: str = "live", sent_at: datetime | None = None
) -> dict[str, str]:
    """Sign a body as the hub does."""
    headers = standard_webhook_headers(
        secrets=[CONFIG["webhook_secret"]], event_id=event_id, sent_at=sent_at or datetime.now(UTC), body=body
    )
    return headers | {"X-Signature": hmac_hex(CONFIG[mode]["secret"], body)}
