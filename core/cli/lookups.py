"""Find what a command is about, or say in one sentence why it cannot be found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import MissingField, NotFound, PaymentNotFound

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from sqlalchemy.sql.base import ExecutableOption

    from core.models import Payment


def merchant_or_only(session: Session, merchant_id: int | None) -> int:
    """Take the merchant that was named, or the only one there is; raises MissingField where there is a choice."""
    from sqlalchemy import select

    from core.models import Merchant

    if merchant_id is not None:
        return merchant_id
    found = session.scalars(select(Merchant.id).limit(2)).all()
    if not found:
        raise NotFound("There is no merchant yet: run `paywharf merchant create NAME` first.")
    if len(found) > 1:
        raise MissingField("This hub has several merchants: say which one with --merchant.")
    return found[0]


def find_payment(session: Session, payment_id: int) -> Payment:
    """Find a payment by its public id, its project loaded too; raises PaymentNotFound."""
    from sqlalchemy import select
    from sqlalchemy.orm import joinedload

    from core.models import Payment

    found = session.scalar(
        select(Payment).where(Payment.payment_id == payment_id).options(joinedload(Payment.project))
    )
    if found is None:
        raise PaymentNotFound(f"There is no payment {payment_id}.")
    return found


def with_surroundings() -> tuple[ExecutableOption, ...]:
    """Load with a delivery what a person asks about it: which event, of which payment, where to."""
    from sqlalchemy.orm import joinedload

    from core.models import Delivery, Event

    return joinedload(Delivery.event).joinedload(Event.payment), joinedload(Delivery.endpoint)
