"""Read every solid block once, in order, and commit cursor and findings together: nothing is skipped or assumed.

An empty answer counts only with a header that proves the block empty; a block that credits counts only with its
header too. Money is credited from solid blocks, from logs of the configured contract, of successful transactions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.orm import Session

from core.chain.addresses import address_of, parse_address
from core.chain.decode import BlockInconsistent, TransferLog, check_block_infos, transfers_in
from core.chain.identity import identify
from core.chain.node import Node
from core.clock import from_millis, to_millis
from core.db import INT64_MAX, insert_for
from core.errors import NodeUnavailable
from core.hub import Hub
from core.models import Address, Cursor, ScanCount, ScannedRange
from core.money import Usdt
from core.payments.matching import Incoming, receive
from core.payments.reservations import ChainPoint, release_passed
from core.payments.settling import close_passed

MAX_BLOCKS_A_STEP = 200  # so that a step ends, and the loop hears a stop signal, within seconds even when far behind

# Built once and asked on the connection: every block asks them, and building one costs more than its answer.
# A block's receivers go as one value that the database cuts up: to bind each of them takes three times as long.
WHICH_ARE_OURS = text(
    "WITH RECURSIVE place(i) AS (SELECT 1 UNION ALL SELECT i + 20 FROM place WHERE i + 20 <= length(:receivers)) "
    "SELECT address.raw20 FROM place JOIN address ON address.raw20 = substr(:receivers, place.i, 20)"
)
OUR_ADDRESSES = select(Address).where(Address.raw20.in_(bindparam("raw20s", expanding=True)))
MOVE = (
    update(Cursor)
    .where(Cursor.genesis_id == bindparam("of_network"), Cursor.height == bindparam("before"))
    .values(height=bindparam("applied"), block_time=bindparam("at"), updated_at=bindparam("now"))
)
EXTEND = (
    update(ScannedRange)
    .where(ScannedRange.id == bindparam("range_id"), ScannedRange.to_height == bindparam("before"))
    .values(to_height=bindparam("applied"), updated_at=bindparam("now"))
)


class CursorMoved(NodeUnavailable):
    """Another watcher has applied this block: start over from the cursor."""

    code = "cursor_moved"
    sentence = "Another watcher has moved the cursor."


@dataclass(frozen=True, slots=True)
class Block:
    """A solid block as read and proven: every Transfer-shaped log in it, and whether a header vouches for it."""

    height: int
    block_time: datetime
    logs: Sequence[TransferLog]
    has_header: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """What a step achieved: blocks applied, transfers recorded, and the node's solid height."""

    applied: int
    recorded: int
    solid_height: int


