"""Gather a payment's facts from rows, ask `state.settle`, write its answer with its events: the only writer of status.

Level-triggered: `resettle` may be called any number of times, by the scanner, by a cancel, by a test control. The
`version` column refuses a write that was decided on stale facts; the edge then starts over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, exists, select
from sqlalchemy.orm import Session

from core.hub import Hub
from core.models import Payment, Reservation, Sighting, Transfer
from core.models.payments import is_live, is_open, takes_order
from core.models.refunds import is_leaving
from core.outbox import events
from core.outbox.events import EventType
from core.payments.reservations import ChainPoint
from core.payments.state import ENOUGH, TAKES_ORDER, Anomaly, Facts, Money, Standing, Status, settle

STATUS_EVENTS = {
    Status.CONFIRMING: EventType.DETECTED,
    Status.PENDING: EventType.UNDETECTED,
    Status.PAID: EventType.PAID,
    Status.EXPIRED: EventType.EXPIRED,
    Status.CANCELED: EventType.CANCELED,
}
ANOMALY_EVENTS = {
    Anomaly.UNDERPAID: EventType.UNDERPAID,
    Anomaly.OVERPAID: EventType.OVERPAID,
    Anomaly.LATE: EventType.LATE,
    Anomaly.DUPLICATE: EventType.DUPLICATE,
}

# Built once: every block asks them.
WINDOW_PASSED = (is_live(), is_open(), Payment.expires_at < bindparam("block_time"))
CAME = (
    select(
        Transfer.units, Transfer.block_time, Transfer.txid, Transfer.bucket, Transfer.resolution,
        is_leaving().label("is_leaving"),
    )
    .where(Transfer.payment_id == bindparam("of_payment"))
    .order_by(Transfer.height, Transfer.id)
)
SENT_BACK = ("refunded", "ignored")
POLICY = "policy"  # the actor of what a project's policy decides
HAS_PASSED = select(Payment.id).where(*WINDOW_PASSED).limit(1)
PASSED = select(Payment).where(*WINDOW_PASSED).with_for_update()


@dataclass(frozen=True, slots=True)
class Receipt:
    """The transfer that was enough: its transaction and its block's time."""

    txid: str
    block_time: datetime


def resettle(session: Session, hub: Hub, payment: Payment, *, point: ChainPoint) -> Standing:
    """Bring a live payment to the standing its facts demand, as of a solid chain point."""
    facts, receipt = live_facts(session, payment, point=point)
    return write_standing(session, hub, payment, facts, receipt)


def write_standing(
    session: Session, hub: Hub, payment: Payment, facts: Facts, receipt: Receipt | None
) -> Standing:
    """Write what `settle` decides, if it changes anything, and record each change as an event.

    A detected transfer that is final and too little has not vanished: nobody is told that it was undetected.
    """
    before = standing_of(payment)
    after = settle(before, facts)
    if after == before:
        return after
    if after.status is Status.PAID and before.status is not Status.PAID:
        if receipt is None:
            raise RuntimeError(f"payment {payment.payment_id} would be paid by nothing")
        payment.txid, payment.paid_at = receipt.txid, receipt.block_time
    payment.status, payment.anomaly = after.status.value, after.anomaly.value
    session.flush()
    now = hub.clock.now()
    has_come = after.status is Status.PENDING and facts.money is not Money.NONE  # what the head showed is final now
    if after.status is not before.status and not has_come:
        events.record(session, payment, STATUS_EVENTS[after.status], now=now, ids=hub.ids)
    if after.anomaly is not before.anomaly and after.anomaly in ANOMALY_EVENTS:
        events.record(session, payment, ANOMALY_EVENTS[after.anomaly], now=now, ids=hub.ids)
    if after.anomaly is Anomaly.ACCEPTED is not before.anomaly and payment.accepted_at is None:
        note = "short within the project's tolerance" if facts.timely else "late within the project's policy"
        events.record(session, payment, EventType.ACCEPTED, now=now, ids=hub.ids, actor=POLICY, note=note)
    return after


@dataclass(frozen=True, slots=True)
class Takings:
    """What solid blocks brought to a payment: how much that counts, when it was enough, whether more came after."""

    total: int
    money: Money
    receipt: Receipt | None
    repeated: bool


