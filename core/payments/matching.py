"""Attribute a transfer: find the payment its exact amount was promised to, settle it, book the money.

Every transfer of the configured contract to a watched address ends in exactly one bucket and one journal; what fits
no payment waits in the inbox (`Transfer.bucket` other than `matched`) for a human. Nothing is ever dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db import insert_for
from core.hub import Hub
from core.ledger import journal
from core.models import Address, Payment, Reservation, Transfer
from core.money import Usdt
from core.payments.reservations import ChainPoint
from core.payments.settling import resettle
from core.payments.state import Anomaly, Standing, Status


class Bucket(StrEnum):
    """Where a transfer ended."""

    MATCHED = "matched"
    UNDERPAID = "underpaid"
    OVERPAID = "overpaid"
    LATE = "late"
    DUPLICATE = "duplicate"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"
    INTERNAL = "internal"


PAYS = (Bucket.MATCHED, Bucket.OVERPAID)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One Transfer log of the USDT contract to a watched address, from a solid block; units > 0.

    is_own_money: it came from an address of the same merchant.   raw_log: the evidence, JSON.
    """

    genesis_id: str
    txid: str
    log_index: int
    height: int
    block_time: datetime
    sender: str
    amount: Usdt
    block_index: int | None = None
    block_id: str | None = None
    raw_log: str | None = None
    is_own_money: bool = False


def receive(session: Session, hub: Hub, *, address: Address, incoming: Incoming) -> Bucket | None:
    """Record a transfer once and let it pay what it was meant for; None when it is already recorded."""
    payment = _promised_to(session, address=address, incoming=incoming)
    before = _received(session, payment) if payment else 0
    transfer_id = _record(session, hub, address=address, incoming=incoming, payment=payment)
    if transfer_id is None:
        return None
    bucket = Bucket.INTERNAL if incoming.is_own_money else Bucket.UNKNOWN
    if payment is not None:
        point = ChainPoint(incoming.height, incoming.block_time)
        standing = resettle(session, hub, payment, point=point)
        bucket = _bucket(standing, had_enough=before >= payment.pay_units.units)
    _set_bucket(session, transfer_id, bucket)
    owed = _owed(payment, bucket, amount=incoming.amount, before=before)
    rest = journal.internal_account if bucket is Bucket.INTERNAL else journal.unassigned_account
    parts = [(journal.project_account(payment.project_id), owed)] if payment else []
    parts.append((rest(address.merchant_id), Usdt(incoming.amount.units - owed.units)))
    _book(session, hub, transfer_id, address=address, parts=parts)
    if payment is not None and before and bucket in PAYS:
        _assign_parts(session, hub, payment, merchant_id=address.merchant_id)
    return bucket


def _promised_to(session: Session, *, address: Address, incoming: Incoming) -> Payment | None:
    """Find the payment that holds this exact amount; a transfer older than the promise cannot mean it (T26).

    A derived address is one payment's for ever: whatever comes there, in parts or months later, means that one.
    """
    wanted = (
        select(Payment)
        .join(Reservation, Payment.reservation_id == Reservation.id)
        .where(Reservation.address_id == address.id, Reservation.from_height < incoming.height)
    )
    if address.kind != "derived":
        wanted = wanted.where(Reservation.pay_units == incoming.amount, Reservation.released_at.is_(None))
    return session.scalar(wanted.with_for_update(of=Payment))


def _received(session: Session, payment: Payment) -> int:
    """Sum what solid blocks have brought to a payment so far, in units."""
    amounts = session.scalars(select(Transfer.units).where(Transfer.payment_id == payment.id))
    return sum(amount.units for amount in amounts)


def _record(
    session: Session, hub: Hub, *, address: Address, incoming: Incoming, payment: Payment | None
) -> int | None:
    row_id: int | None = session.execute(
        insert_for(session, Transfer)
        .values(
            genesis_id=incoming.genesis_id,
            txid=incoming.txid,
            log_index=incoming.log_index,
            height=incoming.height,
            block_time=incoming.block_time,
            sender=incoming.sender,
            address_id=address.id,
            units=incoming.amount,
            bucket=Bucket.UNKNOWN.value,
            payment_id=payment.id if payment else None,
            recorded_at=hub.clock.now(),
            block_id=incoming.block_id,
            block_index=incoming.block_index,
            raw_log=incoming.raw_log,
        )
        .on_conflict_do_nothing(index_elements=["txid", "log_index"])
        .returning(Transfer.id)
    ).scalar_one_or_none()
    return row_id


def _bucket(standing: Standing, *, had_enough: bool) -> Bucket:
    """Name the bucket of a transfer by what it did to its payment."""
    if had_enough or standing.anomaly is Anomaly.DUPLICATE:
        return Bucket.DUPLICATE
    if standing.anomaly is Anomaly.LATE:
        return Bucket.LATE
    if standing.status is Status.PAID:
        return Bucket.OVERPAID if standing.anomaly is Anomaly.OVERPAID else Bucket.MATCHED
    return Bucket.UNDERPAID


def _set_bucket(session: Session, transfer_id: int, bucket: Bucket) -> None:
    transfer = session.get_one(Transfer, transfer_id)
    transfer.bucket = bucket.value
    session.flush()


def _owed(payment: Payment | None, bucket: Bucket, *, amount: Usdt, before: int) -> Usdt:
    """Give what of a transfer is the project's: no more than was asked, and nothing while the order is not paid."""
    if payment is None or bucket not in PAYS:
        return Usdt(0)
    return Usdt(min(amount.units, payment.pay_units.units - before))


def _book(
    session: Session, hub: Hub, transfer_id: int, *, address: Address, parts: Sequence[tuple[str, Usdt]]
) -> None:
    """Owe the project what paid its order; anything else is the merchant's, not yet assigned."""
    journal.book_split(
        session,
        source=f"transfer:{transfer_id}",
        debit=journal.chain_account(address.base58),
        credits=[(account, part) for account, part in parts if part.units],
        booked_at=hub.clock.now(),
    )


def _assign_parts(session: Session, hub: Hub, payment: Payment, *, merchant_id: int) -> None:
    """Take the parts that came before out of the inbox: together they have paid the order (T25)."""
    parts = session.scalars(
        select(Transfer).where(Transfer.payment_id == payment.id, Transfer.bucket == Bucket.UNDERPAID.value)
    )
    for part in parts.all():
        part.bucket = Bucket.MATCHED.value
        journal.book(
            session,
            source=f"assigned:{part.id}",
            amount=part.units,
            debit=journal.unassigned_account(merchant_id),
            credit=journal.project_account(payment.project_id),
            booked_at=hub.clock.now(),
        )
    session.flush()
