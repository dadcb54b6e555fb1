"""Replace the newest blocks by another branch: what real networks do before a block is solid."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from core.devnet import wire

if TYPE_CHECKING:
    from core.devnet.ledger import Chain

SHIFT_MS = 1  # so that a block of the new branch has another id than the one it replaces, whatever is in it


class Lost(StrEnum):
    """What becomes of the transactions of the replaced blocks."""

    DROP = "drop"
    MOVE = "move"
    FAIL = "fail"


class ForkTooDeep(ValueError):
    """Solid blocks are never replaced."""


def fork(chain: Chain, depth: int, *, lost: Lost = Lost.MOVE) -> int:
    """Replace the last `depth` blocks by a branch that is one block longer; returns the new head's height.

    Moved transactions come one block later than they were; failing ones meet an empty wallet there.
    Raises ForkTooDeep.
    """
    with chain.lock:
        first = chain.head_height - depth + 1
        if depth < 1 or first <= chain.solid_height:
            raise ForkTooDeep(f"only the {chain.head_height - chain.solid_height} newest blocks may be replaced")
        blocks = [chain.block(height) for height in range(first, first + depth)]
        times = [header.timestamp_ms for header, _ in blocks]
        chain.cut(first - 1)
        if lost is Lost.FAIL:
            chain.drain_wallet()
        pending: list[wire.Transaction] = []
        for number, (_, transactions) in enumerate(blocks):
            chain.extend(times[number] + SHIFT_MS, pending)
            pending = [] if lost is Lost.DROP else [wire.read_signed(signed) for signed in transactions]
        chain.extend(times[-1] + SHIFT_MS + chain.interval_ms, pending)
        return chain.head_height
