"""A payment priced in another currency, asked on `/api/v1`: the hub makes it USDT and says at which rate."""

import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

import requests

from core.demo.gateway import PaymentRefused

PATH = "/api/v1/payments"


def create_priced_payment(*, base_url: str, key: str, secret: str, order: Mapping[str, Any]) -> dict[str, Any]:
    """Create the payment of an order with a `price`, or get the one it has; send the customer to its `payment_url`."""
    body, now, nonce = json.dumps(dict(order)).encode(), str(int(time.time())), secrets.token_hex(16)
    text = f"v1\n{now}\n{nonce}\nPOST\n{PATH}\n".encode() + body
    headers = {
        "Content-Type": "application/json",
        "X-API-Key": key,
        "X-Timestamp": now,
        "X-Nonce": nonce,
        "X-Signature": "v1=" + hmac.digest(secret.encode(), text, "sha512").hex(),
    }
    with requests.Session() as session:
        session.trust_env = False  # the hub is reached directly, whatever proxy the shell has set
        answer = session.post(base_url + PATH, data=body, headers=headers, timeout=10).json()
    if not answer["ok"]:  # always check ok first
        raise PaymentRefused(answer["error"])
    payment: dict[str, Any] = answer["payment"]
    return payment
