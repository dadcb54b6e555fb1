"""The watcher against a whole simulated node over HTTP: router, forks, faults, stalled solidity, a second view."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import select

from core.alarms import standing_alarms
from core.app import build_fleet
from core.chain.addresses import parse_address
from core.chain.coverage import coverage
from core.chain.guard import Guard
from core.chain.lease import WatcherFrozen
from core.clock import ManualClock
from core.devnet.forks import Lost
from core.devnet.ledger import Chain
from core.devnet.server import DevnetServer
from core.errors import NodeUnavailable
from core.hub import Hub
from core.models import Payment, Transfer
from core.projects import receiving
from core.testing.factories import Shop, make_payment, make_shop
from core.testing.hubs import START, with_network
from workers.loops import Watch

pytestmark = pytest.mark.slow

OWN = "TSeJkUh4Qv67VNFwY8LaAxERygNdy6NQZK"


@pytest.fixture
def chain() -> Iterator[Chain]:
    chain = Chain.open(None, clock=ManualClock(START))
    chain.advance(20)
    yield chain
    chain.close()


@pytest.fixture
def server(chain: Chain) -> Iterator[DevnetServer]:
    server = DevnetServer(chain, views={"late": 4}).start()
    yield server
    server.stop()


@pytest.fixture
def live(hub: Hub, chain: Chain, server: DevnetServer) -> Hub:
    hub.settings = with_network(hub.settings, urls=[server.url], usdt_contract=chain.usdt_address)
    return hub


@pytest.fixture
def watch(live: Hub) -> Iterator[Watch]:
    fleet = build_fleet(live.settings.network)
    watch = Watch(live, fleet)
    yield watch
    watch.close()
    fleet.close()


@pytest.fixture
def shop(live: Hub, watch: Watch) -> Shop:
    shop = make_shop(live, with_address=False)
    with live.database.transaction() as session:
        receiving.add_address(session, live, merchant_id=shop.merchant_id, address=OWN)
    settle(watch)
    return shop


def settle(watch: Watch, tries: int = 100) -> None:
    """Watch on through failures until nothing is left to do."""
    for _ in range(tries):
        try:
            if not watch.step():
                return
        except NodeUnavailable:
            continue
    raise AssertionError("the watcher does not come to rest")


def status(hub: Hub, payment: Payment) -> str:
    with hub.database.snapshot() as session:
        return session.get_one(Payment, payment.id).status


def buckets(hub: Hub) -> list[str]:
    with hub.database.snapshot() as session:
        return list(session.scalars(select(Transfer.bucket).order_by(Transfer.height, Transfer.log_index)))


def word(value: int) -> bytes:
    return value.to_bytes(32)


def test_t5_a_router_pays_the_same_sum_twice(live: Hub, chain: Chain, watch: Watch, shop: Shop):
    payment = make_payment(live, shop)
    to = bytes(12) + parse_address(payment.address).raw20
    chain.route("route(address,uint256,uint256)", to, word(payment.pay_units.units), word(2))
    chain.route("noise(address)", to)
    chain.advance(20)

    settle(watch)

    assert (status(live, payment), buckets(live)) == ("paid", ["matched", "duplicate"])


@pytest.mark.parametrize(("lost", "ends"), [(Lost.MOVE, "paid"), (Lost.DROP, "pending"), (Lost.FAIL, "pending")])
def test_t34_t36_a_fork_moves_drops_or_fails_a_payment(
    live: Hub, chain: Chain, watch: Watch, shop: Shop, lost: Lost, ends: str
):
    payment = make_payment(live, shop)
    chain.pay(payment.address, payment.pay_units.units)
    chain.advance(2)
    settle(watch)
    seen = status(live, payment)

    chain.fork(2, lost=lost)
    settle(watch)
    after_fork = status(live, payment)
    chain.advance(20)
    settle(watch)

    assert (seen, status(live, payment)) == ("confirming", ends)
    assert after_fork == ("confirming" if lost is Lost.MOVE else "pending")
    assert buckets(live) == (["matched"] if ends == "paid" else [])


def test_every_payment_comes_through_a_node_that_fails_at_every_tenth_call(
    live: Hub, chain: Chain, watch: Watch, shop: Shop, server: DevnetServer
):
    kinds = ("empty", "error", "bad_gateway", "truncated", "cut")
    server.faults.set([{"path": "*", "kind": kind, "probability": 0.02} for kind in kinds], seed=3)
    payments = []
    for number in range(6):
        payments.append(make_payment(live, shop, order_id=f"O{number}"))
        chain.pay(payments[-1].address, payments[-1].pay_units.units)
        chain.advance(5)
    chain.advance(20)

    settle(watch, tries=400)

    server.faults.set([])
    settle(watch)
    assert [status(live, payment) for payment in payments] == ["paid"] * 6
    with live.database.snapshot() as session:
        cover = coverage(session, live)
    assert cover is not None and cover.gaps == [] and cover.last == chain.solid_height


def test_t39_nothing_is_credited_while_solidity_stalls(live: Hub, chain: Chain, watch: Watch, shop: Shop):
    payment = make_payment(live, shop)
    chain.stall_solid()
    chain.pay(payment.address, payment.pay_units.units)
    chain.advance(40)
    settle(watch)
    stalled = status(live, payment)
    chain.resume_solid()

    settle(watch)

    assert (stalled, status(live, payment)) == ("confirming", "paid")


def test_t32_a_lagging_view_is_waited_for_and_left_when_another_answers(
    live: Hub, chain: Chain, shop: Shop, server: DevnetServer, watch: Watch
):
    watch.close()
    live.settings = with_network(
        live.settings, urls=[f"{server.url}/late", server.url], usdt_contract=chain.usdt_address
    )
    fleet = build_fleet(live.settings.network)
    second = Watch(live, fleet)
    payment = make_payment(live, shop)
    chain.pay(payment.address, payment.pay_units.units)
    chain.advance(20)
    settle(second)
    late = status(live, payment)

    server.faults.set([{"path": "*", "kind": "unavailable", "view": "late"}])
    settle(second)

    assert (late, status(live, payment)) == ("confirming", "paid")
    second.close()
    fleet.close()


def test_a_deprecated_contract_raises_an_alarm(live: Hub, chain: Chain, watch: Watch, shop: Shop):
    chain.owner_call("deprecate(address)", word(5))
    chain.advance(20)

    settle(watch)

    with live.database.snapshot() as session:
        assert [alarm.kind for alarm in standing_alarms(session)] == ["contract_deprecated"]


def tell(server: DevnetServer, call: str, **body: Any) -> Any:
    """Make one of the devnet's own calls."""
    with urlopen(Request(f"{server.url}/devnet/{call}", json.dumps(body).encode()), timeout=5) as answer:
        return json.load(answer)


