"""Signatures over exact bytes: the compatible API's hexadecimal HMAC, and the headers of Standard Webhooks.

Signing only: secrets are opened, chosen and rotated elsewhere, and nothing here ever puts one into a message.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from datetime import datetime

from core.clock import to_millis

SECRET_PREFIX = "whsec_"


def hmac_hex(secret: str, body: bytes) -> str:
    """Sign a body as `X-Signature` does: lower-case hex of HMAC-SHA256 over the raw bytes."""
    return hmac.digest(secret.encode(), body, "sha256").hex()


def matches_hex(header: str | None, secret: str, body: bytes) -> bool:
    """Tell whether an `X-Signature` header signs these bytes; upper case and a `sha256=` prefix are accepted.

    Compared as bytes and in constant time: compare_digest raises TypeError on a str that is not ASCII (P54).
    """
    given = (header or "").encode("latin-1", "replace").lower().removeprefix(b"sha256=")
    return hmac.compare_digest(given, hmac_hex(secret, body).encode())


def standard_webhook_headers(
    *, secrets: Sequence[str], event_id: str, sent_at: datetime, body: bytes
) -> dict[str, str]:
    """Make the three headers of Standard Webhooks for one attempt.

    secrets: `whsec_` + base64; two during a rotation, each of which signs.   event_id: the same on every attempt.
    sent_at: aware; receivers tolerate 300 s.   Source: standard-webhooks specification, "Signature scheme".
    """
    if not secrets:
        raise ValueError("a webhook needs at least one secret to be signed with")
    timestamp = str(to_millis(sent_at) // 1000)
    signed = f"{event_id}.{timestamp}.".encode() + body
    signatures = [hmac.digest(_secret_bytes(secret), signed, "sha256") for secret in secrets]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join("v1," + base64.b64encode(signature).decode() for signature in signatures),
    }


def _secret_bytes(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or not key:
        raise ValueError("a webhook secret is whsec_ and base64")  # never the secret itself
    return key
