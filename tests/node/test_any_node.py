"""The watcher against any node given by URL: funding, paying and checking with tronpy alone, nothing of the devnet's.

`make test-node NODE=http://… USDT=T… KEY=<hex of a funded account>` runs it on a private chain or a test network, where
it spends a little more than two units of USDT and the fees. SOLID=http://… names the node's solid URL where that is
another port, as on a node of one's own. Without NODE a devnet with two URLs takes the node's place.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import select
from tronpy import Tron
from tronpy.keys import PrivateKey
from tronpy.providers import HTTPProvider

from core.app import build_fleet
from core.chain.coverage import coverage
from core.clock import SystemClock
from core.devnet.ledger import Chain
from core.devnet.server import DevnetServer
from core.errors import NodeUnavailable
from core.hub import Hub
from core.ids import random_bytes
from core.ledger import journal
from core.models import Payment, Transfer
from core.projects import receiving
from core.settings import NodeSettings
from core.testing.factories import Shop, make_payment, make_shop
from core.testing.hubs import with_network
from workers.loops import Watch

PATIENCE_S = 240.0
FEE_LIMIT_SUN = 100_000_000


@dataclass(frozen=True)
class Place:
    """Where it happens: a node's URLs, the contract, a funded account's key in hex, and how fast to ask."""

    url: str
    solid_url: str
    usdt: str
    key: str = field(repr=False)
    poll_s: float
    qps: float


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    if os.environ.get("NODE"):
        for name in ("USDT", "KEY"):
            assert os.environ.get(name), f"make test-node with NODE also needs {name}=…"
        full_url = os.environ["NODE"].rstrip("/")
        solid_url = os.environ.get("SOLID") or full_url
        yield Place(full_url, solid_url, os.environ["USDT"], os.environ["KEY"], poll_s=3.0, qps=8.0)
        return
    chain = Chain.open(None, clock=SystemClock(), block_interval_s=0.05)
    server = DevnetServer(chain, mine=True).start()
    tell(server.url, "views", name="bare", has_solid_root=False)
    yield Place(
        f"{server.url}/bare", server.url, chain.usdt_address, chain.wallet_private_key, poll_s=0.05, qps=1000.0
    )
    server.stop()
    chain.close()


@pytest.fixture
def live(hub: Hub, place: Place) -> Hub:
    hub.clock = SystemClock()
    settings = with_network(hub.settings, urls=[place.url], usdt_contract=place.usdt)
    node = NodeSettings(place.url, place.solid_url, qps=place.qps, daily_requests=0)
    hub.settings = replace(settings, network=replace(settings.network, nodes=(node,)))
    return hub


@pytest.fixture
def shop(live: Hub) -> Shop:
    shop = make_shop(live, with_address=False)
    fresh = PrivateKey(random_bytes(32)).public_key.to_base58check_address()
    with live.database.transaction() as session:
        receiving.add_address(session, live, merchant_id=shop.merchant_id, address=fresh)
    return shop


def tell(url: str, call: str, **body: object) -> None:
    """Arrange the devnet before it takes the node's place."""
    with urlopen(Request(f"{url}/devnet/{call}", json.dumps(body).encode()), timeout=5):
        pass


def send(place: Place, to: str, units: int) -> str:
    client = Tron(HTTPProvider(f"{place.url}/"))  # without the slash it drops a path
    key = PrivateKey(bytes.fromhex(place.key))
    contract = client.get_contract(place.usdt)
    call = contract.functions.transfer(to, units).with_owner(key.public_key.to_base58check_address())
    done = call.fee_limit(FEE_LIMIT_SUN).build().sign(key).broadcast()
    return str(done["txid"])


def balance_of(place: Place, address: str) -> int:
    """Ask the contract what an address holds."""
    client = Tron(HTTPProvider(f"{place.url}/"))
    return int(client.get_contract(place.usdt).functions.balanceOf(address))


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


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_exact_transfer_pays_and_one_unit_less_does_not(live: Hub, shop: Shop, place: Place):
    watch_until(live, place, make_payment(live, shop, order_id="START", amount="1"), "pending")
    payment = make_payment(live, shop, order_id="EXACT", amount="1")
    send(place, payment.address, payment.pay_units.units - 1)

    txid = send(place, payment.address, payment.pay_units.units)
    paid = watch_until(live, place, payment, "paid")

    assert (paid.status, paid.anomaly, paid.txid) == ("paid", "none", txid)
    with live.database.snapshot() as session:
        buckets = sorted(session.scalars(select(Transfer.bucket)))
        cover = coverage(session, live)
        assert journal.project_balance(session, shop.project_id) == payment.pay_units
    assert buckets == ["matched", "unknown"]
    assert cover is not None and cover.gaps == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_came_while_nobody_watched_is_found_and_each_transfer_ends_in_one_bucket(
    live: Hub, shop: Shop, place: Place
):
    watch_until(live, place, make_payment(live, shop, order_id="START", amount="1"), "pending")
    first, second, third, last = (make_payment(live, shop, order_id=name, amount="0.5") for name in "ABCZ")
    for payment in (first, second):
        send(place, payment.address, payment.pay_units.units)
    again = send(place, second.address, second.pay_units.units)
    stray = send(place, third.address, 123_457)
    send(place, PrivateKey(random_bytes(32)).public_key.to_base58check_address(), third.pay_units.units)
    refused = send(place, third.address, 10**15)  # more than the payer has: it is in a block, and reverted
    send(place, last.address, last.pay_units.units)

    assert watch_until(live, place, last, "paid").status == "paid"  # a watcher that begins where the other ended
    with live.database.snapshot() as session:
        standing = {row.order_id: row.status for row in session.scalars(select(Payment))}
        found = {row.txid: row.bucket for row in session.scalars(select(Transfer))}
        booked = journal.account_sum(session, f"chain:{first.address}")
        cover = coverage(session, live)
    assert standing == {"START": "pending", "A": "paid", "B": "paid", "C": "pending", "Z": "paid"}
    assert sorted(found.values()) == ["duplicate", "matched", "matched", "matched", "unknown"]
    assert (found[again], found[stray]) == ("duplicate", "unknown") and refused not in found
    assert int(booked) == balance_of(place, first.address)
    assert cover is not None and cover.gaps == []
