"""A chain in memory behind the Node interface: blocks written by hand, for tests of what reads them.

For the real HTTP interface, protobuf transactions and consensus use `core.devnet`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from core.chain.addresses import TronAddress, parse_address
from core.chain.decode import (
    EMPTY_TRIE_ROOT, TRANSFER_TOPIC, BlockHeader, Log, Receipt, TransactionInfo, transfers_in,
)
from core.chain.fleet import Fleet
from core.chain.node import Heights
from core.chain.rpc import LoggedTransfer
from core.clock import Clock, to_millis
from core.errors import NodeUnavailable
from core.money import Usdt

GENESIS = "0" * 16 + "ab" * 24
PAYER20 = bytes.fromhex("11" * 20)
_serial = itertools.count(1)
T = TypeVar("T")


@dataclass(slots=True)
class FakeChain:
    """Blocks by height; `solid` and `head` are heights, moved by hand."""

    usdt_contract: str
    start: datetime
    name: str = "fake"
    block_s: int = 3
    genesis: str = GENESIS
    blocks: dict[int, list[TransactionInfo]] = field(default_factory=dict)
    branch: dict[int, str] = field(default_factory=dict)
    jumps: dict[int, datetime] = field(default_factory=dict)
    solid: int = 0
    head: int = 0
    down: bool = False
    hidden: set[int] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    balances: dict[bytes, int] = field(default_factory=dict)

    def mine(self, *infos: TransactionInfo, solid: bool = True) -> int:
        """Add a block with these transactions; returns its height."""
        self.head += 1
        time_ms = to_millis(self.time_of(self.head))
        self.blocks[self.head] = [_placed(info, self.head, time_ms) for info in infos]
        if solid:
            self.solid = self.head
        return self.head

    def skip(self, blocks: int) -> None:
        """Add empty solid blocks."""
        for _ in range(blocks):
            self.mine()

    def skip_to(self, moment: datetime) -> None:
        """Add one empty solid block at (or just after) a moment: heights have no gaps, times may."""
        self.jumps[self.head + 1] = moment
        self.mine()

    def time_of(self, height: int) -> datetime:
        """Give a block's time."""
        since = max((jump for jump in self.jumps if jump <= height), default=0)
        return self.jumps.get(since, self.start) + timedelta(seconds=self.block_s * (height - since))

    def transfer(
        self,
        to: str,
        units: int,
        *,
        contract: str | None = None,
        receipt: str = "SUCCESS",
        result: str | None = None,
        copies: int = 1,
        txid: str | None = None,
        sender: str | None = None,
    ) -> TransactionInfo:
        """Write a transaction whose logs move units to an address."""
        log = self.log(to, units, contract=contract, sender=sender)
        return self.transaction(*[log] * copies, receipt=receipt, result=result, txid=txid)

    def transaction(
        self, *logs: Log, receipt: str | None = "SUCCESS", result: str | None = None, txid: str | None = None
    ) -> TransactionInfo:
        """Write a transaction with these logs; `receipt` None is for what is not a contract call."""
        return TransactionInfo(
            id=txid or f"{next(_serial):064x}",
            receipt=Receipt(result=receipt) if receipt else Receipt(),
            log=tuple(logs),
            result=result or msgspec.UNSET,
        )

    def log(
        self,
        to: str,
        units: int,
        *,
        contract: str | None = None,
        sender: str | None = None,
        topic: str = TRANSFER_TOPIC,
    ) -> Log:
        """Write one log with a sender, a receiver and an amount."""
        token = parse_address(contract or self.usdt_contract)
        sender20 = parse_address(sender).raw20 if sender else PAYER20
        return Log(
            address=token.raw20.hex(),
            topics=(topic, sender20.hex().rjust(64, "0"), parse_address(to).raw20.hex().rjust(64, "0")),
            data=f"{units:064x}",
        )

    def fleet(self, clock: Clock) -> Fleet:
        """Give a fleet of this chain alone."""
        return Fleet([self], clock=clock)

    def genesis_id(self) -> str:
        """Answer as a node."""
        return self._answer(self.genesis)

    def heights(self) -> Heights:
        """Answer as a node."""
        return Heights(solid=self.solid_height(), head=self.head_height())

    def solid_height(self) -> int:
        """Answer as a node."""
        return self._answer(self.solid)

    def head_height(self) -> int:
        """Answer as a node."""
        return self._answer(self.head)

    def solid_infos(self, height: int) -> list[TransactionInfo]:
        """Answer as a node."""
        self.calls.append(f"infos {height}")
        known = height <= self.solid and height not in self.hidden
        return self._answer(self.blocks.get(height, []) if known else [])

    def solid_header(self, height: int) -> BlockHeader | None:
        """Answer as a node."""
        self.calls.append(f"header {height}")
        return self._answer(self._header(height) if height <= self.solid else None)

    def solid_info(self, txid: str) -> TransactionInfo | None:
        """Answer as a node."""
        return self._answer(self._info(txid, up_to=self.solid))

    def head_info(self, txid: str) -> TransactionInfo | None:
        """Answer as a node."""
        return self._answer(self._info(txid, up_to=self.head))

    def head_infos(self, height: int) -> list[TransactionInfo]:
        """Answer as a node."""
        return self._answer(self.blocks.get(height, []))

    def head_header(self, height: int) -> BlockHeader | None:
        """Answer as a node."""
        return self._answer(self._header(height) if height <= self.head else None)

    def contract_exists(self, address: TronAddress) -> bool:
        """Answer as a node."""
        return self._answer(address.base58 == self.usdt_contract)

    def call_contract(self, contract: TronAddress, function: str, *words: bytes) -> bytes:
        """Answer as a node: balances are written by hand, every other word is zero."""
        holder = words[0][-20:] if words else b""
        units = self.balances.get(holder, 0) if function.startswith("balanceOf") else 0
        return self._answer(units.to_bytes(32, "big"))

    def transfer_logs(
        self, contract: TronAddress, *, to: Sequence[bytes] | None, since: int, until: int
    ) -> list[LoggedTransfer]:
        """Answer as a node's log index: failed transactions' logs are in it."""
        found = []
        for height in range(since, until + 1):
            for log in transfers_in(self.blocks.get(height, [])):
                if log.contract20 == contract.raw20 and (to is None or log.to20 in to):
                    found.append(
                        LoggedTransfer(height, log.txid, log.block_index, log.sender20, log.to20, log.units)
                    )
        return self._answer(found)

    def _answer(self, answer: T) -> T:
        if self.down:
            raise NodeUnavailable
        return answer

    def _info(self, txid: str, *, up_to: int) -> TransactionInfo | None:
        self.calls.append(f"info {txid}")
        infos = (info for height, infos in self.blocks.items() if height <= up_to for info in infos)
        return next((info for info in infos if info.id == txid), None)

    def _header(self, height: int) -> BlockHeader:
        return BlockHeader(
            height=height,
            block_id=self._block_id(height),
            parent_hash=self._block_id(height - 1),
            time_ms=to_millis(self.time_of(height)),
            tx_trie_root="ff" * 32 if self.blocks.get(height) else EMPTY_TRIE_ROOT,
        )

    def _block_id(self, height: int) -> str:
        return f"{max(height, 0):016x}" + self.branch.get(height, "cd") * 24


def pay(to: str, amount: Usdt, chain: FakeChain) -> TransactionInfo:
    """Write a plain successful transfer of an exact amount."""
    return chain.transfer(to, amount.units)


def _placed(info: TransactionInfo, height: int, time_ms: int) -> TransactionInfo:
    return msgspec.structs.replace(info, block_number=height, block_time_ms=time_ms)
