"""Forks, skipped slots, stalled solidity: what the chain does before a block is final."""

from __future__ import annotations

import pytest

from core.devnet.forks import ForkTooDeep, Lost
from core.devnet.ledger import Chain
from tests.devnet.conftest import BUYER


def infos(ask, height: int) -> list:
    return ask("wallet/gettransactioninfobyblocknum", num=height)


def ids(chain: Chain) -> list[bytes]:
    return [chain.block(height)[0].block_id for height in range(chain.head_height + 1)]


def paid_block(chain: Chain) -> int:
    chain.pay(BUYER, 5_000_000)
    return chain.advance(1).height


def test_a_fork_replaces_ids_and_keeps_the_chain_of_parents(chain: Chain):
    chain.advance(5)
    before = ids(chain)

    head = chain.fork(3)

    after = ids(chain)
    assert (head, len(after)) == (len(before), len(before) + 1)
    assert after[: len(before) - 3] == before[:-3]
    assert set(after[-4:]).isdisjoint(before)
    parents = [chain.block(height)[0].parent_id for height in range(1, head + 1)]
    assert parents == after[:-1]


@pytest.mark.parametrize(("lost", "shown"), [
    (Lost.MOVE, (0, 1, "SUCCESS")), (Lost.DROP, (0, 0, None)), (Lost.FAIL, (0, 1, "REVERT")),
])
def test_what_was_in_a_replaced_block_moves_drops_or_fails(chain: Chain, ask, lost: Lost, shown):
    height = paid_block(chain)
    txid = infos(ask, height)[0]["id"]

    chain.fork(1, lost=lost)

    here = [info for info in infos(ask, height) if info["id"] == txid]
    there = [info for info in infos(ask, height + 1) if info["id"] == txid]
    assert (len(here), len(there), there[0]["receipt"]["result"] if there else None) == shown
    assert chain.balance_of(BUYER) == (5_000_000 if lost is Lost.MOVE else 0)


def test_solid_blocks_are_never_replaced(chain: Chain):
    chain.advance(30)

    with pytest.raises(ForkTooDeep):
        chain.fork(19)
    assert chain.fork(18) == 32


def test_t38_skipped_slots_are_a_gap_in_time_only(chain: Chain):
    before = chain.head

    after = chain.skip_slots(4)

    assert (after.height - before.height, after.timestamp_ms - before.timestamp_ms) == (1, 15_000)


def test_t39_stalled_solidity_stands_while_the_head_grows(chain: Chain):
    chain.advance(30)
    chain.stall_solid()
    stood = chain.solid_height
    chain.advance(20)
    stalled = chain.solid_height

    chain.resume_solid()

    assert (stalled, chain.solid_height) == (stood, stood + 20)


def test_a_held_transaction_gets_into_no_block_and_is_forgotten_after_a_minute(chain: Chain):
    txid = chain.pay(BUYER, 5)
    chain.hold([txid])
    chain.advance(10)
    waiting = chain.pending_count

    chain.advance(15)

    assert (waiting, chain.pending_count, chain.balance_of(BUYER)) == (1, 0, 0)


def test_a_lagging_view_is_the_chain_as_it_was(chain: Chain, ask):
    height = paid_block(chain)
    with chain.lock:
        late, now = chain.view(solid=False, lag=1), chain.view(solid=False)

        assert (late.ceiling, now.ceiling, late.transactions(height)) == (height - 1, height, [])
