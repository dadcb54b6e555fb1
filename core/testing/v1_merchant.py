"""A merchant's program for /api/v1: signs as the documentation says, with nothing of the house's own signing code."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

_serial = itertools.count(1)


def sign(secret: str, *, timestamp: str, nonce: str, method: str, target: str, body: bytes) -> str:
    """Sign a request of /api/v1 as the documentation says."""
    text = f"v1\n{timestamp}\n{nonce}\n{method}\n{target}\n".encode() + body
    return "v1=" + hmac.new(secret.encode(), text, hashlib.sha512).hexdigest()


def fresh_nonce() -> str:
    """Make a nonce that no test has used."""
    return f"nonce-{next(_serial):020d}"


@dataclass(frozen=True, slots=True)
class V1Client:
    """Calls /api/v1 through an app's test client; `now` gives the Unix time it signs with."""

    client: FlaskClient
    key: str
    secret: str = field(repr=False)
    now: Callable[[], int]

    def get(self, path: str, **headers: str) -> TestResponse:
        """Read something; path: below /api/v1, with its query."""
        return self.send("GET", path, b"", **headers)

    def post(self, path: str, body: dict[str, Any] | bytes = b"", **headers: str) -> TestResponse:
        """Change something, with fields or raw bytes."""
        return self.send("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode(), **headers)

    def send(self, method: str, path: str, raw: bytes, **headers: str) -> TestResponse:
        """Send one signed request."""
        target = f"/api/v1{path}"
        changes = {name.replace("_", "-"): value for name, value in headers.items()}
        signed = self.headers(method, target, raw) | changes
        kind = "application/json" if raw else None
        return self.client.open(target, method=method, data=raw, headers=signed, content_type=kind)

    def headers(self, method: str, target: str, raw: bytes) -> dict[str, str]:
        """Give the four headers of a signed request."""
        timestamp, nonce = str(self.now()), fresh_nonce()
        return {
            "X-API-Key": self.key,
            "X-Timestamp": timestamp,
            "X-Nonce": nonce,
            "X-Signature": sign(
                self.secret, timestamp=timestamp, nonce=nonce, method=method, target=target, body=raw
            ),
        }
