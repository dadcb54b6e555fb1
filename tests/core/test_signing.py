"""Signatures cover exact bytes, survive hostile headers and satisfy the published verifier (P53-P57, A2, W6-W9)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from core.clock import EPOCH, SystemClock, from_millis
from core.ids import Ids
from core.signing import hmac_hex, matches_hex, standard_webhook_headers

SECRET = "sk_test_abc"
BODY = b'{"order_id":"ORDER_12345","amount":"50.00"}'
GOOD = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
# The published example of the Standard Webhooks specification, symmetric signature.
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_SENT_AT = from_millis(1_614_265_330_000)
VECTOR_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_w6_signature_is_hex_hmac_of_the_raw_bytes() -> None:
    assert hmac_hex(SECRET, BODY) == GOOD


def test_hmac_hex_agrees_with_rfc_4231() -> None:
    """RFC 4231, test case 2."""
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"

    assert hmac_hex("Jefe", b"what do ya want for nothing?") == expected


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(GOOD, id="plain"),
        pytest.param(GOOD.upper(), id="P56-upper-case"),
        pytest.param("sha256=" + GOOD, id="P56-prefix"),
        pytest.param("sha256=" + GOOD.upper(), id="P56-both"),
    ],
)
def test_a_right_signature_is_accepted(header: str) -> None:
    assert matches_hex(header, SECRET, BODY)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(f"{GOOD},{GOOD}", id="P53-two-headers-joined"),
        pytest.param(f"{GOOD}, {GOOD}", id="P53-two-headers-joined-with-space"),
        pytest.param("é" * 64, id="P54-latin-1"),
        pytest.param("５" * 64, id="P54-full-width"),
        pytest.param("\ud800" + GOOD, id="P54-surrogate"),
        pytest.param(None, id="P57-missing"),
        pytest.param("", id="P57-empty"),
        pytest.param(GOOD[:32], id="P57-short"),
        pytest.param(GOOD[:-1], id="P57-odd-length"),
        pytest.param("z" * 64, id="P57-not-hex"),
        pytest.param("sha256=", id="P57-prefix-alone"),
        pytest.param("sha256=sha256=" + GOOD, id="P57-prefix-twice"),
        pytest.param(" " + GOOD, id="P57-space"),
        pytest.param(GOOD[:-1] + ("0" if GOOD[-1] != "0" else "1"), id="W9-one-digit"),
    ],
)
def test_a_wrong_signature_is_refused_without_an_exception(header: str | None) -> None:
    assert not matches_hex(header, SECRET, BODY)


def test_a4_a_request_without_body_is_signed_over_zero_bytes() -> None:
    assert matches_hex(hmac.new(SECRET.encode(), b"", hashlib.sha256).hexdigest(), SECRET, b"")


def test_a3_another_secret_does_not_match() -> None:
    assert not matches_hex(GOOD, "sk_live_abc", BODY)


@given(st.text(), st.binary(max_size=100))
def test_a2_no_header_raises(header: str, body: bytes) -> None:
    assert not matches_hex(header, SECRET, body)


def test_w7_the_published_vector_is_met() -> None:
    headers = standard_webhook_headers(
        secrets=[VECTOR_SECRET],
        event_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        sent_at=VECTOR_SENT_AT,
        body=b'{"test": 2432232314}',
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": VECTOR_SIGNATURE,
    }


def test_w9_the_published_package_accepts_each_secret_of_a_rotation() -> None:
    new, old = Ids().webhook_secret(), Ids().webhook_secret()

    headers = standard_webhook_headers(secrets=[new, old], event_id="evt_1", sent_at=SystemClock().now(), body=BODY)

    for secret in (new, old):
        assert Webhook(secret).verify(BODY, headers) == {"order_id": "ORDER_12345", "amount": "50.00"}


def test_w9_the_published_package_refuses_a_flipped_byte_and_another_secret() -> None:
    secret = Ids().webhook_secret()
    headers = standard_webhook_headers(secrets=[secret], event_id="evt_1", sent_at=SystemClock().now(), body=BODY)

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY.replace(b"50.00", b"50.01"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(Ids().webhook_secret()).verify(BODY, headers)


def test_w7_timestamp_is_cut_to_whole_seconds() -> None:
    headers = standard_webhook_headers(
        secrets=[VECTOR_SECRET], event_id="evt_1", sent_at=from_millis(1_999), body=b""
    )

    assert headers["webhook-timestamp"] == "1"


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("", id="empty"),
        pytest.param("whsec_", id="no-key"),
        pytest.param(base64.b64encode(bytes(32)).decode(), id="no-prefix"),
        pytest.param("whsec_secret!", id="not-base64"),
        pytest.param("whsec_é", id="not-ascii"),
    ],
)
def test_a_bad_webhook_secret_is_refused_and_never_shown(secret: str) -> None:
    with pytest.raises(ValueError, match="^a webhook secret is whsec_ and base64$"):
        standard_webhook_headers(secrets=[secret], event_id="evt_1", sent_at=EPOCH, body=b"")


def test_signing_needs_a_secret_and_an_aware_time() -> None:
    with pytest.raises(ValueError, match="at least one secret"):
        standard_webhook_headers(secrets=[], event_id="evt_1", sent_at=EPOCH, body=b"")
    with pytest.raises(ValueError, match="naive"):
        standard_webhook_headers(secrets=[VECTOR_SECRET], event_id="evt_1", sent_at=datetime(2026, 7, 1), body=b"")
