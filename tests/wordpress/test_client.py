"""The PHP client that any cart may carry: its signatures against the hub's own and the published vector."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from core.signing import request_signature, request_text
from tests.journey.conftest import Demo
from tests.wordpress.test_rules import PLUGIN, ask

NOW = 1_614_265_330
VECTOR = {  # the published example of the Standard Webhooks specification
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "body": '{"test": 2432232314}',
    "headers": {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": str(NOW),
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
}
BODY = '{"payment_id":7,"status":"paid","is_test":false}'
TEST_BODY = BODY.replace("false", "true")
SECRETS = {"test": "sk_test_a", "live": "sk_live_b", "webhook": VECTOR["secret"]}


def hex_of(body: str, secret: str) -> str:
    """Sign as the contract says, with nothing of ours."""
    return hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()


def standard(body: str, *, at: int = NOW) -> dict[str, str]:
    """Write the three headers of Standard Webhooks, with nothing of ours."""
    key = base64.b64decode(SECRETS["webhook"].removeprefix("whsec_"))
    digest = hmac.new(key, f"evt_1.{at}.{body}".encode(), hashlib.sha256).digest()
    signatures = f"v1,bm8= v1,{base64.b64encode(digest).decode()}"  # two, as during a rotation
    return {"webhook-id": "evt_1", "webhook-timestamp": str(at), "webhook-signature": signatures}


def verified(body: str, headers: dict[str, Any], secrets: dict[str, Any] = SECRETS) -> Any:
    """Give what the client makes of a webhook: its fields, or the word of its refusal."""
    (answer,) = ask(("Paywharf_Client::verify", [body, headers, secrets, NOW]))
    return answer.get("value", answer.get("error"))


def test_requests_are_signed_as_the_hub_reads_them():
    body, nonce = '{"order_id":"ORDER_1","amount":"50.00"}', "n" * 16

    (answer,) = ask((
        "Paywharf_Client::request_headers", ["pk_test_x", "sk_test_y", "POST", "/api/v1/payments?a=b", body, NOW, nonce]
    ))

    text = request_text(
        timestamp=str(NOW), nonce=nonce, method="POST", target="/api/v1/payments?a=b", body=body.encode()
    )
    assert answer["value"]["X-Signature"] == request_signature("sk_test_y", text)
    assert (answer["value"]["X-Timestamp"], answer["value"]["X-Nonce"]) == (str(NOW), nonce)


def test_the_published_vector_verifies():
    assert verified(VECTOR["body"], VECTOR["headers"]) == {"test": 2432232314}


@pytest.mark.parametrize(
    ("body", "headers", "wanted"),
    [
        (BODY, {"X-Signature": hex_of(BODY, "sk_live_b")}, "fields"),
        (BODY, {"x_signature": [hex_of(BODY, "sk_live_b").upper()]}, "fields"),
        (BODY, standard(BODY), "fields"),
        (BODY, standard(BODY, at=NOW + 299), "fields"),
        (BODY, standard(BODY, at=NOW - 301), "clock_off"),
        (BODY, standard(BODY, at=NOW + 301), "clock_off"),
        (BODY, {}, "signature_missing"),
        (BODY, {"X-Signature": ""}, "signature_wrong"),
        (BODY, {"X-Signature": hex_of(BODY, "sk_live_c")}, "signature_wrong"),
        (BODY + " ", {"X-Signature": hex_of(BODY, "sk_live_b")}, "signature_wrong"),
        (BODY + " ", standard(BODY), "signature_wrong"),
        (BODY, standard(BODY) | {"webhook-id": "evt_2"}, "signature_wrong"),
        (BODY, standard(BODY) | {"webhook-timestamp": "1e9"}, "signature_wrong"),
        (BODY, {"X-Signature": hex_of(BODY, "sk_test_a")}, "wrong_mode"),
        (TEST_BODY, {"X-Signature": hex_of(TEST_BODY, "sk_live_b")}, "wrong_mode"),
        (TEST_BODY, {"X-Signature": hex_of(TEST_BODY, "sk_test_a")}, "fields"),
        ("[1", {"X-Signature": hex_of("[1", "sk_test_a")}, "not_json"),
        ('"text"', {"X-Signature": hex_of('"text"', "sk_test_a")}, "not_json"),
    ],
)
def test_only_what_the_hub_signed_is_taken(body, headers, wanted):
    answer = verified(body, headers)

    assert answer == (json.loads(body) if wanted == "fields" else wanted)


def test_an_empty_secret_signs_nothing():
    headers = {"X-Signature": hex_of(BODY, "")}

    assert verified(BODY, headers, {"test": "", "live": "", "webhook": "whsec_"}) == "signature_wrong"
    assert verified(BODY, headers, {}) == "signature_wrong"


def test_one_flipped_bit_anywhere_is_refused():
    good = hex_of(BODY, "sk_live_b")
    flipped = [BODY[:at] + chr(ord(BODY[at]) ^ 1) + BODY[at + 1:] for at in range(len(BODY))]

    answers = ask(*(("Paywharf_Client::verify", [body, {"X-Signature": good}, SECRETS, NOW]) for body in flipped))

    assert {answer.get("error") for answer in answers} == {"signature_wrong"}


@pytest.mark.parametrize(
    ("text", "units", "written"),
    [
        ("0.01", 10_000, "0.01"), ("12.50", 12_500_000, "12.50"), ("12.500000", 12_500_000, "12.50"),
        ("7", 7_000_000, "7.00"), ("0.000001", 1, "0.000001"), ("999999999.999999", 10**15 - 1, "999999999.999999"),
    ],
)
def test_amounts_are_whole_units(text, units, written):
    answers = ask(("Paywharf_Client::units", [text]), ("Paywharf_Client::amount", [units]))

    assert [answer["value"] for answer in answers] == [units, written]


@pytest.mark.parametrize("text", ["", "-1", "1e3", "1,5", "1.0000001", " 1", "1 ", "0x1", "1.", ".5", "1\n"])
def test_what_is_no_amount_is_refused(text):
    assert ask(("Paywharf_Client::units", [text]))[0] == {"error": "invalid"}


@pytest.mark.slow
@pytest.mark.journey
@pytest.mark.xdist_group("wordpress")
def test_a_cart_with_nothing_but_the_client_opens_and_cancels_a_payment(demo: Demo, tmp_path: Path):
    keys = demo.config["test"]
    script = tmp_path / "cart.php"
    script.write_text(f"""<?php
