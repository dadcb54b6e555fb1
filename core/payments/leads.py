"""Leads: a payer names the transaction that paid, and is told what became of it.

Anybody can read transaction ids, so a lead proves nothing: money is credited by the scanner's own block pass and by
nobody else. A lead only asks. Where it names a transfer of ours that fits no payment, and that brought this payment's
unique amount, which no other payment has ever asked for on that address, the transfer is counted for this payment by
the rules for late money. In every other case the merchant decides, and sees in the inbox who has named it.

Every function is handed a session and never commits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from sqlalchemy import exists, func, select, type_coerce
from sqlalchemy.orm import Session

from core.alarms import AlarmKind, raise_alarm
from core.db import Int64, insert_for
from core.errors import InvalidTxid, NotAttachable, NotInInbox, OrderTaken, PaymentClosed, RefundUnderway, TooManyTries
from core.hub import Hub
from core.models import Address, Lead, Payment, Project, Reservation, Transfer
from core.models.projects import TOLERANCE_LIMIT
from core.money import Usdt
from core.payments import allowances
from core.payments.inbox import By, count_named
from core.payments.matching import Bucket
from core.payments.service import chain_point
from core.payments.settling import SENT_BACK
from core.payments.state import Status
from core.payments.traces import Trace, View

TXID = re.compile(r"[0-9a-fA-F]{64}")
LONGEST_TEXT = 500  # explorers' addresses have some 110 characters
MAX_LEADS = 20  # different transactions that one payment's page may name
PAYMENT_BURST, PAYMENT_EVERY = 5, timedelta(minutes=1)
VISITOR_BURST, VISITOR_EVERY = 10, timedelta(seconds=20)
GIVE_UP_AFTER = timedelta(hours=1)  # a transaction dies 24 h after it was made at most, but wallets allow it a minute
SOON = timedelta(seconds=4)  # a block is made every 3 s
LONGEST_PAUSE = timedelta(minutes=5)


class Finding(StrEnum):
    """What is known of the named transaction; the first four wait for more."""

    ASKED = "asked"
    NOT_FOUND = "not_found"
    NOT_FINAL = "not_final"
    NOT_COUNTED = "not_counted"  # final, in a block that the scanner has not come to yet
    COUNTED = "counted"
    UNCLEAR = "unclear"  # the exact amount, but another payment may be meant as well
    AMOUNT_DIFFERS = "amount_differs"
    COUNTED_ELSEWHERE = "counted_elsewhere"
    DECIDED = "decided"
    OLDER = "older"
    OTHER_ADDRESS = "other_address"
    OTHER_TOKEN = "other_token"
    FAILED = "failed"
    MISSING = "missing"  # the scan has passed its block and does not know it: the operator is told
    GIVEN_UP = "given_up"


OPEN = frozenset({Finding.ASKED, Finding.NOT_FOUND, Finding.NOT_FINAL, Finding.NOT_COUNTED})
TELLING = (  # of a transaction with several transfers, the one that says most
    Finding.COUNTED, Finding.UNCLEAR, Finding.AMOUNT_DIFFERS, Finding.DECIDED, Finding.COUNTED_ELSEWHERE,
    Finding.OLDER, Finding.OTHER_ADDRESS,
)


def parse_txid(text: str) -> str:
    """Read a transaction id as people paste it: 64 hex digits, or the address of an explorer's page that holds one.

    Returns it in lower case. Nothing is fetched. Raises InvalidTxid.
    """
    text = text.strip(" \t\r\n")
    if TXID.fullmatch(text):
        return text.lower()
    if len(text) > LONGEST_TEXT or not text.isascii() or not text.lower().startswith(("https://", "http://")):
        raise InvalidTxid
    try:
        parts = urlsplit(text)
    except ValueError as err:
        raise InvalidTxid from err
    words = re.split(r"[/?&=#]", f"{parts.path}?{parts.query}#{parts.fragment}")
    found = {word.lower() for word in words if TXID.fullmatch(word)}
    if len(found) != 1:
        raise InvalidTxid
    return found.pop()


def ask(session: Session, hub: Hub, payment: Payment, text: str, *, visitor: str = "") -> Lead:
    """Take a payer's word that a transaction paid this payment; what is stored answers at once.

    visitor: whom to count tries for, beside the payment itself; empty where nobody can be told apart.
    Raises InvalidTxid, TooManyTries, PaymentClosed (paid already, or a test payment).
    """
    txid = parse_txid(text)
    if payment.is_test or payment.status == Status.PAID:
        raise PaymentClosed
    allowances.take(session, hub, f"payment:{payment.id}", every=PAYMENT_EVERY, burst=PAYMENT_BURST)
    if visitor:
        allowances.take(session, hub, f"visitor:{visitor}", every=VISITOR_EVERY, burst=VISITOR_BURST)
    lead = _taken(session, hub, payment, txid)
    found = from_books(session, hub, lead, payment)
    if found is None and (lead.finding in OPEN or lead.finding in (Finding.GIVEN_UP, Finding.MISSING)):
        if lead.finding not in OPEN:
            lead.finding, lead.looks, lead.asked_at = Finding.ASKED.value, 0, hub.clock.now()
        lead.look_at = hub.clock.now()
    session.flush()
    return lead


def leads_of(session: Session, payment: Payment, *, limit: int = 3) -> Sequence[Lead]:
    """List what a payment's payer has named, the newest first."""
    wanted = select(Lead).where(Lead.payment_id == payment.id).order_by(Lead.asked_at.desc(), Lead.id.desc())
    return session.scalars(wanted.limit(limit)).all()


