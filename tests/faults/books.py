"""What a payment's way leaves behind, read from the tables and the merchant's side: the invariants as values.

A run is right when its `Books` equal `right_books(...)`: compared whole, so that a failure shows what differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from core.db import Base, Database
from core.ledger import journal
from core.models import Cursor, Delivery, Event, JournalEntry, Payment, Reservation, ScannedRange, Transfer
from core.models.payments import takes_order
from tests.faults.flight import ORDER_ID
from tests.faults.receiver import Mailbox


@dataclass(frozen=True, slots=True)
class Books:
    """The invariants I1, I2, I4, I6 to I8 and I10 of a project's orders, in plain values.

    payments: status, and anomaly if any.   transfers: bucket and units.   deliveries: state and failures.
    held_amounts: units promised, -1 where not to exactly one payment.   scanned: heights proven to be covered.
    """

    payments: list[str]
    order_takers: int
    transfers: list[tuple[str, int]]
    unbalanced_journals: list[str]
    balance_units: int
    paid_events: int
    missing_numbers: list[int]
    deliveries: list[tuple[str, int]]
    open_leases: int
    held_amounts: list[int]
    cursor_height: int
    scanned: list[tuple[int, int]]
    shipped: list[str]
    webhook_ids: int
    bodies: int
    unsigned: int


def right_books(*, units: int, solid_height: int, orders: int = 1) -> Books:
    """Say what must be there after orders, each of `units` by its own transfer, were paid and the hub came to rest."""
    return Books(
        payments=["paid"] * orders,
        order_takers=orders,
        transfers=[("matched", units)] * orders,
        unbalanced_journals=[],
        balance_units=units * orders,
        paid_events=orders,
        missing_numbers=[],
        deliveries=[("done", 0)] * orders,
        open_leases=0,
        held_amounts=[units] * orders,
        cursor_height=solid_height,
        scanned=[(1, solid_height)],
        shipped=[ORDER_ID] * orders,
        webhook_ids=orders,
        bodies=orders,
        unsigned=0,
    )


def read_books(database: Database, mailbox: Mailbox, *, project_id: int, now: datetime) -> Books:
    """Read what one project's payments left behind; `now` is the hub's clock, for leases."""
    with database.snapshot() as session:
        transfers = session.scalars(select(Transfer).order_by(Transfer.id))
        deliveries = session.scalars(select(Delivery).order_by(Delivery.id))
        return Books(
            payments=[_standing(row) for row in session.scalars(select(Payment).order_by(Payment.id))],
            order_takers=_count(session, select(func.count()).select_from(Payment).where(takes_order())),
            transfers=[(row.bucket, row.units.units) for row in transfers],
            unbalanced_journals=_unbalanced(session),
            balance_units=journal.project_balance(session, project_id).units,
            paid_events=_count(session, select(func.count()).where(Event.type == "payment.paid")),
            missing_numbers=_missing_numbers(session),
            deliveries=[(row.state, row.failures) for row in deliveries],
            open_leases=_count(session, select(func.count()).where(Delivery.lease_until > now)),
            held_amounts=_held(session),
            cursor_height=session.scalar(select(Cursor.height)) or 0,
            scanned=_joined_ranges(session),
            shipped=mailbox.shipped,
            webhook_ids=len({came.webhook_id for came in mailbox.deliveries}),
            bodies=len({came.body for came in mailbox.deliveries}),
            unsigned=sum(not came.is_signed for came in mailbox.deliveries),
        )


def wipe(database: Database) -> None:
    """Empty every table, for the next run on the same schema."""
    with database.transaction() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(delete(table))


def _standing(payment: Payment) -> str:
    return payment.status if payment.anomaly == "none" else f"{payment.status} {payment.anomaly}"


def _count(session: Session, query: object) -> int:
    return int(session.execute(query).scalar_one())  # type: ignore[call-overload]


def _unbalanced(session: Session) -> list[str]:
    sums = select(JournalEntry.source).group_by(JournalEntry.source)
    wrong = sums.having((func.sum(JournalEntry.units) != 0) | (func.count() != 2))
    return list(session.scalars(wrong))


def _missing_numbers(session: Session) -> list[int]:
    """List the numbers left out between 1 and each payment's last event."""
    rows = session.execute(select(Event.payment_id, Event.number)).all()
    found = {(row.payment_id, row.number) for row in rows}
    return [number for payment_id, last in found for number in range(1, last) if (payment_id, number) not in found]


def _held(session: Session) -> list[int]:
    """List the amounts still promised: each to exactly one payment, or -1 stands for it."""
    rows = session.execute(
        select(Reservation.pay_units, Payment.pay_units.label("asked"))
        .join(Payment, Payment.reservation_id == Reservation.id, isouter=True)
        .where(Reservation.released_at.is_(None))
        .order_by(Reservation.id)
    ).all()
    return [row.pay_units.units if row.pay_units == row.asked else -1 for row in rows]


def _joined_ranges(session: Session) -> list[tuple[int, int]]:
    """Join the proofs of coverage where one begins right after another; a gap or an overlap keeps them apart."""
    rows = session.execute(
        select(ScannedRange.from_height, ScannedRange.to_height).order_by(ScannedRange.from_height)
    ).all()
    starts = [row.from_height for row in rows[:1]]
    ends = []
    for before, after in pairwise(rows):
        if after.from_height != before.to_height + 1:
            ends.append(before.to_height)
            starts.append(after.from_height)
    ends += [row.to_height for row in rows[-1:]]
    return list(zip(starts, ends, strict=True))
