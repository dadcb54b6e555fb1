"""Unique amounts: promise `(address, pay_units)` to one payment, and hold it through the late window.

The wall is a partial unique index; this code only chooses well. A slot is never reused while it is held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import bindparam, delete, literal_column, select, update
from sqlalchemy.orm import Session

from core.db import dialect_of, insert_in
from core.errors import NoFreeAmount, NoReceivingAddress
from core.hub import Hub
from core.ids import Ids
from core.models import AccountXpub, Address, Reservation
from core.money import Usdt
from core.payments.deriving import next_address

TAG_LIMIT = 19_999  # units: a buyer is asked for at most 0.019999 USDT more than the price
TAG_STEPS = (100, 10, 1)  # units: 0.0001 first, which is easy to read and type; finer when those are taken
MAX_COLLISIONS = 20  # lost races for a slot, each with a fresh choice, before we give up with a clear 503

MAX_ADDRESSES = 100  # looked at for a free amount: nearly two million at one price

# Built once and asked on the connection: building one anew costs four times what SQLite needs to answer it.
XPUB = (
    select(AccountXpub.id)
    .where(AccountXpub.merchant_id == bindparam("merchant_id"), AccountXpub.retired_at.is_(None))
)
ADDRESSES = (
    select(Address.id, Address.base58, XPUB.scalar_subquery().label("xpub_id"))
    .where(
        Address.merchant_id == bindparam("merchant_id"),
        Address.retired_at.is_(None),
        Address.kind != literal_column("'derived'"),
    )
    .order_by(Address.id)
    .limit(literal_column(str(MAX_ADDRESSES)))
)
TAKEN = select(Reservation.pay_units).where(
    Reservation.address_id == bindparam("address_id"),
    Reservation.released_at.is_(None),
    Reservation.pay_units.between(bindparam("least"), bindparam("most")),
)
RELEASE = (
    update(Reservation)
    .where(Reservation.released_at.is_(None), Reservation.held_until < bindparam("block_time"))
    .values(released_at=bindparam("block_time"))
)


@dataclass(frozen=True, slots=True)
class ChainPoint:
    """Where the solid scan stood: the last applied height and its block time."""

    height: int
    block_time: datetime


@dataclass(frozen=True, slots=True)
class Slot:
    """A promised amount on an address."""

    reservation_id: int
    address: str
    pay: Usdt


def reserve(
    session: Session, hub: Hub, *, merchant_id: int, due: Usdt, from_height: int, held_until: datetime
) -> Slot:
    """Promise an exact amount on one of the merchant's addresses, or the price itself on a fresh address of its xpub.

    due: the price, > 0.   from_height: transfers at or below it cannot mean this promise.   held_until: chain time.
    On a shared address the amount exceeds `due` by 1 to TAG_LIMIT units, in steps of 100 units while any is free.
    Raises NoReceivingAddress, or NoFreeAmount (503, retryable) when every amount on every address is taken.
    """
    merchant = {"merchant_id": merchant_id}
    addresses = session.connection().execute(ADDRESSES, merchant).all()
    xpub_id = addresses[0].xpub_id if addresses else session.connection().scalar(XPUB, merchant)
    if xpub_id is not None:
        return _fresh_slot(session, hub, xpub_id, due, from_height=from_height, held_until=held_until)
    if not addresses:
        raise NoReceivingAddress
    for address_id, base58, _ in addresses:
        for pay in _free_amounts(session, address_id=address_id, due=due, ids=hub.ids):
            row_id = _insert(session, address_id, pay, from_height=from_height, held_until=held_until)
            if row_id is not None:
                return Slot(row_id, base58, pay)
    raise NoFreeAmount


def _fresh_slot(
    session: Session, hub: Hub, xpub_id: int, due: Usdt, *, from_height: int, held_until: datetime
) -> Slot:
    address_id, base58 = next_address(session, hub, xpub_id)
    row_id = _insert(session, address_id, due, from_height=from_height, held_until=held_until)
    assert row_id is not None, "a fresh address has a reservation already"
    return Slot(row_id, base58, due)


def give_back(session: Session, reservation_id: int) -> None:
    """Take back a promise made in this very transaction, to nobody."""
    session.execute(delete(Reservation).where(Reservation.id == reservation_id))


def release_passed(session: Session, *, block_time: datetime) -> None:
    """Free every slot whose late window has ended on chain time."""
    session.connection().execute(RELEASE, {"block_time": block_time})


def free_tags(taken: set[int]) -> Iterator[list[int]]:
    """List the free tags (units) step by step, the coarsest first; a finer step repeats no coarser tag."""
    coarser = TAG_LIMIT + 1  # each step divides the one before it
    for step in TAG_STEPS:
        free = [tag for tag in range(step, TAG_LIMIT + 1, step) if tag % coarser and tag not in taken]
        coarser = step
        if free:
            yield free


def _free_amounts(session: Session, *, address_id: int, due: Usdt, ids: Ids) -> Iterable[Usdt]:
    """Offer random free amounts on one address; a race lost to another process costs one offer."""
    taken = {units - due.units for units in _taken_units(session, address_id=address_id, due=due)}
    offers = 0
    for free in free_tags(taken):
        while free and offers < MAX_COLLISIONS:
            offers += 1
            yield Usdt(due.units + free.pop(ids.below(len(free))))


def _taken_units(session: Session, *, address_id: int, due: Usdt) -> Iterable[int]:
    values = {"address_id": address_id, "least": due, "most": Usdt(due.units + TAG_LIMIT)}
    return [amount.units for amount in session.connection().scalars(TAKEN, values)]


def _insert(
    session: Session, address_id: int, pay: Usdt, *, from_height: int, held_until: datetime
) -> int | None:
    values = {"address_id": address_id, "pay_units": pay, "from_height": from_height, "held_until": held_until}
    row_id: int | None = session.connection().scalar(_insertion(dialect_of(session)), values)
    return row_id


@cache
def _insertion(dialect: str) -> Any:
    return (
        insert_in(dialect, Reservation)
        .values({name: bindparam(name) for name in ("address_id", "pay_units", "from_height", "held_until")})
        .on_conflict_do_nothing()
        .returning(Reservation.id)
    )
