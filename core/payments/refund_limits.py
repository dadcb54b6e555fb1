"""How much of what paid a payment may still go back, kept in a row that refuses one unit too many.

Every function is handed a session, never commits, and is called with the payment locked.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import RefundTooLarge
from core.ledger import journal
from core.models import InboxAct, Payment, Refund, RefundLimit, Transfer
from core.money import Usdt


@dataclass(frozen=True, slots=True)
class Refundable:
    """What a project was credited with for a payment, and what of it goes back.

    promised: of all its refunds but canceled ones.   refunded: of those that are proven.
    """

    received: Usdt
    promised: Usdt
    refunded: Usdt

    @property
    def left(self) -> Usdt:
        """Give what may still be promised back."""
        return self.received - self.promised


def refundable(session: Session, payment: Payment) -> Refundable:
    """Read how much a payment has received, and what of it went back; what waits in the inbox is not among it."""
    promised, refunded = 0, 0
    for refund in refunds_of_payment(session, payment):
        if refund.transfer_id is None and refund.state != "canceled":
            promised += refund.units.units
            refunded += refund.units.units if refund.state == "verified" else 0
    return Refundable(received_by(session, payment), Usdt(promised), Usdt(refunded))


def refunds_of_payment(session: Session, payment: Payment) -> list[Refund]:
    """List all refunds that concern a payment, over or not, the oldest first."""
    return list(session.scalars(select(Refund).where(Refund.payment_id == payment.id).order_by(Refund.id)))


def received_by(session: Session, payment: Payment) -> Usdt:
    """Sum what was credited for a payment, by a transfer itself or by what was decided about it."""
    of_payment = select(Transfer.id).where(Transfer.payment_id == payment.id)
    transfers = session.scalars(of_payment).all()
    acts = session.scalars(select(InboxAct.id).where(InboxAct.transfer_id.in_(transfers)))
    sources = [f"{kind}:{number}" for number in transfers for kind in ("transfer", "assigned")]
    sources += [f"inbox:{number}" for number in acts]
    accounts = [journal.project_account(payment.project_id, is_held=is_held) for is_held in (False, True)]
    return Usdt(-journal.booked(session, sources=sources, accounts=accounts))


def promise(session: Session, payment: Payment, amount: Usdt | None) -> Usdt:
    """Set a sum of what paid a payment aside for a refund, all that is left by default; gives the sum.

    Raises RefundTooLarge, also where nothing is left.
    """
    limit = session.get(RefundLimit, payment.id, populate_existing=True)
    if limit is None:
        limit = RefundLimit(payment_id=payment.id, received_units=Usdt(0), promised_units=Usdt(0))
        session.add(limit)
    limit.received_units = received_by(session, payment)
    left = limit.received_units - limit.promised_units
    sum_ = left if amount is None else amount
    if sum_ > left or left.units == 0:
        raise RefundTooLarge(f"At most {left.six_places()} USDT of this payment can be refunded.")
    limit.promised_units += sum_
    session.flush()
    return sum_


def release(session: Session, refund: Refund) -> None:
    """Let a canceled refund's sum be promised again."""
    limit = session.get_one(RefundLimit, refund.payment_id, populate_existing=True)
    limit.promised_units -= refund.units
    session.flush()
