"""A node that fails as real ones do: each call may lie, lag or break, by chance that a seed repeats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import count
from typing import TypeVar

from core.chain.addresses import TronAddress
from core.chain.decode import BlockHeader, TransactionInfo
from core.chain.failures import FailureKind, NodeFailure
from core.chain.node import Heights, Node
from core.chain.rpc import LoggedTransfer

BROKEN = (
    FailureKind.RATE_LIMITED, FailureKind.KEY_SUSPENDED, FailureKind.BAD_GATEWAY, FailureKind.NODE_ERROR,
    FailureKind.TRUNCATED, FailureKind.TIMEOUT, FailureKind.NOT_JSON,
)
T = TypeVar("T")


class FaultyNode:
    """A node in front of another: of each hundred calls `percent` go wrong, half of them without saying so."""

    def __init__(self, node: Node, *, percent: int, seed: int = 0) -> None:
        self.node = node
        self.percent = percent
        self.faults = 0
        self._seed = seed
        self._calls = count()

    @property
    def name(self) -> str:
        """Name the provider."""
        return self.node.name

    def genesis_id(self) -> str:
        """Answer or break; an identity is never a lie here: that is another network."""
        return self._maybe(self.node.genesis_id, None)

    def heights(self) -> Heights:
        """Answer, break, or answer as a node that lags."""
        honest = self.node.heights()
        return self._maybe(lambda: honest, Heights(max(0, honest.solid - 7), max(0, honest.head - 7)))

    def solid_height(self) -> int:
        """Answer, break, or answer as a node that lags."""
        return self._maybe(self.node.solid_height, max(0, self.node.solid_height() - 7))

    def head_height(self) -> int:
        """Answer, break, or answer as a node that lags."""
        return self._maybe(self.node.head_height, max(0, self.node.head_height() - 7))

    def solid_infos(self, height: int) -> list[TransactionInfo]:
        """Answer, break, or say nothing about a block that is there."""
        return self._maybe(lambda: self.node.solid_infos(height), [])

    def solid_header(self, height: int) -> BlockHeader | None:
        """Answer, break, or not know a block that is there."""
        return self._maybe_none(lambda: self.node.solid_header(height))

    def solid_info(self, txid: str) -> TransactionInfo | None:
        """Answer, break, or not know a transaction that is there."""
        return self._maybe_none(lambda: self.node.solid_info(txid))

    def head_info(self, txid: str) -> TransactionInfo | None:
        """Answer, break, or not know a transaction that is there."""
        return self._maybe_none(lambda: self.node.head_info(txid))

    def head_infos(self, height: int) -> list[TransactionInfo]:
        """Answer, break, or say nothing about a block that is there."""
        return self._maybe(lambda: self.node.head_infos(height), [])

    def head_header(self, height: int) -> BlockHeader | None:
        """Answer, break, or not know a block that is there."""
        return self._maybe_none(lambda: self.node.head_header(height))

    def contract_exists(self, address: TronAddress) -> bool:
        """Answer or break."""
        return self._maybe(lambda: self.node.contract_exists(address), None)

    def call_contract(self, contract: TronAddress, function: str, *words: bytes) -> bytes:
        """Answer or break."""
        return self._maybe(lambda: self.node.call_contract(contract, function, *words), None)

    def transfer_logs(
        self, contract: TronAddress, *, to: Sequence[bytes] | None, since: int, until: int
    ) -> list[LoggedTransfer]:
        """Answer or break."""
        return self._maybe(lambda: self.node.transfer_logs(contract, to=to, since=since, until=until), None)

    def _maybe(self, act: Callable[[], T], lie: T | None) -> T:
        chance = self._draw()
        if chance >= self.percent * 100:
            return act()
        self.faults += 1
        if lie is not None and chance % 2:
            return lie
        raise NodeFailure(BROKEN[chance % len(BROKEN)])

    def _maybe_none(self, act: Callable[[], T | None]) -> T | None:
        chance = self._draw()
        if chance >= self.percent * 100:
            return act()
        self.faults += 1
        if chance % 2:
            return None
        raise NodeFailure(BROKEN[chance % len(BROKEN)])

    def _draw(self) -> int:
        """Draw from 0 to 9,999: the same for the same seed and number of the call."""
        digest = sha256(f"{self._seed}:{next(self._calls)}".encode()).digest()
        return int.from_bytes(digest[:4]) % 10_000
