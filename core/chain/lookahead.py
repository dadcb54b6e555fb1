"""Look at the unsolidified head for transfers on their way: advice for the buyer, worth no money.

Head blocks are real and may be replaced: a chain of parent hashes is kept in memory, and what a fork removes is
withdrawn. Only payments that are still open are told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from core.chain.addresses import parse_address
from core.chain.decode import TransferLog, transfers_in
from core.chain.findings import watched
from core.chain.fleet import Fleet
from core.chain.node import Node
from core.chain.pacing import Allowance
from core.clock import from_millis
from core.db import INT64_MAX
from core.errors import NodeUnavailable
from core.hub import Hub
from core.models import Address, Cursor, Payment, Reservation, Sighting
from core.models.payments import is_live, is_open
from core.money import Usdt
from core.payments.matching import tolerating
from core.payments.reservations import ChainPoint
from core.payments.service import chain_point
from core.payments.settling import resettle

SOLID_REQUESTS = 41_000  # what all else asks in a day: 28,800 blocks, what was not there yet, and the guard
FAR_EVERY_S = 60.0
MAX_HITS = 200  # blocks read because the log index names them, in one look
MAX_HEAD_BLOCKS = 100  # solid lags by 18 blocks when the chain is well; beyond this the head tells nothing soon


OPEN_ADDRESSES = (
    select(Address.raw20)
    .join(Reservation, Reservation.address_id == Address.id)
    .join(Payment, Payment.reservation_id == Reservation.id)
    .where(is_live(), is_open())
    .distinct()
    .limit(5_000)
)


@dataclass(frozen=True, slots=True)
class HeadBlock:
    """One block of the head as last seen, with the successful USDT transfers in it."""

    height: int
    block_id: str
    parent_id: str
    block_time: datetime
    logs: Sequence[TransferLog]


class Lookahead:
    """Keeps the head's blocks in memory and the sightings in step with them."""

    def __init__(self, hub: Hub, fleet: Fleet) -> None:
        self._hub = hub
        self._fleet = fleet
        wished = hub.settings.live_requests
        self._allowance = Allowance(max(0, wished - SOLID_REQUESTS) if wished else None, clock=hub.clock)
        self._usdt = parse_address(hub.settings.network.usdt_contract)
        self._usdt20 = self._usdt.raw20
        self._blocks: dict[int, HeadBlock] = {}
        self._told: tuple[int, int] | None = None
        self._looked_far_at_s = float("-inf")

    def look_once(self) -> None:
        """Read new head blocks and bring the sightings up to date; does nothing while no live payment is open."""
        with self._hub.database.snapshot() as session:
            is_idle = not _has_open_payment(session)
            has_leftovers = is_idle and session.scalar(select(exists(select(Sighting.payment_id)))) is True
            point = chain_point(session, self._hub)
        if is_idle:
            self._rest(has_leftovers=has_leftovers)
            return
        if not self._allowance.take(1):
            return
        head = self._fleet.ask(lambda node: node.head_height())
        if self._told == (point.height, head):
            return
        self._read_new(point, head)
        with self._hub.database.transaction() as session:
            _note_head(session, self._hub, head)
            self._tell(session, chain_point(session, self._hub))
        self._told = (point.height, head) if head - point.height <= len(self._blocks) else None

    def look_far(self) -> None:
        """While the scan is far behind, ask the log index for what will pay: the buyer need not wait to be seen.

        Each block with a hit is read in full, for the index also lists what failed transactions logged. Where no
        provider has such an index, or has nothing, nothing is lost: the scan comes to every block.
        """
        now_s = self._hub.clock.monotonic()
        if now_s - self._looked_far_at_s < FAR_EVERY_S:
            return
        self._looked_far_at_s = now_s
        with self._hub.database.snapshot() as session:
            point = chain_point(session, self._hub)
            waiting = session.scalars(OPEN_ADDRESSES).all()
        if not waiting:
            return
        head = self._fleet.ask(lambda node: node.head_height())
        try:
            hits = self._fleet.ask(
                lambda node: node.transfer_logs(self._usdt, to=sorted(waiting), since=point.height + 1, until=head)
            )
        except NodeUnavailable:
            return
        heights = sorted({log.height for log in hits if log.units})[:MAX_HITS]
        self._blocks = {height: block for height in heights if (block := self._read(height)) is not None}
        with self._hub.database.transaction() as session:
            _note_head(session, self._hub, head)
            self._tell(session, chain_point(session, self._hub))
        self._blocks.clear()
        self._told = None

    def _rest(self, *, has_leftovers: bool) -> None:
        """Forget the head: nobody is waiting."""
        self._blocks.clear()
        self._told = None
        if has_leftovers:
            with self._hub.database.transaction() as session:
                session.execute(delete(Sighting))

    def _read_new(self, point: ChainPoint, head: int) -> None:
        first, last = point.height + 1, min(head, point.height + MAX_HEAD_BLOCKS)
        self._blocks = {height: block for height, block in self._blocks.items() if first <= height <= last}
        height = first
        while height <= last:
            if height in self._blocks:
                height += 1
                continue
            block = self._read(height) if self._allowance.take(2) else None
            if block is None:
                return
            parent = self._blocks.get(height - 1)
            if parent is not None and block.parent_id != parent.block_id:
                del self._blocks[height - 1]  # a fork has replaced it: go back until both branches meet
                height -= 1
                continue
            self._blocks[height] = block
            height += 1

    def _read(self, height: int) -> HeadBlock | None:
        return self._fleet.ask(lambda node: self._read_from(node, height))

    def _read_from(self, node: Node, height: int) -> HeadBlock | None:
        """Read one head block; None where it is not there, or where its parts belong to two branches."""
        header = node.head_header(height)
        if header is None:
            return None
        infos = node.head_infos(height)
        if (infos and infos[0].block_time_ms != header.time_ms) or (not infos and not header.proves_empty):
            return None
        logs = [log for log in transfers_in(infos) if self._may_pay(log)]
        return HeadBlock(height, header.block_id, header.parent_hash, from_millis(header.time_ms), logs)

    def _may_pay(self, log: TransferLog) -> bool:
        return log.succeeded and log.contract20 == self._usdt20 and 0 < log.units <= INT64_MAX

    def _tell(self, session: Session, point: ChainPoint) -> None:
        """Replace the sightings by what the head shows now, and settle the payments that this concerns."""
        wanted = self._sightings(session)
        known = {row.payment_id: row for row in session.scalars(select(Sighting))}
        changed = {key for key in wanted.keys() | known.keys() if not _is_same(wanted.get(key), known.get(key))}
        for payment_id in changed:
            if payment_id in known:
                session.delete(known[payment_id])
        session.flush()
        session.add_all(wanted[payment_id] for payment_id in changed & wanted.keys())
        session.flush()
        for payment in session.scalars(select(Payment).where(Payment.id.in_(changed))) if changed else ():
            resettle(session, self._hub, payment, point=point)

    def _sightings(self, session: Session) -> dict[int, Sighting]:
        found: dict[int, Sighting] = {}
        logs = [(block, log) for block in self._blocks.values() for log in block.logs]
        addresses = watched(session, (log.to20 for _, log in logs)) if logs else {}
        for block, log in logs:
            address = addresses.get(log.to20)
            amount = Usdt(log.units)
            payment_id = _open_payment(session, address, amount, height=block.height) if address else None
            if payment_id is not None and payment_id not in found:
                found[payment_id] = Sighting(
                    payment_id=payment_id,
                    txid=log.txid,
                    height=block.height,
                    block_time=block.block_time,
                    seen_at=self._hub.clock.now(),
                )
        return found


