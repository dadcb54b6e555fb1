"""Which payments a transfer of the inbox may have been meant for, the likeliest first, each with its reasons.

It only suggests: no money moves by it. Looked at are what is promised near that amount on the merchant's addresses,
what once asked exactly that amount there, what the same sender has paid before, and whose payer has named it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.models import Address, Lead, Payment, Reservation, Transfer
from core.models.payments import is_live
from core.money import Usdt
from core.payments.inbox import Entry
from core.payments.state import Status

NEAREST = 10  # promises looked at on each side of the amount, on each address
MAX_ADDRESSES = 20
NEAR = 20  # a twentieth of the amount, or 5 USDT: no exchange deducts more
FEE = 5_000_000  # units


@dataclass(frozen=True, slots=True)
class Candidate:
    """A payment that may have been meant.

    off_units: what came, less what was asked; negative where it is short.   apart_s: seconds between the transfer and
    the payment's window, 0 inside it.   reasons: sentences for people, the strongest first.
    """

    payment: Payment
    off_units: int
    apart_s: int
    is_same_sender: bool
    is_same_address: bool
    reasons: tuple[str, ...]
    is_named: bool = False


def candidates(session: Session, entry: Entry, *, limit: int = 5) -> list[Candidate]:
    """Rank the payments a transfer may have been meant for: by amount, then time, then sender and address."""
    senders_own, named = set(_paid_by_sender(session, entry)), set(_named_by_payer(session, entry))
    ids = {*_near_promises(session, entry), *_once_exact(session, entry), *senders_own, *named}
    if entry.payment is not None:
        ids.discard(entry.payment.id)
    rows = session.scalars(select(Payment).where(Payment.id.in_(ids), is_live())) if ids else ()
    found = [
        _candidate(row, entry, is_same_sender=row.id in senders_own, is_named=row.id in named) for row in rows
    ]
    reach = _reach(entry.transfer.units)
    near = [one for one in found if abs(one.off_units) <= reach or one.is_same_sender or one.is_named]
    return sorted(near, key=_rank)[:limit]


def _rank(one: Candidate) -> tuple[bool, int, int, bool, bool, int]:
    is_paid = one.payment.status == Status.PAID
    is_hinted = one.is_named or one.is_same_sender
    return is_paid, abs(one.off_units), one.apart_s, not is_hinted, not one.is_same_address, -one.payment.id


def _candidate(payment: Payment, entry: Entry, *, is_same_sender: bool, is_named: bool) -> Candidate:
    off_units = entry.open_units.units - payment.pay_units.units
    late = entry.transfer.block_time - payment.expires_at
    apart_s = max(0, late // timedelta(seconds=1))
    is_same_address = payment.address == entry.address.base58
    reasons = [_amount_reason(off_units), _time_reason(apart_s)]
    if is_named:
        reasons.append("its payer has named this transaction, which anybody can read on the chain")
    if is_same_sender:
        reasons.append("the same sender has paid this order, or part of it")
    reasons.append("the same address" if is_same_address else "another address of the same merchant")
    if payment.status == Status.PAID:
        reasons.append("already paid")
    return Candidate(payment, off_units, apart_s, is_same_sender, is_same_address, tuple(reasons), is_named)


def _amount_reason(off_units: int) -> str:
    if off_units == 0:
        return "exactly the amount asked"
    return f"{Usdt(abs(off_units)).six_places()} USDT {'less' if off_units < 0 else 'more'} than asked"


def _time_reason(apart_s: int) -> str:
    if apart_s == 0:
        return "inside its payment window"
    return f"{timedelta(seconds=apart_s)} after its window"


def _reach(came: Usdt) -> int:
    return max(FEE, came.units // NEAR)


def _near_promises(session: Session, entry: Entry) -> Iterable[int]:
    """Find what is still promised near the amount, address by address, by the index of held amounts."""
    came = entry.open_units
    held = (
        select(Reservation.id)
        .where(Reservation.released_at.is_(None), Reservation.from_height < entry.transfer.height)
        .limit(NEAREST)
    )
    found: list[int] = []
    for address_id in _addresses(session, entry):
        here = held.where(Reservation.address_id == address_id)
        above = here.where(Reservation.pay_units >= came).order_by(Reservation.pay_units)
        below = here.where(Reservation.pay_units < came).order_by(Reservation.pay_units.desc())
        found += [*session.scalars(above), *session.scalars(below)]
    return session.scalars(select(Payment.id).where(Payment.reservation_id.in_(found))).all() if found else ()


def _once_exact(session: Session, entry: Entry) -> Iterable[int]:
    """Find what asked exactly this amount on this address, however long ago."""
    promised = (
        select(Payment.id)
        .join(Reservation, Payment.reservation_id == Reservation.id)
        .where(
            Reservation.address_id == entry.address.id,
            Reservation.pay_units == entry.open_units,
            Reservation.from_height < entry.transfer.height,
        )
        .order_by(Reservation.id.desc())
        .limit(NEAREST)
    )
    return session.scalars(promised).all()


def _paid_by_sender(session: Session, entry: Entry) -> Sequence[int]:
    """Find what the same sender has lately paid to the same address, in whole or in part."""
    lately = (
        select(Transfer.payment_id, Transfer.sender)
        .where(Transfer.address_id == entry.address.id, Transfer.height <= entry.transfer.height)
        .order_by(Transfer.height.desc())
        .limit(200)
    )
    rows = session.execute(lately)
    return [row.payment_id for row in rows if row.sender == entry.transfer.sender and row.payment_id is not None]


def _named_by_payer(session: Session, entry: Entry) -> Sequence[int]:
    return session.scalars(select(Lead.payment_id).where(Lead.transfer_id == entry.transfer.id)).all()


def _addresses(session: Session, entry: Entry) -> list[int]:
    others = (
        select(Address.id)
        .where(
            Address.merchant_id == entry.address.merchant_id,
            Address.kind != "derived",
            Address.id != entry.address.id,
        )
        .order_by(Address.id)
        .limit(MAX_ADDRESSES)
    )
    return [entry.address.id, *session.scalars(others)]
