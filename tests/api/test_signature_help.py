"""Every mistake the checker knows is made here on purpose, and named."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from core.api.signature_help import Secret, Sent, explain
from core.testing.hubs import START

RIGHT, OTHER = Secret("its secret", "sk_live_right", True), Secret("the test secret", "sk_test_other")
BODY = b'{"order_id": "A/1", "amount": "5.00"}'
NOW, NONCE, TARGET = str(int(START.timestamp())), "n" * 16, "/api/v1/payments?limit=1"


def mac(text: bytes, *, key: str = RIGHT.key, digest: str = "sha256") -> str:
    return hmac.new(key.encode(), text, getattr(hashlib, digest)).hexdigest()


def v1_text(*, target: str = TARGET, end: str = "\n", body: bytes = BODY, method: str = "POST") -> bytes:
    return end.join(["v1", NOW, NONCE, method, target, ""]).encode() + body


def said(signature: str, **sent: str) -> list[str]:
    return explain(Sent(signature, BODY, **sent, hub="https://pay.example"), [RIGHT, OTHER], now=START)


@pytest.mark.parametrize(("signature", "wanted"), [
    (mac(BODY), "is right"),
    ("sha256=" + mac(BODY).upper(), "is right"),
    (mac(BODY, key=OTHER.key), "the test secret"),
    (mac(BODY + b"\n"), "line feed"),
    (mac(b""), "Nothing was signed"),
    (mac(json.dumps(json.loads(BODY), separators=(",", ":")).encode()), "written anew"),
    (mac(rb'{"order_id":"A\/1","amount":"5.00"}'), "written anew"),
    (mac(BODY, digest="sha512"), "HMAC-SHA512, not SHA256"),
    (mac(BODY, digest="md5"), "HMAC-MD5"),
    (base64.b64encode(bytes.fromhex(mac(BODY))).decode(), "base64"),
    ("0" * 64, "None of the usual mistakes"),
])
def test_mistakes_on_the_compatible_api(signature: str, wanted: str):
    assert wanted in said(signature)[0]


@pytest.mark.parametrize(("text", "digest", "wanted"), [
    (v1_text(), "sha512", "is right"),
    (v1_text(), "sha256", "HMAC-SHA256, not SHA512"),
    (v1_text(target="/api/v1/payments"), "sha512", "query was left out"),
    (v1_text(target="https://pay.example" + TARGET), "sha512", "whole URL was signed"),
    (v1_text(method="post"), "sha512", "small letters"),
    (v1_text(end="\r\n"), "sha512", "CR LF"),
    (v1_text()[3:], "sha512", "first line"),
    (BODY, "sha512", "Only the body"),
    (v1_text(body=b"")[:-1] + BODY, "sha512", "line feed before the body"),
    (v1_text(body=BODY + b"\n"), "sha512", "line feed was signed"),
])
def test_mistakes_on_v1(text: bytes, digest: str, wanted: str):
    signature = "v1=" + mac(text, digest=digest)

    assert wanted in said(signature, target=TARGET, timestamp=NOW, nonce=NONCE)[0]


def test_a_missing_prefix_and_a_wrong_clock_are_both_named():
    late = str(int(NOW) - 900)
    text = "\n".join(["v1", late, NONCE, "POST", TARGET, ""]).encode() + BODY

    sentences = said(mac(text, digest="sha512"), target=TARGET, timestamp=late, nonce=NONCE)

    assert sentences == [
        "X-Signature must begin with v1= here.", "X-Timestamp is 900 s behind: at most 300 s are accepted.",
    ]
    assert said("v1=x", target=TARGET, timestamp=NOW + "000", nonce=NONCE)[-1].startswith("X-Timestamp is not Unix")


def test_no_secret_is_ever_said():
    text = " ".join(said("0" * 64) + said("v1=0", target=TARGET, timestamp=NOW, nonce=NONCE))

    assert RIGHT.key not in text and OTHER.key not in text
