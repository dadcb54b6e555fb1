"""Signatures over exact bytes: those of the compatible API and of /api/v1, and the headers of Standard Webhooks.

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
SCHEME = "v1"  # of signed requests to /api/v1; first line of what is signed, and prefix of the header


def hmac_hex(secret: str, body: bytes) -> str:
    """Sign a body as `X-Signature` does: lower-case hex of HMAC-SHA256 over the raw bytes."""
    return hmac.digest(secret.encode(), body, "sha256").hex()


def matches_hex(header: str | None, secret: str, body: bytes) -> bool:
    """Tell whether an `X-Signature` header signs these bytes; upper case and a `sha256=` prefix are accepted.

    Compared as bytes and in constant time: compare_digest raises TypeError on a str that is not ASCII (P54).
    """
    given = (header or "").encode("latin-1", "replace").lower().removeprefix(b"sha256=")
    return hmac.compare_digest(given, hmac_hex(secret, body).encode())


def request_text(*, timestamp: str, nonce: str, method: str, target: str, body: bytes) -> bytes:
    """Write what a request to /api/v1 signs: five lines, each ended by one line feed, and the body's exact bytes.

    timestamp: Unix seconds as sent.   target: path and query exactly as on the request line, without the host.
    """
    head = "".join(f"{line}\n" for line in (SCHEME, timestamp, nonce, method, target))
    return head.encode("latin-1", "replace") + body


def request_signature(secret: str, text: bytes) -> str:
    """Sign a request's text as `X-Signature` on /api/v1: `v1=` and lower-case hex of HMAC-SHA512.

    Another digest than the compatible API's, because one secret serves both: that one signs whatever bytes the body
    holds, so a captured signature of this kind could else be replayed there, with the signed text as the body.
    """
    return f"{SCHEME}={hmac.digest(secret.encode(), text, 'sha512').hex()}"


def matches_request(header: str | None, secret: str, text: bytes) -> bool:
    """Tell whether an `X-Signature` header signs a request's text, in constant time; upper-case hex is accepted."""
    given = (header or "").encode("latin-1", "replace").lower()
    return hmac.compare_digest(given, request_signature(secret, text).encode())


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
