"""All a shop needs to take USDT through Paywharf: create a payment, and verify the webhook that says it is paid."""

import base64
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

import requests

TOLERANCE_S = 300  # older webhooks may be replays (Standard Webhooks)


class PaymentRefused(Exception):
    """The hub said no; the text is its sentence."""


def sign(body: bytes, secret: str) -> str:
    """Sign the exact bytes of a body."""
    return hmac.digest(secret.encode(), body, "sha256").hex()


def create_payment(*, base_url: str, key: str, secret: str, order: Mapping[str, str]) -> dict[str, Any]:
    """Create the payment of an order, or get the one it has; send the customer to its `payment_url`."""
    body = json.dumps(dict(order)).encode()
    headers = {"Content-Type": "application/json", "X-API-Key": key, "X-Signature": sign(body, secret)}
    with requests.Session() as session:
        session.trust_env = False  # the hub is reached directly, whatever proxy the shell has set
        answer = session.post(f"{base_url}/api/create-payment.php", data=body, headers=headers, timeout=10).json()
    if not answer["ok"]:  # always check ok first
        raise PaymentRefused(answer["error"])
    payment: dict[str, Any] = answer["payment"]
    return payment


def verified_notice(*, body: bytes, headers: Any, webhook_secret: str, keys: Mapping[str, Any]) -> Any:
    """Return what a webhook says if both its signatures fit its exact bytes; None if it is not from our hub.

    headers: found whatever their case, as every web framework does.   keys: `{"test": {"key", "secret"}, "live": {…}}`;
    X-Signature is made with the set that created the payment. One of the two signatures is enough: this shows both.
    """
    event_id, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not sent_at.isdecimal() or abs(time.time() - int(sent_at[:12])) > TOLERANCE_S:
        return None
    key = base64.b64decode(webhook_secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{event_id}.{sent_at}.".encode() + body, "sha256")
    wanted = b"v1," + base64.b64encode(digest)
    given = headers.get("webhook-signature", "").encode().split()  # two during a rotation of the secret
    if not any(hmac.compare_digest(wanted, one) for one in given):
        return None
    notice = json.loads(body)
    secret = keys["test" if notice["is_test"] else "live"]["secret"]
    fits = hmac.compare_digest(sign(body, secret).encode(), headers.get("X-Signature", "").encode())
    return notice if fits else None
