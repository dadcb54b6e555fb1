"""What the house asks of a TRON network, whoever answers: `node` over HTTP, or a chain in memory in tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.chain.addresses import TronAddress
from core.chain.decode import BlockHeader, TransactionInfo
from core.chain.rpc import LoggedTransfer


@dataclass(frozen=True, slots=True)
class Heights:
    """How far one node has come: `solid` is final, `head` may still be replaced; solid <= head."""

    solid: int
    head: int


class Node(Protocol):
    """What the house asks a TRON network. Every method raises NodeUnavailable where the answer is unusable.

    name: which provider it is, for proofs, logs and people; it never holds a key.
    """

    @property
    def name(self) -> str: ...

    def genesis_id(self) -> str: ...

    def heights(self) -> Heights: ...

    def solid_height(self) -> int: ...

    def head_height(self) -> int: ...

    def solid_infos(self, height: int) -> list[TransactionInfo]: ...

    def solid_header(self, height: int) -> BlockHeader | None: ...

    def solid_info(self, txid: str) -> TransactionInfo | None: ...

    def head_info(self, txid: str) -> TransactionInfo | None: ...

    def head_infos(self, height: int) -> list[TransactionInfo]: ...

    def head_header(self, height: int) -> BlockHeader | None: ...

    def contract_exists(self, address: TronAddress) -> bool: ...

    def call_contract(self, contract: TronAddress, function: str, *words: bytes) -> bytes: ...

    def transfer_logs(
        self, contract: TronAddress, *, to: Sequence[bytes] | None, since: int, until: int
    ) -> list[LoggedTransfer]: ...
