"""Let one base path show a chain that is not so: a transaction gone from a final block, or one that never was.

What it shows is consistent in itself: the block has the Merkle root and id that fit, and its child names that id as
parent. Balances stay the true ones; the chain itself is untouched.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from core.devnet import blocks, shapes, wire
from core.devnet.blocks import Header
from core.devnet.contracts import Result
from core.devnet.execution import Code, Receipt
from core.devnet.keys import KeyRing
from core.devnet.state import Overlay
from core.devnet.store import Record, Store
from core.devnet.view import View

if TYPE_CHECKING:
    from core.devnet.ledger import Chain


class Ending(StrEnum):
    """How an invented transfer is said to have ended; whatever the word, its Transfer log is shown."""

    SUCCESS = "success"
    SILENT = "silent"  # FAILED, and not a word of it in the receipt
    JVM_STACK_OVER_FLOW = "jvm_stack_over_flow"


@dataclass(frozen=True, slots=True)
class Forgery:
    """A transaction that no block contains, and what it would have done."""

    tx: wire.Transaction
    receipt: Receipt
    height: int
    ending: Ending


@dataclass(slots=True)
class Lies:
    """What one base path hides and invents. Read and written under the chain's lock."""

    hidden: dict[bytes, int] = field(default_factory=dict)  # txid -> height
    forged: dict[bytes, Forgery] = field(default_factory=dict)

    def touch(self, height: int) -> bool:
        """Tell whether a block is shown otherwise than it is."""
        return height in self.hidden.values() or any(forgery.height == height for forgery in self.forged.values())

    def heights(self) -> set[int]:
        """Return the blocks that are shown otherwise than they are."""
        return set(self.hidden.values()) | {forgery.height for forgery in self.forged.values()}

    def clear(self) -> None:
        """Tell the truth again."""
        self.hidden.clear()
        self.forged.clear()


@dataclass(frozen=True, slots=True)
class Outlook:
    """How one call sees the chain: so many blocks late, with these lies; a broadcast is refused with a code.

    has_solid_root: False for a bare full node, which answers 404 under /walletsolidity.
    """

    lag: int = 0
    lies: Lies | None = None
    has_solid_root: bool = True
    refusal: Code | None = None


HONEST = Outlook()


class LyingView(View):
    """The chain up to a ceiling, with lies."""

    def __init__(self, store: Store, *, ceiling: int, is_head: bool, lies: Lies, ring: KeyRing) -> None:
        super().__init__(store, ceiling=ceiling, is_head=is_head)
        self._lies = lies
        self._ring = ring

    def header(self, height: int) -> Header | None:
        """Return the header at a height: one that fits its transactions and its parent."""
        header = super().header(height)
        if header is None or not (self._lies.touch(height) or self._lies.touch(height - 1)):
            return header
        parent = self.header(height - 1)
        if parent is not None:
            header = replace(header, parent_id=parent.block_id)
        if not self._lies.touch(height):
            return header
        root = blocks.trie_root(record.signed for record in self.transactions(height))
        return blocks.altered(header, trie_root=root, witness_address=self._ring.witness_address(header.witness))

    def top(self) -> Header:
        """Return the newest header in sight."""
        header = self.header(self.ceiling)
        assert header is not None
        return header

    def header_by_id(self, block_id: bytes) -> Header | None:
        """Return the header that is shown with this id."""
        header = self.header(int.from_bytes(block_id[:8]))
        return header if header is not None and header.block_id == block_id else None

    def transactions(self, height: int) -> list[Record]:
        """Return a block's transactions as they are shown; the invented ones come last."""
        records = super().transactions(height)
        header = super().header(height)
        if header is None or not self._lies.touch(height):
            return records
        shown = [record for record in records if record.txid not in self._lies.hidden]
        shown += [_record(forgery, header) for forgery in self._lies.forged.values() if forgery.height == height]
        return [replace(record, position=position) for position, record in enumerate(shown)]

    def records_naming(self, text: str) -> list[Record]:
        """Return the transactions that are shown and whose info contains a text."""
        true = [record for record in super().records_naming(text) if not self._lies.touch(record.height)]
        heights = [height for height in self._lies.heights() if height <= self.ceiling]
        touched = [record for height in heights for record in self.transactions(height)]
        return true + [record for record in touched if text in json.dumps(record.info)]

    def count(self, height: int) -> int:
        """Return how many transactions a block is shown to have."""
        return len(self.transactions(height))

    def transaction(self, txid: bytes) -> Record | None:
        """Return a transaction that is shown."""
        forgery = self._lies.forged.get(txid)
        if forgery is None:
            return None if txid in self._lies.hidden else super().transaction(txid)
        return next((record for record in self.transactions(forgery.height) if record.txid == txid), None)


def forge(chain: Chain, *, to: bytes, units: int, height: int, ending: Ending = Ending.SUCCESS) -> Forgery:
    """Invent a USDT transfer of the demo wallet, signed and with the receipt it would have had; Rejected if absurd."""
    tx = chain.draft_payment(to, units)
    receipt = chain.machine.execute(tx, state=Overlay(chain.view(solid=False).state), now_ms=chain.head.timestamp_ms)
    return Forgery(tx, receipt, height, ending)


def _record(forgery: Forgery, header: Header) -> Record:
    info, result = shapes.transaction_info(forgery.tx.txid, forgery.receipt, header), str(Result.SUCCESS)
    if forgery.ending is not Ending.SUCCESS:
        result = "UNKNOWN" if forgery.ending is Ending.SILENT else forgery.ending.upper()
        info |= {"result": "FAILED", "resMessage": forgery.ending.encode().hex()}
        del info["receipt"]["result"]
    if forgery.ending is Ending.JVM_STACK_OVER_FLOW:
        info["receipt"]["result"] = result
    return Record(forgery.tx.txid, header.height, 0, forgery.tx.to_bytes(), result, info)
