"""The pending pool: what a full node checks before it takes a transaction, and what waits for the next block.

Pending effects count: two transfers that spend the same TRX cannot both be taken. Not persisted, as on a real node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.devnet import keys, wire
from core.devnet.blocks import Header
from core.devnet.execution import Code, Machine, Rejected
from core.devnet.state import Overlay
from core.devnet.store import Store

TAPOS_WINDOW = 65_536  # two bytes of height name a reference block
PENDING_MS = 60_000
SEEN_MS = 3_600_000
OWNER_PERMISSIONS = (0, 2)  # owner and the default active permission: both are the account's own key


@dataclass(frozen=True, slots=True)
class Entry:
    """The state of the chain a transaction is checked against."""

    head: Header
    next_slot_ms: int


class Pool:
    """Transactions waiting for a block, in order of arrival."""

    def __init__(self, *, store: Store, machine: Machine) -> None:
        self._store = store
        self._machine = machine
        self._pending: dict[bytes, wire.Transaction] = {}
        self._state = Overlay(store)
        self._held: set[bytes] = set()
        self._since_ms: dict[bytes, int] = {}
        self._seen_ms: dict[bytes, int] | None = None

    def __len__(self) -> int:
        return len(self._pending)

    def admit(self, tx: wire.Transaction, *, entry: Entry) -> None:
        """Take a transaction in, or raise Rejected; the checks and their order are the real node's."""
        if len(self._pending) >= self._machine.rules.max_pending:
            raise Rejected(Code.SERVER_BUSY, "Server busy.")
        self._check_cache(tx, entry.head.timestamp_ms)
        check_signature(tx)
        self._check_reference(tx, entry.head)
        self._check_size(tx)
        self._check_expiration(tx, entry)
        if tx.txid in self._pending or self._store.transaction(tx.txid) is not None:
            raise Rejected(Code.DUP_TRANSACTION_ERROR, "Dup transaction.")
        self._machine.execute(tx, state=self._state, now_ms=entry.head.timestamp_ms)
        self._pending[tx.txid] = tx
        self._since_ms[tx.txid] = entry.head.timestamp_ms

    def cache_seen(self, is_on: bool) -> None:
        """Remember what was seen, before it is checked, or forget it all."""
        self._seen_ms = ({} if self._seen_ms is None else self._seen_ms) if is_on else None

    def put_first(self, transactions: Sequence[wire.Transaction]) -> None:
        """Put transactions before all others: they were in a block that is gone, and were checked then."""
        self._pending = {tx.txid: tx for tx in transactions} | self._pending

    def hold(self, txids: Sequence[bytes]) -> None:
        """Keep these out of all blocks, as a node does whose peers do not hear of them."""
        self._held = set(txids)

    def drop_old(self, now_ms: int) -> None:
        """Forget what has waited longer than a node keeps it (60 s by default, java-tron)."""
        for txid, since_ms in list(self._since_ms.items()):
            if txid not in self._pending:
                del self._since_ms[txid]
            elif now_ms - since_ms > PENDING_MS:
                del self._pending[txid], self._since_ms[txid]

    def take(self, *, parent: Header) -> list[wire.Transaction]:
        """Take out what may be in the block after `parent`; what can never be in one again is dropped."""
        limit = self._machine.rules.max_block_transactions
        taken = [tx for txid, tx in self._pending.items() if txid not in self._held][:limit]
        for tx in taken:
            del self._pending[tx.txid]
        return [tx for tx in taken if tx.expiration_ms > parent.timestamp_ms]

    def rebase(self, *, now_ms: int) -> None:
        """Recompute the pending effects on the new head; drop what it made invalid."""
        self._state = Overlay(self._store)
        for tx in list(self._pending.values()):
            try:
                self._machine.execute(tx, state=self._state, now_ms=now_ms)
            except Rejected:
                del self._pending[tx.txid]

    def _check_cache(self, tx: wire.Transaction, now_ms: int) -> None:
        """Answer DUP to what was seen within the hour: also to what was refused then (java-tron, trxCacheEnable)."""
        if self._seen_ms is None:
            return
        if now_ms - self._seen_ms.get(tx.txid, -SEEN_MS) < SEEN_MS:
            raise Rejected(Code.DUP_TRANSACTION_ERROR, "Dup transaction.")
        self._seen_ms[tx.txid] = now_ms

    def _check_reference(self, tx: wire.Transaction, head: Header) -> None:
        """Find the newest block whose height ends in ref_block_bytes and compare its id (TAPOS)."""
        ending = int.from_bytes(tx.ref_block_bytes)
        height = head.height - (head.height - ending) % TAPOS_WINDOW
        header = self._store.header(height) if len(tx.ref_block_bytes) == 2 and height >= 0 else None
        if header is None or header.block_id[8:16] != tx.ref_block_hash:
            raise Rejected(Code.TAPOS_ERROR, "Tapos check error.")

    def _check_size(self, tx: wire.Transaction) -> None:
        if tx.size > self._machine.rules.max_transaction_bytes:
            raise Rejected(Code.TOO_BIG_TRANSACTION_ERROR, "Transaction size is too big.")

    def _check_expiration(self, tx: wire.Transaction, entry: Entry) -> None:
        latest_ms = entry.head.timestamp_ms + self._machine.rules.max_expiration_ms
        earliest_ms = max(entry.head.timestamp_ms + 1, entry.next_slot_ms)
        if not earliest_ms <= tx.expiration_ms <= latest_ms:
            raise Rejected(Code.TRANSACTION_EXPIRATION_ERROR, "Transaction expired")


def check_signature(tx: wire.Transaction) -> None:
    """Require exactly the owner's signature over the txid; accounts here have their default permissions."""
    if tx.permission_id not in OWNER_PERMISSIONS:
        raise _bad_signature("permission isn't exit")  # spelt so by the node
    if not tx.signatures:
        raise _bad_signature("miss sig or contract")
    if len(tx.signatures) > 1:
        raise _bad_signature(f"Signature count is {len(tx.signatures)} more than key counts of permission : 1")
    try:
        signer = keys.recover(digest=tx.txid, signature=tx.signatures[0])
    except keys.BadSignature as err:
        raise _bad_signature(str(err)) from err
    if signer != tx.owner:
        raise _bad_signature(f"{tx.signatures[0].hex()} is signed by {keys.to_base58(signer)} "
                             "but it is not contained of permission.")


def _bad_signature(sentence: str) -> Rejected:
    return Rejected(Code.SIGERROR, f"Validate signature error: {sentence}")