class Scanner:
    """The solid scan of one network. `node` is asked; `provider` names it in the proof of coverage."""

    def __init__(self, hub: Hub, node: Node, *, provider: str) -> None:
        self._hub = hub
        self._node = node
        self._provider = provider
        self._usdt20 = parse_address(hub.settings.network.usdt_contract).raw20
        self._genesis_id: str | None = None
        self._range_id: int | None = None

    def scan_once(self) -> Progress:
        """Apply the solid blocks that are new, at most MAX_BLOCKS_A_STEP of them.

        Raises NodeUnavailable (nothing lost: the next step goes on at the cursor), WrongNetwork.
        """
        genesis_id = self._identity()
        solid = self._node.solid_height()
        point = read_cursor(self._hub, genesis_id)
        applied = recorded = 0
        for height in range(point.height + 1, min(solid, point.height + MAX_BLOCKS_A_STEP) + 1):
            block = self._read_block(height, after=point.block_time)
            recorded += self._apply(genesis_id, block)
            point = ChainPoint(block.height, block.block_time)
            applied += 1
        return Progress(applied, recorded, solid)

    def _identity(self) -> str:
        if self._genesis_id is None:
            self._genesis_id = identify(self._hub, self._node)
        return self._genesis_id

    def _read_block(self, height: int, *, after: datetime) -> Block:
        """Read and prove one block; raises NodeUnavailable where the proof is not to be had now."""
        infos = self._node.solid_infos(height)
        check_block_infos(infos, height, to_millis(after))
        logs = transfers_in(infos)
        if infos and not self._concerns_us(logs):
            return Block(height, from_millis(infos[0].block_time_ms), logs, has_header=False)
        header = self._node.solid_header(height)
        if header is None:
            raise NodeUnavailable(f"The TRON node does not show solid block {height} yet.")
        if not infos and not header.proves_empty:
            raise BlockInconsistent(f"Block {height} has transactions that the TRON node does not show yet.")
        if infos and header.time_ms != infos[0].block_time_ms:
            raise BlockInconsistent(f"Header and transactions of block {height} carry different block times.")
        if header.time_ms <= to_millis(after):
            raise BlockInconsistent(f"Block {height} is not later than the block before it.")
        return Block(height, from_millis(header.time_ms), logs, has_header=True)

    def _concerns_us(self, logs: Sequence[TransferLog]) -> bool:
        if not logs:
            return False
        with self._hub.database.snapshot() as session:
            return bool(watched(session, (log.to20 for log in logs)))

    def _apply(self, genesis_id: str, block: Block) -> int:
        """Commit one block: cursor, findings, expiries, releases and proof in one transaction."""
        with self._hub.database.transaction() as session:
            self._move_cursor(session, genesis_id, block)
            addresses = watched(session, (log.to20 for log in block.logs)) if block.logs else {}
            if addresses and not block.has_header:
                raise CursorMoved("An address was added while its block was being read.")
            recorded = self._record_logs(session, genesis_id, block, addresses)
            point = ChainPoint(block.height, block.block_time)
            close_passed(session, self._hub, point=point)
            release_passed(session, block_time=block.block_time)
            range_id = self._extend_range(session, genesis_id, block.height)
        self._range_id = range_id
        return recorded

    def _move_cursor(self, session: Session, genesis_id: str, block: Block) -> None:
        values = {"of_network": genesis_id, "before": block.height - 1, "applied": block.height}
        times = {"at": block.block_time, "now": self._hub.clock.now()}
        if session.connection().execute(MOVE, values | times).rowcount != 1:
            raise CursorMoved

    def _record_logs(
        self, session: Session, genesis_id: str, block: Block, addresses: dict[bytes, Address]
    ) -> int:
        """Record the USDT transfers to our addresses; count what was rightly ignored."""
        recorded = 0
        for log in block.logs:
            address = addresses.get(log.to20)
            if address is None:
                continue
            ignored = self._reason_to_ignore(log)
            if ignored:
                _count(session, ignored)
                continue
            bucket = receive(session, self._hub, address=address, incoming=_incoming(genesis_id, block, log))
            recorded += bucket is not None
        return recorded

    def _reason_to_ignore(self, log: TransferLog) -> str | None:
        if log.contract20 != self._usdt20:
            return "fake_token"
        if not log.succeeded:
            return "failed"
        return "zero_value" if log.units == 0 else None

    def _extend_range(self, session: Session, genesis_id: str, height: int) -> int:
        """Note that this height was applied, in this run's range of consecutive heights."""
        now = self._hub.clock.now()
        if self._range_id is not None:
            values = {"range_id": self._range_id, "before": height - 1, "applied": height, "now": now}
            if session.connection().execute(EXTEND, values).rowcount == 1:
                return self._range_id
        fresh = ScannedRange(
            genesis_id=genesis_id,
            from_height=height,
            to_height=height,
            provider=self._provider,
            started_at=now,
            updated_at=now,
        )
        session.add(fresh)
        session.flush()
        return fresh.id


def read_cursor(hub: Hub, genesis_id: str) -> ChainPoint:
    """Read the last applied solid block."""
    with hub.database.snapshot() as session:
        row = session.execute(
            select(Cursor.height, Cursor.block_time).where(Cursor.genesis_id == genesis_id)
        ).one()
    return ChainPoint(row.height, row.block_time)


def watched(session: Session, raw20s: Iterable[bytes]) -> dict[bytes, Address]:
    """Find which of these addresses, 20 bytes each, are ours: a look-up per receiver, never a list of our own."""
    ours = session.connection().scalars(WHICH_ARE_OURS, {"receivers": b"".join(sorted(set(raw20s)))}).all()
    if not ours:
        return {}
    return {address.raw20: address for address in session.scalars(OUR_ADDRESSES, {"raw20s": ours})}


def _incoming(genesis_id: str, block: Block, log: TransferLog) -> Incoming:
    if log.units > INT64_MAX:  # more than all USDT there is: no transfer of the real contract can say so
        raise BlockInconsistent(f"Transaction {log.txid} moves an impossible amount.")
    return Incoming(
        genesis_id=genesis_id,
        txid=log.txid,
        log_index=log.log_index,
        height=block.height,
        block_time=block.block_time,
        sender=address_of(log.sender20).base58,
        amount=Usdt(log.units),
    )


def _count(session: Session, kind: str) -> None:
    statement = insert_for(session, ScanCount).values(kind=kind, seen=1)
    session.execute(
        statement.on_conflict_do_update(index_elements=["kind"], set_={"seen": ScanCount.seen + 1})
    )
