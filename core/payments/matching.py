"""Attribute a transfer: find the payment its exact amount was promised to, settle it, book the money.

Every transfer of the configured contract to a watched address ends in exactly one bucket and one journal; what fits
no payment waits in the inbox (`Transfer.bucket` other than `matched`) for a human. Nothing is ever dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, exists, literal_column, or_, select
from sqlalchemy.orm import Session

from core.db import insert_for
from core.hub import Hub
from core.ledger import journal
from core.models import Address, Payment, Reservation, Transfer
from core.models.projects import TOLERANCE_LIMIT
from core.models.refunds import is_leaving
from core.money import Usdt
from core.payments.reservations import ChainPoint
from core.payments.settling import resettle, takings_of
from core.payments.state import ENOUGH, Anomaly, Standing, Status


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
NEAREST = (  # promises that tolerate a shortfall and ask no less than came; the few there are, by their partial index
    select(Reservation.id, Reservation.pay_units, Reservation.slack_units)
    .where(
        Reservation.address_id == bindparam("address_id"),
        Reservation.released_at.is_(None),
        Reservation.slack_units > literal_column("0"),
        Reservation.pay_units.between(bindparam("least"), bindparam("most")),
        Reservation.from_height < bindparam("height"),
    )
)


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
    meant = _meant(session, address=address, incoming=incoming)
    payment = meant.payment
    before = takings_of(session, payment) if payment else None
    is_extra = payment is not None and payment.status == Status.PAID
    first = Bucket.DUPLICATE if is_extra else Bucket.AMBIGUOUS if meant.is_ambiguous else Bucket.UNKNOWN
    transfer_id = _record(session, hub, address=address, incoming=incoming, payment=payment, bucket=first)
    if transfer_id is None:
        return None
    bucket = Bucket.INTERNAL if incoming.is_own_money else first
    if payment is not None and before is not None:
        point = ChainPoint(incoming.height, incoming.block_time)
        standing = resettle(session, hub, payment, point=point)
        came = Usdt(before.total + incoming.amount.units)
        had_enough = is_extra or before.money in ENOUGH
        bucket = bucket_of(standing, had_enough=had_enough, is_over=came > payment.pay_units)
    _set_bucket(session, transfer_id, bucket)
    owed = owed_of(payment, bucket, amount=incoming.amount, before=before.total if before else 0)
    rest = journal.internal_account if bucket is Bucket.INTERNAL else journal.unassigned_account
    parts = [(credit_account(payment, address.kind), owed)] if payment else []
    parts.append((rest(address.merchant_id), Usdt(incoming.amount.units - owed.units)))
    _book(session, hub, transfer_id, address=address, parts=parts)
    if payment is not None and before and before.total and bucket in PAYS:
        assign_parts(session, hub, payment)
    return bucket


@dataclass(frozen=True, slots=True)
class Meant:
    """The payment a transfer means, if one alone can be meant."""

    payment: Payment | None = None
    is_ambiguous: bool = False


def _meant(session: Session, *, address: Address, incoming: Incoming) -> Meant:
    """Find the payment that holds this exact amount, else the only one that tolerates what is missing.

    A transfer older than the promise cannot mean it (T26). A derived address is one payment's for ever, and one of the
    pool is one payment's while it is promised: whatever comes there, in parts or late, means that one.
    """
    wanted = (
        select(Payment)
        .join(Reservation, Payment.reservation_id == Reservation.id)
        .where(Reservation.address_id == address.id, Reservation.from_height < incoming.height)
    )
    if address.kind != "derived":
        wanted = wanted.where(Reservation.released_at.is_(None))
    is_exact = Reservation.pay_units == incoming.amount
    if address.exclusive:  # what was promised before the address came into the pool is still exact
        whole = Reservation.exclusive == literal_column("1")
        wanted = wanted.where(or_(whole, is_exact)).order_by(Reservation.exclusive)
    elif address.kind != "derived":
        wanted = wanted.where(is_exact)
    found = session.scalar(wanted.with_for_update(of=Payment))
    if found is not None or address.exclusive or address.kind == "derived":
        return Meant(found)
    return _nearly_meant(session, address=address, incoming=incoming)


def _nearly_meant(session: Session, *, address: Address, incoming: Incoming) -> Meant:
    """Find the one payment that tolerates this shortfall; two that might be meant are a human's to tell apart."""
    near = tolerating(session, address_id=address.id, amount=incoming.amount, height=incoming.height)
    if near is None or near.is_ambiguous:
        return Meant(is_ambiguous=near is not None)
    waits = Payment.status != Status.PAID.value
    wanted = select(Payment).where(Payment.reservation_id == near.reservation_id, waits)
    return Meant(session.scalar(wanted.with_for_update(of=Payment)))


