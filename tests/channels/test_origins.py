"""Two shops count from one: an order_id that was opened from elsewhere in the project is another order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.channels import connecting, service
from core.errors import ShopConnected
from core.hub import Hub
from core.ids import Mode
from core.models import ChannelPayment, Payment
from core.payments.controls import Scenario, simulate
from core.projects.service import get_project, set_mode
from core.testing.factories import make_payment
from core.testing.merchant import MerchantClient
from core.testing.v1_merchant import V1Client
from tests.channels.kit import Bench, add_channel, make_bench, on_both


@pytest.fixture
def bench(hub: Hub) -> Bench:
    return make_bench(hub)


@pytest.fixture
def other(bench: Bench) -> Bench:
    """A second shop in the same project, as older versions let be connected."""
    return replace(bench, channel=add_channel(bench.hub, bench.shop, adapter="all"))


def placed(bench: Bench, order: str, amount: str) -> bool:
    bench.platform.orders[order] = amount
    bench.call("placed", order, delivery=f"{order}-{amount}")
    [is_done] = bench.read()
    return is_done


def words_of(bench: Bench, payment: Payment) -> str:
    return f"belongs to payment {payment.payment_id}, which channel {bench.channel.uid} (market) opened."


@on_both
@pytest.mark.parametrize("amount", ["50.00", "77.00"])
def test_another_shops_order_of_the_same_number_is_refused_and_said(bench: Bench, other: Bench, amount: str) -> None:
    placed(bench, "4009", "50.00")

    assert placed(other, "4009", amount) is False

    [payment] = bench.rows(Payment)
    assert bench.payments() == [("4009", "50.00", "pending")]
    assert [one.channel_id for one in bench.rows(ChannelPayment)] == [bench.channel.id]
    assert f") could not be used: Order 4009 {words_of(bench, payment)}" in other.row().trouble
    assert bench.row().trouble == ""
    assert placed(bench, "4009", "60.00") is True  # its own shop still edits it
    assert bench.payments()[1:] == [("4009", "60.00", "pending")]


def test_a_checkout_is_told_that_the_order_is_anothers(bench: Bench, other: Bench) -> None:
    placed(bench, "A", "50.00")

    answer = other.call("placed", "A", path="checkout")

    assert (answer.status_code, answer.json["code"]) == (409, "order_elsewhere")


def test_the_projects_own_api_and_a_channel_take_each_other_nothing(bench: Bench) -> None:
    placed(bench, "A", "50.00")
    own = make_payment(bench.hub, bench.shop, order_id="B", amount="9.00")
    key = bench.shop.keys["live"]
    v1 = V1Client(bench.client, key.public_key, key.secret, lambda: int(bench.hub.clock.now().timestamp()))
    old = MerchantClient(bench.client, key.public_key, key.secret)

    told = {"order_id": "A", "amount": "50.00"}
    answers = [v1.post("/payments", told), old.create(told)]

    assert [(one.status_code, one.json["code"]) for one in answers] == [(409, "order_elsewhere")] * 2
    assert answers[1].json["error"] == f"Order A {words_of(bench, bench.rows(Payment)[0])}"
    assert placed(bench, "B", "9.00") is False
    assert f"payment {own.payment_id}, which the project's own API opened" in bench.row().trouble
    assert old.create({"order_id": "B", "amount": "9.00"}).status_code == 200
    assert len(bench.rows(ChannelPayment)) == 1


def test_another_shops_cancellation_cancels_nothing(bench: Bench, other: Bench) -> None:
    placed(bench, "A", "50.00")
    other.call("canceled", "A")

    assert bench.read() == [False]
    assert bench.payments() == [("A", "50.00", "pending")]
    assert "which channel" in other.row().trouble


def test_another_shops_cancellation_of_a_paid_number_is_no_news(bench: Bench, other: Bench) -> None:
    with bench.hub.database.transaction() as session:
        set_mode(get_project(session, bench.shop.project_id), Mode.TEST)
    placed(bench, "A", "50.00")
    with bench.hub.database.transaction() as session:
        simulate(session, bench.hub, session.get_one(Payment, bench.rows(Payment)[0].id), Scenario.COMPLETE)
    other.call("canceled", "A")

    assert bench.read() == [True]
    assert (other.row().trouble, bench.payments()) == ("", [("A", "50.00", "paid")])


@on_both
def test_a_shop_that_is_connected_anew_opens_its_open_orders_anew(bench: Bench) -> None:
    placed(bench, "A", "50.00")
    with bench.hub.database.transaction() as session:
        service.disconnect(session, bench.hub, service.get_channel(session, bench.channel.uid))
    again = replace(bench, channel=add_channel(bench.hub, bench.shop))

    assert placed(again, "A", "50.00") is True

    assert bench.payments() == [("A", "50.00", "canceled"), ("A", "50.00", "pending")]
    assert [one.channel_id for one in bench.rows(ChannelPayment)] == [bench.channel.id, again.channel.id]


@on_both
def test_a_project_is_connected_to_one_shop(bench: Bench) -> None:
    with pytest.raises(ShopConnected) as refused:
        add_channel(bench.hub, bench.shop, adapter="polled")

    assert refused.value.sentence == (
        f"The orders of this project come from channel {bench.channel.uid} (market): make another project for another "
        "shop, or disconnect that channel first."
    )
    add_channel(bench.hub, bench.shop, adapter="all")  # brings none that could be taken for the shop's
    with bench.hub.database.transaction() as session:
        service.disconnect(session, bench.hub, service.get_channel(session, bench.channel.uid))
    add_channel(bench.hub, bench.shop, adapter="polled")


def test_a_second_shop_leaves_its_connect_code_as_it_was(bench: Bench) -> None:
    with bench.hub.database.transaction() as session:
        project = get_project(session, bench.shop.project_id)
        code = connecting.make_code(session, bench.hub, project, adapter="market")
    told = {"code": code, "platform": "market", "website": "https://shop.example.com", "webhook_url": ""}

    assert bench.client.post("/connect", json=told).json["code"] == "shop_connected"
    with bench.hub.database.transaction() as session:
        service.disconnect(session, bench.hub, service.get_channel(session, bench.channel.uid))
    assert bench.client.post("/connect", json=told).status_code == 200
