"""A merchant's program for tests: signs requests as the contract says, with nothing of the house's own signing code."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse


@dataclass(frozen=True, slots=True)
class MerchantClient:
    """Calls the compatible API through an app's test client."""

    client: FlaskClient
    key: str
    secret: str = field(repr=False)

    def create(self, body: dict[str, Any] | bytes, **headers: str) -> TestResponse:
        """Create a payment from fields, or from raw bytes."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(
            "/api/create-payment.php", data=raw, headers=self._headers(raw, headers), content_type="application/json"
        )

    def status(self, payment_id: object, **headers: str) -> TestResponse:
        """Read a payment."""
        query = {"payment_id": str(payment_id)}
        return self.client.get("/api/payment-status.php", query_string=query, headers=self._headers(b"", headers))

    def sign(self, raw: bytes) -> str:
        """Sign bytes: hex HMAC-SHA256."""
        return hmac.new(self.secret.encode(), raw, hashlib.sha256).hexdigest()

    def _headers(self, raw: bytes, changes: dict[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in changes.items()}
        return {"X-API-Key": self.key, "X-Signature": self.sign(raw)} | named
