"""Who may see how the hub is doing: whoever asks on this machine itself, and whoever knows the token."""

from __future__ import annotations

import hmac
from ipaddress import ip_address

from flask import request

from core.web import the_hub

# What a proxy adds: a stranger who comes through a proxy on this machine has a loopback address too.
PROXY_HEADERS = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via")


def is_trusted() -> bool:
    """Tell whether the request at hand is the operator's: by the token, or without one by coming from loopback."""
    token = the_hub().settings.metrics_token
    if token:
        return hmac.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {token}".encode())
    return _is_local()


def _is_local() -> bool:
    try:
        is_loopback = ip_address(request.remote_addr or "").is_loopback
    except ValueError:  # a Unix socket has no address
        return False
    return is_loopback and not any(name in request.headers for name in PROXY_HEADERS)