def naming(session: Session, transfer_id: int) -> Sequence[tuple[Lead, Payment]]:
    """List whose payers have named a transfer, the first first: a hint, for anybody can read transaction ids."""
    rows = session.execute(
        select(Lead, Payment)
        .join(Payment, Payment.id == Lead.payment_id)
        .where(Lead.transfer_id == transfer_id)
        .order_by(Lead.id)
    )
    return [(lead, payment) for lead, payment in rows.all()]


def due(session: Session, hub: Hub, *, limit: int) -> Sequence[Lead]:
    """List leads that the watcher should look for now, the longest waiting first."""
    wanted = select(Lead).where(Lead.look_at.is_not(None), Lead.look_at <= hub.clock.now())
    return session.scalars(wanted.order_by(Lead.look_at).limit(limit)).all()


def postpone(session: Session, hub: Hub, lead_id: int) -> None:
    """Look again later: no node could be asked."""
    lead = session.get_one(Lead, lead_id)
    if lead.look_at is not None:
        lead.look_at = hub.clock.now() + _pause(lead.looks)


def answer(session: Session, hub: Hub, lead_id: int, trace: Trace | None) -> Lead:
    """Write down what became of a lead: by our own books first, else by what a node shows; None: nobody was asked."""
    lead = session.scalars(select(Lead).where(Lead.id == lead_id).with_for_update()).one()
    payment = session.get_one(Payment, lead.payment_id)
    if lead.look_at is None or from_books(session, hub, lead, payment) is not None or trace is None:
        return lead
    finding = _judge_trace(session, hub, lead, payment, trace)
    now = hub.clock.now()
    lead.looks += 1
    if finding is Finding.NOT_FOUND and now - lead.asked_at > GIVE_UP_AFTER:
        finding = Finding.GIVEN_UP
    if finding != lead.finding:
        lead.finding, lead.found_at = finding.value, now
    lead.look_at = None
    if finding in OPEN:
        lead.look_at = now + (_pause(lead.looks) if finding is Finding.NOT_FOUND else SOON)
    session.flush()
    return lead


def from_books(session: Session, hub: Hub, lead: Lead, payment: Payment) -> Finding | None:
    """Answer a lead by the transfers we have recorded; None where its transaction brought none to us."""
    rows = session.execute(
        select(Transfer, Address)
        .join(Address, Address.id == Transfer.address_id)
        .where(Transfer.txid == lead.txid)
        .order_by(Transfer.log_index)
    ).all()
    if not rows:
        return None
    owner = session.scalar(select(Project.merchant_id).where(Project.id == payment.project_id))
    judged = [
        (_judge(session, hub, transfer, address, payment), transfer)
        for transfer, address in rows if address.merchant_id == owner
    ]
    finding, named = min(judged, key=lambda one: TELLING.index(one[0])) if judged else (Finding.OTHER_ADDRESS, None)
    if finding != lead.finding:
        lead.finding, lead.found_at = finding.value, hub.clock.now()
    lead.transfer_id, lead.look_at = named.id if named else None, None
    session.flush()
    return finding


