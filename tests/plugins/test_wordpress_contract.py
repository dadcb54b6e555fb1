"""The contract that every adapter keeps, held to WooCommerce with the WordPress plugin.

Here the shop's own code is the adapter's other half: it opens payments by signed calls of /api/v1 and takes the hub's
signed webhooks. So a call is one to the API, and a push is a delivery of the outbox; the plugin's PHP is tested beside
a real WordPress, and its rules are said here once more in a few lines.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from core.app import create_app
from core.channels import service
from core.channels.receiving import Received
from core.contract import (
    AdapterError, Answer, BadPayload, ChannelView, InboundRequest, InvalidSignature, PaymentUpdate, PushResult,
)
from core.models import Attempt, Delivery
from core.outbox import endpoints
from core.outbox.delivery import attempt, claim_due
from core.outbox.history import resend
from core.testing.adapter_contract import AdapterContract
from core.testing.adapter_world import AdapterWorld, FakePlatform
from core.testing.hubs import START
from core.testing.v1_merchant import V1Client
from plugins.woocommerce.adapter import WooCommerce

pytestmark = pytest.mark.slow

HOOK = "https://shop.example.com/wp-json/paywharf/v1/webhook"
SETTLED = ("processing", "refunded")


class PluginPlatform(FakePlatform):
    """A shop with the plugin: orders in memory, calls signed with the project's key, webhooks verified."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.said: list[tuple[str, str]] = []
        self.client: V1Client
        self.webhook_secret = ""

    def answer(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Take a webhook: 401 where it is not signed, 404 for an unknown order, else what was done or why not."""
        assert (method, url) == ("POST", HOOK)
        if not self._is_signed(body, headers):
            return Answer(401, b'{"ok":false}', 1)
        told = json.loads(body)
        order = self.orders.get(told["order_id"])
        if order is None:
            return Answer(404, b'{"ok":false,"code":"unknown_order"}', 1)
        return Answer(200, json.dumps({"ok": True, "result": self._book(told, order)}).encode(), 1)

    def place(self, order_id: str, amount: str) -> InboundRequest:
        self.orders.setdefault(order_id, {"status": "pending", "txid": ""})["amount"] = amount
        return self.call("/payments", {"order_id": order_id, "amount": amount})

    def cancel(self, order_id: str) -> InboundRequest:
        return self.call(f"/payments/{self.orders[order_id]['payment_id']}/cancel", {})

    def forget(self, order_id: str) -> None:
        del self.orders[order_id]

    def unknown(self) -> InboundRequest:
        return self.call("/payments/99999999/cancel", {})

    def garbage(self) -> InboundRequest:
        return self.call("/payments", ["nonsense"])

    def effects(self, order_id: str) -> Sequence[str]:
        return [what for one, what in self.said if one == order_id]

    def call(self, path: str, told: object) -> InboundRequest:
        """Sign a call as the plugin does."""
        body, target = json.dumps(told).encode(), f"/api/v1{path}"
        return InboundRequest("POST", target, {}, self.client.headers("POST", target, body), body, START)

    def _is_signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Verify as Standard Webhooks says; the hub's clock is a test's, so that time is not looked at."""
        text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = b64encode(hmac.digest(b64decode(self.webhook_secret.removeprefix("whsec_")), text, "sha256")).decode()
        return f"v1,{wanted}" in headers["webhook-signature"].split()

    def _book(self, told: Mapping[str, Any], order: dict[str, Any]) -> str:
        if told["payment_id"] != order["payment_id"]:
            return "ignored: not the current payment"
        if order["txid"] or order["status"] in SETTLED:
            return "ignored: already booked"
        if told["status"] == "paid":
            order["status"], order["txid"] = "processing", told["txid"]
            self.said.append((told["order_id"], "processing"))
        return "done"


class PluginSide:
    """What stands for the adapter: the API's door inward, the outbox outward."""

    def __init__(self, world: PluginWorld, channel: ChannelView) -> None:
        self.world, self.channel = world, channel

    def verify(self, call: InboundRequest) -> str:
        """Give what tells one signed call from another."""
        return call.headers["X-Nonce"]

    def parse(self, call: InboundRequest) -> list[Any]:
        """Give what the API makes of a call."""
        answer = self.world.ask(call)
        if answer.status_code == 400:
            raise BadPayload(answer.text)
        return [] if answer.status_code == 404 else [answer.json]

    def push(self, update: PaymentUpdate) -> PushResult:
        """Have the outbox tell of a payment's end, or tell of it again."""
        if not self.world.told():
            self.world.pay(update.order_id)
        else:
            self.world.tell_again()
        return self.world.deliver()


class PluginWorld(AdapterWorld):
    """A hub with a shop whose plugin is connected."""

    platform: PluginPlatform

    def __init__(self, platform: PluginPlatform) -> None:
        super().__init__(WooCommerce, {"webhook_url": HOOK}, platform)
        key = self.shop.keys["test"]
        app = create_app(hub=self.hub)
        platform.client = V1Client(
            app.test_client(), key.public_key, key.secret, lambda: int(self.clock.now().timestamp())
        )
        with self.hub.database.transaction() as session:
            channel = service.get_channel(session, self.channel.uid)
            platform.webhook_secret = endpoints.rotate_secret(session, self.hub, channel.endpoint)

    def adapter(self) -> PluginSide:  # type: ignore[override]
        """Give what stands for it."""
        return PluginSide(self, super().adapter().channel)

    def ask(self, call: InboundRequest) -> TestResponse:
        """Hand a call to the API, as it was signed."""
        return self.platform.client.client.open(
            call.path, method=call.method, data=call.body, headers=dict(call.headers), content_type="application/json"
        )

    def receive(self, call: InboundRequest) -> Received:
        """Take a call, and do what the plugin does with the answer: an order with another amount is opened anew."""
        answer = self.ask(call)
        told = answer.get_json()
        if answer.status_code == 401 and told["code"] != "nonce_used":
            raise InvalidSignature
        if told.get("code") == "order_amount_conflict":
            order_id = json.loads(call.body)["order_id"]
            assert self.ask(self.platform.cancel(order_id)).status_code == 200
            answer = self.ask(self.platform.call("/payments", json.loads(call.body)))
            told = answer.get_json()
        if "payment" in told and told["payment"]["order_id"] in self.platform.orders:
            self.platform.orders[told["payment"]["order_id"]]["payment_id"] = told["payment"]["payment_id"]
        return Received(answer.status_code == 201)

    def told(self) -> Delivery | None:
        """Find the delivery that tells of the end."""
        with self.hub.database.snapshot() as session:
            return session.scalar(select(Delivery).order_by(Delivery.id.desc()).limit(1))

    def tell_again(self) -> None:
        """Press "send again"."""
        with self.hub.database.transaction() as session:
            delivery = session.scalars(select(Delivery).order_by(Delivery.id.desc()).limit(1)).one()
            resend(session, delivery, now=self.clock.now())

    def deliver(self) -> PushResult:
        """Try what is due once; raises AdapterError with the wait that the outbox has planned."""
        for claim in claim_due(self.hub):
            attempt(self.hub, claim)
        with self.hub.database.snapshot() as session:
            tried = session.scalars(select(Attempt).order_by(Attempt.id.desc()).limit(1)).one()
            delivery = session.get_one(Delivery, tried.delivery_id)
        if tried.error:
            wait_s = (delivery.next_attempt_at - self.clock.now()).total_seconds()
            raise AdapterError(tried.error, retry_after_s=wait_s)
        return PushResult.ALREADY if "ignored" in tried.answer_excerpt else PushResult.DONE


class TestWordPressMode(AdapterContract):
    """Each rule of the contract."""

    adapter = WooCommerce
    settings = {"webhook_url": HOOK}

    def make_platform(self) -> PluginPlatform:
        """Give a shop without orders."""
        return PluginPlatform()

    def setup_method(self) -> None:
        """Build a world for each test."""
        self.world = PluginWorld(self.make_platform())

    def test_a_replayed_call_is_one_payment(self) -> None:
        """A signed call is good once; asked anew for the same order, the hub gives the payment it has."""
        call = self._placed()
        self.world.receive(call)

        assert self.world.ask(call).get_json()["code"] == "nonce_used"
        again = self.world.ask(self._placed())
        self.world.work()

        assert (again.status_code, len(self.world.payments())) == (200, 1)
        with pytest.raises(InvalidSignature):
            self.world.receive(call)

    def test_an_order_that_is_gone_opens_no_payment(self) -> None:
        """The channel itself takes no call: only the plugin, with the project's keys, opens payments."""
        call = self._placed()
        with pytest.raises(InvalidSignature):
            AdapterWorld.receive(self.world, call)

        assert self.world.payments() == []

    def test_an_update_about_an_order_that_is_gone_ends(self) -> None:
        """The shop's 404 may be a plugin that is off: it is tried by the schedule, and then shown as failed."""
        self._open()
        self.world.platform.forget(self.order_id)

        with pytest.raises(AdapterError, match="HTTP 404"):
            self.world.adapter().push(self._update("paid", 2))
        for _ in range(20):
            self.world.work()

        told = self.world.told()
        assert told is not None and (told.state, told.last_error) == ("failed", "HTTP 404")

    def test_a_webhook_with_one_byte_changed_is_refused(self) -> None:
        """The shop believes no bytes but the hub's."""
        self._open()
        self.world.platform.webhook_secret = "whsec_" + "A" * 32

        with pytest.raises(AdapterError, match="HTTP 401"):
            self.world.adapter().push(self._update("paid", 2))

        assert self._effects() == []
