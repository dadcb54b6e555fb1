"""Open, cancel and settle payments: gathers facts from rows, asks `state.settle`, writes its answer with its events.

Every function is handed a session and never commits. No TRON, no Redis, no HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from core.chain.addresses import ZERO_ADDRESS
from core.clock import EPOCH
from core.db import insert_for
from core.errors import OrderAmountConflict, OrderHoldsFunds
from core.hub import Hub
from core.ids import Mode
from core.models import Address, Credential, Cursor, Payment, Project
from core.models.payments import TAKES_ORDER as TAKES_ORDER_SQL
from core.money import Amount, Usdt
from core.outbox import events
from core.payments import numbers
from core.payments.reservations import TAG_LIMIT, TAG_STEPS, ChainPoint, reserve
from core.payments.state import TAKES_ORDER, Anomaly, Status

HOLDS_FUNDS = (Anomaly.UNDERPAID, Anomaly.LATE)


@dataclass(frozen=True, slots=True)
class Order:
    """What a merchant asks money for; every field validated at the edge."""

    order_id: str
    amount: Amount
    description: str = ""
    success_url: str | None = None
    fail_url: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """The payment of an order, and whether this call made it."""

    payment: Payment
    created: bool


class _RaceLost(Exception):
    """Another request opened the order's payment between our look and our insert."""


def open_payment(session: Session, hub: Hub, *, project: Project, credential: Credential, order: Order) -> Opened:
    """Open the payment of an order, or return the one it already has: `order_id` is the idempotency key.

    Raises OrderAmountConflict, OrderHoldsFunds, NoReceivingAddress, NoFreeAmount.
    """
    found = _payment_of_order(session, project=project, credential=credential, order=order)
    if found is not None:
        return Opened(found, created=False)
    try:
        with session.begin_nested():  # a lost race must give its reserved amount back
            return Opened(_insert(session, hub, project=project, credential=credential, order=order), created=True)
    except _RaceLost:
        winner = _payment_of_order(session, project=project, credential=credential, order=order)
        if winner is None:
            raise RuntimeError(f"order of project {project.id} is both taken and free") from None
        return Opened(winner, created=False)


def chain_point(session: Session, hub: Hub) -> ChainPoint:
    """Read how far the solid scan of this hub's network has come; height 0 before its first block."""
    row = session.execute(
        select(Cursor.height, Cursor.block_time).where(Cursor.network == hub.settings.network.name)
    ).one_or_none()
    return ChainPoint(row.height, row.block_time) if row else ChainPoint(0, EPOCH)


def _payment_of_order(
    session: Session, *, project: Project, credential: Credential, order: Order
) -> Payment | None:
    """Find the payment that has this order; None when a new one may be opened."""
    rows = session.scalars(
        select(Payment)
        .where(
            Payment.project_id == project.id,
            Payment.is_test == (credential.mode == Mode.TEST),
            Payment.order_id == order.order_id,
        )
        .order_by(Payment.id.desc())
        .execution_options(populate_existing=True)
    ).all()
    for payment in rows:
        if Status(payment.status) in TAKES_ORDER:
            if payment.amount_units != order.amount.due:
                raise OrderAmountConflict
            return payment
    if any(Anomaly(payment.anomaly) in HOLDS_FUNDS for payment in rows):
        raise OrderHoldsFunds
    return None


def _insert(
    session: Session, hub: Hub, *, project: Project, credential: Credential, order: Order
) -> Payment:
    is_test = credential.mode == Mode.TEST
    point = chain_point(session, hub)
    # the later of both clocks: a machine a day behind must not open payments that chain time has already closed (B9)
    now = hub.clock.now()
    expires_at = max(now, point.block_time) + timedelta(seconds=project.window_s)
    if is_test:
        reservation_id, address, pay = None, _test_address(session, project), _test_amount(hub, order.amount.due)
        expires_at = now + timedelta(seconds=project.window_s)
    else:
        slot = reserve(
            session,
            merchant_id=project.merchant_id,
            due=order.amount.due,
            from_height=point.height,
            held_until=expires_at + timedelta(seconds=project.late_window_s),
            ids=hub.ids,
        )
        reservation_id, address, pay = slot.reservation_id, slot.address, slot.pay
    number, public_id = numbers.next_payment_id(session, hub)
    inserted = session.execute(
        insert_for(session, Payment)
        .values(
            id=number,
            payment_id=public_id,
            project_id=project.id,
            credential_id=credential.id,
            is_test=is_test,
            order_id=order.order_id,
            amount_units=order.amount.due,
            amount_text=order.amount.text,
            pay_units=pay,
            address=address,
            reservation_id=reservation_id,
            description=order.description,
            success_url=order.success_url,
            fail_url=order.fail_url,
            page_token=hub.ids.page_token(),
            version=1,
            created_at=now,
            expires_at=expires_at,
        )
        .on_conflict_do_nothing(
            index_elements=["project_id", "is_test", "order_id"], index_where=text(TAKES_ORDER_SQL)
        )
        .returning(Payment)
    )
    payment = inserted.scalar_one_or_none()
    if payment is None:
        raise _RaceLost
    events.record_first(session, payment, now=now, ids=hub.ids)
    return payment


def _test_address(session: Session, project: Project) -> str:
    """Show the merchant's own first address, else the zero address, to which USDT refuses transfers."""
    own = session.scalar(
        select(Address.base58)
        .where(Address.merchant_id == project.merchant_id, Address.retired_at.is_(None))
        .order_by(Address.id)
        .limit(1)
    )
    return own or ZERO_ADDRESS.base58


def _test_amount(hub: Hub, due: Usdt) -> Usdt:
    """Tag a test amount as a live one would be; it is reserved nowhere, and no transfer can ever match it."""
    step = TAG_STEPS[0]
    return Usdt(due.units + step * (1 + hub.ids.below(TAG_LIMIT // step)))
