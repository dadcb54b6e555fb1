"""One WordPress, one hub and one project between them, for all tests of the plugin."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook
from tronpy.keys import PrivateKey

from tests.journey.conftest import Demo, demo  # noqa: F401 - the fixture
from tests.wordpress import site as sites
from tests.wordpress.site import Site

OTHER_EVENTS = (
    "detected", "undetected", "expired", "canceled", "underpaid", "overpaid", "late", "duplicate", "accepted",
)


@dataclass(frozen=True, slots=True)
class Project:
    """The shop's project at the hub, and what signs its webhooks."""

    demo: Demo
    project_id: int
    keys: dict[str, dict[str, str]]
    webhook_secret: str

    def settings(self) -> dict[str, str]:
        """Give what the shop owner pastes into the plugin's settings."""
        keys = {f"{mode}_{part}": self.keys[mode][part] for mode in ("test", "live") for part in ("key", "secret")}
        base = {"enabled": "yes", "mode": "test", "hub_url": self.demo.config["base_url"], "order_reopen": "no"}
        return base | keys | {"webhook_secret": self.webhook_secret}

    def payment(self, payment_id: str, mode: str = "test") -> dict[str, Any]:
        """Read a payment by the compatible API."""
        body = b""
        headers = {"X-API-Key": self.keys[mode]["key"], "X-Signature": self.sign(body, mode)}
        answer = requests.get(
            f"{self.demo.config['base_url']}/api/payment-status.php", params={"payment_id": payment_id},
            headers=headers, timeout=10,
        ).json()
        assert answer["ok"], answer
        return answer["payment"]

    def play(self, url: str, scenario: str) -> None:
        """Press a button of a test payment's page."""
        payment_id, token = url.split("id=")[1].split("&t=")
        done = requests.post(
            f"{self.demo.config['base_url']}/pay/simulate", timeout=10, allow_redirects=False,
            data={"id": payment_id, "t": token, "scenario": scenario},
        )
        assert done.status_code < 400, done.text

    def pay(self, address: str, units: int) -> str:
        """Pay from the devnet's demo wallet; gives the transaction."""
        url = f"{self.demo.config['devnet_url']}/devnet/pay"
        txid: str = requests.post(url, json={"to": address, "units": units}, timeout=10).json()["txid"]
        return txid

    def sign(self, body: bytes, mode: str = "test") -> str:
        """Sign a body as the hub does."""
        return hmac.new(self.keys[mode]["secret"].encode(), body, hashlib.sha256).hexdigest()

    def webhook(
        self, fields: dict[str, Any], mode: str = "test", *, sent_ago_s: int = 0
    ) -> tuple[bytes, dict[str, str]]:
        """Write a webhook as the hub would, with both signatures."""
        body, now = json.dumps(fields, separators=(",", ":")).encode(), int(time.time()) - sent_ago_s
        signed = Webhook(self.webhook_secret).sign("evt_1", datetime.fromtimestamp(now, UTC), body.decode())
        return body, {
            "Content-Type": "application/json", "X-Signature": self.sign(body, mode), "webhook-id": "evt_1",
            "webhook-timestamp": str(now), "webhook-signature": signed,
        }


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory, demo: Demo) -> Iterator[Site]:  # noqa: F811
    """The shop, running, with the plugin that the hub offers for download."""
    built = sites.build(tmp_path_factory.mktemp("wordpress") / "site", plugin=_downloaded(demo.config["base_url"]))
    yield built
    built.stop()
    assert built.complaints() == []


@pytest.fixture(scope="package")
def project(demo: Demo, site: Site) -> Project:  # noqa: F811
    """The shop's project, its keys pasted into the settings, its webhooks on their way to the shop."""
    merchant = demo.cli("merchant", "create", "Quay Goods")
    address = PrivateKey.random().public_key.to_base58check_address()
    demo.cli("address", "add", address, "--merchant", str(merchant["merchant_id"]), "--confirm", address[-6:])
    rest_url = site.do("facts")["rest_url"]
    made = demo.cli(
        "project", "create", "--merchant", str(merchant["merchant_id"]), "--name", "Quay Goods", "--website", site.url,
        "--webhook-url", rest_url,
    )
    demo.cli("project", "set-mode", str(made["project_id"]), "live")
    events = [word for event in OTHER_EVENTS for word in ("--event", f"payment.{event}")]
    endpoint = demo.cli("endpoint", "create", str(made["project_id"]), rest_url, *events)
    found = Project(demo, made["project_id"], made["keys"], endpoint["webhook_secret"])
    site.do("settings", **found.settings())
    return found


