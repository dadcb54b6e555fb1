"""The code that merchants copy: what it signs, and which webhooks it believes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook
from werkzeug.datastructures import Headers

from core.demo.gateway import TOLERANCE_S, sign, verified_notice
from core.signing import hmac_hex
from tests.demo.shops import CONFIG, notice_of, signed

BODY = notice_of("A1")


def verify(body: bytes, headers: dict[str, str]) -> Any:
    """Verify as the shop does: headers are found whatever their case."""
    return verified_notice(
        body=body, headers=Headers(headers), webhook_secret=CONFIG["webhook_secret"], keys=CONFIG
    )


def test_a_request_is_signed_as_the_hub_checks_it() -> None:
    assert sign(b'{"a": 1}', "sk_live_A") == hmac_hex("sk_live_A", b'{"a": 1}')


def test_a_signed_webhook_is_believed() -> None:
    assert verify(BODY, signed(BODY))["order_id"] == "A1"


def test_the_published_library_believes_the_same_webhook() -> None:
    assert Webhook(CONFIG["webhook_secret"]).verify(BODY, signed(BODY))["order_id"] == "A1"


def test_a_test_payment_is_signed_with_the_test_secret() -> None:
    body = notice_of("A1", is_test=True)

    assert verify(body, signed(body, mode="test"))["is_test"] is True
    assert verify(body, signed(body, mode="live")) is None


def test_a_second_signature_of_a_rotation_does_not_hurt() -> None:
    headers = signed(BODY)
    headers["webhook-signature"] = "v1,AAAA " + headers["webhook-signature"]

    assert verify(BODY, headers) is not None


@pytest.mark.parametrize("age_s", [TOLERANCE_S + 30, -TOLERANCE_S - 30])
def test_a_webhook_from_another_time_is_a_replay(age_s: int) -> None:
    assert verify(BODY, signed(BODY, sent_at=datetime.now(UTC) - timedelta(seconds=age_s))) is None


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature", "X-Signature"])
@pytest.mark.parametrize("forged", [None, "", "v1,", "0" * 64, "９", "\xff", "1e3", "9" * 400])
def test_a_forged_or_missing_header_is_refused(header: str, forged: str | None) -> None:
    headers = signed(BODY)
    del headers[header]

    assert verify(BODY, headers if forged is None else headers | {header: forged}) is None


def test_a_changed_body_is_refused() -> None:
    assert verify(BODY.replace(b"30.00", b"90.00"), signed(BODY)) is None
