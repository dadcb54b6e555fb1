"""Unique amounts: promise `(address, pay_units)` to one payment, and hold it through the late window.

The wall is a partial unique index; this code only chooses well. A slot is never reused while it is held. Amounts that
tolerate a shortfall keep that much distance from each other, so that what falls short still means one payment alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import pairwise

from sqlalchemy import BigInteger, bindparam, delete, exists, func, literal_column, select, text, update
from sqlalchemy.orm import Session

from core.db import dialect_of, insert_in
from core.errors import NoFreeAmount, NoReceivingAddress
from core.hub import Hub
from core.ids import Ids
from core.models import AccountXpub, Address, Reservation
from core.models.projects import TOLERANCE_LIMIT
from core.money import Usdt
from core.payments.deriving import next_address
from core.prepared import Prepared

TAG_LIMIT = 19_999  # units: a buyer is asked for at most 0.019999 USDT more than the price
TAG_STEPS = (100, 10, 1)  # units: 0.0001 first, which is easy to read and type; finer when those are taken
TAGS = tuple(  # those of each step that are none of a coarser one's, which it divides
    tuple(tag for tag in range(step, TAG_LIMIT + 1, step) if tag % coarser)
    for coarser, step in pairwise((TAG_LIMIT + 1, *TAG_STEPS))
)
MAX_COLLISIONS = 20  # lost races for a slot, each with a fresh choice, before we give up with a clear 503

MAX_ADDRESSES = 100  # looked at for a free amount: nearly two million at one price

# Built once and asked on the connection: building one anew costs four times what SQLite needs to answer it.
XPUB = (
    select(AccountXpub.id)
    .where(AccountXpub.merchant_id == bindparam("merchant_id"), AccountXpub.retired_at.is_(None))
)
IS_SHARED = (
    Address.merchant_id == bindparam("merchant_id"),
    Address.retired_at.is_(None),
    Address.kind != literal_column("'derived'"),
    Address.exclusive == literal_column("0"),
)
FIRST_ADDRESS = select(Address.id, Address.base58).where(*IS_SHARED).order_by(Address.id).limit(literal_column("1"))
FURTHER_ADDRESSES = (
    select(Address.id, Address.base58)
    .where(*IS_SHARED, Address.id > bindparam("first_id"))
    .order_by(Address.id)
    .limit(literal_column(str(MAX_ADDRESSES - 1)))
)
# As columns of a larger question: the merchant's first shared address, and its xpub.
PLACES = (
    FIRST_ADDRESS.with_only_columns(Address.id).scalar_subquery().label("address_id"),
    FIRST_ADDRESS.with_only_columns(Address.base58).scalar_subquery().label("base58"),
    XPUB.scalar_subquery().label("xpub_id"),
)
ASK_PLACES = select(*PLACES)
HELD_HERE = (Reservation.address_id == bindparam("address_id"), Reservation.released_at.is_(None))
TAKEN = Prepared(
    lambda _: select(Reservation.pay_units, Reservation.slack_units)
    .where(*HELD_HERE, Reservation.pay_units.between(bindparam("least"), bindparam("most")))
    .union_all(
        select(Reservation.pay_units, Reservation.slack_units).where(
            *HELD_HERE,
            Reservation.slack_units > literal_column("0"),
            Reservation.pay_units.between(bindparam("beyond"), bindparam("farthest")),
        )
    )
)
LINE = 0x5057  # "PW": the high half of the advisory locks' numbers, the address's id being the low one
PLACE = bindparam("place", type_=BigInteger())
LINE_ALONE = Prepared(lambda _: text("SELECT pg_advisory_xact_lock(:place)").bindparams(PLACE))
LINE_SHARED = Prepared(lambda _: text("SELECT pg_advisory_xact_lock_shared(:place)").bindparams(PLACE))
LAST_PROMISE = select(func.max(Reservation.id)).where(Reservation.address_id == Address.id).scalar_subquery()
POOL = (  # the address that has been idle longest first: the later a late payment, the less it can be mistaken
    select(Address.id, Address.base58)
    .where(
        Address.merchant_id == bindparam("merchant_id"),
        Address.retired_at.is_(None),
        Address.kind != literal_column("'derived'"),
        Address.exclusive == literal_column("1"),
        ~exists().where(Reservation.address_id == Address.id, Reservation.released_at.is_(None)),
    )
    .order_by(func.coalesce(LAST_PROMISE, 0), Address.id)
    .limit(literal_column(str(MAX_COLLISIONS)))
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
class Terms:
    """What a project's policies promise with an amount.

    slack: a shortfall that is taken for enough.   accept_until: chain time until which late money still pays.
    addressing: `shared`, `pool`, `xpub`, or `auto`: the merchant's xpub if it has one, else shared.
    """

    slack: Usdt = Usdt(0)
    accept_until: datetime | None = None
    addressing: str = "auto"


@dataclass(frozen=True, slots=True)
class Places:
    """Where a merchant can be paid: its first shared address, its account xpub; None for what it has not."""

    address_id: int | None
    base58: str | None
    xpub_id: int | None


@dataclass(frozen=True, slots=True)
class _Promise:
    """What every reservation of one payment says, whatever its amount and address."""

    from_height: int
    held_until: datetime
    slack: Usdt
    accept_until: datetime | None


@dataclass(frozen=True, slots=True)
class Slot:
    """A promised amount on an address."""

    reservation_id: int
    address: str
    pay: Usdt


def reserve(
    session: Session,
    hub: Hub,
    *,
    merchant_id: int,
    due: Usdt,
    from_height: int,
    held_until: datetime,
    terms: Terms = Terms(),
    places: Places | None = None,
) -> Slot:
    """Promise an exact amount on one of the merchant's addresses, or the price itself on an address for it alone.

    due: the price, > 0.   from_height: transfers at or below it cannot mean this promise.   held_until: chain time.
    places: where the caller has asked for them already.
    On a shared address the amount exceeds `due` by 1 to TAG_LIMIT units, in steps of 100 units while any is free.
    Raises NoReceivingAddress, or NoFreeAmount (503, retryable) when every amount on every address is taken.
    """
    merchant = {"merchant_id": merchant_id}
    slack = Usdt(min(terms.slack.units, due.units // 2))
    promise = _Promise(from_height, held_until, slack, terms.accept_until)
    if terms.addressing == "pool":
        return _pool_slot(session, merchant, due, promise)
    places = places or Places(*session.connection().execute(ASK_PLACES, merchant).one())
    if places.xpub_id is not None and terms.addressing != "shared":
        return _fresh_slot(session, hub, places.xpub_id, due, promise)
    if places.address_id is None or terms.addressing == "xpub":
        raise NoReceivingAddress
    for address_id, base58 in _shared_addresses(session, merchant, places):
        _stand_in_line(session, address_id, keeps_distance=slack.units > 0)
        for pay in _free_amounts(session, address_id=address_id, due=due, slack=slack, ids=hub.ids):
            row_id = _insert(session, address_id, pay, promise)
            if row_id is not None:
                return Slot(row_id, base58, pay)
    raise NoFreeAmount


def _shared_addresses(session: Session, merchant: dict[str, int], places: Places) -> Iterator[tuple[int, str]]:
    """Give the first address, and the others when that has no amount left: hardly ever."""
    assert places.address_id is not None and places.base58 is not None
    yield places.address_id, places.base58
    asked = merchant | {"first_id": places.address_id}
    for address_id, base58 in session.connection().execute(FURTHER_ADDRESSES, asked).all():
        yield address_id, base58


def _stand_in_line(session: Session, address_id: int, *, keeps_distance: bool) -> None:
    """Let nobody promise an unseen amount beside one that tolerates a shortfall, until this transaction ends.

    Two who choose at once do not see each other's choice on PostgreSQL; the unique index keeps equal amounts apart but
    not near ones. Who needs distance waits for all others on the address, and they for that one; who needs none waits
    for nobody else. Addresses are taken in order of their ids, so no two wait for each other. SQLite has one writer.
    """
    if dialect_of(session) == "sqlite":
        return
    statement = LINE_ALONE if keeps_distance else LINE_SHARED
    statement.rows(session.connection(), {"place": LINE << 32 | address_id})


def _fresh_slot(session: Session, hub: Hub, xpub_id: int, due: Usdt, promise: _Promise) -> Slot:
    address_id, base58 = next_address(session, hub, xpub_id)
    row_id = _insert(session, address_id, due, promise, exclusive=True)
    assert row_id is not None, "a fresh address has a reservation already"
    return Slot(row_id, base58, due)


def _pool_slot(session: Session, merchant: dict[str, int], due: Usdt, promise: _Promise) -> Slot:
    """Take an address of the pool that no payment has; a race lost to another process costs one offer."""
    for address_id, base58 in session.connection().execute(POOL, merchant).all():
        row_id = _insert(session, address_id, due, promise, exclusive=True)
        if row_id is not None:
            return Slot(row_id, base58, due)
    pooled = (Address.exclusive == literal_column("1"), Address.merchant_id == merchant["merchant_id"])
    if session.scalar(select(exists().where(*pooled, Address.retired_at.is_(None)))):
        raise NoFreeAmount(
            "Every address of the pool waits for a payment, or may still be paid late; try again later or add one."
        )
    raise NoReceivingAddress


def give_back(session: Session, reservation_id: int) -> None:
    """Take back a promise made in this very transaction, to nobody."""
    session.execute(delete(Reservation).where(Reservation.id == reservation_id))


def release_passed(session: Session, *, block_time: datetime) -> None:
    """Free every slot whose late window has ended on chain time."""
    session.connection().execute(RELEASE, {"block_time": block_time})


def free_tags(taken: set[int]) -> Iterator[list[int]]:
    """List the free tags (units) step by step, the coarsest first; a finer step repeats no coarser tag."""
    for tags in TAGS:
        free = [tag for tag in tags if tag not in taken]
        if free:
            yield free


def _free_amounts(session: Session, *, address_id: int, due: Usdt, slack: Usdt, ids: Ids) -> Iterable[Usdt]:
    """Offer random free amounts on one address; a race lost to another process costs one offer."""
    taken = _taken_tags(session, address_id=address_id, due=due.units, slack=slack.units)
    offers = 0
    for free in free_tags(taken):
        while free and offers < MAX_COLLISIONS:
            offers += 1
            yield Usdt(due.units + free.pop(ids.below(len(free))))


def _taken_tags(session: Session, *, address_id: int, due: int, slack: int) -> set[int]:
    """List the tags whose amounts are promised, or too near to a promised one that tolerates a shortfall."""
    most = due + TAG_LIMIT
    values = {
        "address_id": address_id, "least": Usdt(due - slack), "most": Usdt(most),
        "beyond": Usdt(most + 1), "farthest": Usdt(most + TOLERANCE_LIMIT),
    }
    taken: set[int] = set()
    reached = 0  # tags up to here are in the set already: the intervals come in the order of their ends' starts
    spans = sorted(
        (pay.units - slack_of_it.units - due, pay.units - due + slack)
        for pay, slack_of_it in TAKEN.rows(session.connection(), values)
    )
    for first, last in spans:
        start, end = max(first, reached + 1, 1), min(last, TAG_LIMIT)
        taken.update(range(start, end + 1))
        reached = max(reached, end)
    return taken


def _insert(
    session: Session, address_id: int, pay: Usdt, promise: _Promise, *, exclusive: bool = False
) -> int | None:
    values = {
        "address_id": address_id, "pay_units": pay, "from_height": promise.from_height,
        "held_until": promise.held_until, "slack_units": promise.slack, "accept_until": promise.accept_until,
        "exclusive": exclusive,
    }
    row_id: int | None = _insertion(tuple(values)).scalar(session.connection(), values)
    return row_id


@cache
def _insertion(names: tuple[str, ...]) -> Prepared:
    return Prepared(
        lambda dialect: insert_in(dialect, Reservation)
        .values({name: bindparam(name) for name in names})
        .on_conflict_do_nothing()
        .returning(Reservation.id)
    )
