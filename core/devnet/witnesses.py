"""Whose turn it is to make a block, and how far what they made is final.

Slots go round the witnesses in order. A block is solid once more than seven tenths of them have built on it: sort the
heights each of them made last, take the one at floor(n x 0.3) (java-tron; 27 witnesses: index 8, normally 18 behind).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.devnet.keys import WITNESSES


def solid_rank(count: int) -> int:
    """Return how many of `count` witnesses may be behind a solid block."""
    return count * 3 // 10


def normal_lag(count: int) -> int:
    """Return how many blocks solidity is behind the head while no witness misses a slot; 0 for one witness."""
    return count - 1 - solid_rank(count)


SOLID_LAG = normal_lag(WITNESSES)


class Schedule:
    """The round of the witnesses of one chain. Not locked by itself."""

    def __init__(self, count: int) -> None:
        if not 1 <= count <= WITNESSES:
            raise ValueError(f"a chain has 1 to {WITNESSES} witnesses")
        self.count = count
        self.missing: frozenset[int] = frozenset()
        self.solid = 0
        self._last = 0
        self._latest = [0] * count

    def start(self, *, last: int, latest: Mapping[int, int]) -> None:
        """Begin after a head made by `last`, with the height each witness made last; solidity never goes back."""
        self._last = last % self.count
        self._latest = [latest.get(witness, 0) for witness in range(self.count)]
        self._solidify()

    def miss(self, witnesses: Iterable[int]) -> None:
        """Let these witnesses make no further block. Raises ValueError for one unknown, or where nobody is left."""
        missing = frozenset(witnesses)
        if not missing < frozenset(range(self.count)):
            raise ValueError(f"name some, not all, of the witnesses 0 to {self.count - 1}")
        self.missing = missing

    def next(self, *, passed: int = 0) -> tuple[int, int]:
        """Return who makes the next block, and how many slots after the last one; at least `passed` stay empty."""
        slots = passed + 1
        while (self._last + slots) % self.count in self.missing:
            slots += 1
        return (self._last + slots) % self.count, slots

    def made(self, witness: int, height: int) -> None:
        """Take note of a block."""
        self._last = witness
        self._latest[witness] = height
        self._solidify()

    def latest(self) -> list[int]:
        """Return the height each witness made last; 0 for none."""
        return list(self._latest)

    def _solidify(self) -> None:
        self.solid = max(self.solid, sorted(self._latest)[solid_rank(self.count)])
