"""Open, cancel and settle payments: gathers facts from rows, asks `state.settle`, writes its answer with its events.

Every function is handed a session and never commits. No TRON, no Redis, no HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import bindparam, case, exists, literal_column, select, text
from sqlalchemy.orm import Session

from core.chain.addresses import ZERO_ADDRESS
from core.clock import EPOCH
from core.db import detached, dialect_of, insert_in
from core.errors import DatabaseUnavailable, OrderAmountConflict, OrderElsewhere, OrderHoldsFunds
from core.hub import Hub
from core.ids import Mode
from core.models import Address, Channel, ChannelPayment, Credential, Cursor, Event, Payment, Project
from core.models.payments import TAKES_ORDER as TAKES_ORDER_SQL
from core.money import Amount, Usdt
from core.outbox import events
from core.payments import numbers
from core.payments.quoting import Price, rate_text
from core.payments.rates import quote_price
from core.payments.reservations import PLACES, TAG_LIMIT, TAG_STEPS, ChainPoint, Places, Terms, give_back, reserve
from core.payments.state import TAKES_ORDER, Anomaly, Status
from core.prepared import Prepared

HOLDS_FUNDS = (Anomaly.UNDERPAID, Anomaly.LATE)
BEFORE_ALL = ChainPoint(0, EPOCH)
MAX_RACES = 3  # losing one is normal; its winner ended before we could read it only if somebody cancels at once

# Built once and asked on the connection: building one anew costs four times what SQLite needs to answer it.
CHAIN_POINT = select(Cursor.height, Cursor.block_time).where(Cursor.network == bindparam("network"))
IS_OF_ORDER = (
    Payment.project_id == bindparam("project_id"),
    Payment.is_test == bindparam("is_test"),
    Payment.order_id == bindparam("order_id"),
)
IS_KNOWN = exists().where(*IS_OF_ORDER)
# All that every order asks, in one question: a statement more costs as much again. A known order draws no number.
GROUND = Prepared(
    lambda dialect: select(
        IS_KNOWN.label("is_known"),
        case((IS_KNOWN, None), else_=numbers.NEXTS[dialect]).label("number"),
        CHAIN_POINT.with_only_columns(Cursor.height).scalar_subquery().label("height"),
        CHAIN_POINT.with_only_columns(Cursor.block_time).scalar_subquery().label("block_time"),
        *PLACES,
    )
)
OF_ORDER = select(Payment).where(*IS_OF_ORDER).order_by(Payment.id.desc()).execution_options(populate_existing=True)
FIRST_EVENT = Prepared(lambda _: events.first_event(Payment, Payment.id == bindparam("number")))

FRESH: dict[str, Any] = {  # what every payment begins with
    "status": Status.PENDING.value,
    "anomaly": Anomaly.NONE.value,
    "version": 1,
    "cancel_requested_at": None,
    "simulated": None,
    "paid_at": None,
    "txid": None,
}


@dataclass(frozen=True, slots=True)
class Order:
    """What a merchant asks money for; every field validated at the edge. amount: in USDT, or a price to be quoted."""

    order_id: str
    amount: Amount | Price
    description: str = ""
    success_url: str | None = None
    fail_url: str | None = None


@dataclass(frozen=True, slots=True)
class _Ground:
    """What an order meets: whether it has payments already, the number its own would have, how far the solid scan is.

    number: None where it has.
    """

    is_known: bool
    number: int | None
    point: ChainPoint
    places: Places


@dataclass(frozen=True, slots=True)
class Opened:
    """The payment of an order, and whether this call made it."""

    payment: Payment
    created: bool


def open_payment(
    session: Session, hub: Hub, *, project: Project, credential: Credential, order: Order,
    channel_id: int | None = None,
) -> Opened:
    """Open the payment of an order, or return the one it already has: `order_id` is the idempotency key.

    A payment keeps the quote it was opened with: asked again with the same price, it is returned as it is.
    channel_id: the channel whose order it is; None for the project's own. An order that was opened from elsewhere is
    another order, whatever its id: two shops count from one.

    Raises OrderElsewhere, OrderAmountConflict, OrderHoldsFunds, NoReceivingAddress, NoFreeAmount, DatabaseUnavailable;
    and for an order with a price RateUnavailable and InvalidPrice.
    """
    values = {
        "project_id": project.id, "is_test": credential.mode == Mode.TEST, "order_id": order.order_id,
        "network": hub.settings.network.name, "merchant_id": project.merchant_id,
    }
    for _ in range(MAX_RACES):
        ground = _ground(session, values)
        found = _payment_of_order(session, values, order, channel_id) if ground.is_known else None
        if found is not None:
            return Opened(found, created=False)
        payment = _insert(session, hub, ground, project=project, credential=credential, order=order)
        if payment is not None:
            return Opened(payment, created=True)
    raise DatabaseUnavailable("Too many requests for this order_id at once; try again.")


def origin_of(session: Session, payment: Payment) -> Channel | None:
    """Find the channel that opened a payment; None for one that the project itself asked for."""
    opened_by = select(Channel).join(ChannelPayment, ChannelPayment.channel_id == Channel.id)
    return session.scalar(opened_by.where(ChannelPayment.payment_id == payment.id))


def elsewhere(payment: Payment, origin: Channel | None) -> OrderElsewhere:
    """Say whose payment an order_id belongs to."""
    whose = f"channel {origin.uid} ({origin.adapter})" if origin else "the project's own API"
    return OrderElsewhere(f"Order {payment.order_id} belongs to payment {payment.payment_id}, which {whose} opened.")


def chain_point(session: Session, hub: Hub) -> ChainPoint:
    """Read how far the solid scan of this hub's network has come; height 0 before its first block."""
    row = session.connection().execute(CHAIN_POINT, {"network": hub.settings.network.name}).one_or_none()
    return ChainPoint(row.height, row.block_time) if row else BEFORE_ALL


