"""What is solid, by the rule of the witnesses' latest blocks, and what missed slots do to it (D10, D12)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.devnet.ledger import Chain
from core.devnet.witnesses import Schedule, normal_lag
from tests.devnet.conftest import Ask


@pytest.fixture
def old(chain: Chain) -> Iterator[Chain]:
    """Give a chain that every witness has built on more than once."""
    chain.advance(99)
    yield chain


def lag(chain: Chain) -> int:
    return chain.head_height - chain.solid_height


@pytest.mark.parametrize(("count", "blocks"), [(27, 18), (5, 3), (3, 2), (1, 0)])
def test_normal_lag_follows_from_the_number_of_witnesses_d10(clock: ManualClock, count: int, blocks: int) -> None:
    chain = Chain.open(None, clock=clock, witnesses=count)
    chain.advance(60)

    assert (lag(chain), chain.solid_lag, normal_lag(count)) == (blocks, blocks, blocks)
    chain.close()


def test_witnesses_take_turns(old: Chain) -> None:
    made = [old.block(height)[0].witness for height in range(40, 40 + 27)]

    assert sorted(made) == list(range(27))
    assert made == [(made[0] + turn) % 27 for turn in range(27)]


def test_the_node_lists_its_witnesses_and_what_they_made_last(old: Chain, ask: Ask) -> None:
    listed = ask("wallet/listwitnesses", visible=True)["witnesses"]
    latest = sorted(witness["latestBlockNum"] for witness in listed)

    assert latest == list(range(old.head_height - 26, old.head_height + 1))
    assert latest[8] == old.solid_height
    assert listed[0]["address"].startswith("T")


def test_solid_means_that_nineteen_witnesses_have_built_on_it(old: Chain) -> None:
    old.skip_slots(11)
    old.advance(7)

    builders = {old.block(height)[0].witness for height in range(old.solid_height, old.head_height + 1)}
    fewer = {old.block(height)[0].witness for height in range(old.solid_height + 1, old.head_height + 1)}
    assert (len(builders), len(fewer)) == (19, 18)


def test_up_to_eight_missed_slots_cost_time_but_no_blocks(old: Chain) -> None:
    time_ms = old.head.timestamp_ms

    head = old.skip_slots(8)

    assert (lag(old), head.timestamp_ms - time_ms) == (18, 27_000)


def test_more_missed_slots_push_solidity_back_until_the_round_is_whole_again(old: Chain) -> None:
    old.skip_slots(20)
    lags = []
    for _ in range(30):
        old.advance(1)
        lags.append(lag(old))

    assert max(lags) == 18 + (27 - 20)  # seven blocks by the same seven witnesses prove nothing new
    assert lags[-1] == 18


def test_solidity_never_goes_back(old: Chain) -> None:
    heights = []
    for skipped in (0, 20, 3, 26, 27, 13, 0, 0, 9):
        old.skip_slots(skipped)
        heights.append(old.solid_height)
    old.fork(lag(old))
    heights.append(old.solid_height)

    assert heights == sorted(heights)


def test_nine_missing_witnesses_stop_solidity_and_eight_do_not(old: Chain) -> None:
    old.miss(range(8))
    old.advance(50)
    slowed = lag(old)
    old.miss(range(9))
    old.advance(50)

    assert (slowed, lag(old) > 50) == (18, True)


def test_missing_witnesses_leave_their_slots_empty(old: Chain) -> None:
    old.miss([5, 6])
    head = old.head_height
    old.advance(50)

    headers = [old.block(height)[0] for height in range(head, old.head_height + 1)]
    gaps = [(later.timestamp_ms - header.timestamp_ms) // 3000
            for header, later in zip(headers, headers[1:], strict=False)]
    assert {header.witness for header in headers[1:]}.isdisjoint({5, 6})
    assert sorted(set(gaps)) == [1, 3]
    assert gaps.count(3) == 2


def test_a_missed_slot_gives_no_block_on_the_clock_either(clock: ManualClock) -> None:
    chain = Chain.open(None, clock=clock, witnesses=3)
    chain.miss([1])

    made = [chain.tick() for _ in range(4)]

    assert [header.witness if header else None for header in made] == [None, 2, 0, None]
    chain.close()


def test_the_schedule_survives_a_restart(tmp_path: Path, clock: ManualClock) -> None:
    first = Chain.open(tmp_path / "chain", clock=clock)
    first.advance(50)
    first.skip_slots(15)
    known = (first.solid_height, first.schedule.next())
    first.close()

    again = Chain.open(tmp_path / "chain", clock=clock)

    assert (again.solid_height, again.schedule.next()) == known
    again.close()


@pytest.mark.parametrize("count", [0, 28])
def test_a_chain_has_one_to_twenty_seven_witnesses(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 27"):
        Schedule(count)
