"""T28 to T43: nodes that lie, lag, break, fork and stall, and a watcher that crashes; each HTTP answer's own class
stands in tests/chain/test_node.py."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from core.alarms import standing_alarms
from core.chain import identity
from core.chain.addresses import address_of
from core.chain.decode import BlockHeader, BlockInconsistent
from core.chain.failures import FailureKind, NodeFailure
from core.chain.fleet import Fleet
from core.chain.guard import Guard
from core.chain.lease import LEASE
from core.chain.node import Node
from core.chain.scanner import Scanner
from core.errors import NodeUnavailable, WrongNetwork
from core.hub import Hub
from core.models import Cursor, Sighting
from core.projects import receiving
from core.testing.crashpoints import Crash, CrashPoints, PointedNode, with_crash_points
from core.testing.hubs import START
from tests.watcher.conftest import Chain, Scene, everywhere, needs, worlds
from tests.watcher.views import Behind, Blind, Mixed, OneFault, Stranger, ranges, second_view

pytestmark = pytest.mark.slow
PATIENCE = "patience: three kinds of failure are enough there"


@worlds("memory", "devnet", "node")
def test_t28_an_empty_answer_for_a_block_with_transactions_moves_nothing(scene: Scene):
    payment = scene.order()
    height = scene.pay(payment)
    scene.chain.hidden.add(height)
    with pytest.raises(BlockInconsistent):
        scene.scan()
    stood = scene.height

    scene.chain.hidden.clear()
    scene.scan()

    assert stood < height
    assert scene.standing(payment) == ("paid", "none")


@needs("a second provider")
def test_t28_another_provider_is_asked_at_once(scene: Scene):
    payment = scene.order()
    height = scene.pay(payment)
    scene.watch_through(second_view(scene.chain, hidden={height}), scene.chain)

    scene.scan()

    assert scene.standing(payment) == ("paid", "none")
    assert ranges(scene)[-1] == (height, height, "fake")


def test_t29_a_block_that_is_not_there_is_waited_for(scene: Scene):
    payment = scene.order()
    height = scene.pay(payment)
    scene.watch_through(Blind(scene.node, height))

    with pytest.raises(NodeUnavailable, match=f"does not show solid block {height}"):
        scene.scan()

    assert scene.height < height
    assert scene.standing(payment) == ("pending", "none")


NODES_FAILURES = (FailureKind.TIMEOUT, FailureKind.NOT_JSON, FailureKind.KEY_SUSPENDED)
FAILURES = [kind for kind in FailureKind if kind not in (FailureKind.TOO_MANY_LOGS, FailureKind.CALL_FAILED)]


def test_t30_a_node_that_limits_us_is_no_empty_block(scene: Scene):
    payment = scene.order()
    scene.pay(payment)
    node = OneFault(scene.node, NodeFailure(FailureKind.RATE_LIMITED))
    scene.watch_through(node)
    with pytest.raises(NodeFailure):
        scene.scan()
    before = scene.standing(payment)
    node.percent = 0

    scene.scan()

    assert (before, scene.standing(payment)) == (("pending", "none"), ("paid", "none"))


@pytest.mark.parametrize("kind", [
    kind if kind in NODES_FAILURES else pytest.param(kind, marks=needs(PATIENCE))
    for kind in FAILURES
])
def test_t31_every_failure_goes_to_the_next_provider(scene: Scene, kind: FailureKind):
    payment = scene.order()
    scene.pay(payment)
    scene.watch_through(OneFault(scene.node, NodeFailure(kind)), scene.node)

    scene.scan()

    assert scene.standing(payment) == ("paid", "none")


def test_t31_a_spent_daily_quota_is_told(scene: Scene):
    scene.watch_through(OneFault(scene.node, NodeFailure(FailureKind.DAILY_QUOTA)), scene.node)
    fleet = scene.scanner._fleet
    scene.scan()

    Guard(scene.hub, fleet).survey()

    with scene.hub.database.snapshot() as session:
        assert [(alarm.kind, alarm.subject) for alarm in standing_alarms(session)] == [("provider_trouble", "second")]


def test_t32_a_height_that_goes_backwards_is_waited_out(scene: Scene):
    node = Behind(scene.node)
    scene.watch_through(node)
    scene.chain.skip(5)
    scene.scan()
    stood = scene.height
    payment = scene.order()
    node.asked.clear()
    node.height = 2

    scene.scanner.scan_once()

    assert (scene.height, node.asked) == (stood, [])
    node.height = None
    scene.pay(payment)
    scene.scan()
    assert scene.standing(payment) == ("paid", "none")


def test_t33_a_node_of_another_network_is_refused(scene: Scene):
    scene.watch_through(Stranger(scene.node))

    with pytest.raises(WrongNetwork, match="Restore the old node"):
        scene.scan()


def test_t33_a_second_provider_of_another_network_is_never_believed(scene: Scene):
    payment = scene.order()
    scene.pay(payment)
    first = OneFault(scene.node, NodeFailure(FailureKind.CONNECTION), name="first")
    first.percent, stranger = 0, Stranger(scene.node)
    scene.watch_through(first, stranger)
    scene.scan()
    first.percent = 100
    scene.chain.skip(1)
    stranger.asked.clear()

    with pytest.raises(NodeUnavailable):
        scene.scan()

    assert (scene.standing(payment), stranger.asked) == (("paid", "none"), [])
    assert [trouble.kind for trouble in scene.scanner._fleet.troubles()] == ["wrong_network"]


@needs("a fork")
def test_t34_a_deposit_that_a_fork_removes_is_withdrawn_and_never_credited(scene: Scene):
    payment = scene.order()
    height = scene.chain.mine(scene.chain.transfer(payment.address, payment.pay_units.units), solid=False)
    scene.lookahead.look_once()
    seen = scene.standing(payment)
    scene.chain.blocks[height], scene.chain.branch[height] = [], "ee"
    scene.chain.mine(solid=False)

    scene.lookahead.look_once()
    scene.lookahead.look_once()
    scene.chain.solid = scene.chain.head
    scene.scan()

    assert (seen, scene.standing(payment)) == (("confirming", "none"), ("pending", "none"))
    assert scene.events(payment) == ["created", "detected", "undetected"]


@needs("a fork")
def test_t35_a_deposit_only_in_the_replacing_block_is_found(scene: Scene):
    payment = scene.order()
    height = scene.chain.mine(solid=False)
    scene.chain.mine(solid=False)
    scene.lookahead.look_once()
    info = scene.chain.transfer(payment.address, payment.pay_units.units)
    first = scene.chain.head
    scene.chain.head = height - 1
    scene.chain.mine(info, solid=False)
    for number in (height, height + 1):
        scene.chain.branch[number] = "ee"
    scene.chain.head = first
    scene.chain.mine(solid=False)

    scene.lookahead.look_once()

    with scene.hub.database.snapshot() as session:
        assert session.scalars(select(Sighting.height)).all() == [height]
    assert scene.standing(payment) == ("confirming", "none")
    scene.chain.solid = scene.chain.head
    scene.scan()
    assert scene.standing(payment) == ("paid", "none")


@needs("a fork")
def test_t36_a_transaction_included_again_elsewhere_is_one_deposit(scene: Scene):
    payment = scene.order()
    info = scene.chain.transfer(payment.address, payment.pay_units.units)
    height = scene.chain.mine(info, solid=False)
    scene.lookahead.look_once()
    scene.chain.blocks[height], scene.chain.branch[height] = [], "ee"
    scene.chain.mine(info, solid=False)
    scene.lookahead.look_once()
    scene.lookahead.look_once()
    scene.chain.solid = scene.chain.head

    scene.scan()

    assert [(row.txid, row.height) for row in scene.transfers] == [(info.id, height + 1)]
    assert (scene.standing(payment), scene.owed) == (("paid", "none"), payment.pay_units.units)


@needs("a fork")
def test_t36_a_transaction_included_again_with_another_result_pays_nothing(scene: Scene):
    payment = scene.order()
    info = scene.chain.transfer(payment.address, payment.pay_units.units)
    height = scene.chain.mine(info, solid=False)
    scene.lookahead.look_once()
    scene.chain.blocks[height], scene.chain.branch[height] = [], "ee"
    scene.chain.mine(scene.chain.transaction(receipt="REVERT", result="FAILED", txid=info.id), solid=False)
    scene.lookahead.look_once()
    scene.lookahead.look_once()
    scene.chain.solid = scene.chain.head

    scene.scan()

    assert (scene.standing(payment), scene.buckets) == (("pending", "none"), [])


def test_t37_transactions_of_another_fork_than_the_header_are_discarded(scene: Scene):
    payment = scene.order()
    node = Mixed(scene.node, scene.pay(payment))
    scene.watch_through(node)
    with pytest.raises(BlockInconsistent, match="different block times|is not later"):
        scene.scan()
    before = scene.standing(payment)
    node.height = None

    scene.scan()

    assert (before, scene.standing(payment)) == (("pending", "none"), ("paid", "none"))


@everywhere
@needs("missed slots")
def test_t38_a_gap_in_time_is_no_gap_in_height(scene: Scene):
    payment = scene.order()
    scene.chain.skip_to(START + timedelta(minutes=5))
    scene.pay(payment)

    scene.scan()

    assert scene.standing(payment) == ("paid", "none")
    assert [(first, last) for first, last, _ in ranges(scene)] == [(1, scene.chain.solid)]


@everywhere
@needs("final blocks that stop coming")
def test_t39_while_solidity_stalls_nothing_is_credited_or_expired_and_an_alarm_stands(scene: Scene):
    payment = scene.order()
    scene.chain.mine(scene.chain.transfer(payment.address, payment.pay_units.units), solid=False)
    guard = Guard(scene.hub, scene.chain.fleet(scene.hub.clock))
    guard.survey()
    scene.hub.clock.advance(minutes=45)  # type: ignore[attr-defined]
    scene.scan()
    scene.lookahead.look_once()

    guard.survey()

    with scene.hub.database.snapshot() as session:
        assert [alarm.kind for alarm in standing_alarms(session)] == ["solid_stalled"]
    assert scene.standing(payment) == ("confirming", "none")
    scene.chain.solid = scene.chain.head
    scene.scan()
    guard.survey()
    with scene.hub.database.snapshot() as session:
        assert [alarm.kind for alarm in standing_alarms(session)] == ["first_payment"]
    assert scene.standing(payment) == ("paid", "none")


@everywhere
def test_t40_a_crash_at_any_point_of_a_block_loses_and_doubles_nothing(scene: Scene):
    payment = scene.order()
    scene.chain.skip(2)
    scene.pay(payment)
    scene.chain.skip(1)
    scene.scanner.close()
    survived, crash_at = False, 0
    while not survived:
        crash_at += 1
        points = CrashPoints(crash_at=crash_at)
        hub = with_crash_points(scene.hub, points)
        scanner = Scanner(hub, Fleet([PointedNode(scene.node, points)], clock=hub.clock), holder="same")
        try:
            scanner.scan_once()
            survived = True
        except Crash:
            scene.hub.clock.advance(seconds=11)  # type: ignore[attr-defined]  the dead watcher's lease ends
        assert scene.buckets in ([], ["matched"])

    assert crash_at > 5
    assert (scene.standing(payment), scene.buckets) == (("paid", "none"), ["matched"])
    assert scene.is_up_to_date


@everywhere
def test_t40_of_two_watchers_only_one_advances(scene: Scene):
    standby = Scanner(scene.hub, scene.chain.fleet(scene.hub.clock), holder="standby")
    payment = scene.order()
    scene.pay(payment)

    idle = standby.scan_once()
    scene.scan()

    assert (idle.is_active, idle.applied) == (False, 0)
    assert scene.buckets == ["matched"]


@everywhere
def test_t40_a_standby_takes_over_when_the_lease_ends_and_the_sleeper_writes_nothing(scene: Scene):
    standby = Scanner(scene.hub, scene.chain.fleet(scene.hub.clock), holder="standby")
    payment = scene.order()
    scene.pay(payment)
    scene.hub.clock.advance(seconds=11)  # type: ignore[attr-defined]

    taken, stood = standby.scan_once(), scene.height
    scene.chain.skip(1)
    with pytest.raises(NodeUnavailable, match="Another watcher"):  # it still believes in its lease
        scene.scanner._apply(scene.scanner._genesis_id, [scene.scanner._read(scene.chain.solid)])
    scene.scan()

    assert (taken.is_active, scene.standing(payment)) == (True, ("paid", "none"))
    assert scene.height == stood  # the sleeper found another holder and kept still


@everywhere
def test_t40_a_watcher_that_stops_hands_over_at_once(scene: Scene):
    scene.scanner.close()
    scene.chain.skip(1)

    assert Scanner(scene.hub, scene.chain.fleet(scene.hub.clock), holder="next").scan_once().applied >= 1


@everywhere
def test_t40_a_lease_from_a_clock_that_was_ahead_does_not_last_for_hours(scene: Scene):
    """A machine whose clock was hours ahead died, and came back with the right time: it stood by for hours."""
    payment = scene.order()
    scene.pay(payment)
    scene.watch_through(scene.node)
    with scene.hub.database.transaction() as session:
        cursor = session.scalars(select(Cursor)).one()
        cursor.watcher, cursor.leased_until = "gone", scene.hub.clock.now() + timedelta(hours=5)
    idle = scene.scanner.scan_once()
    scene.hub.clock.advance(seconds=20)  # type: ignore[attr-defined]
    patient = scene.scanner.scan_once()
    scene.hub.clock.advance(seconds=11)  # type: ignore[attr-defined]

    scene.scan()

    assert (idle.is_active, patient.is_active, scene.standing(payment)) == (False, False, ("paid", "none"))


@everywhere
def test_t40_a_lease_that_is_renewed_is_left_alone_however_far_ahead_its_clock_is(scene: Scene):
    scene.watch_through(scene.node)
    for _ in range(5):
        with scene.hub.database.transaction() as session:
            cursor = session.scalars(select(Cursor)).one()
            cursor.watcher, cursor.leased_until = "alive", scene.hub.clock.now() + timedelta(hours=5)
        assert not scene.scanner.scan_once().is_active
        scene.hub.clock.advance(seconds=11)  # type: ignore[attr-defined]


@needs("a clock of the test's own")
def test_t40_a_slow_node_is_no_reason_to_lose_the_lease(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    """Two watchers of a slow node once took the lease from each other for ever, each in the middle of a block."""
    monkeypatch.setattr("core.chain.lease.KEEP_EVERY_S", 0.005)
    standby = Scanner(scene.hub, scene.chain.fleet(scene.hub.clock), holder="standby")
    payment = scene.order()
    scene.pay(payment)
    honest = scene.chain.solid_infos

    def slow(height: int):
        for _ in range(4):
            scene.hub.clock.advance(seconds=6)  # type: ignore[attr-defined]
            wait_for_renewal(scene)
        assert not standby.scan_once().is_active
        return honest(height)

    scene.chain.solid_infos = slow  # type: ignore[method-assign]
    scene.scan()

    assert scene.standing(payment) == ("paid", "none")


def wait_for_renewal(scene: Scene) -> None:
    """Wait until the lease runs ten seconds from now again."""
    for _ in range(1000):
        with scene.hub.database.snapshot() as session:
            if session.scalars(select(Cursor.leased_until)).one() == scene.hub.clock.now() + LEASE:
                return
        threading.Event().wait(0.005)
    raise AssertionError("the lease was not renewed")


def test_t40_two_watchers_may_make_their_very_first_start_at_once(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    chain = Chain(hub.settings.network.usdt_contract, START)
    chain.skip(3)
    first, second = Scanner(hub, chain.fleet(hub.clock)), Scanner(hub, chain.fleet(hub.clock))
    find_start = identity._start_header

    def other_is_faster(node: Node, oldest: datetime | None) -> BlockHeader:
        monkeypatch.setattr(identity, "_start_header", find_start)
        second.scan_once()
        return find_start(node, oldest)

    monkeypatch.setattr(identity, "_start_header", other_is_faster)

    assert (first.scan_once().is_active, second.scan_once().is_active) == (False, True)


@everywhere
@needs("hundreds of blocks at once")
def test_t41_an_address_added_during_a_long_catch_up_misses_nothing(scene: Scene):
    address = address_of(b"\x55" * 20).base58
    heights = [
        scene.chain.mine(*[scene.chain.transfer(address, 1 + number)] * (number % 50 == 0)) for number in range(700)
    ]
    added: list[int] = []
    honest = scene.node.solid_infos

    def infos(height: int):
        if height >= 400 and not added:
            added.append(height)
            with scene.hub.database.transaction() as session:
                receiving.add_address(session, scene.hub, merchant_id=scene.shop.merchant_id, address=address)
        return honest(height)

    scene.node.solid_infos = infos  # type: ignore[method-assign]
    scene.scan_stubbornly()

    wanted = [height for height in heights[::50] if height >= added[0]]
    assert len(wanted) > 4
    assert [row.height for row in scene.transfers if row.height >= added[0]] == wanted


@everywhere
def test_t42_an_address_issued_while_its_block_is_read_misses_nothing(scene: Scene):
    """The block is read and judged a stranger's; before it is applied the address is ours."""
    address = scene.chain.fresh_address()
    height = scene.chain.mine(scene.chain.transfer(address, 77))
    original = scene.scanner._apply

    def add_then_apply(genesis_id, part):
        if not fresh and part[-1].height >= height:
            fresh.append(scene.watch(address))
        return original(genesis_id, part)

    fresh: list[str] = []
    scene.scanner._apply = add_then_apply  # type: ignore[method-assign]

    scene.scan_stubbornly()

    assert [row.units.units for row in scene.transfers] == [77]


@worlds("memory", "devnet")
@needs("a block of two thousand transactions")
def test_t43_a_pathological_block_is_applied_like_any_other(scene: Scene):
    """Some 2,000 transactions, the last with 200 logs, its last one ours; what it costs is measured by the bench."""
    scene.watch(address_of((90_199).to_bytes(20)).base58)
    strangers = [address_of(number.to_bytes(20)).base58 for number in range(50_000, 51_998)]
    crowd = [scene.chain.transfer(stranger, 5) for stranger in strangers]
    height = scene.chain.mine(*crowd, scene.chain.burst(first=90_000, many=200, units=5))

    scene.scan()

    assert len(scene.node.solid_infos(height)) in (1_999, 2_000)  # an approval for the router comes before
    assert [(row.log_index, row.height) for row in scene.transfers] == [(199, height)]
    assert [row.block_index for row in scene.transfers if row.block_index and row.block_index >= 2_197]
