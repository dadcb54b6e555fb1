"""Attribute a transfer: find the payment its exact amount was promised to, settle it, book the money.

Every transfer of the configured contract to a watched address ends in exactly one bucket and one journal; what fits
no payment waits in the inbox (`Transfer.bucket` other than `matched`) for a human. Nothing is ever dropped.
"""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Incoming:
    """One Transfer log of the USDT contract to a watched address, from a solid block; units > 0."""

    genesis_id: str
    txid: str
    log_index: int
    height: int
    block_time: datetime
    sender: str
    amount: Usdt


def receive(session: Session, hub: Hub, *, address: Address, incoming: Incoming) -> Bucket | None:
    """Record a transfer once and let it pay what it was meant for; None when it is already recorded."""
    payment = _promised_to(session, address=address, incoming=incoming)
    had_money = payment is not None and _has_transfers(session, payment)
    transfer_id = _record(session, hub, address=address, incoming=incoming, payment=payment)
    if transfer_id is None:
        return None
    bucket = Bucket.UNKNOWN
    if payment is not None:
        point = ChainPoint(incoming.height, incoming.block_time)
        standing = resettle(session, hub, payment, point=point)
        bucket = _bucket(standing, had_money=had_money)
    _set_bucket(session, transfer_id, bucket)
    _book(session, hub, transfer_id, bucket=bucket, address=address, payment=payment, amount=incoming.amount)
    return bucket


def _promised_to(session: Session, *, address: Address, incoming: Incoming) -> Payment | None:
    """Find the payment that holds this exact amount; a transfer older than the promise cannot mean it (T26)."""
    return session.scalar(
        select(Payment)
        .join(Reservation, Payment.reservation_id == Reservation.id)
        .where(
            Reservation.address_id == address.id,
            Reservation.pay_units == incoming.amount,
            Reservation.released_at.is_(None),
            Reservation.from_height < incoming.height,
        )
        .with_for_update(of=Payment)
    )


def _has_transfers(session: Session, payment: Payment) -> bool:
    found = session.scalar(select(Transfer.id).where(Transfer.payment_id == payment.id).limit(1))
    return found is not None


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
        )
        .on_conflict_do_nothing(index_elements=["txid", "log_index"])
        .returning(Transfer.id)
    ).scalar_one_or_none()
    return row_id


def _bucket(standing: Standing, *, had_money: bool) -> Bucket:
    """Name the bucket of a transfer by what it did to its payment."""
    if had_money or standing.anomaly is Anomaly.DUPLICATE:
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


def _book(
    session: Session,
    hub: Hub,
    transfer_id: int,
    *,
    bucket: Bucket,
    address: Address,
    payment: Payment | None,
    amount: Usdt,
) -> None:
    """Owe the project what paid its order; anything else is the merchant's, not yet assigned."""
    credited = payment is not None and bucket is Bucket.MATCHED
    journal.book(
        session,
        source=f"transfer:{transfer_id}",
        amount=amount,
        debit=journal.chain_account(address.base58),
        credit=journal.project_account(payment.project_id)
        if payment and credited
        else journal.unassigned_account(address.merchant_id),
        booked_at=hub.clock.now(),
    )