@dataclass(frozen=True, slots=True)
class Tolerating:
    """A promise that takes a short sum for enough; ambiguous where another amount is within reach as well."""

    reservation_id: int
    is_ambiguous: bool


def tolerating(session: Session, *, address_id: int, amount: Usdt, height: int) -> Tolerating | None:
    """Find the promise on a shared address that tolerates what this amount lacks; None where there is none."""
    came = amount.units
    values = {"address_id": address_id, "least": Usdt(came + 1), "most": Usdt(came + TOLERANCE_LIMIT), "height": height}
    promised = session.connection().execute(NEAREST, values)
    near = [row for row in promised if row.pay_units.units - came <= row.slack_units.units]
    if not near:
        return None
    return Tolerating(near[0].id, len(near) > 1 or _has_rival(session, address_id, came=came, row=near[0]))


def _has_rival(session: Session, address_id: int, *, came: int, row: Any) -> bool:
    """Tell whether any other amount is promised within reach of the one that tolerates the shortfall."""
    reach = Reservation.pay_units.between(Usdt(came + 1), Usdt(came + row.slack_units.units))
    held = (Reservation.address_id == address_id) & Reservation.released_at.is_(None)
    return bool(session.scalar(select(exists().where(held, reach, Reservation.id != row.id))))


def _record(
    session: Session, hub: Hub, *, address: Address, incoming: Incoming, payment: Payment | None, bucket: Bucket
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
            bucket=bucket.value,
            payment_id=payment.id if payment else None,
            project_id=payment.project_id if payment else None,
            recorded_at=hub.clock.now(),
            block_id=incoming.block_id,
            block_index=incoming.block_index,
            raw_log=incoming.raw_log,
        )
        .on_conflict_do_nothing(index_elements=["txid", "log_index"])
        .returning(Transfer.id)
    ).scalar_one_or_none()
    return row_id


def bucket_of(standing: Standing, *, had_enough: bool, is_over: bool) -> Bucket:
    """Name the bucket of a transfer by what it did to its payment."""
    if had_enough or standing.anomaly is Anomaly.DUPLICATE:
        return Bucket.DUPLICATE
    if standing.anomaly is Anomaly.LATE:
        return Bucket.LATE
    if standing.status is Status.PAID:
        return Bucket.OVERPAID if is_over else Bucket.MATCHED
    return Bucket.UNDERPAID


def _set_bucket(session: Session, transfer_id: int, bucket: Bucket) -> None:
    transfer = session.get_one(Transfer, transfer_id)
    transfer.bucket = bucket.value
    session.flush()


def owed_of(payment: Payment | None, bucket: Bucket, *, amount: Usdt, before: int) -> Usdt:
    """Give what of a transfer is the project's: no more than was asked, and nothing while the order is not paid."""
    if payment is None or bucket not in PAYS:
        return Usdt(0)
    return Usdt(min(amount.units, payment.pay_units.units - before))


def credit_account(payment: Payment, address_kind: str) -> str:
    """Name the account a payment's money is owed on: what the hub holds the key of is kept apart."""
    return journal.project_account(payment.project_id, is_held=address_kind == "held")


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


def assign_parts(session: Session, hub: Hub, payment: Payment) -> None:
    """Take the parts that came before out of the inbox: together they have paid the order (T25)."""
    parts = session.execute(
        select(Transfer, Address)
        .join(Address, Address.id == Transfer.address_id)
        .where(
            Transfer.payment_id == payment.id,
            Transfer.bucket == Bucket.UNDERPAID.value,
            Transfer.resolved_at.is_(None),
            ~is_leaving(),
        )
    )
    for part, address in parts.all():
        part.bucket = Bucket.MATCHED.value
        journal.book(
            session,
            source=f"assigned:{part.id}",
            amount=part.units,
            debit=journal.unassigned_account(address.merchant_id),
            credit=credit_account(payment, address.kind),
            booked_at=hub.clock.now(),
        )
    session.flush()
