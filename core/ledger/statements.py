"""A project's statement: every credit with its order, transaction and running balance, for people and accountants.

Money of its payments that was sent back stands there too: under `returned`, less than zero, what had been credited;
what never was stands there twice, as it came under `unassigned` and, less than zero, under `refunded`. All lines add up
to the balance, and `txid` is always that of the line's own transfer.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.ledger.journal import project_account, refunded_account, returned_account
from core.models import InboxAct, JournalEntry, Payment, Project, RateHour, Refund, Transfer
from core.money import Usdt
from core.payments.quoting import rate_text, worth

COLUMNS = (
    "booked_at", "account", "amount", "balance", "payment_id", "order_id", "txid", "block_time",
    "price", "value", "value_currency", "value_rate", "source",
)
BOOKS_REACH = timedelta(hours=2)  # how old an hour's rate may be to value a booking
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run what begins so


@dataclass(frozen=True, slots=True)
class Value:
    """What a booking was worth. rate: of one USDT, at the quote's time or in the hour of the block."""

    text: str
    currency: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Line:
    """One booking. account: `own` or `held` addresses, `returned`, `unassigned` or `refunded`.   balance: after it.

    txid: the transaction in which it came or left; empty where a refund stands on the merchant's word.

    value: None where no rate is known for its time.
    """

    booked_at: datetime
    account: str
    amount: Usdt
    balance: Usdt
    source: str
    payment: Payment | None
    txid: str
    block_time: datetime | None = None
    value: Value | None = None


def statement(session: Session, project_id: int, *, since: datetime, until: datetime) -> list[Line]:
    """List a project's bookings from `since` until before `until`, the oldest first; live payments only."""
    names = {project_account(project_id): "own", project_account(project_id, is_held=True): "held"}
    names |= {returned_account(project_id, is_held=is_held): "returned" for is_held in (False, True)}
    credits = session.scalars(
        select(JournalEntry).where(JournalEntry.account.in_(names), JournalEntry.booked_at < until)
    )
    currency = session.scalar(select(Project.reporting_currency).where(Project.id == project_id))
    lines, balance = [], Usdt(0)
    for row in sorted([*credits, *_refunds(session, project_id, until=until)], key=lambda row: row.id):
        for line in _lines(session, row, names.get(row.account, "refunded"), currency=currency):
            balance += line.amount
            if row.booked_at >= since:
                lines.append(replace(line, balance=balance))
    return lines


def _lines(session: Session, row: JournalEntry, account: str, *, currency: str | None) -> list[Line]:
    """Write a booking's line; money that was sent back and had never been credited comes and goes."""
    transfer, back = _transfer_of(session, row.source), _refund_txid(session, row.source)
    of_payment = transfer or _refund_of(session, row.source)
    payment = session.get(Payment, of_payment.payment_id) if of_payment and of_payment.payment_id else None
    at, sum_ = transfer.block_time if transfer else row.booked_at, Usdt(-row.units)
    value = _value(session, sum_, payment, currency=currency, at=at)
    came = Line(row.booked_at, account, sum_, Usdt(0), row.source, payment, "", None, value)
    if transfer is not None:
        came = replace(came, txid=transfer.txid, block_time=transfer.block_time)
    if account != "refunded":
        return [replace(came, txid=back) if back else came]
    worth_back = replace(value, text=f"-{value.text}") if value else None
    went = replace(came, amount=-sum_, txid=back, block_time=None, value=worth_back)
    return [replace(came, account="unassigned"), went]


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
            "txid": line.txid,
            "block_time": line.block_time.isoformat(timespec="seconds") if line.block_time else "",
            "price": _price(line.payment),
            "value": line.value.text if line.value else "",
            "value_currency": line.value.currency if line.value else "",
            "value_rate": rate_text(line.value.rate) if line.value else "",
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


def _price(payment: Payment | None) -> str:
    return f"{payment.price_text} {payment.price_currency}" if payment and payment.price_text else ""


def _value(
    session: Session, sum_: Usdt, payment: Payment | None, *, currency: str | None, at: datetime
) -> Value | None:
    """Value a booking: by its payment's quote where that is in the currency of the books, else by the hour's rate."""
    quoted = payment.price_currency if payment else None
    if payment and payment.rate and quoted and currency in (None, quoted):
        return Value(worth(sum_, Decimal(payment.rate), quoted), quoted, Decimal(payment.rate))
    rate = _rate_of_hour(session, currency, at) if currency else None
    return Value(worth(sum_, rate, currency), currency, rate) if currency and rate else None


def _rate_of_hour(session: Session, currency: str, at: datetime) -> Decimal | None:
    """Read what one USDT cost at a time: the last hour that had begun, else the next one; None where both are far."""
    hours = session.execute(
        select(RateHour.hour, RateHour.price)
        .where(RateHour.currency == currency, RateHour.hour > at - BOOKS_REACH, RateHour.hour <= at + BOOKS_REACH)
        .order_by(RateHour.hour)
    ).all()
    begun = [row for row in hours if row.hour <= at]
    return Decimal((begun or hours[::-1])[-1].price) if hours else None


def _transfer_of(session: Session, source: str) -> Transfer | None:
    kind, _, number = source.partition(":")
    if kind in ("transfer", "assigned"):
        return session.get(Transfer, int(number))
    act = session.get(InboxAct, int(number)) if kind == "inbox" else None
    return session.get(Transfer, act.transfer_id) if act else None


def _refund_of(session: Session, source: str) -> Refund | None:
    kind, _, number = source.partition(":")
    return session.get(Refund, int(number)) if kind == "returned" else None


def _refund_txid(session: Session, source: str) -> str:
    kind, _, number = source.partition(":")
    refund = _refund_of(session, source)
    act = session.get(InboxAct, int(number)) if kind == "inbox" else None
    return (refund.txid if refund else act.refund_txid if act else None) or ""
