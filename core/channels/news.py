"""What a channel's people have not been told yet: payments, money that waits, trouble, and the day's figures.

It only reads. Each finding has a key, which is told once; payments are read from the project's streams, in order.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Text, cast, exists, func, literal, select, type_coerce
from sqlalchemy.orm import Session

from core.alarms import AlarmKind, standing_alarms
from core.channels.desk import count_waiting
from core.desk import Period
from core.ledger import journal
from core.models import (
    Address, Alarm, Channel, ChannelPayment, Delivery, Endpoint, Event, JournalEntry, Notice, Payment, Project,
    Transfer,
)
from core.models.refunds import is_leaving
from core.money import Usdt
from core.outbox import stream
from core.outbox.events import EventType
from core.outbox.stream import Stream
from core.payments import inbox

LINES = 10  # shown of a kind; the others are counted
AT_ONCE = 500  # findings of a kind that one telling takes
LIVE_TYPES = (EventType.PAID, EventType.REFUND_ADDRESSED, EventType.REFUND_VERIFIED, EventType.REFUND_FAILED)
# live money that is odd waits in the inbox, and is told of there
TEST_TYPES = (*LIVE_TYPES, EventType.UNDERPAID, EventType.OVERPAID, EventType.LATE, EventType.DUPLICATE)
ENDPOINTS = (AlarmKind.ENDPOINT_FAILING, AlarmKind.ENDPOINT_DISABLED)
WATCHER = (AlarmKind.FROZEN, AlarmKind.SOLID_STALLED, AlarmKind.CURSOR_STUCK, AlarmKind.WATCHER_LATE)
ADDRESSES = (AlarmKind.ADDRESS_BLACKLISTED, AlarmKind.FIRST_PAYMENT)
CHANNELS = (AlarmKind.CHANNEL_TROUBLE, AlarmKind.CHANNEL_CONFLICT)


@dataclass(slots=True)
class Pile:
    """Findings of one kind. keys: as they are marked told."""

    kind: str
    keys: list[str] = field(default_factory=list)
    count: int = 0
    lines: list[dict[str, str]] = field(default_factory=list)
    units: int | None = None
    sums: dict[str, str] = field(default_factory=dict)

    def add(self, line: dict[str, str], *, key: str = "", units: int | None = None) -> None:
        """Count one more, and show it while there is room."""
        self.count += 1
        self.keys += [key] if key else []
        if len(self.lines) < LINES:
            self.lines.append(line)
        if units is not None:
            self.units = (self.units or 0) + units

    def told(self) -> dict[str, object]:
        """Write the pile as a delivery carries it."""
        sums = {"amount": Usdt(self.units).six_places()} if self.units is not None else {}
        return {"kind": self.kind, "count": self.count, "lines": self.lines, "sums": sums | self.sums}


def of_money(session: Session, channel: Channel) -> Pile:
    """Find what waits in the inbox and was not told, or has come to wait for another reason since."""
    pile = Pile("inbox")
    key = literal("transfer:") + cast(Transfer.id, Text) + literal(":") + Transfer.bucket
    untold = inbox.concerned(channel.project).where(~is_leaving(), ~_is_told(channel, key)).limit(AT_ONCE)
    for transfer, _, payment in session.execute(untold):
        line = {
            "transfer_id": str(transfer.id), "bucket": transfer.bucket, "amount": transfer.units.six_places(),
            "order_id": payment.order_id if payment else "",
        }
        pile.add(line, key=f"transfer:{transfer.id}:{transfer.bucket}", units=transfer.units.units)
    return pile


def of_trouble(session: Session, channel: Channel) -> Iterable[Pile]:
    """Find alarms that concern the project and were not told; what only the operator can judge is not among them."""
    standing = standing_alarms(session)
    keys = [f"alarm:{alarm.id}" for alarm in standing]
    told = set(session.scalars(select(Notice.key).where(Notice.channel_id == channel.id, Notice.key.in_(keys))))
    piles: dict[str, Pile] = {}
    for alarm in standing:
        kind = _kind_for(session, channel, alarm)
        if kind and f"alarm:{alarm.id}" not in told:
            line = {"alarm": alarm.kind, "subject": alarm.subject, "sentence": alarm.sentence} | _where(session, alarm)
            piles.setdefault(kind, Pile(kind)).add(line, key=f"alarm:{alarm.id}")
    return piles.values()


def of_remarks(session: Session, channel: Channel) -> Iterable[Pile]:
    """Find what the adapter itself had to say."""
    waiting = select(Notice).where(Notice.channel_id == channel.id, Notice.delivery_id.is_(None))
    piles: dict[str, Pile] = {}
    for row in session.scalars(waiting.order_by(Notice.id).limit(AT_ONCE)):
        piles.setdefault(row.kind, Pile(row.kind)).add(json.loads(row.facts), key=row.key)
    return piles.values()


def of_digest(session: Session, channel: Channel, period: Period | None) -> Iterable[Pile]:
    """Sum up a period that a digest is due for."""
    key = f"digest:{period.until.isoformat()}" if period else ""
    if period is None or session.scalar(select(_is_told(channel, literal(key)))):
        return []
    return [Pile("digest", [key], 1, sums=figures(session, channel.project, period))]


def of_payments(session: Session, of: Stream, since: int) -> tuple[list[Pile], int]:
    """Read a stream on from a position; gives what is told of it, and the position reached."""
    piles: dict[str, Pile] = defaultdict(lambda: Pile(""))
    rows = stream.after(session, of, since, limit=AT_ONCE)
    told = [(event, payment) for event, payment in rows if event.type in (TEST_TYPES if of.is_test else LIVE_TYPES)]
    payment_ids = [payment.id for _, payment in told]
    details, arrived = _details(session, payment_ids), _arrived(session, payment_ids)
    refunds = stream.refunds_of(session, rows)
    for event, payment in told:
        kind = event.type.removeprefix("payment.")
        pile = piles[kind]
        pile.kind = kind
        line = {
            "order_id": payment.order_id, "payment_id": str(payment.payment_id),
            "amount": payment.pay_units.six_places(), "is_test": "yes" if payment.is_test else "",
        }
        units = payment.pay_units.units
        if refund := refunds.get(event.refund_id):
            units, line["amount"] = refund.units.units, refund.units.six_places()
        if kind == "paid" and arrived.get(payment.id, units) != units:
            line["asked"] = line["amount"]
            line["is_less"] = "yes" if arrived[payment.id] < units else ""
            units = arrived[payment.id]
            line["amount"] = Usdt(units).six_places()
        pile.add(details.get(payment.id, {}) | line, units=units)
    reached = (rows[-1][0].position or since) if rows else since
    for kind, pile in piles.items():
        pile.keys.append(f"events:{'test' if of.is_test else 'live'}:{kind}:{reached}")
    return list(piles.values()), reached


def figures(session: Session, project: Project, period: Period) -> dict[str, str]:
    """Say what a project took in a period, and how it stands: live payments, or test payments in test mode."""
    is_test = project.mode == "test"
    paid = (
        Event.project_id == project.id, Event.is_test == literal(is_test, Event.is_test.type),
        Event.type == EventType.PAID.value, Event.created_at >= period.since, Event.created_at < period.until,
    )
    count, units = session.execute(
        select(func.count(), func.coalesce(func.sum(type_coerce(Payment.pay_units, BigInteger)), 0))
        .select_from(Event)
        .join(Payment, Payment.id == Event.payment_id)
        .where(*paid)
    ).one()
    failed = session.scalar(
        select(func.count())
        .select_from(Delivery)
        .join(Endpoint, Endpoint.id == Delivery.endpoint_id)
        .where(
            Endpoint.project_id == project.id, Delivery.state == "failed", Delivery.next_attempt_at >= period.since,
            Delivery.next_attempt_at < period.until,
        )
    )
    received = Usdt(int(units)) if is_test else _credited(session, project, period)
    return {
        "received": received.six_places(), "count": str(count), "waiting": str(count_waiting(session, project)),
        "failed": str(failed or 0), "is_test": "yes" if is_test else "", "since": period.since.isoformat(),
        "until": period.until.isoformat(),
    }


def _credited(session: Session, project: Project, period: Period) -> Usdt:
    """Sum up what was booked for a project."""
    accounts = [journal.project_account(project.id), journal.project_account(project.id, is_held=True)]
    units = session.scalar(
        select(func.sum(JournalEntry.units)).where(
            JournalEntry.account.in_(accounts), JournalEntry.booked_at >= period.since,
            JournalEntry.booked_at < period.until,
        )
    )
    return Usdt(-int(units or 0))


def _is_told(channel: Channel, key: ColumnElement[str]) -> ColumnElement[bool]:
    return exists().where(Notice.channel_id == channel.id, Notice.key == key)


def _kind_for(session: Session, channel: Channel, alarm: Alarm) -> str:
    """Say in one word what an alarm is about for a channel's people; empty where it does not concern them."""
    kind, project = AlarmKind(alarm.kind), channel.project
    if kind in WATCHER:
        return "watcher"
    if kind in ENDPOINTS:
        found = session.scalar(select(Endpoint).where(Endpoint.uid == alarm.subject))
        is_ours = found is not None and found.project_id == project.id and found.id != channel.endpoint_id
        return "webhook" if is_ours else ""
    if kind in ADDRESSES:
        merchant_id = session.scalar(select(Address.merchant_id).where(Address.base58 == alarm.subject))
        return "address" if merchant_id == project.merchant_id else ""
    if kind in CHANNELS:
        uid = alarm.subject.partition(":")[0]
        project_id = session.scalar(select(Channel.project_id).where(Channel.uid == uid))
        return "channel" if project_id == project.id and uid != channel.uid else ""
    return ""


def _where(session: Session, alarm: Alarm) -> dict[str, str]:
    """Name an endpoint by its URL, which its owner knows it by."""
    if alarm.kind not in ENDPOINTS:
        return {}
    url = session.scalar(select(Endpoint.url).where(Endpoint.uid == alarm.subject)) or ""
    return {"url": url}


def _arrived(session: Session, payment_ids: Sequence[int]) -> dict[int, int]:
    """Add up the final money of live payments."""
    if not payment_ids:
        return {}
    rows = session.execute(
        select(Transfer.payment_id, func.sum(type_coerce(Transfer.units, BigInteger)))
        .where(Transfer.payment_id.in_(payment_ids))
        .group_by(Transfer.payment_id)
    )
    return {payment_id: int(units) for payment_id, units in rows if payment_id is not None}


def _details(session: Session, payment_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Read what the orders of payments carried."""
    if not payment_ids:
        return {}
    rows = session.scalars(select(ChannelPayment).where(ChannelPayment.payment_id.in_(payment_ids)))
    return {row.payment_id: json.loads(row.details) for row in rows}