require '{PLUGIN}/client/class-paywharf-client.php';
$client = new Paywharf_Client( '{demo.config["base_url"]}/', '{keys["key"]}', '{keys["secret"]}' );
$made = $client->create( array( 'order_id' => 'CART_1', 'amount' => '50.00' ) );
$again = $client->create( array( 'order_id' => 'CART_1', 'amount' => '50.00' ) );
$read = $client->status( $made['payment_id'] );
$of_order = $client->status_of_order( 'CART_1' );
$canceled = $client->cancel( $made['payment_id'] );
$words = array();
foreach ( array( array( 'sk_test_wrong', 'invalid_signature' ), array( '{keys["secret"]}', 'order_id' ) ) as $try ) {{
    $other = new Paywharf_Client( '{demo.config["base_url"]}', '{keys["key"]}', $try[0] );
    try {{ $other->create( array( 'amount' => '1.00' ) ); }} catch ( Paywharf_Error $e ) {{ $words[] = $e->word(); }}
}}
$away = new Paywharf_Client( 'http://127.0.0.1:9', 'pk', 'sk' );
try {{ $away->status( 1 ); }} catch ( Paywharf_Error $e ) {{ $words[] = $e->word() . ' ' . (int) $e->is_passing(); }}
$page = new Paywharf_Client( '{demo.config["base_url"]}/docs?', 'pk', 'sk' );
try {{ $page->status( 1 ); }} catch ( Paywharf_Error $e ) {{ $words[] = $e->word(); }}
echo json_encode( array( $made['status'], $made['payment_id'] === $again['payment_id'],
    $read['payment_url'] === $made['payment_url'], $of_order['payment_id'] === $made['payment_id'], $canceled['status'],
    $client->received_units( $made['payment_id'] ), $words ) );
""")

    run = subprocess.run(["php", str(script)], capture_output=True, text=True, timeout=60)

    assert run.stderr == ""
    words = ["invalid_signature", "missing_field", "unreachable 1", "not_json"]
    assert json.loads(run.stdout) == ["pending", True, True, True, "failed", 0, words]


@pytest.mark.parametrize(("sum_", "part", "whole", "share"), [
    (95_110_000, 2_000_000, 87_500_000, 2_173_942),
    (12_500_000, 12_500_000, 12_500_000, 12_500_000),
    (999_999_999_999_999_999, 999_999_999_999_999_998, 999_999_999_999_999_999, 999_999_999_999_999_998),
    (7, 30, 9, 23), (5, 0, 3, 0),
])
def test_a_share_of_a_sum_is_exact_and_rounded_down(sum_: int, part: int, whole: int, share: int):
    assert ask(("Paywharf_Client::share", [sum_, part, whole])) == [{"value": share}]