def _ground(session: Session, values: dict[str, Any]) -> _Ground:
    found = GROUND.row(session.connection(), values)
    assert found is not None, "a SELECT without FROM has a row"
    is_known, number, height, block_time, *places = found
    point = BEFORE_ALL if height is None else ChainPoint(height, block_time)
    return _Ground(bool(is_known), number, point, Places(*places))


def _payment_of_order(
    session: Session, values: dict[str, Any], order: Order, channel_id: int | None
) -> Payment | None:
    """Find the payment that has this order; None when a new one may be opened."""
    rows = session.scalars(OF_ORDER, values).all()
    for payment in rows:
        if Status(payment.status) in TAKES_ORDER:
            origin = origin_of(session, payment)
            if (origin.id if origin else None) != channel_id:
                raise elsewhere(payment, origin)
            if not _asks_the_same(payment, order):
                raise OrderAmountConflict
            return payment
    if any(Anomaly(payment.anomaly) in HOLDS_FUNDS for payment in rows):
        raise OrderHoldsFunds
    return None


def _asks_the_same(payment: Payment, order: Order) -> bool:
    """Tell whether an order asks what its payment was opened for: the same USDT, or the same price."""
    if isinstance(order.amount, Price):
        return (payment.price_text, payment.price_currency) == (order.amount.text, order.amount.currency)
    return payment.price_text is None and payment.amount_units == order.amount.due


def _priced(session: Session, hub: Hub, order: Order) -> tuple[Amount, dict[str, Any]]:
    """Give what is due in USDT, and the quote's columns where the order has a price."""
    if isinstance(order.amount, Amount):
        return order.amount, {}
    quoted = quote_price(session, hub, order.amount)
    return quoted.amount, {
        "price_text": quoted.price.text,
        "price_currency": quoted.price.currency,
        "rate": rate_text(quoted.rate),
        "rate_sources": " ".join(quoted.sources),
        "rate_at": quoted.at,
    }


