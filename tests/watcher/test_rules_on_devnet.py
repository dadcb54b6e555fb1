"""T3 to T37 once more on a devnet over HTTP, where the body differs from the chain in memory's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from core.alarms import standing_alarms
from core.chain.addresses import address_of
from core.chain.decode import BlockInconsistent
from core.chain.failures import NodeFailure
from core.chain.guard import Guard
from core.chain.node import HttpNode
from core.clock import SystemClock
from core.devnet import keys
from core.errors import NodeUnavailable, WrongNetwork
from core.models import Sighting
from tests.watcher.conftest import Scene, needs, on_devnet
from tests.watcher.devnet_world import INFOS, DevnetWorld, words

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
    on_devnet,
    needs("the devnet's own calls"),
]

BREAKS = [
    "busy", "error", "rate_limited", "frequency", "daily", "bad_gateway", "unavailable", "lite", "not_found",
    "truncated", "cut", "stuck", "hang", "slow", "empty", "lag",
]
NEVER = 10**18  # more than the demo wallet has


@pytest.fixture
def world(scene: Scene) -> DevnetWorld:
    assert isinstance(scene.chain, DevnetWorld)
    return scene.chain


@pytest.fixture
def second(scene: Scene, world: DevnetWorld) -> Iterator[HttpNode]:
    """A provider that a test may break, in front of the honest one."""
    node = HttpNode(
        f"{world.server.url}/second", clock=SystemClock(), qps=None, daily_requests=None, name="second",
        timeout=(1.0, 0.05), attempts=1, wait=lambda _: None,
    )
    scene.watch_through(node, world.node)
    scene.scan()
    yield node
    node.close()


def test_t3_a_call_of_a_router_pays(scene: Scene, world: DevnetWorld):
    payment = scene.order()
    world.mine(lambda: world.inner.route("route(address,uint256,uint256)",
                                         *words(payment.address, payment.pay_units.units, 1)))

    scene.scan()

    assert (scene.standing(payment), scene.buckets) == (("paid", "none"), ["matched"])


def test_t4_three_logs_to_three_addresses_are_three_deposits(scene: Scene, world: DevnetWorld):
    for number in (7001, 7002, 7003):
        scene.watch(address_of(number.to_bytes(20)).base58)
    world.mine(lambda: world.inner.route("spread(uint256,uint256,uint256)", *words(7000, 5, 9)))

    scene.scan()

    assert [(row.log_index, row.units.units) for row in scene.transfers] == [(1, 9), (2, 9), (3, 9)]
    assert len({row.txid for row in scene.transfers}) == 1


def test_t10_with_the_fee_switched_on_only_what_arrived_counts(scene: Scene, world: DevnetWorld):
    payment = scene.order()
    world.mine(lambda: world.inner.owner_call("setParams(uint256,uint256)", *words(10, 5)))
    scene.pay(payment)

    scene.scan()

    arrived = world.inner.balance_of(payment.address)
    assert 0 < arrived < payment.pay_units.units
    assert [row.units.units for row in scene.transfers] == [arrived]
    assert (scene.standing(payment), scene.buckets) == (("pending", "none"), ["unknown"])


def test_t12_logs_of_another_shape_are_ignored(scene: Scene, world: DevnetWorld):
    world.mine(lambda: world.inner.route("noise(address)", *words(scene.address)))

    scene.scan()

    assert (scene.buckets, scene.counts, scene.height) == ([], {}, world.solid)


@pytest.mark.parametrize("units", [5, 2**62 + 1])
def test_t15_t27_a_mint_to_us_is_a_deposit_exact_to_the_unit(scene: Scene, world: DevnetWorld, units: int):
    owner = keys.to_base58(world.inner.faucet_address)
    scene.watch(owner)
    world.mine(lambda: world.inner.owner_call("issue(uint256)", *words(units)))

    scene.scan()

    assert [(row.units.units, row.bucket) for row in scene.transfers] == [(units, "unknown")]


@pytest.mark.parametrize("units", [2**63, 2**255])
def test_t27_more_than_all_usdt_there_is_stops_the_block_and_credits_nothing(
    scene: Scene, world: DevnetWorld, units: int
):
    scene.watch(keys.to_base58(world.inner.faucet_address))
    world.mine(lambda: world.inner.owner_call("issue(uint256)", *words(units)))
    before = scene.height

    with pytest.raises(BlockInconsistent, match="impossible amount"):
        scene.scan()

    assert (scene.height, scene.buckets) == (before, [])


def test_t20_a_refusal_that_the_router_swallows_pays_nothing(scene: Scene, world: DevnetWorld):
    payment = scene.order()
    height = world.mine(lambda: world.inner.route("tryRoute(address,uint256)", *words(payment.address, NEVER)))

    scene.scan()

    assert [info.has_succeeded for info in world.node.solid_infos(height)] == [True, True]
    assert (scene.standing(payment), scene.buckets) == (("pending", "none"), [])


def test_t29_a_block_whose_header_is_not_there_is_waited_for(scene: Scene, world: DevnetWorld):
    payment = scene.order()
    height = scene.pay(payment)
    world.server.faults.set([{"path": path, "kind": "empty"} for path in (INFOS, "walletsolidity/getblock")])

    with pytest.raises(NodeUnavailable, match=f"does not show solid block {height}"):
        scene.scan()

    assert (scene.height, scene.standing(payment)) == (height - 1, ("pending", "none"))
    world.server.faults.set([])
    scene.scan()
    assert scene.standing(payment) == ("paid", "none")


def test_t30_a_node_that_limits_us_is_no_empty_block(scene: Scene, world: DevnetWorld):
    payment = scene.order()
    scene.pay(payment)
    world.server.faults.set([{"path": "walletsolidity/*", "kind": "busy"}])
    with pytest.raises(NodeFailure, match="limits our request rate"):
        scene.scan()
    before = scene.standing(payment)
    world.server.faults.set([])

    scene.scan()

    assert (before, scene.standing(payment)) == (("pending", "none"), ("paid", "none"))


@pytest.mark.parametrize("kind", BREAKS)
def test_t28_t31_whatever_a_provider_answers_the_next_one_is_asked(
    scene: Scene, world: DevnetWorld, second: HttpNode, kind: str
):
    payment = scene.order()
    scene.pay(payment)
    world.server.faults.set([{"path": INFOS, "kind": kind, "view": "second", "seconds": 0.2}])

    scene.scan()

    assert scene.standing(payment) == ("paid", "none")
    assert world.server.faults.describe()[0]["fired"] > 0


def test_t31_a_spent_daily_quota_is_told(scene: Scene, world: DevnetWorld, second: HttpNode):
    world.server.faults.set([{"path": "wallet*", "kind": "daily", "view": "second"}])

    Guard(scene.hub, scene.scanner._fleet).survey()

    with scene.hub.database.snapshot() as session:
        assert [(alarm.kind, alarm.subject) for alarm in standing_alarms(session)] == [("provider_trouble", "second")]


def test_t33_a_devnet_made_anew_is_another_network(scene: Scene):
    stranger = DevnetWorld()
    stranger.skip(1)
    scene.watch_through(stranger.node)

    with pytest.raises(WrongNetwork, match="Restore the old node"):
        scene.scan()

    stranger.close()


def test_t33_a_second_provider_of_another_network_is_never_believed(scene: Scene, world: DevnetWorld):
    stranger = DevnetWorld()
    stranger.skip(9)
    scene.watch_through(world.node, stranger.node)
    scene.scan()
    world.server.faults.set([{"path": "*", "kind": "unavailable"}])

    with pytest.raises(NodeUnavailable):
        scene.scan()

    assert [trouble.kind for trouble in scene.scanner._fleet.troubles()] == ["wrong_network"]
    assert scene.height == 3
    stranger.close()


def test_t35_a_deposit_only_in_the_replacing_block_is_found(scene: Scene, world: DevnetWorld):
    payment = scene.order()
    txid = world.inner.pay(payment.address, payment.pay_units.units)
    world.inner.hold([txid])
    for _ in range(2):
        world.mine(solid=False)
    scene.lookahead.look_once()
    unseen, seen_up_to = scene.standing(payment), world.head
    world.inner.hold([])
    world.inner.fork(2)

    scene.lookahead.look_once()

    with scene.hub.database.snapshot() as session:
        assert session.scalars(select(Sighting.height)).one() <= seen_up_to
    assert (unseen, scene.standing(payment)) == (("pending", "none"), ("confirming", "none"))
    world.skip(1)
    scene.scan()
    assert scene.standing(payment) == ("paid", "none")


def test_t37_transactions_of_another_fork_than_the_header_are_discarded(scene: Scene, world: DevnetWorld):
    payment = scene.order()
    scene.pay(payment)
    world.server.faults.set([{"path": INFOS, "kind": "wrong_time"}])
    with pytest.raises(BlockInconsistent, match="different block times"):
        scene.scan()
    before = scene.standing(payment)
    world.server.faults.set([])

    scene.scan()

    assert (before, scene.standing(payment)) == (("pending", "none"), ("paid", "none"))
