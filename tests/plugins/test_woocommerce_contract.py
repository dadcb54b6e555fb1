"""The contract that every adapter keeps, held to WooCommerce's REST API."""

from __future__ import annotations

import hmac
import itertools
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from core.contract import Answer, InboundRequest
from core.testing.adapter_contract import AdapterContract
from core.testing.adapter_world import FakePlatform
from core.testing.hubs import Posted
from plugins.woocommerce.rest import WooCommerceRest
from tests.plugins.test_woocommerce_rest import SECRET, SETTINGS, FakeWoo

pytestmark = pytest.mark.slow

_delivery = itertools.count(1)


class WooPlatform(FakePlatform):
    """The shop in memory, as the contract's tests play it."""

    def __init__(self) -> None:
        self.woo = FakeWoo()

    def answer(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        answered = self.woo.answer(Posted(url, body, dict(headers), method))
        assert isinstance(answered, Answer)
        return answered

    def place(self, order_id: str, amount: str) -> InboundRequest:
        if int(order_id) in self.woo.orders:
            self.woo.change(int(order_id), total=amount)
        else:
            self.woo.place(int(order_id), total=amount)
        return called(json.dumps({"id": int(order_id)}).encode())

    def cancel(self, order_id: str) -> InboundRequest:
        self.woo.change(int(order_id), status="cancelled")
        return called(json.dumps({"id": int(order_id)}).encode())

    def forget(self, order_id: str) -> None:
        del self.woo.orders[int(order_id)]

    def unknown(self) -> InboundRequest:
        return called(b'{"id": 7}', topic="customer.updated")

    def garbage(self) -> InboundRequest:
        return called(b'{"id": "seven"}')

    def effects(self, order_id: str) -> Sequence[str]:
        return [note for note in self.woo.notes(int(order_id)) if "Please pay" not in note]


def called(body: bytes, *, topic: str = "order.updated") -> InboundRequest:
    """Call as WooCommerce does."""
    headers = {
        "x-wc-webhook-signature": b64encode(hmac.digest(SECRET.encode(), body, "sha256")).decode(),
        "x-wc-webhook-topic": topic, "x-wc-webhook-delivery-id": f"d-{next(_delivery)}",
    }
    return InboundRequest("POST", "orders", {}, headers, body, datetime(2026, 7, 1, tzinfo=UTC))


class TestWooCommerceRest(AdapterContract):
    """Each rule of the contract."""

    adapter = WooCommerceRest
    settings = SETTINGS

    def make_platform(self) -> FakePlatform:
        """Give a shop without orders."""
        return WooPlatform()
