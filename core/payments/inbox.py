"""The resolution inbox: money that fits no payment, and what people decide about it.

Four acts: `accept` what a payment got as enough, `attach` a transfer to a payment, `mark_refunded`, `ignore`. Each is
written down with its actor and note (`InboxAct`), booked in the journal, and an event of the payment it concerns. A
transfer is closed once. Until then its money stays on the merchant's unassigned account: an address serves several
projects, so nobody but a human can say whose it is.

Every function is handed a session and never commits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Row, Select, or_, select, update
from sqlalchemy.orm import Session

from core.errors import InvalidField, NotAttachable, NotFound, NotInInbox, OrderTaken, RefundUnderway
from core.hub import Hub
from core.ledger import journal
from core.models import Address, InboxAct, Lead, Payment, Project, Transfer
from core.models.chain import in_inbox
from core.models.refunds import is_leaving
from core.money import Usdt
from core.outbox import events
from core.outbox.events import EventType
from core.payments.matching import PAYS, Bucket, assign_parts, bucket_of, credit_account, owed_of
from core.payments.service import chain_point
from core.payments.settling import is_order_taken, resettle, slack_of, takings_of
from core.payments.state import ENOUGH, TAKES_ORDER, Status

NOTE_LIMIT, ACTOR_LIMIT = 500, 100
ACCEPTED, ATTACHED, REFUNDED, IGNORED = "accepted", "attached", "refunded", "ignored"
EVENTS = {
    ACCEPTED: EventType.ACCEPTED,
    ATTACHED: EventType.ATTACHED,
    REFUNDED: EventType.REFUNDED,
    IGNORED: EventType.IGNORED,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A transfer of the inbox, with what it came to and the payment it is counted for, if any.

    open_units: what of it nobody has been credited with; of an overpayment that is the excess alone.
    """

    transfer: Transfer
    address: Address
    payment: Payment | None
    open_units: Usdt


@dataclass(frozen=True, slots=True)
class By:
    """Who decides, and why. actor: a short printable name, such as `cli:anna`."""

    actor: str
    note: str = ""

    def __post_init__(self) -> None:
        if not 0 < len(self.actor) <= ACTOR_LIMIT or not self.actor.isprintable():
            raise InvalidField(f"An actor has 1 to {ACTOR_LIMIT} printable characters.")
        if len(self.note) > NOTE_LIMIT or "\x00" in self.note:
            raise InvalidField(f"A note has at most {NOTE_LIMIT} characters.")


def entries(
    session: Session, *, merchant_id: int | None = None, project_id: int | None = None, after: int = 0,
    limit: int = 100, decided: bool = False,
) -> list[Entry]:
    """List what waits, or was decided about, the oldest first, from beyond the transfer id `after`.

    merchant_id: what came to this merchant's addresses.   project_id: what is counted for this project's payments;
    money that fits none belongs to the merchant alone and is not among it.
    """
    which = Transfer.resolution.is_not(None) if decided else in_inbox()
    wanted = _reading().where(which, Transfer.id > after).order_by(Transfer.id).limit(limit)
    if merchant_id is not None:
        wanted = wanted.where(Address.merchant_id == merchant_id)
    if project_id is not None:
        wanted = wanted.where(Payment.project_id == project_id)
    return _entries(session, session.execute(wanted).all())


def concerned(project: Project) -> Select[Transfer, Address, Payment]:
    """Select what waits that a project's people may decide: its own payments' money, and its merchant's stray money."""
    is_whose = or_(Payment.id.is_(None), Payment.project_id == project.id)
    return _reading().where(in_inbox(), Address.merchant_id == project.merchant_id, is_whose).order_by(Transfer.id)


def concerning(session: Session, project: Project, *, after: int = 0, limit: int = 100) -> list[Entry]:
    """List what a project's people may decide, the oldest first, from beyond the transfer id `after`."""
    rows = session.execute(concerned(project).where(Transfer.id > after).limit(limit))
    return _entries(session, rows.all())


