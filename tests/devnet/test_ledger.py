"""Mining, solidity, time and persistence of the chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.clock import ManualClock, to_millis
from core.devnet.ledger import Chain
from core.devnet.store import ChainInUse
from tests.devnet.conftest import BUYER


def test_payment_moves_units_in_the_next_block(chain: Chain) -> None:
    before = chain.balance_of(chain.wallet_address)

    chain.pay(BUYER, 1_234_567)
    chain.mine()

    assert chain.balance_of(BUYER) == 1_234_567
    assert chain.balance_of(chain.wallet_address) == before - 1_234_567


def test_demo_wallet_starts_with_a_million(chain: Chain) -> None:
    assert chain.balance_of(chain.wallet_address) == 1_000_000_000_000


def test_solid_is_eighteen_behind_d10(chain: Chain) -> None:
    assert chain.solid_height == 0

    chain.advance(20)

    assert (chain.head_height, chain.solid_height) == (21, 3)


def test_two_chains_differ_from_block_zero_on(chain: Chain, clock: ManualClock) -> None:
    other = Chain.open(None, clock=clock)

    assert other.genesis_id != chain.genesis_id
    assert other.usdt_address != chain.usdt_address
    assert len({chain.usdt_address, chain.fake_usdt_address, chain.burner_address}) == 3
    other.close()


def test_mined_blocks_follow_the_clock(chain: Chain, clock: ManualClock) -> None:
    clock.advance(minutes=5)

    assert chain.mine().timestamp_ms == to_millis(clock.now())


def test_block_times_rise_even_on_a_clock_that_stands(chain: Chain) -> None:
    times = [chain.mine().timestamp_ms for _ in range(3)]

    assert times == [times[0], times[0] + 1, times[0] + 2]


def test_advance_runs_ahead_by_the_interval(chain: Chain) -> None:
    before = chain.head.timestamp_ms

    assert chain.advance(10).timestamp_ms == before + 10 * 3000
    assert chain.advance(10, step_ms=1).timestamp_ms == before + 10 * 3000 + 10


def test_equal_payments_have_different_ids(chain: Chain) -> None:
    assert chain.pay(BUYER, 5) != chain.pay(BUYER, 5)


def test_reopened_chain_goes_on(tmp_path: Path, clock: ManualClock) -> None:
    first = Chain.open(tmp_path / "chain", clock=clock)
    first.pay(BUYER, 7)
    first.advance(30)
    known = (first.genesis_id, first.head, first.wallet_address, first.usdt_address, first.balance_of(BUYER))
    first.close()
    clock.advance(minutes=60 * 24 * 365)

    again = Chain.open(tmp_path / "chain", clock=clock)

    assert (again.genesis_id, again.head, again.wallet_address, again.usdt_address, again.balance_of(BUYER)) == known
    assert again.mine().height == 31  # and no catching up over the year that passed
    assert again.head.timestamp_ms == to_millis(clock.now())
    again.close()


def test_one_chain_file_has_one_owner(tmp_path: Path, clock: ManualClock) -> None:
    owner = Chain.open(tmp_path / "chain", clock=clock)

    with pytest.raises(ChainInUse):
        Chain.open(tmp_path / "chain", clock=clock)
    owner.close()


def test_old_state_is_kept_only_as_long_as_solidity_needs(chain: Chain) -> None:
    for _ in range(3):
        chain.pay(BUYER, 5)
        chain.advance(1)
    chain.advance(2100)

    rows = chain._store._db.execute("SELECT count(*) FROM undo").fetchone()[0]

    assert rows == 0


def test_failed_block_leaves_the_chain_as_it_was(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    height = chain.head_height
    monkeypatch.setattr(chain._store, "_write_state", lambda changes: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        chain.mine()
    monkeypatch.undo()

    assert chain.mine().height == height + 1