def live_facts(session: Session, payment: Payment, *, point: ChainPoint) -> tuple[Facts, Receipt | None]:
    """Read a live payment's facts from its rows; the receipt is the first transfer that reached the sum.

    Where a human took less for enough, it is the last one that came.
    """
    takings = takings_of(session, payment)
    receipt = takings.receipt
    is_enough = takings.money in ENOUGH
    is_timely = is_enough and receipt is not None and receipt.block_time <= payment.expires_at
    accepted = payment.accepted_at is not None
    if is_enough and not is_timely and not accepted and payment.cancel_requested_at is None:
        accepted = receipt is not None and _is_within_policy(session, payment, receipt)
    facts = Facts(
        money=takings.money,
        timely=is_timely,
        repeated=takings.repeated,
        seen=_is_seen(session, payment),
        canceled=payment.cancel_requested_at is not None,
        closed=point.block_time > payment.expires_at,
        order_taken=is_order_taken(session, payment),
        accepted=accepted,
    )
    return facts, receipt


def takings_of(session: Session, payment: Payment) -> Takings:
    """Sum what counts for a payment, in the order in which it came.

    Extra is what came after it was enough, and to a paid payment whatever was a duplicate. What was sent back, is
    promised back or was put aside counts for nothing; of an overpaying transfer only the excess was. A shortfall is
    tolerated for nobody who has canceled.
    """
    rows = session.execute(CAME, {"of_payment": payment.id}).all()
    asked, is_paid = payment.pay_units.units, payment.status == Status.PAID
    may_lack = bool(rows) and rows[0].units.units < asked and payment.cancel_requested_at is None
    enough = asked - (slack_of(session, payment) if may_lack else 0)
    total, receipt, repeated, last = 0, None, False, None
    for row in rows:
        is_back = row.resolution in SENT_BACK or row.is_leaving
        if receipt is not None or (is_paid and row.bucket == "duplicate"):
            repeated = repeated or row.resolution is None
            continue
        if is_back and row.bucket != "overpaid":
            continue
        last = Receipt(row.txid, row.block_time)
        total += row.units.units
        if total >= enough:
            receipt = last
            total = min(total, asked) if is_back else total  # its excess went back
    return Takings(total, _money(total, asked=asked, enough=enough), receipt or last, repeated)


def standing_of(payment: Payment) -> Standing:
    """Read a payment's standing from its row."""
    return Standing(Status(payment.status), Anomaly(payment.anomaly))


def close_passed(session: Session, hub: Hub, *, point: ChainPoint) -> None:
    """Settle every open live payment whose window chain time has passed."""
    session.flush()  # what was settled in this transaction is no longer open
    values = {"block_time": point.block_time}
    if session.connection().scalar(HAS_PASSED, values) is None:  # nearly every block
        return
    for payment in session.scalars(PASSED, values).all():
        resettle(session, hub, payment, point=point)


def slack_of(session: Session, payment: Payment) -> int:
    """Give the shortfall, in units, that was to be taken for enough when the payment was opened."""
    promise = session.get(Reservation, payment.reservation_id)
    return promise.slack_units.units if promise else 0


def _is_within_policy(session: Session, payment: Payment, receipt: Receipt) -> bool:
    promise = session.get(Reservation, payment.reservation_id)
    return promise is not None and promise.accept_until is not None and receipt.block_time <= promise.accept_until


def _money(total: int, *, asked: int, enough: int) -> Money:
    if total == 0:
        return Money.NONE
    if total < asked:
        return Money.NEAR if total >= enough else Money.SHORT
    return Money.EXACT if total == asked else Money.OVER


def _is_seen(session: Session, payment: Payment) -> bool:
    in_window = (Sighting.payment_id == payment.id) & (Sighting.block_time <= payment.expires_at)
    return bool(session.scalar(select(exists().where(in_window))))


def is_order_taken(session: Session, payment: Payment) -> bool:
    """Tell whether another payment of the same order is open or paid."""
    if Status(payment.status) in TAKES_ORDER:  # the unique index says: nobody else has it
        return False
    other = (
        (Payment.project_id == payment.project_id)
        & (Payment.is_test == payment.is_test)
        & (Payment.order_id == payment.order_id)
        & (Payment.id != payment.id)
        & takes_order()
    )
    return bool(session.scalar(select(exists().where(other))))
