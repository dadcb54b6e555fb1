"""A project's statement: every credit with its order, transaction and running balance, for people and accountants.

Money of its payments that was sent back stands there too, under `refunded`: it was never credited, so the balance does
not move. The lines of `own` and `held` alone add up to the balance.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.ledger.journal import project_account, refunded_account
from core.models import InboxAct, JournalEntry, Payment, Project, Transfer
from core.money import Usdt

COLUMNS = ("booked_at", "account", "amount", "balance", "payment_id", "order_id", "txid", "block_time", "source")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run what begins so


@dataclass(frozen=True, slots=True)
class Line:
    """One booking. account: `own` or `held` addresses, or `refunded`.   balance: of the first two, after it."""

    booked_at: datetime
    account: str
    amount: Usdt
    balance: Usdt
    source: str
    payment: Payment | None
    transfer: Transfer | None


def statement(session: Session, project_id: int, *, since: datetime, until: datetime) -> list[Line]:
    """List a project's bookings from `since` until before `until`, the oldest first; live payments only."""
    names = {project_account(project_id): "own", project_account(project_id, is_held=True): "held"}
    credits = session.scalars(
        select(JournalEntry).where(JournalEntry.account.in_(names), JournalEntry.booked_at < until)
    )
    lines, balance = [], Usdt(0)
    for row in sorted([*credits, *_refunds(session, project_id, until=until)], key=lambda row: row.id):
        name = names.get(row.account, "refunded")
        balance = balance if name == "refunded" else balance - Usdt(row.units)
        if row.booked_at >= since:
            transfer = _transfer_of(session, row.source)
            payment = session.get(Payment, transfer.payment_id) if transfer and transfer.payment_id else None
            amount = Usdt(row.units if name == "refunded" else -row.units)
            lines.append(Line(row.booked_at, name, amount, balance, row.source, payment, transfer))
    return lines


def _refunds(session: Session, project_id: int, *, until: datetime) -> Sequence[JournalEntry]:
    """Find what of this project's payments was sent back; booked as a credit of the merchant's refunds."""
    merchant_id = session.scalar(select(Project.merchant_id).where(Project.id == project_id)) or 0
    sources = session.scalars(
        select(InboxAct.id)
        .join(Payment, Payment.id == InboxAct.payment_id)
        .where(Payment.project_id == project_id, InboxAct.act == "refunded", InboxAct.created_at < until)
    )
    found = select(JournalEntry).where(
        JournalEntry.account == refunded_account(merchant_id),
        JournalEntry.source.in_([f"inbox:{number}" for number in sources]),
    )
    return session.scalars(found).all()


def as_rows(lines: Iterable[Line]) -> list[dict[str, str]]:
    """Write each line as texts under COLUMNS; what is unknown is empty."""
    return [
        {
            "booked_at": line.booked_at.isoformat(timespec="seconds"),
            "account": line.account,
            "amount": line.amount.six_places(),
            "balance": line.balance.six_places(),
            "payment_id": str(line.payment.payment_id) if line.payment else "",
            "order_id": line.payment.order_id if line.payment else "",
            "txid": line.transfer.txid if line.transfer else "",
            "block_time": line.transfer.block_time.isoformat(timespec="seconds") if line.transfer else "",
            "source": line.source,
        }
        for line in lines
    ]


def as_csv(rows: Sequence[dict[str, str]]) -> str:
    """Write rows as CSV (RFC 4180); an order number that a spreadsheet would take for a formula gets an apostrophe."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    for row in rows:
        order_id = row["order_id"]
        writer.writerow(row | {"order_id": f"'{order_id}" if order_id.startswith(FORMULA) else order_id})
    return out.getvalue()


def _transfer_of(session: Session, source: str) -> Transfer | None:
    kind, _, number = source.partition(":")
    if kind in ("transfer", "assigned"):
        return session.get(Transfer, int(number))
    act = session.get(InboxAct, int(number)) if kind == "inbox" else None
    return session.get(Transfer, act.transfer_id) if act else None