def _judge(session: Session, hub: Hub, transfer: Transfer, address: Address, payment: Payment) -> Finding:
    """Say what one of the merchant's transfers is to this payment, and count it where it is surely meant."""
    promise = session.get_one(Reservation, payment.reservation_id)
    is_put_away = transfer.resolution in SENT_BACK or transfer.bucket == Bucket.INTERNAL
    if transfer.payment_id == payment.id:
        return Finding.DECIDED if is_put_away else Finding.COUNTED
    if transfer.payment_id is not None:
        return Finding.COUNTED_ELSEWHERE
    if is_put_away:
        return Finding.DECIDED
    if transfer.height <= promise.from_height:
        return Finding.OLDER
    if address.id != promise.address_id:
        return Finding.OTHER_ADDRESS
    if transfer.units != payment.pay_units:
        return Finding.AMOUNT_DIFFERS
    if _may_mean_another(session, transfer, promise):
        return Finding.UNCLEAR
    try:
        count_named(session, hub, transfer.id, payment=payment, by=By("payer", f"named transaction {transfer.txid}"))
    except (NotAttachable, OrderTaken):
        return Finding.UNCLEAR
    except (NotInInbox, RefundUnderway):  # the merchant was faster, or is sending it back
        return Finding.DECIDED
    return Finding.COUNTED


def _may_mean_another(session: Session, transfer: Transfer, promise: Reservation) -> bool:
    """Tell whether any other promise, kept or long over, could have meant this transfer as well."""
    came = transfer.units
    others = (
        (Reservation.address_id == promise.address_id)
        & (Reservation.id != promise.id)
        & Reservation.pay_units.between(came, Usdt(came.units + TOLERANCE_LIMIT))
        & (type_coerce(Reservation.pay_units, Int64()) - type_coerce(Reservation.slack_units, Int64()) <= came.units)
        & (Reservation.from_height < transfer.height)
    )
    return bool(session.scalar(select(exists().where(others))))


def _judge_trace(session: Session, hub: Hub, lead: Lead, payment: Payment, trace: Trace) -> Finding:
    """Judge a transaction that brought us nothing we know of."""
    if trace.view is View.NOWHERE:
        return Finding.NOT_FOUND
    if trace.view is View.HEAD:
        return Finding.NOT_FINAL
    if not trace.has_succeeded:
        return Finding.FAILED
    if not trace.usdt:
        return Finding.OTHER_TOKEN
    if all(move.to != payment.address for move in trace.usdt):
        return Finding.OTHER_ADDRESS
    if trace.height <= session.get_one(Reservation, payment.reservation_id).from_height:
        return Finding.OLDER
    if trace.height > chain_point(session, hub).height:
        return Finding.NOT_COUNTED
    sentence = (
        f"The scan has passed block {trace.height} without transaction {lead.txid}, which a payer has named and a node "
        f"shows as a transfer to {payment.address}: look it up elsewhere, then run `paywharf rescan {trace.height}`."
    )
    raise_alarm(
        session, kind=AlarmKind.TRANSFER_MISSED, subject=lead.txid, sentence=sentence, now=hub.clock.now()
    )
    return Finding.MISSING


def _taken(session: Session, hub: Hub, payment: Payment, txid: str) -> Lead:
    """Find the lead of this payment and transaction, or write it down. Raises TooManyTries."""
    same = select(Lead).where(Lead.payment_id == payment.id, Lead.txid == txid)
    known = session.scalar(same)
    if known is not None:
        return known
    if (session.scalar(select(func.count(Lead.id)).where(Lead.payment_id == payment.id)) or 0) >= MAX_LEADS:
        raise TooManyTries
    now = hub.clock.now()
    fresh = {"payment_id": payment.id, "txid": txid, "finding": Finding.ASKED.value, "looks": 0}
    statement = insert_for(session, Lead).values(**fresh, look_at=now, asked_at=now, found_at=now)
    session.execute(statement.on_conflict_do_nothing(index_elements=["payment_id", "txid"]))
    return session.scalars(same).one()


def _pause(looks: int) -> timedelta:
    pause: timedelta = SOON * (1 << min(looks, 10))
    return min(pause, LONGEST_PAUSE)
