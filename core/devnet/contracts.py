"""What a simulated contract is, and how one call runs: its changes and logs count only if it succeeds.

One exception is copied from the real node on purpose: a call that runs OUT_OF_TIME keeps its logs (spec T17).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from core.devnet import abi
from core.devnet.state import Overlay, storage


class Result(StrEnum):
    """Outcomes of a call, in the words of receipt.result."""

    SUCCESS = "SUCCESS"
    REVERT = "REVERT"
    OUT_OF_ENERGY = "OUT_OF_ENERGY"
    OUT_OF_TIME = "OUT_OF_TIME"


REVERT_ENERGY = 2_700  # what a refused transfer of the real contract costs, about


@dataclass(frozen=True, slots=True)
class Log:
    """One event a contract emitted."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call did; `energy` before any limit, `penalty` the part of it that the dynamic factor adds."""

    result: Result
    energy: int
    output: bytes = b""
    logs: tuple[Log, ...] = ()
    penalty: int = 0


class Reverted(Exception):
    """The contract refused; everything it did in this call is undone."""


class TimedOut(Exception):
    """The call took longer than a block allows."""


@dataclass(slots=True)
class Frame:
    """One running call, as the contract's code sees it."""

    contract: bytes
    caller: bytes
    data: bytes
    state: Overlay
    energy: int = 0
    penalty: int = 0
    logs: list[Log] = field(default_factory=list)

    def address(self, index: int) -> bytes:
        """Return an argument as an address."""
        return abi.address_at(self.data, index)

    def number(self, index: int) -> int:
        """Return an argument as a number."""
        return abi.number_at(self.data, index)

    def load(self, slot: str) -> int:
        """Read the contract's storage."""
        return self.state.get(storage(self.contract, slot))

    def save(self, slot: str, value: int) -> None:
        """Write the contract's storage; below zero or above 256 bits reverts (SafeMath)."""
        require(0 <= value < 2**256)
        self.state.set(storage(self.contract, slot), value)

    def emit(self, event: abi.Entry, *values: int | bytes, address: bytes | None = None) -> None:
        """Log an event of this contract (or, for the burner, in another's name): indexed values become topics."""
        indexed = [bool(argument.get("indexed")) for argument in event["inputs"]]
        words = [abi.word(value) for value in values]
        topics = (abi.topic(event), *(word for word, is_topic in zip(words, indexed, strict=True) if is_topic))
        data = b"".join(word for word, is_topic in zip(words, indexed, strict=True) if not is_topic)
        self.logs.append(Log(address or self.contract, topics, data))


class Contract(Protocol):
    """A contract's code and description; its storage lives in the state."""

    address: bytes
    name: str
    interface: tuple[abi.Entry, ...]

    def execute(self, frame: Frame) -> bytes:
        """Run one call and return its output; raises Reverted or TimedOut."""
        ...


def require(condition: bool) -> None:
    """Revert unless the condition holds; the real contract (solc 0.4) gives no reason either."""
    if not condition:
        raise Reverted


def call(contract: Contract, *, state: Overlay, caller: bytes, data: bytes, value_sun: int) -> Outcome:
    """Run a call; changes reach `state` only on success. No devnet contract takes TRX."""
    inner = Overlay(state)
    frame = Frame(contract.address, caller, data, inner)
    try:
        require(value_sun == 0)
        output = contract.execute(frame)
    except Reverted:
        return Outcome(Result.REVERT, REVERT_ENERGY)
    except TimedOut:
        return Outcome(Result.OUT_OF_TIME, frame.energy, b"", tuple(frame.logs))
    inner.apply_to(state)
    return Outcome(Result.SUCCESS, frame.energy, output, tuple(frame.logs), frame.penalty)
