"""Platforms without webhooks are asked: cursor and findings together, patiently while they fail."""

from __future__ import annotations

import pytest

from core.channels import service
from core.channels.polling import ask, take_turns
from core.clock import ManualClock
from core.contract import OrderPlaced
from core.hub import Hub
from core.projects.service import get_project
from tests.channels.kit import Bench, busy, make_bench, on_both
from workers.channels import ChannelWork


@pytest.fixture
def bench(hub: Hub) -> Bench:
    return make_bench(hub, adapter="polled")


@on_both
def test_the_cursor_moves_with_what_was_found(bench: Bench, clock: ManualClock) -> None:
    bench.platform.news = [([OrderPlaced("A", "50.00")], "page-2"), ([], "page-3")]
    work = ChannelWork(bench.hub)

    work.step()
    assert bench.payments() == [("A", "50.00", "pending")] and bench.row().poll_cursor == "page-2"
    work.step()
    assert bench.platform.cursors == [None]  # not before its time
    clock.advance(seconds=61)
    work.step()
    work.close()
    assert bench.platform.cursors == [None, "page-2"] and bench.row().poll_cursor == "page-3"


@on_both
def test_an_order_that_cannot_be_taken_keeps_no_other_waiting(bench: Bench) -> None:
    bad, good = OrderPlaced("A", "minus one"), OrderPlaced("B", "50.00")
    bench.platform.news = [([bad, good], "page-2")]

    [turn] = take_turns(bench.hub)

    assert ask(bench.hub, turn)
    assert bench.payments() == [("B", "50.00", "pending")] and bench.row().poll_cursor == "page-2"
    assert bench.row().trouble.startswith("Order A could not be taken: ")


def test_what_is_no_event_at_all_is_said_and_keeps_nobody_waiting(bench: Bench) -> None:
    bench.platform.news = [(["A", OrderPlaced("B", "50.00")], "page-2")]  # type: ignore[list-item]

    [turn] = take_turns(bench.hub)

    assert ask(bench.hub, turn)
    assert bench.payments() == [("B", "50.00", "pending")] and "no platform event" in bench.row().trouble


def test_what_passes_by_itself_is_asked_for_again_as_a_whole(bench: Bench) -> None:
    with bench.hub.database.transaction() as session:
        get_project(session, bench.shop.project_id).disabled_at = bench.hub.clock.now()
    bench.platform.news = [([OrderPlaced("A", "50.00")], "page-2")]

    [turn] = take_turns(bench.hub)

    assert not ask(bench.hub, turn)
    assert bench.payments() == [] and bench.row().poll_cursor is None


@on_both
def test_two_workers_do_not_ask_at_once(bench: Bench) -> None:
    assert len(take_turns(bench.hub)) == 1
    assert take_turns(bench.hub) == []


@on_both
def test_a_crash_after_asking_asks_again_from_the_same_place(bench: Bench, clock: ManualClock) -> None:
    [lost] = take_turns(bench.hub)
    clock.advance(seconds=91)
    bench.platform.news = [([OrderPlaced("A", "50.00")], "page-2"), ([OrderPlaced("A", "50.00")], "page-2")]

    [turn] = take_turns(bench.hub)
    assert ask(bench.hub, turn) and ask(bench.hub, lost)
    assert bench.payments() == [("A", "50.00", "pending")]


def test_a_failing_platform_is_asked_ever_more_slowly_and_the_owner_sees_why(bench: Bench, clock: ManualClock) -> None:
    bench.platform.fails = [busy(), busy(), busy(300.0)]
    waits = []
    for _ in range(3):
        [turn] = take_turns(bench.hub)
        assert ask(bench.hub, turn) is False
        poll_at = bench.row().poll_at
        assert poll_at is not None
        waits.append((poll_at - clock.now()).total_seconds())
        clock.advance(seconds=waits[-1])

    assert waits == [10, 20, 300]
    assert bench.row().trouble == "Its platform could not be asked: The market is busy."
    [turn] = take_turns(bench.hub)
    assert ask(bench.hub, turn) and bench.row().trouble == ""


def test_a_paused_platform_is_not_asked(bench: Bench) -> None:
    with bench.hub.database.transaction() as session:
        service.pause(session, bench.hub, service.get_channel(session, bench.channel.uid))

    assert take_turns(bench.hub) == []
