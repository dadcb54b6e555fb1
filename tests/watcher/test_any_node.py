"""The whole watcher against any node given by URL, as it runs in production: paid, odd, and after a pause.

`make test-node NODE=http://… USDT=T… KEY=<hex of a funded account>` shows this and every rule that needs nothing but
funding, transferring, waiting and reading on a private chain or a test network; it spends some forty units of USDT and
the fees. SOLID=http://… names the node's solid URL where that is another port, as on a node of one's own. Without NODE
a devnet in a process of its own, with two URLs, takes the node's place.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import select
from tronpy.keys import PrivateKey

from core.app import build_fleet
from core.chain.coverage import coverage
from core.clock import SystemClock
from core.errors import NodeUnavailable
from core.hub import Hub
from core.ids import random_bytes
from core.ledger import journal
from core.models import Payment, Transfer
from core.projects import receiving
from core.testing.factories import Shop, make_payment, make_shop
from tests.watcher.node_world import PATIENCE_S, NodeWorld
from tests.watcher.places import Place
from workers.loops import Watch

pytestmark = [
    pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def world(place: Place) -> Iterator[NodeWorld]:
    world = NodeWorld(place)
    yield world
    world.close()


@pytest.fixture
def live(hub: Hub, place: Place) -> Hub:
    hub.clock = SystemClock()
    network = replace(hub.settings.network, nodes=(place.settings(),), usdt_contract=place.usdt)
    hub.settings = replace(hub.settings, network=network)
    return hub


@pytest.fixture
def shop(live: Hub) -> Shop:
    shop = make_shop(live, with_address=False)
    fresh = PrivateKey(random_bytes(32)).public_key.to_base58check_address()
    with live.database.transaction() as session:
        receiving.add_address(session, live, merchant_id=shop.merchant_id, address=fresh)
    return shop


def watch_until(live: Hub, place: Place, payment: Payment, status: str) -> Payment:
    """Watch as the product does until the payment stands as wanted."""
    watch = Watch(live, build_fleet(live.settings.network))
    deadline = time.monotonic() + PATIENCE_S
    row = payment
    while row.status != status and time.monotonic() < deadline:
        try:
            more = watch.step()
        except NodeUnavailable:
            more = False
        if not more:
            time.sleep(place.poll_s)
        with live.database.snapshot() as session:
            row = session.get_one(Payment, payment.id)
    watch.close()
    return row


def test_an_exact_transfer_pays_and_one_unit_less_does_not(live: Hub, shop: Shop, place: Place, world: NodeWorld):
    watch_until(live, place, make_payment(live, shop, order_id="START", amount="1"), "pending")
    payment = make_payment(live, shop, order_id="EXACT", amount="1")
    world.send(payment.address, payment.pay_units.units - 1)

    txid = world.send(payment.address, payment.pay_units.units)
    paid = watch_until(live, place, payment, "paid")

    assert (paid.status, paid.anomaly, paid.txid) == ("paid", "none", txid)
    with live.database.snapshot() as session:
        buckets = sorted(session.scalars(select(Transfer.bucket)))
        cover = coverage(session, live)
        assert journal.project_balance(session, shop.project_id) == payment.pay_units
    assert buckets == ["matched", "unknown"]
    assert cover is not None and cover.gaps == []


def test_what_came_while_nobody_watched_is_found_and_each_transfer_ends_in_one_bucket(
    live: Hub, shop: Shop, place: Place, world: NodeWorld
):
    watch_until(live, place, make_payment(live, shop, order_id="START", amount="1"), "pending")
    first, second, third, last = (make_payment(live, shop, order_id=name, amount="0.5") for name in "ABCZ")
    for payment in (first, second):
        world.send(payment.address, payment.pay_units.units)
    again = world.send(second.address, second.pay_units.units)
    stray = world.send(third.address, 123_457)
    world.send(PrivateKey(random_bytes(32)).public_key.to_base58check_address(), third.pay_units.units)
    refused = world.send(third.address, 10**15)  # more than the payer has: it is in a block, and reverted
    world.send(last.address, last.pay_units.units)

    assert watch_until(live, place, last, "paid").status == "paid"  # a watcher that begins where the other ended
    with live.database.snapshot() as session:
        standing = {row.order_id: row.status for row in session.scalars(select(Payment))}
        found = {row.txid: row.bucket for row in session.scalars(select(Transfer))}
        booked = journal.account_sum(session, f"chain:{first.address}")
        cover = coverage(session, live)
    assert standing == {"START": "pending", "A": "paid", "B": "paid", "C": "pending", "Z": "paid"}
    assert sorted(found.values()) == ["duplicate", "matched", "matched", "matched", "unknown"]
    assert (found[again], found[stray]) == ("duplicate", "unknown") and refused not in found
    assert int(booked) == world.balance_of(first.address)
    assert cover is not None and cover.gaps == []