@pytest.fixture
def shop(site: Site, project: Project) -> Iterator[Shop]:
    """The shop as a test uses it; its settings are as they were afterwards."""
    yield Shop(site, project)
    site.do("settings", **project.settings())
    site.do("forget")


@dataclass(frozen=True, slots=True)
class Shop:
    """Orders and what becomes of them."""

    site: Site
    project: Project

    def ordered(self, **given: object) -> dict[str, Any]:
        """Put an order in, and press "Place order"."""
        order = self.site.do("new_order", **given)
        answer = self.site.do("pay", id=order["id"])
        assert answer["result"] == "success", answer
        return self.site.order(order["id"]) | {"redirect": answer["redirect"]}

    def refund(self, order: dict[str, Any], amount: str, *, by_method: bool = True) -> str:
        """Press WooCommerce's refund button; gives what it says."""
        done = self.site.do("refund_button", id=order["id"], amount=amount, by_method=by_method)
        assert done["offered"], done
        said: str = done["said"]
        return said

    def fields(self, order: dict[str, Any], **changed: object) -> dict[str, Any]:
        """Write what the hub says of an order's payment once it is paid."""
        return {
            "payment_id": int(order["meta"]["payment_id"]), "app_id": self.project.project_id, "order_id": order["ref"],
            "status": "paid", "amount": order["meta"]["amount"], "pay_amount": "12.500000", "currency": "USDT",
            "network": "TRC20", "txid": "test_" + "7" * 32, "paid_at": "2026-07-01 18:04:12", "is_test": True,
        } | changed

    def event(self, order: dict[str, Any], kind: str, status: str, sequence: int, **changed: object) -> str:
        """Tell the shop of an event; gives what it says it did."""
        about: dict[str, object] = {"type": f"payment.{kind}", "sequence": sequence, "created_at": "2026-07-01 18:04"}
        answer = self.tell(self.fields(order, **({"status": status} | changed | about)))
        assert answer.status_code == 200, answer.text
        result: str = answer.json()["result"]
        return result

    def tell(self, fields: dict[str, Any], mode: str = "test") -> requests.Response:
        """Send a signed webhook, as the hub would."""
        body, headers = self.project.webhook(fields, mode)
        return self.post(body, headers)

    def post(self, body: bytes, headers: dict[str, str]) -> requests.Response:
        """Send any bytes to the webhook's address."""
        return requests.post(f"{self.site.url}/wp-json/paywharf/v1/webhook", data=body, headers=headers, timeout=30)

    def wait(self, order_id: int, *, until: Callable[[dict[str, Any]], bool], within_s: float = 20) -> dict[str, Any]:
        """Look at an order until it is as expected."""
        end = time.monotonic() + within_s
        while not until(order := self.site.order(order_id)):
            assert time.monotonic() < end, order
            time.sleep(0.2)
        return order


def _downloaded(hub: str) -> bytes:
    """Fetch the plugin's zip as a shop owner does, and check what the hub says of it."""
    offered = requests.get(f"{hub}/plugins/", headers={"Accept": "application/json"}, timeout=30).json()["plugins"]
    (one,) = [one for one in offered if "woocommerce" in one["url"].lower() or "paywharf" in one["name"].lower()]
    content = requests.get(one["url"], timeout=30).content
    assert hashlib.sha256(content).hexdigest() == one["sha256"]
    return content


collect_ignore = []
if "WP_DIR" not in os.environ:
    collect_ignore.append("test_browser.py")  # our stand-in has no pages for a buyer
if "WP_DB" in os.environ:
    collect_ignore.append("test_php_versions.py")  # PHP as WebAssembly reaches no database server
