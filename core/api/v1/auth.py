"""Who is calling /api/v1, and whether these very words were meant: a signature over time, nonce, target and body.

The signature is checked before anything else is believed; whether the nonce is fresh is `admission`'s to say, because
that needs a write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from flask import Request
from sqlalchemy.engine import Connection

from core.api.auth import DUMMY_SECRET, Caller, find_caller, single_header
from core.clock import from_millis
from core.errors import InvalidApiKey, InvalidNonce, InvalidSignature, InvalidTimestamp
from core.hub import Hub
from core.projects.keys import inbound_secrets
from core.signing import matches_request, request_text

TOLERANCE_S = 300  # Standard Webhooks' figure, here inbound: wide enough for a shop's clock, short for the nonce table
TIMESTAMP = re.compile(r"[1-9][0-9]{9}")
NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
HOST = re.compile(r"https?://[^/?#]*", re.IGNORECASE)  # of a request line in absolute form, as proxies may send it


@dataclass(frozen=True, slots=True)
class Signed:
    """A caller whose signature fits the request, and what makes that request the only one of its kind."""

    caller: Caller
    nonce: str
    signed_at: datetime


def authenticate(connection: Connection, hub: Hub, request: Request, body: bytes) -> Signed:
    """Find who signed this request; raises InvalidApiKey, InvalidTimestamp, InvalidNonce, InvalidSignature."""
    timestamp, nonce = (single_header(request, name) or "" for name in ("X-Timestamp", "X-Nonce"))
    text = request_text(
        timestamp=timestamp, nonce=nonce, method=request.method, target=signed_target(request), body=body
    )
    signature = single_header(request, "X-Signature")
    caller = find_caller(connection, single_header(request, "X-API-Key"))
    if caller is None:
        matches_request(signature, DUMMY_SECRET, text)  # an unknown key costs what a wrong signature costs (A1)
        raise InvalidApiKey
    if TIMESTAMP.fullmatch(timestamp) is None:
        raise InvalidTimestamp
    if NONCE.fullmatch(nonce) is None:
        raise InvalidNonce
    now = hub.clock.now()
    secrets = inbound_secrets(caller.credential, hub.vault, now=now)
    if not any([matches_request(signature, secret, text) for secret in secrets]):  # a list: every secret is tried
        raise InvalidSignature
    signed_at = from_millis(int(timestamp) * 1000)
    if abs((now - signed_at).total_seconds()) > TOLERANCE_S:
        raise InvalidTimestamp(f"{InvalidTimestamp.sentence} Here it is {int(now.timestamp())}.")
    return Signed(caller, nonce, signed_at)


def signed_target(request: Request) -> str:
    """Give path and query exactly as they stood on the request line; decoding and encoding again would change them."""
    raw = str(request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.full_path)
    return HOST.sub("", raw, count=1) if HOST.match(raw) else raw
