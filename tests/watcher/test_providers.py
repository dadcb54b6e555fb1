"""Several providers, a guard over them, and what is read at once: nodes that differ, and money that vanishes."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace

import msgspec
import pytest
from sqlalchemy import func, select

from core.alarms import standing_alarms
from core.chain.decode import BlockInconsistent
from core.chain.fleet import Fleet, ProvidersDisagree
from core.chain.guard import Guard, unfreeze
from core.chain.lease import WatcherFrozen
from core.errors import NodeUnavailable
from core.models import Cursor, Transfer
from tests.watcher.conftest import Scene
from tests.watcher.views import alarms, ranges, second_view
from workers.loops import Watch

pytestmark = pytest.mark.slow


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


@pytest.mark.parametrize("is_empty", [False, True], ids=["by another log", "by proving the block empty"])
def test_a_large_transfer_that_the_second_provider_denies_is_not_credited(scene: Scene, is_empty: bool):
    scene.hub.settings = replace(scene.hub.settings, second_opinion_units=10_000_000)
    payment = scene.order()
    height = scene.pay(payment)
    honest = second_view(scene.chain)
    shown = [] if is_empty else [msgspec.structs.replace(info, log=()) for info in scene.chain.blocks[height]]
    honest.blocks[height] = shown
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
        alarm = standing_alarms(session)[0]
        assert (alarm.kind, "then run `paywharf unfreeze`" in alarm.sentence.lower()) == ("frozen", True)


def test_money_that_another_provider_denies_is_an_alarm_and_stops_nothing(scene: Scene):
    """Below the amount that takes two providers, a lie of the first one was found by the nightly balances alone."""
    heights = [scene.pay(scene.order(order_id=name)) for name in ("A", "B")]
    scene.chain.skip(30)
    scene.scan()
    second = second_view(scene.chain)
    second.blocks[heights[0]] = []
    guard = Guard(scene.hub, Fleet([scene.chain, second], clock=scene.hub.clock))

    guard.verify()

    with scene.hub.database.snapshot() as session:
        doubts = [alarm.sentence for alarm in standing_alarms(session) if alarm.kind == "transfer_doubted"]
    scene.chain.skip(1)
    scene.scan()
    assert len(doubts) == 1 and f"of block {heights[0]}," in doubts[0] and "second does not show it" in doubts[0]


def test_money_that_vanishes_long_after_it_was_credited_freezes_the_watcher_once(scene: Scene):
    first, height = (scene.pay(scene.order(order_id=name)) for name in ("A", "B"))
    scene.chain.skip(30)
    scene.scan()
    guard = Guard(scene.hub, scene.chain.fleet(scene.hub.clock))
    in_place = (guard.verify(), guard.patrol(), guard.patrol(), guard.patrol(), guard.patrol())
    scene.chain.skip(60)
    scene.scan()
    scene.chain.blocks[first], scene.chain.branch[first] = [], "ee"
    looks = [guard.patrol() for _ in range(4)]
    scene.chain.skip(1)

    with pytest.raises(WatcherFrozen, match=f"block {first} was credited and is no longer"):
        scene.scan()
    with scene.hub.database.transaction() as session:
        unfreeze(session, scene.hub)
    after = [guard.patrol() for _ in range(6)]
    scene.scan()

    assert in_place == (2, 1, 1, 0, 1), "the newest, the one before, none older, the newest again"
    assert (looks, after) == ([0, 0, 0, 0], [0, 1, 0, 0, 1, 0]) and height > first


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
