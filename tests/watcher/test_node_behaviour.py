"""T28 to T43: nodes that lie, lag, break, fork and stall, and a watcher that crashes; each HTTP answer's own class
stands in tests/chain/test_node.py."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
import pytest
from sqlalchemy import func, select

from core.alarms import standing_alarms
from core.chain import identity
from core.chain.addresses import address_of
from core.chain.decode import BlockHeader, BlockInconsistent
from core.chain.failures import FailureKind, NodeFailure
from core.chain.fleet import Fleet, ProvidersDisagree
from core.chain.guard import Guard, unfreeze
from core.chain.lease import LEASE, WatcherFrozen
from core.chain.node import Node
from core.chain.scanner import Scanner
from core.errors import NodeUnavailable, WrongNetwork
from core.hub import Hub
from core.models import Cursor, ScannedRange, Sighting, Transfer
from core.projects import receiving
from core.testing.chains import FakeChain
from core.testing.crashpoints import Crash, CrashPoints, PointedNode, with_crash_points
from core.testing.faulty import FaultyNode
from core.testing.hubs import START
from tests.watcher.conftest import Chain, Scene, everywhere
from workers.loops import Watch

pytestmark = pytest.mark.slow


class OneFault(FaultyNode):
    """A node that fails in one way at every call, until it is mended."""

    def __init__(self, node: FakeChain, failure: NodeFailure) -> None:
        super().__init__(node, percent=100)
        self.failure = failure

    def _maybe(self, act, lie):
        if self.percent:
            raise self.failure
        return act()

    def _maybe_none(self, act):
        return self._maybe(act, None)


def second_view(chain: FakeChain, **changes: object) -> Chain:
    """Give another provider of the same chain."""
    view = Chain(chain.usdt_contract, chain.start, name="second")
    view.blocks, view.branch, view.jumps = dict(chain.blocks), dict(chain.branch), dict(chain.jumps)
    view.head, view.solid = chain.head, chain.solid
    for name, value in changes.items():
        setattr(view, name, value)
    return view


def alarms(scene: Scene) -> list[str]:
    with scene.hub.database.snapshot() as session:
        return [alarm.kind for alarm in standing_alarms(session)]


def ranges(scene: Scene) -> list[tuple[int, int, str]]:
    with scene.hub.database.snapshot() as session:
        rows = session.scalars(select(ScannedRange).order_by(ScannedRange.from_height))
        return [(row.from_height, row.to_height, row.provider) for row in rows]


@everywhere
def test_t28_an_empty_answer_for_a_block_with_transactions_moves_nothing(scene: Scene):
    payment = scene.order()
    height = scene.pay(payment)
    scene.chain.hidden.add(height)
    with pytest.raises(BlockInconsistent):
        scene.scan()
    stood = scene.height

    scene.chain.hidden.clear()
    scene.scan()

    assert (stood, scene.standing(payment)) == (height - 1, ("paid", "none"))


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
    lagging = second_view(scene.chain)
    lagging.solid_height = lambda: height  # type: ignore[method-assign]  promises what it cannot show
    lagging.solid = height - 1
    scene.watch_through(lagging)

    with pytest.raises(NodeUnavailable, match=f"does not show solid block {height}"):
        scene.scan()

    assert (scene.height, scene.standing(payment)) == (height - 1, ("pending", "none"))


FAILURES = [kind for kind in FailureKind if kind not in (FailureKind.TOO_MANY_LOGS, FailureKind.CALL_FAILED)]


def test_t30_a_node_that_limits_us_is_no_empty_block(scene: Scene):
    payment = scene.order()
    scene.pay(payment)
    node = OneFault(scene.chain, NodeFailure(FailureKind.RATE_LIMITED))
    scene.watch_through(node)
    with pytest.raises(NodeFailure):
        scene.scan()
    before = scene.standing(payment)
    node.percent = 0

    scene.scan()

    assert (before, scene.standing(payment)) == (("pending", "none"), ("paid", "none"))


@pytest.mark.parametrize("kind", FAILURES)
def test_t31_every_failure_goes_to_the_next_provider(scene: Scene, kind: FailureKind):
    payment = scene.order()
    scene.pay(payment)
    scene.watch_through(OneFault(second_view(scene.chain), NodeFailure(kind)), scene.chain)

    scene.scan()

    assert scene.standing(payment) == ("paid", "none")


def test_t31_a_spent_daily_quota_is_told(scene: Scene):
    scene.watch_through(OneFault(second_view(scene.chain), NodeFailure(FailureKind.DAILY_QUOTA)), scene.chain)
    fleet = scene.scanner._fleet
    scene.scan()

    Guard(scene.hub, fleet).survey()

    with scene.hub.database.snapshot() as session:
        assert [(alarm.kind, alarm.subject) for alarm in standing_alarms(session)] == [("provider_trouble", "second")]


def test_t32_a_height_that_goes_backwards_is_waited_out(scene: Scene):
    scene.chain.skip(5)
    scene.scan()
    stood = scene.height
    payment = scene.order()
    scene.chain.calls.clear()
    scene.chain.solid = 2

    scene.scan()

    assert (scene.height, scene.chain.calls) == (stood, [])
    scene.chain.solid = scene.chain.head
    scene.pay(payment)
    scene.scan()
    assert scene.standing(payment) == ("paid", "none")


def test_t33_a_node_of_another_network_is_refused(scene: Scene):
    scene.watch_through(second_view(scene.chain, genesis="0" * 16 + "77" * 24))

    with pytest.raises(WrongNetwork, match="Restore the old node"):
        scene.scan()


def test_t33_a_second_provider_of_another_network_is_never_believed(scene: Scene):
    payment = scene.order()
    scene.pay(payment)
    stranger = second_view(scene.chain, genesis="0" * 16 + "77" * 24)
    scene.watch_through(scene.chain, stranger)
    scene.scan()
    scene.chain.down = True
    scene.chain.skip(1)
    stranger.calls.clear()

    with pytest.raises(NodeUnavailable):
        scene.scan()

    assert stranger.calls == []
    assert [trouble.kind for trouble in scene.scanner._fleet.troubles()] == ["wrong_network"]


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
    height = scene.pay(payment)
    honest = scene.chain.blocks[height]
    scene.chain.blocks[height] = [
        msgspec.structs.replace(info, block_time_ms=info.block_time_ms + 3000) for info in honest
    ]
    with pytest.raises(BlockInconsistent, match="different block times"):
        scene.scan()
    before = scene.standing(payment)
    scene.chain.blocks[height] = honest

    scene.scan()

    assert (before, scene.standing(payment)) == (("pending", "none"), ("paid", "none"))


@everywhere
def test_t38_a_gap_in_time_is_no_gap_in_height(scene: Scene):
    payment = scene.order()
    scene.chain.skip_to(START + timedelta(minutes=5))
    scene.pay(payment)

    scene.scan()

    assert scene.standing(payment) == ("paid", "none")
    assert [(first, last) for first, last, _ in ranges(scene)] == [(1, scene.chain.solid)]


@everywhere
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
    assert (scene.standing(payment), scene.buckets, scene.height) == (("paid", "none"), ["matched"], scene.chain.solid)


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

    taken = standby.scan_once()
    scene.chain.skip(1)
    with pytest.raises(NodeUnavailable, match="Another watcher"):  # it still believes in its lease
        scene.scanner._apply(scene.scanner._genesis_id, [scene.scanner._read(scene.chain.solid)])
    scene.scan()

    assert (taken.is_active, scene.standing(payment)) == (True, ("paid", "none"))
    assert scene.height == scene.chain.solid - 1  # the sleeper found another holder and kept still


@everywhere
def test_t40_a_watcher_that_stops_hands_over_at_once(scene: Scene):
    scene.scanner.close()
    scene.chain.skip(1)

    assert Scanner(scene.hub, scene.chain.fleet(scene.hub.clock), holder="next").scan_once().applied == 1


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
    address = address_of(b"\x44" * 20).base58
    scene.chain.mine(scene.chain.transfer(address, 77))
    original = scene.scanner._apply

    def add_then_apply(genesis_id, part):
        if not fresh:
            fresh.append(1)
            with scene.hub.database.transaction() as session:
                receiving.add_address(session, scene.hub, merchant_id=scene.shop.merchant_id, address=address)
        return original(genesis_id, part)

    fresh: list[int] = []
    scene.scanner._apply = add_then_apply  # type: ignore[method-assign]

    scene.scan_stubbornly()

    assert [row.units.units for row in scene.transfers] == [77]


def test_t43_a_pathological_block_is_applied_like_any_other(scene: Scene):
    """2,000 transactions, one of them with 200 logs; what it costs is measured by the bench, not here."""
    payment = scene.order()
    strangers = [address_of(number.to_bytes(20)).base58 for number in range(50_000, 52_000)]
    crowd = [scene.chain.transfer(stranger, 5) for stranger in strangers]
    burst = scene.chain.transaction(*[scene.chain.log(stranger, 5) for stranger in strangers[:199]],
                                    scene.chain.log(payment.address, payment.pay_units.units))
    scene.chain.mine(*crowd, burst)

    scene.scan()

    assert [(row.log_index, row.block_index) for row in scene.transfers] == [(199, 2199)]
    assert scene.standing(payment) == ("paid", "none")


def test_a_large_transfer_needs_a_second_provider(scene: Scene):
    scene.hub.settings = replace(scene.hub.settings, second_opinion_units=10_000_000)
    payment, small = scene.order(), scene.order("SMALL", "1")
    scene.pay(small)
    scene.pay(payment)
    second = second_view(scene.chain, down=True)
    scene.watch_through(scene.chain, second)
    with pytest.raises(NodeUnavailable):
        scene.scan()
    alone = scene.standing(small), scene.standing(payment)
    second.down = False

    scene.scan()

    assert alone == (("paid", "none"), ("pending", "none"))
    assert scene.standing(payment) == ("paid", "none")


def test_when_the_second_provider_is_away_a_third_one_is_asked(scene: Scene):
    scene.hub.settings = replace(scene.hub.settings, second_opinion_units=10_000_000)
    payment = scene.order()
    scene.pay(payment)
    scene.watch_through(
        scene.chain, second_view(scene.chain, down=True), second_view(scene.chain, name="late", solid=2),
        second_view(scene.chain, name="fourth"),
    )

    scene.scan()

    assert scene.standing(payment) == ("paid", "none")


def test_the_log_says_which_block_waits_for_a_second_word(scene: Scene):
    scene.hub.settings = replace(scene.hub.settings, second_opinion_units=10_000_000)
    height = scene.pay(scene.order())
    scene.watch_through(scene.chain, second_view(scene.chain, down=True))

    with pytest.raises(NodeUnavailable, match=f"Block {height} needs a second provider's word"):
        scene.scan()


def test_a_large_transfer_that_the_second_provider_denies_is_not_credited(scene: Scene):
    scene.hub.settings = replace(scene.hub.settings, second_opinion_units=10_000_000)
    payment = scene.order()
    height = scene.pay(payment)
    honest = second_view(scene.chain)
    honest.blocks[height] = [
        msgspec.structs.replace(info, log=[]) for info in scene.chain.blocks[height]
    ]
    scene.watch_through(scene.chain, honest)

    with pytest.raises(ProvidersDisagree):
        scene.scan()

    assert scene.standing(payment) == ("pending", "none")


def test_providers_with_different_final_blocks_stop_everything_until_they_agree(scene: Scene):
    second = second_view(scene.chain)
    second.branch[second.solid] = "ee"
    scene.watch_through(scene.chain, second)
    scene.scan()
    fleet = scene.scanner._fleet
    Guard(scene.hub, fleet).survey()
    payment = scene.order()
    scene.pay(payment)

    with pytest.raises(ProvidersDisagree):
        scene.scan()
    second.branch.clear()
    Guard(scene.hub, fleet).survey()
    scene.scan()

    assert scene.standing(payment) == ("paid", "none")


def test_a_running_watcher_goes_on_by_itself_once_its_providers_agree_again(scene: Scene):
    """Disagreement once stopped the very rounds that would have noticed its end."""
    second = second_view(scene.chain)
    second.branch[second.solid] = "ee"
    scene.scanner.close()
    watch = Watch(scene.hub, Fleet([scene.chain, second], clock=scene.hub.clock))
    watch.step()
    payment = scene.order()
    scene.pay(payment)
    with pytest.raises(ProvidersDisagree):
        watch.step()
    second.branch.clear()
    scene.hub.clock.advance(seconds=61)  # type: ignore[attr-defined]

    for _ in range(2):
        with suppress(NodeUnavailable):
            watch.step()

    assert scene.standing(payment) == ("paid", "none")
    assert "provider_trouble" not in alarms(scene)


def test_a_watcher_that_reaches_no_provider_raises_alarms(scene: Scene):
    """While every look for blocks fails, somebody must still be told."""
    scene.scanner.close()
    watch = Watch(scene.hub, Fleet([scene.chain, second_view(scene.chain, down=True)], clock=scene.hub.clock))
    watch.step()
    scene.chain.down = True
    for _ in range(10):
        scene.hub.clock.advance(seconds=30)  # type: ignore[attr-defined]
        with pytest.raises(NodeUnavailable):
            watch.step()

    assert {"provider_trouble", "solid_stalled"} <= set(alarms(scene))
    scene.chain.down = False
    scene.chain.skip(1)
    scene.hub.clock.advance(seconds=61)  # type: ignore[attr-defined]
    watch.step()
    assert "solid_stalled" not in alarms(scene)


def test_a_block_that_cannot_be_proven_raises_an_alarm(scene: Scene):
    scene.scanner.close()
    watch = Watch(scene.hub, scene.chain.fleet(scene.hub.clock))
    height = scene.pay(scene.order())
    scene.chain.hidden.add(height)
    for _ in range(8):
        scene.hub.clock.advance(seconds=30)  # type: ignore[attr-defined]
        with pytest.raises(BlockInconsistent):
            watch.step()
        scene.chain.skip(1)  # so that solidity itself does not stall

    stuck = alarms(scene)
    scene.chain.hidden.clear()
    scene.hub.clock.advance(seconds=61)  # type: ignore[attr-defined]
    while watch.step():
        pass

    assert (stuck, "cursor_stuck" in alarms(scene)) == (["cursor_stuck"], False)


def test_credited_money_that_vanishes_freezes_the_watcher(scene: Scene):
    payment = scene.order()
    height = scene.pay(payment)
    scene.chain.skip(30)
    scene.scan()
    guard = Guard(scene.hub, scene.chain.fleet(scene.hub.clock))
    scene.chain.blocks[height], scene.chain.branch[height] = [], "ee"
    for _ in range(3):
        guard.verify()
    scene.chain.skip(1)

    with pytest.raises(WatcherFrozen, match="no longer in the solid chain"):
        scene.scan()

    with scene.hub.database.snapshot() as session:
        assert standing_alarms(session)[0].kind == "frozen"


def test_what_a_human_has_looked_at_does_not_freeze_the_watcher_again(scene: Scene):
    """The loss lasts: without remembering the look, `unfreeze` held for ten seconds."""
    height = scene.pay(scene.order())
    scene.chain.skip(30)
    scene.scan()
    guard = Guard(scene.hub, scene.chain.fleet(scene.hub.clock))
    scene.chain.blocks[height], scene.chain.branch[height] = [], "ee"
    for _ in range(3):
        guard.verify()
    with scene.hub.database.transaction() as session:
        unfreeze(session, scene.hub)

    for _ in range(5):
        guard.verify()
    scene.chain.skip(1)
    scene.scan()

    assert (scene.height, "frozen" in alarms(scene)) == (scene.chain.solid, False)


def test_credited_money_that_a_lagging_node_does_not_show_freezes_nothing(scene: Scene):
    payment = scene.order()
    height = scene.pay(payment)
    scene.chain.skip(30)
    scene.scan()
    guard = Guard(scene.hub, scene.chain.fleet(scene.hub.clock))
    scene.chain.hidden.add(height)
    for _ in range(5):
        assert guard.verify() == 0
    scene.chain.hidden.clear()

    assert guard.verify() == 1
    scene.chain.skip(1)
    scene.scan()
    assert scene.height == scene.chain.solid
    with scene.hub.database.snapshot() as session:
        assert session.scalar(select(func.count(Transfer.id)).where(Transfer.verified_at.is_(None))) == 0


def test_after_downtime_the_log_index_shows_a_buyers_money_before_the_scan_comes_there(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("core.chain.scanner.MAX_BLOCKS_A_STEP", 50)
    payment, failed = scene.order(), scene.order("FAILED")
    scene.chain.skip(100)
    height = scene.pay(payment)
    scene.pay(failed, receipt="OUT_OF_TIME", result="FAILED")
    watch = Watch(scene.hub, scene.chain.fleet(scene.hub.clock))
    scene.scanner.close()

    behind = watch.step()

    assert (behind, scene.standing(payment), scene.standing(failed)) == (
        True, ("confirming", "none"), ("pending", "none")
    )
    assert scene.height < height
    while watch.step():
        pass
    assert (scene.standing(payment), scene.events(payment)) == (("paid", "none"), ["created", "detected", "paid"])


def test_where_requests_are_counted_a_block_costs_one(scene: Scene):
    """Goal 10: the next block is asked for straight away; the solid height once a minute."""
    scene.hub.settings = replace(scene.hub.settings, live_requests=60_000)
    asked: list[str] = []
    heights = scene.chain.solid_height
    scene.chain.solid_height = lambda: (asked.append("height"), heights())[1]  # type: ignore[method-assign]
    stranger = "TSeJkUh4Qv67VNFwY8LaAxERygNdy6NQZK"
    scene.scan()
    scene.chain.calls.clear()
    for _ in range(20):
        scene.chain.mine(scene.chain.transfer(stranger, 5))
        scene.hub.clock.advance(seconds=3)  # type: ignore[attr-defined]
        scene.scan()

    assert (len(scene.chain.calls), scene.height) == (20, scene.chain.solid)
    assert len(asked) <= 2


def test_reads_in_flight_are_applied_in_order_from_many_threads(scene: Scene):
    names: set[str] = set()
    honest = scene.chain.solid_infos

    def infos(height: int):
        names.add(threading.current_thread().name)
        return honest(height)

    scene.chain.solid_infos = infos  # type: ignore[method-assign]
    scene.chain.skip(300)

    scene.scan_stubbornly()

    assert len(names) >= 2
    assert [(first, last) for first, last, _ in ranges(scene)] == [(1, scene.chain.solid)]
    with scene.hub.database.snapshot() as session:
        assert session.scalars(select(Cursor.fence)).one() == 1