def look_again(hub: Hub) -> None:
    """Verify what was credited as often as a loss must be seen."""
    fleet = build_fleet(hub.settings.network)
    guard = Guard(hub, fleet)
    for _ in range(3):
        guard.verify()
    fleet.close()


def test_money_that_vanishes_from_a_final_block_freezes_the_watcher(
    live: Hub, chain: Chain, watch: Watch, shop: Shop, server: DevnetServer
):
    payment = make_payment(live, shop)
    txid = chain.pay(payment.address, payment.pay_units.units)
    chain.advance(20)
    settle(watch)

    tell(server, "vanish", txid=txid)
    chain.advance(20)
    settle(watch)
    look_again(live)

    with pytest.raises(WatcherFrozen, match=txid):
        watch.step()
    with live.database.snapshot() as session:
        assert "frozen" in [alarm.kind for alarm in standing_alarms(session)]
    assert status(live, payment) == "paid"


def test_money_that_was_only_shown_freezes_the_watcher_once_the_node_tells_the_truth(
    live: Hub, chain: Chain, watch: Watch, shop: Shop, server: DevnetServer
):
    payment = make_payment(live, shop)
    forged = tell(server, "forge", to=payment.address, units=payment.pay_units.units)
    chain.advance(20)
    settle(watch)
    fooled = status(live, payment)

    tell(server, "honest")
    chain.advance(20)
    settle(watch)
    look_again(live)

    assert fooled == "paid"
    with pytest.raises(WatcherFrozen, match=forged["txid"]):
        watch.step()


def test_a_second_provider_denies_a_forged_transfer(
    live: Hub, chain: Chain, watch: Watch, shop: Shop, server: DevnetServer
):
    watch.close()
    tell(server, "views", name="liar")
    urls = [f"{server.url}/liar", server.url]
    live.settings = replace(
        with_network(live.settings, urls=urls, usdt_contract=chain.usdt_address), second_opinion_units=1_000
    )
    fleet = build_fleet(live.settings.network)
    second = Watch(live, fleet)
    payment = make_payment(live, shop)
    tell(server, "forge", to=payment.address, units=payment.pay_units.units, view="liar")
    chain.advance(60)

    with pytest.raises(NodeUnavailable, match="differently"):
        while second.step():
            pass

    assert (status(live, payment), buckets(live)) == ("pending", [])
    assert "take the provider that is wrong out" in dispute(live)

    second.close()
    fleet.close()
    live.settings = with_network(live.settings, urls=urls[1:], usdt_contract=chain.usdt_address)
    alone = build_fleet(live.settings.network)
    third = Watch(live, alone)
    while third.step():
        pass

    assert (dispute(live), buckets(live)) == ("", [])
    third.close()
    alone.close()


def dispute(hub: Hub) -> str:
    with hub.database.snapshot() as session:
        return "".join(alarm.sentence for alarm in standing_alarms(session) if alarm.subject == "a final block")


def test_no_provider_is_its_own_second_opinion_though_two_share_a_host(
    live: Hub, chain: Chain, watch: Watch, shop: Shop, server: DevnetServer
):
    """Hosted nodes are often one host with a path each; the names of two such providers were once the same."""
    watch.close()
    tell(server, "views", name="liar")
    live.settings = replace(
        with_network(live.settings, urls=[server.url, f"{server.url}/liar"], usdt_contract=chain.usdt_address),
        second_opinion_units=1_000,
    )
    fleet = build_fleet(live.settings.network)
    second = Watch(live, fleet)
    payment = make_payment(live, shop)
    forged = tell(server, "forge", to=payment.address, units=payment.pay_units.units, view="liar")
    chain.advance(forged["height"] + 18 - chain.head_height)
    infos = "walletsolidity/gettransactioninfobyblocknum"
    server.faults.set([{"path": infos, "kind": "not_found", "view": "", "times": 1}])

    with pytest.raises(NodeUnavailable, match="differently"):
        while second.step():
            pass

    assert (status(live, payment), buckets(live)) == ("pending", [])
    assert len({node.name for node in fleet.providers}) == 2
    second.close()
    fleet.close()
