"""What a node shows of one transaction, in the words of this room: `core.chain.tracing` reads it from the chain."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class View(IntEnum):
    """Where a node shows a transaction."""

    NOWHERE = 0
    HEAD = 1
    SOLID = 2


@dataclass(frozen=True, slots=True)
class Move:
    """One Transfer log of a transaction, of USDT or of something else; log_index as in `Transfer`."""

    log_index: int
    to: str
    units: int
    is_usdt: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """What a node shows of a transaction; height and moves where it is solid."""

    view: View
    height: int = 0
    has_succeeded: bool = False
    moves: tuple[Move, ...] = ()

    @property
    def usdt(self) -> tuple[Move, ...]:
        """List what of it moved USDT."""
        return tuple(move for move in self.moves if move.is_usdt and move.units > 0)
