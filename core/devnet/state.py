"""The world state: whole numbers under text keys, and an overlay that can be applied or thrown away.

Accounts and contract storage share one key space: `<address hex>/<slot>`. An absent key reads as 0.
"""

from __future__ import annotations

from typing import Protocol


class Reader(Protocol):
    """Anything the state can be read from: the store at head, the store at an older height, an overlay."""

    def get(self, key: str) -> int: ...


class Overlay:
    """Uncommitted changes over a reader."""

    def __init__(self, base: Reader) -> None:
        self._base = base
        self.changes: dict[str, int] = {}

    def get(self, key: str) -> int:
        """Return the changed value, else the base's."""
        value = self.changes.get(key)
        return self._base.get(key) if value is None else value

    def set(self, key: str, value: int) -> None:
        """Remember a new value; never negative."""
        if value < 0:
            raise ValueError(f"negative value for {key}")
        self.changes[key] = value

    def add(self, key: str, difference: int) -> None:
        """Change a value by a difference."""
        self.set(key, self.get(key) + difference)

    def apply_to(self, target: Overlay) -> None:
        """Move every change into the overlay below."""
        target.changes.update(self.changes)


def recovering(state: Reader, used: str, time: str, *, now_ms: int, window_ms: int) -> int:
    """Return how much of a resource is in use: what was used comes back evenly over the window."""
    elapsed = now_ms - state.get(time)
    return 0 if elapsed >= window_ms else state.get(used) * (window_ms - max(elapsed, 0)) // window_ms


def trx(address: bytes) -> str:
    """Name the TRX balance of an account, in sun."""
    return f"{address.hex()}/trx"


def created(address: bytes) -> str:
    """Name the moment an account was activated, in milliseconds; 0 means it does not exist."""
    return f"{address.hex()}/created"


def net_used(address: bytes) -> str:
    """Name the free bandwidth used, in bytes, as of `net_time`."""
    return f"{address.hex()}/net_used"


def net_time(address: bytes) -> str:
    """Name the block time of the last use of free bandwidth, in milliseconds."""
    return f"{address.hex()}/net_time"


def storage(contract: bytes, slot: str) -> str:
    """Name one slot of a contract."""
    return f"{contract.hex()}/{slot}"
