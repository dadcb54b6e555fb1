"""A merchant's own program, with nothing of the hub's code: requests, hmac and tronpy, against the running product."""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from standardwebhooks import Webhook
from tronpy import Tron
from tronpy.keys import PrivateKey
from tronpy.providers import HTTPProvider

from tests.journey.conftest import Demo

pytestmark = [pytest.mark.slow, pytest.mark.journey]


class Merchant:
    """A project of its own in the running hub, with its own receiver."""

    def __init__(self, demo: Demo, receiver: Receiver) -> None:
        self.base_url = demo.config["base_url"]
        merchant = demo.cli("merchant", "create", "Journey")
        made = demo.cli(
            "project", "create", "--merchant", str(merchant["merchant_id"]), "--name", "Journey shop",
            "--website", "https://journey.example.com", "--webhook-url", receiver.url,
        )
        self.project_id = made["project_id"]
        self.webhook_secret = made["webhook_secret"]
        self.keys = made["keys"]
        self.own_key = PrivateKey.random()
        address = self.own_key.public_key.to_base58check_address()
        demo.cli("address", "add", address, "--merchant", str(merchant["merchant_id"]), "--confirm", address[-6:])
        demo.cli("project", "set-mode", str(self.project_id), "live")

    def call(self, method: str, path: str, mode: str, body: bytes = b"", **query: object) -> requests.Response:
        """Send a signed request."""
        signature = hmac.new(self.keys[mode]["secret"].encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-API-Key": self.keys[mode]["key"], "X-Signature": signature, "Content-Type": "application/json"}
        return requests.request(method, self.base_url + path, data=body, params=query, headers=headers, timeout=15)

    def create(self, order_id: str, amount: str, mode: str = "live") -> dict:
        """Create a payment."""
        answer = self.call(
            "POST", "/api/create-payment.php", mode, json.dumps({"order_id": order_id, "amount": amount}).encode()
        ).json()
        assert answer["ok"], answer
        return answer["payment"]

    def status(self, payment_id: int, mode: str = "live") -> dict:
        """Read a payment."""
        return self.call("GET", "/api/payment-status.php", mode, payment_id=payment_id).json()["payment"]


class Receiver:
    """The merchant's webhook endpoint: keeps what it gets, with the time it came."""

    def __init__(self) -> None:
        self.got: queue.Queue[tuple[float, dict[str, str], bytes]] = queue.Queue()
        got = self.got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802
                body = self.rfile.read(int(self.headers["Content-Length"]))
                got.put((time.time(), dict(self.headers.items()), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def merchant(demo: Demo, receiver: Receiver) -> Merchant:
    return Merchant(demo, receiver)


@pytest.fixture(scope="module")
def tron(demo: Demo) -> Iterator[Tron]:
    client = Tron(HTTPProvider(demo.config["devnet_url"]))
    yield client
    client.provider.sess.close()


def send_usdt(tron: Tron, demo: Demo, to: str, units: int) -> dict:
    """Pay with unmodified tronpy from the demo wallet; gives the receipt."""
    contract = tron.get_contract(demo.config["usdt_contract"])
    wallet = demo.config["wallet"]
    transaction = (
        contract.functions.transfer(to, units).with_owner(wallet["address"]).fee_limit(50_000_000).build()
        .sign(PrivateKey(bytes.fromhex(wallet["private_key"])))
    )
    return transaction.broadcast().wait(timeout=20)


def units_of(text: str) -> int:
    whole, fraction = text.split(".")
    return int(whole) * 10**6 + int(fraction)


def solid_since(tron: Tron, height: int) -> float:
    """Wait until a block is solid; gives the moment it was first seen to be."""
    while tron.get_latest_solid_block_number() < height:
        time.sleep(0.05)
    return time.time()


def test_a_live_payment_from_signed_request_to_signed_webhook(
    demo: Demo, merchant: Merchant, receiver: Receiver, tron: Tron
):
    payments = [merchant.create(f"LIVE_{number}", "12.50") for number in range(3)]
    receipts = [send_usdt(tron, demo, payment["address"], units_of(payment["pay_amount"])) for payment in payments]
    delays = []
    for number, (payment, receipt) in enumerate(zip(payments, receipts, strict=True)):
        seen_solid = solid_since(tron, receipt["blockNumber"])

        came_at, headers, body = receiver.got.get(timeout=20)

        delays.append(came_at - seen_solid)
        fields = json.loads(body)
        assert list(fields) == [
            "payment_id", "app_id", "order_id", "status", "amount", "pay_amount", "currency", "network", "txid",
            "paid_at", "is_test",
        ]
        assert fields | {"paid_at": None} == {
            "payment_id": payment["payment_id"], "app_id": merchant.project_id, "order_id": f"LIVE_{number}",
            "status": "paid", "amount": "12.50", "pay_amount": payment["pay_amount"], "currency": "USDT",
            "network": "TRC20", "txid": receipt["id"], "paid_at": None, "is_test": False,
        }
        expected = hmac.new(merchant.keys["live"]["secret"].encode(), body, hashlib.sha256).hexdigest()
        assert headers["X-Signature"] == expected
        assert Webhook(merchant.webhook_secret).verify(body, headers) == fields
        read = merchant.status(payment["payment_id"])
        assert (read["status"], read["txid"]) == ("paid", receipt["id"])
    assert sorted(delays)[1] < 2.0, delays
    assert receiver.got.empty()


def test_a_test_payment_is_completed_on_its_page(merchant: Merchant, receiver: Receiver):
    payment = merchant.create("TEST_1", "3", mode="test")
    query = dict(pair.split("=") for pair in payment["payment_url"].split("?")[1].split("&"))

    requests.post(
        f"{merchant.base_url}/pay/simulate", data=query | {"scenario": "complete"},
        headers={"Origin": merchant.base_url}, timeout=15,
    ).raise_for_status()

    _, headers, body = receiver.got.get(timeout=10)
    fields = json.loads(body)
    expected = hmac.new(merchant.keys["test"]["secret"].encode(), body, hashlib.sha256).hexdigest()
    assert (fields["is_test"], fields["status"], fields["txid"][:5]) == (True, "paid", "test_")
    assert headers["X-Signature"] == expected


def test_what_is_not_the_exact_money_pays_nothing(demo: Demo, merchant: Merchant, receiver: Receiver, tron: Tron):
    payment = merchant.create("ODD_1", "20")
    due = units_of(payment["pay_amount"])
    devnet = demo.config["devnet_url"]

    def control(call: str, **fields: object) -> None:
        requests.post(f"{devnet}/devnet/{call}", json=fields, timeout=15).raise_for_status()

    control("fake-transfer", to=payment["address"], units=due)
    control("failed-transfer", to=payment["address"], units=due, kind="out_of_time")
    control("failed-transfer", to=payment["address"], units=due, kind="revert")
    send_usdt(tron, demo, payment["address"], 0)
    receipt = send_usdt(tron, demo, payment["address"], due + 1)
    solid_since(tron, receipt["blockNumber"] + 2)
    time.sleep(1)

    inbox = demo.cli("inbox", "list")
    assert merchant.status(payment["payment_id"])["status"] == "pending"
    assert receiver.got.empty()
    assert [(t["amount"], t["bucket"]) for t in inbox if t["txid"] == receipt["id"]] == [
        (f"{(due + 1) // 10**6}.{(due + 1) % 10**6:06d}", "unknown")
    ]


def test_the_operators_commands_tell_the_story(demo: Demo, merchant: Merchant):
    payment = merchant.create("STORY_1", "1.00")

    shown = demo.cli("payment", "show", str(payment["payment_id"]))
    doctor = demo.cli("doctor")

    assert (shown["order_id"], shown["status"]) == ("STORY_1", "pending")
    assert "sk_" not in json.dumps(demo.cli("project", "show", str(merchant.project_id)))
    assert doctor["ok"] is True
