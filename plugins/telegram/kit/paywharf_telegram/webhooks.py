"""Verifies the hub's webhooks, for bots that have a public URL after all. Not needed with long polling."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

TOLERANCE_S = 300  # older ones may be replays (Standard Webhooks)


def verified_notice(
    *, body: bytes, headers: Mapping[str, str], webhook_secret: str, now_s: float | None = None
) -> dict[str, Any] | None:
    """Return what a webhook says if its Standard Webhooks signature fits its exact bytes, else None.

    webhook_secret: `whsec_…`.   headers: in any case.   Take each `webhook-id` once.
    """
    found = {name.lower(): value for name, value in headers.items()}
    event_id, sent_at = found.get("webhook-id", ""), found.get("webhook-timestamp", "")
    present_s = time.time() if now_s is None else now_s
    if not sent_at.isdecimal() or abs(present_s - int(sent_at[:12])) > TOLERANCE_S:
        return None
    try:
        key = base64.b64decode(webhook_secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("a webhook secret is whsec_ and base64") from None
    digest = hmac.digest(key, f"{event_id}.{sent_at}.".encode() + body, "sha256")
    wanted = b"v1," + base64.b64encode(digest)
    given = found.get("webhook-signature", "").encode("latin-1", "replace").split()
    if not any([hmac.compare_digest(wanted, one) for one in given]):  # a list: every one is compared
        return None
    notice = json.loads(body)
    return notice if isinstance(notice, dict) else None