def get_entry(session: Session, transfer_id: int) -> Entry:
    """Read one transfer, waiting or not; raises NotFound."""
    row = session.execute(_reading().where(Transfer.id == transfer_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no transfer {transfer_id}.")
    return _entries(session, [row])[0]


def acts_of(session: Session, transfer_id: int) -> Sequence[InboxAct]:
    """List what was done about a transfer, the first act first."""
    return session.scalars(select(InboxAct).where(InboxAct.transfer_id == transfer_id).order_by(InboxAct.id)).all()


def waiting(session: Session, transfer_id: int, *, leaving: bool = False, beside: Payment | None = None) -> Entry:
    """Lock a transfer of the inbox, its payment and the one `beside`, for a decision; leaving: it may be promised back.

    Payments are locked in order of their ids, so that two decisions about the same two never wait for each other.
    Raises NotFound, NotInInbox, RefundUnderway.
    """
    session.execute(select(Transfer.id).where(Transfer.id == transfer_id).with_for_update())
    entry = get_entry(session, transfer_id)
    session.refresh(entry.transfer)
    settled = (Bucket.MATCHED.value, Bucket.INTERNAL.value)
    if entry.transfer.resolved_at is not None or entry.transfer.bucket in settled:
        raise NotInInbox
    if not leaving and session.scalar(select(is_leaving()).where(Transfer.id == transfer_id)):
        raise RefundUnderway
    for payment_id in sorted({payment.id for payment in (entry.payment, beside) if payment is not None}):
        _locked(session, payment_id)
    return entry


def accept(session: Session, hub: Hub, transfer_id: int, *, by: By) -> Entry:
    """Take what a transfer brought its payment for enough, be it short, late or too much: the payment is paid.

    All of its unassigned money is the project's from now on, and so are parts that came before it.
    Raises NotFound, NotInInbox, RefundUnderway, NotAttachable (it is counted for no payment), OrderTaken.
    """
    entry = waiting(session, transfer_id)
    payment = entry.payment
    if payment is None:
        raise NotAttachable("This transfer is counted for no payment: attach it to one.")
    _check_order(session, payment)
    was_paid = payment.status == Status.PAID
    payment.accepted_at = payment.accepted_at or hub.clock.now()
    act = _close(session, hub, entry, ACCEPTED, by, payment=payment)
    if not was_paid:
        entry.transfer.bucket = Bucket.MATCHED.value
    session.flush()
    resettle(session, hub, payment, point=chain_point(session, hub))
    _move(session, hub, entry, act, entry.open_units, to=credit_account(payment, entry.address.kind))
    if not was_paid:
        assign_parts(session, hub, payment)
    return get_entry(session, transfer_id)


def attach(session: Session, hub: Hub, transfer_id: int, *, payment: Payment, by: By) -> Entry:
    """Count a transfer for a payment of the same merchant, whenever and wherever it came.

    Where that is enough the payment is paid and the transfer closed, but for an excess, which goes on waiting. Where it
    is not, or the payment has been paid already, it waits as `underpaid` or `duplicate` of that payment.
    Raises NotFound, NotInInbox, RefundUnderway, NotAttachable, OrderTaken.
    """
    entry = waiting(session, transfer_id, beside=payment)
    payment = _locked(session, payment.id)
    _check_attachable(session, entry, payment)
    if payment.status != Status.PAID and _brings_enough(session, entry, payment):
        payment.accepted_at = payment.accepted_at or hub.clock.now()
    return _count(session, hub, entry, payment, by)


def count_named(session: Session, hub: Hub, transfer_id: int, *, payment: Payment, by: By) -> Entry:
    """Count a transfer for the payment whose payer has named it, as if seen when it came: nobody accepts anything.

    Money that comes so late waits as `late` for the merchant, unless the project's policy takes it.
    Raises as attach does.
    """
    entry = waiting(session, transfer_id, beside=payment)
    payment = _locked(session, payment.id)
    _check_attachable(session, entry, payment)
    return _count(session, hub, entry, payment, by)


def _brings_enough(session: Session, entry: Entry, payment: Payment) -> bool:
    came = takings_of(session, payment).total + entry.open_units.units
    return came >= payment.pay_units.units - slack_of(session, payment)


def _count(session: Session, hub: Hub, entry: Entry, payment: Payment, by: By) -> Entry:
    before, previous, was_paid = takings_of(session, payment), entry.payment, payment.status == Status.PAID
    is_enough = not was_paid and _brings_enough(session, entry, payment)
    came = before.total + entry.open_units.units
    entry.transfer.payment_id, entry.transfer.project_id = payment.id, payment.project_id
    entry.transfer.bucket = (Bucket.DUPLICATE if was_paid else Bucket.UNKNOWN).value
    session.flush()
    point = chain_point(session, hub)
    standing = resettle(session, hub, payment, point=point)
    bucket = bucket_of(standing, had_enough=was_paid, is_over=came > payment.pay_units.units)
    entry.transfer.bucket = (bucket if is_enough or was_paid else Bucket.UNDERPAID).value
    closes = bucket is Bucket.MATCHED and is_enough
    act = (_close if closes else _leave)(session, hub, entry, ATTACHED, by, payment=payment)
    if is_enough and bucket in PAYS:
        owed = owed_of(payment, bucket, amount=entry.open_units, before=before.total)
        _move(session, hub, entry, act, owed, to=credit_account(payment, entry.address.kind))
        assign_parts(session, hub, payment)
    if previous is not None:
        resettle(session, hub, previous, point=point)
    return get_entry(session, entry.transfer.id)


def mark_refunded(session: Session, hub: Hub, transfer_id: int, *, by: By) -> Entry:
    """Note that the merchant has given a transfer's unassigned money back, on their word: what was sent on the chain is
    verified instead, see `core.payments.refunds`. It counts for no payment any more.

    Raises NotFound, NotInInbox, RefundUnderway.
    """
    entry = waiting(session, transfer_id)
    return _put_away(session, hub, entry, REFUNDED, by, account=journal.refunded_account(entry.address.merchant_id))


def close_refunded(session: Session, hub: Hub, transfer_id: int, *, by: By, refund_txid: str) -> None:
    """Close a transfer whose refund was found on the chain. Raises NotFound, NotInInbox."""
    entry = waiting(session, transfer_id, leaving=True)
    account = journal.refunded_account(entry.address.merchant_id)
    _put_away(session, hub, entry, REFUNDED, by, account=account, refund_txid=refund_txid)


def ignore(session: Session, hub: Hub, transfer_id: int, *, by: By) -> Entry:
    """Put a transfer aside: its unassigned money stays the merchant's and counts for no payment.

    Raises NotFound, NotInInbox, RefundUnderway.
    """
    entry = waiting(session, transfer_id)
    return _put_away(session, hub, entry, IGNORED, by, account=journal.ignored_account(entry.address.merchant_id))


def _reading() -> Select[Transfer, Address, Payment]:
    return (
        select(Transfer, Address, Payment)
        .join(Address, Address.id == Transfer.address_id)
        .outerjoin(Payment, Payment.id == Transfer.payment_id)
    )


def _entries(session: Session, rows: Sequence[Row[Transfer, Address, Payment]]) -> list[Entry]:
    """Read what is open of transfers, in two queries for all of them."""
    whose = {f"{kind}:{row[0].id}": row[0].id for row in rows for kind in ("transfer", "assigned")}
    acts = select(InboxAct.id, InboxAct.transfer_id).where(InboxAct.transfer_id.in_([row[0].id for row in rows]))
    whose |= {f"inbox:{act_id}": transfer_id for act_id, transfer_id in session.execute(acts)}
    parts = journal.unassigned_parts(session, sources=whose, merchant_ids={row[1].merchant_id for row in rows})
    left = Counter[int]()
    for source, units in parts.items():
        left[whose[source]] += units
    return [Entry(transfer, address, payment, Usdt(left[transfer.id])) for transfer, address, payment in rows]


def _locked(session: Session, row_id: int) -> Payment:
    return session.scalars(
        select(Payment).where(Payment.id == row_id).with_for_update().execution_options(populate_existing=True)
    ).one()


def _check_order(session: Session, payment: Payment) -> None:
    if Status(payment.status) not in TAKES_ORDER and is_order_taken(session, payment):
        raise OrderTaken


def _check_attachable(session: Session, entry: Entry, payment: Payment) -> None:
    if payment.is_test:
        raise NotAttachable("Real money cannot pay a test payment.")
    owner = session.scalar(select(Project.merchant_id).where(Project.id == payment.project_id))
    if owner != entry.address.merchant_id:
        raise NotAttachable("The transfer came to an address of another merchant.")
    if entry.transfer.payment_id == payment.id:
        raise NotAttachable("The transfer is counted for this payment already: accept it, or refund it.")
    if entry.transfer.bucket == Bucket.OVERPAID.value:
        raise NotAttachable("The rest of this transfer has paid another payment: accept it, or refund it.")
    if payment.status != Status.PAID and takings_of(session, payment).money in ENOUGH:
        raise NotAttachable("This payment has got enough, too late: accept the transfer that brought it.")
    _check_order(session, payment)


def _put_away(
    session: Session, hub: Hub, entry: Entry, act: str, by: By, *, account: str, refund_txid: str | None = None
) -> Entry:
    done = _close(session, hub, entry, act, by, payment=entry.payment, refund_txid=refund_txid)
    _move(session, hub, entry, done, entry.open_units, to=account)
    if entry.payment is not None:
        resettle(session, hub, entry.payment, point=chain_point(session, hub))
    return get_entry(session, entry.transfer.id)


def _close(
    session: Session, hub: Hub, entry: Entry, act: str, by: By, *, payment: Payment | None,
    refund_txid: str | None = None,
) -> InboxAct:
    entry.transfer.resolution, entry.transfer.resolved_at = act, hub.clock.now()
    return _write_down(session, hub, entry, act, by, payment=payment, closes=True, refund_txid=refund_txid)


def _leave(session: Session, hub: Hub, entry: Entry, act: str, by: By, *, payment: Payment | None) -> InboxAct:
    return _write_down(session, hub, entry, act, by, payment=payment, closes=False)


def _write_down(
    session: Session, hub: Hub, entry: Entry, act: str, by: By, *, payment: Payment | None, closes: bool,
    refund_txid: str | None = None,
) -> InboxAct:
    """Keep who did what and why, as a row of its own and as an event of the payment it concerns."""
    now = hub.clock.now()
    row = InboxAct(
        transfer_id=entry.transfer.id,
        act=act,
        actor=by.actor,
        note=by.note,
        closes=closes,
        payment_id=payment.id if payment else None,
        refund_txid=refund_txid,
        created_at=now,
    )
    session.add(row)
    session.flush()
    # who has named it hears of it
    session.execute(update(Lead).where(Lead.transfer_id == row.transfer_id).values(look_at=now))
    if payment is not None:
        events.record(session, payment, EVENTS[act], now=now, ids=hub.ids, note=by.note, actor=by.actor)
    return row


def _move(session: Session, hub: Hub, entry: Entry, act: InboxAct, amount: Usdt, *, to: str) -> None:
    """Book money of the merchant's unassigned account to where a decision has put it."""
    if amount.units == 0:
        return
    journal.book(
        session,
        source=f"inbox:{act.id}",
        amount=amount,
        debit=journal.unassigned_account(entry.address.merchant_id),
        credit=to,
        booked_at=hub.clock.now(),
    )
