"""The WordPress plugin between a real WordPress and the real hub; with WP_DIR, on a real WooCommerce too."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.wordpress.conftest import Shop

pytestmark = [pytest.mark.slow, pytest.mark.journey, pytest.mark.wordpress, pytest.mark.xdist_group("wordpress")]


def test_an_order_is_paid_on_the_devnet_and_becomes_processing_with_its_transaction(shop: Shop):
    shop.site.do("settings", mode="live")
    order = shop.ordered()
    payment = shop.project.payment(order["meta"]["payment_id"], "live")
    assert order["redirect"] == payment["payment_url"]
    units = int(Decimal(payment["pay_amount"]) * 10**6)

    paid = shop.project.pay(payment["address"], units)

    seen = shop.wait(order["id"], until=lambda it: it["status"] != "pending", within_s=20)
    assert seen["status"] in ("on-hold", "processing")
    done = shop.wait(order["id"], until=lambda it: it["status"] == "processing" and it["txid"], within_s=40)
    assert done["txid"] == paid
    assert any(paid in note for note in done["notes"])


def test_a_test_payment_completes_an_order_of_a_shop_in_test_mode(shop: Shop):
    order = shop.ordered()

    shop.project.play(order["redirect"], "complete")

    done = shop.wait(order["id"], until=lambda it: it["status"] == "processing" and it["txid"])
    assert done["txid"].startswith("test_")
