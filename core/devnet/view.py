"""What one HTTP root sees of the chain: everything, or only the solid part; blocks, transactions, state."""

from __future__ import annotations

from core.devnet.blocks import Header
from core.devnet.state import Reader
from core.devnet.store import Record, StateAt, Store


class View:
    """The chain up to a ceiling: nothing above it exists."""

    def __init__(self, store: Store, *, ceiling: int, is_head: bool) -> None:
        self._store = store
        self.ceiling = ceiling
        self.state: Reader = store if is_head else StateAt(store, ceiling)

    def header(self, height: int) -> Header | None:
        """Return the header at a height, None above the ceiling."""
        return self._store.header(height) if 0 <= height <= self.ceiling else None

    def top(self) -> Header:
        """Return the newest header in sight."""
        header = self._store.header(self.ceiling)
        assert header is not None
        return header

    def header_by_id(self, block_id: bytes) -> Header | None:
        """Return the header of this id, if in sight."""
        header = self._store.header_by_id(block_id)
        return header if header is not None and header.height <= self.ceiling else None

    def transactions(self, height: int) -> list[Record]:
        """Return a block's transactions in order; none for a block out of sight."""
        return self._store.transactions(height) if 0 <= height <= self.ceiling else []

    def records_naming(self, text: str) -> list[Record]:
        """Return the transactions in sight whose info contains a text."""
        return self._store.records_naming(text, up_to=self.ceiling)

    def count(self, height: int) -> int:
        """Return how many transactions a block has; 0 for one out of sight."""
        return self._store.count(height) if 0 <= height <= self.ceiling else 0

    def transaction(self, txid: bytes) -> Record | None:
        """Return a transaction, if in sight."""
        record = self._store.transaction(txid)
        return record if record is not None and record.height <= self.ceiling else None