def _insert(
    session: Session, hub: Hub, ground: _Ground, *, project: Project, credential: Credential, order: Order
) -> Payment | None:
    """Insert the payment of an order with its slot and its first event; None when another request was faster."""
    point, now = ground.point, hub.clock.now()
    is_test = credential.mode == Mode.TEST
    # the later of both clocks: a machine a day behind must not open payments that chain time has already closed (B9)
    opens_at = (project.test_now or now) if is_test else max(now, point.block_time)
    expires_at = opens_at + timedelta(seconds=project.window_s)
    place = _test_place if is_test else _live_place
    amount, quoted = _priced(session, hub, order)
    number, public_id = numbers.next_payment_id(session, hub, drawn=ground.number)
    values = place(session, hub, project, amount.due, ground, expires_at) | {
        "id": number,
        "payment_id": public_id,
        "project_id": project.id,
        "credential_id": credential.id,
        "is_test": is_test,
        "order_id": order.order_id,
        "amount_units": amount.due,
        "amount_text": amount.text,
        "description": order.description,
        "success_url": order.success_url,
        "fail_url": order.fail_url,
        "page_token": hub.ids.page_token(),
        "created_at": now,
        "expires_at": expires_at,
    } | FRESH | quoted
    if not _insert_unless_taken(session, values, events.first_event_id(hub.ids, values["page_token"])):
        if not is_test:
            give_back(session, values["reservation_id"])
        return None
    payment = detached(Payment, values)  # its row is there: spare reading back what was just written
    session.add(payment)
    return payment


def _insert_unless_taken(session: Session, values: dict[str, Any], event_id: str) -> bool:
    """Insert a payment with its first event; False when its order has one."""
    connection = session.connection()
    if _insertion(tuple(values)).scalar(connection, values | {"event_id": event_id}) is None:
        return False
    if dialect_of(session) == "sqlite":
        FIRST_EVENT.rows(connection, {"event_id": event_id, "number": values["id"]})
    return True


@cache
def _insertion(names: tuple[str, ...]) -> Prepared:
    """Prepare the INSERT; on PostgreSQL the event's goes with it, which spares a way there and back."""
    return Prepared(
        lambda dialect: _payment_alone(dialect, names).returning(Payment.id)
        if dialect == "sqlite" else _payment_and_event(dialect, names)
    )


def _payment_and_event(dialect: str, names: tuple[str, ...]) -> Any:
    row = (Payment.id, Payment.created_at, Payment.project_id, Payment.is_test)
    made = _payment_alone(dialect, names).returning(*row).cte("made")
    return events.first_event(made.c).returning(Event.payment_id)


def _payment_alone(dialect: str, names: tuple[str, ...]) -> Any:
    """Build the INSERT of a payment. The predicate is literal SQL, or SQLite refuses the target."""
    return (
        insert_in(dialect, Payment)
        .values({name: bindparam(name) for name in names})
        .on_conflict_do_nothing(
            index_elements=["project_id", "is_test", "order_id"], index_where=text(TAKES_ORDER_SQL)
        )
    )


def _live_place(
    session: Session, hub: Hub, project: Project, due: Usdt, ground: _Ground, expires_at: datetime
) -> dict[str, Any]:
    """Reserve where and how much a live payment is paid."""
    slot = reserve(
        session,
        hub,
        merchant_id=project.merchant_id,
        due=due,
        from_height=ground.point.height,
        held_until=expires_at + timedelta(seconds=project.late_window_s),
        terms=_terms(project, expires_at),
        places=ground.places,
    )
    return {"reservation_id": slot.reservation_id, "address": slot.address, "pay_units": slot.pay}


def _terms(project: Project, expires_at: datetime) -> Terms:
    """Fix a project's policies for one payment: what was promised when it was opened stays."""
    accept_until = expires_at + timedelta(seconds=project.late_accept_s) if project.late_accept_s else None
    return Terms(project.tolerance_units, accept_until, project.addressing)


def _test_place(
    session: Session, hub: Hub, project: Project, due: Usdt, _ground: _Ground, _expires_at: datetime
) -> dict[str, Any]:
    """Show where and how much a test payment would be paid: reserved nowhere, and no transfer can match it."""
    step = TAG_STEPS[0]
    pay = Usdt(due.units + step * (1 + hub.ids.below(TAG_LIMIT // step)))
    return {"reservation_id": None, "address": _test_address(session, project), "pay_units": pay}


def _test_address(session: Session, project: Project) -> str:
    """Show the merchant's own first address, else the zero address, to which USDT refuses transfers."""
    own = session.scalar(
        select(Address.base58)
        .where(
            Address.merchant_id == project.merchant_id,
            Address.retired_at.is_(None),
            Address.kind != literal_column("'derived'"),
        )
        .order_by(Address.id)
        .limit(1)
    )
    return own or ZERO_ADDRESS.base58