def _has_open_payment(session: Session) -> bool:
    """Find any, by the order of the index of open payments: PostgreSQL may else begin at the oldest, long paid."""
    first = select(Payment.id).where(is_live(), is_open()).order_by(Payment.expires_at).limit(1)
    return session.scalar(first) is not None


def _open_payment(session: Session, address: Address, amount: Usdt, *, height: int) -> int | None:
    """Find the open payment that a transfer of this amount pays, or that tolerates what it lacks.

    Where a payment has the address alone, any amount is a sign.
    """
    wanted = (
        select(Payment.id)
        .join(Reservation, Payment.reservation_id == Reservation.id)
        .where(Reservation.address_id == address.id, Reservation.released_at.is_(None), is_open())
    )
    if address.kind == "derived" or address.exclusive:
        return session.scalar(wanted)
    exact = session.scalar(wanted.where(Reservation.pay_units == amount))
    if exact is not None:
        return exact
    near = tolerating(session, address_id=address.id, amount=amount, height=height)
    if near is None or near.is_ambiguous:
        return None
    return session.scalar(wanted.where(Reservation.id == near.reservation_id))


def _note_head(session: Session, hub: Hub, head: int) -> None:
    session.execute(
        update(Cursor)
        .where(Cursor.network == hub.settings.network.name, Cursor.head_height != head)
        .values(head_height=head)
    )


def _is_same(one: Sighting | None, other: Sighting | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.txid, one.height, one.block_time) == (other.txid, other.height, other.block_time)
