"""Refunds: the merchant sends money back from a wallet of their own, and the hub finds it on the chain.

A refund is of one transfer of the inbox, of all that nobody had been credited with. It begins with a link under which
the payer leaves an address, once, or with an address that the merchant knows. The merchant pays and names the
transaction; one that leaves an address we watch is seen without that. Only a final transfer of enough USDT to that very
address, later than the money it returns and proof of no other refund, makes it `verified`; then the transfer is closed
and booked. While it is not over its money counts for no payment, and nothing else can be decided about it.

Every function is handed a session and never commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from core.chain.addresses import ZERO_ADDRESS, parse_address
from core.db import insert_for
from core.errors import InvalidAddress, InvalidField, NotInInbox, RefundClosed, RefundNotFound, RefundUnderway
from core.hub import Hub
from core.ledger import journal
from core.models import Address, Outgoing, Payment, Refund, RefundStep, Transfer
from core.models.refunds import is_live_refund
from core.outbox import events
from core.payments import inbox, leads
from core.payments.inbox import By
from core.payments.refund_words import EVENTS, SENTENCES, WAITS, State, Why
from core.payments.service import chain_point
from core.payments.settling import resettle
from core.payments.traces import Move, Trace, View

LINK_LASTS, LINK_AT_MOST = timedelta(days=14), timedelta(days=90)
GIVE_UP_AFTER = timedelta(hours=1)
SOON, LONGEST_PAUSE = timedelta(seconds=4), timedelta(minutes=5)
CHAIN, HUB = By("chain"), By("hub", "the link's time was over")


CANCELABLE = (State.REQUESTED, State.ADDRESSED, State.FAILED)
PAYABLE = (State.ADDRESSED, State.VERIFYING, State.FAILED)


@dataclass(frozen=True, slots=True)
class Offer:
    """A refund that was begun, and its link, which is shown once."""

    refund: Refund
    link: str


def request(session: Session, hub: Hub, transfer_id: int, *, by: By, lasts: timedelta = LINK_LASTS) -> Offer:
    """Begin the refund of a transfer with a link under which its payer leaves an address.

    lasts: how long the link is good, wall time.   Raises NotFound, NotInInbox, RefundUnderway, InvalidField.
    """
    if not timedelta(minutes=1) <= lasts <= LINK_AT_MOST:
        raise InvalidField(f"A refund link lasts from a minute to {LINK_AT_MOST.days} days.")
    token, ends = hub.ids.refund_token(), hub.clock.now() + lasts
    values = {"token_hash": _hash(token), "expires_at": ends, "look_at": ends}
    refund = _begin(session, hub, transfer_id, by, State.REQUESTED, values)
    return Offer(refund, f"{hub.settings.base_url}/refund/?t={token}")


def pay_known(session: Session, hub: Hub, transfer_id: int, *, by: By, text: str, recipient: str | None) -> Refund:
    """Begin the refund of a transfer that the merchant has paid already, without a link, and have it verified.

    text: the transaction as pasted.   recipient: where it went; by default back to the transfer's sender.
    Raises NotFound, NotInInbox, RefundUnderway, InvalidTxid, InvalidAddress.
    """
    txid = leads.parse_txid(text)
    entry = inbox.waiting(session, transfer_id)
    to = recipient_of(session, hub, recipient or entry.transfer.sender)
    values = {"txid": txid, "recipient": to, "look_at": hub.clock.now(), "why": Why.NOT_FOUND.value}
    return _begin(session, hub, transfer_id, by, State.VERIFYING, values)


def by_token(session: Session, token: str) -> Refund:
    """Find the refund of a link; raises RefundNotFound."""
    found = session.scalar(select(Refund).where(Refund.token_hash == _hash(token)))
    if found is None:
        raise RefundNotFound
    return found


def get_refund(session: Session, refund_id: int) -> Refund:
    """Read one refund; raises RefundNotFound."""
    found = session.get(Refund, refund_id)
    if found is None:
        raise RefundNotFound
    return found


def refund_of(session: Session, transfer_id: int) -> Refund | None:
    """Find the newest refund of a transfer."""
    wanted = select(Refund).where(Refund.transfer_id == transfer_id).order_by(Refund.id.desc()).limit(1)
    return session.scalar(wanted)


def live_refunds(
    session: Session, *, merchant_id: int | None = None, project_id: int | None = None, after: int = 0,
    limit: int = 100,
) -> list[Refund]:
    """List refunds that are not over, the oldest first, from beyond the id `after`; of a merchant or a project."""
    wanted = select(Refund).where(is_live_refund(), Refund.id > after).order_by(Refund.id).limit(limit)
    if merchant_id is not None:
        wanted = (
            wanted.join(Transfer, Transfer.id == Refund.transfer_id)
            .join(Address, Address.id == Transfer.address_id)
            .where(Address.merchant_id == merchant_id)
        )
    if project_id is not None:
        wanted = wanted.join(Payment, Payment.id == Refund.payment_id).where(Payment.project_id == project_id)
    return list(session.scalars(wanted))


def steps_of(session: Session, refund: Refund) -> Sequence[RefundStep]:
    """List what happened to a refund, the first step first."""
    return session.scalars(select(RefundStep).where(RefundStep.refund_id == refund.id).order_by(RefundStep.id)).all()


def recipient_of(session: Session, hub: Hub, text: str) -> str:
    """Check an address that money is to be sent to; raises InvalidAddress with a sentence for who typed it."""
    address = parse_address(text.strip(" \t\r\n"))
    if address == ZERO_ADDRESS or address.base58 == hub.settings.network.usdt_contract:
        raise InvalidAddress("This address belongs to nobody: money sent to it would be lost.")
    if session.scalar(select(exists().where(Address.raw20 == address.raw20))):
        raise InvalidAddress("This is an address of the shop itself: enter one of your own.")
    return address.base58


def give_address(session: Session, hub: Hub, refund: Refund, text: str) -> Refund:
    """Take the payer's address; it cannot be changed afterwards. Raises RefundClosed, InvalidAddress."""
    refund = _locked(session, refund.id)
    if refund.state != State.REQUESTED or is_over(hub, refund):
        raise RefundClosed
    refund.recipient, refund.look_at = recipient_of(session, hub, text), None
    return _move_on(session, hub, refund, State.ADDRESSED, By("payer"))


def is_over(hub: Hub, refund: Refund) -> bool:
    """Tell whether a link's time is over."""
    return refund.expires_at is not None and refund.expires_at <= hub.clock.now()


def name_transaction(session: Session, hub: Hub, refund_id: int, text: str, *, by: By) -> Refund:
    """Take the merchant's word that a transaction has paid a refund, and have it verified.

    Raises RefundNotFound, RefundClosed, InvalidTxid.
    """
    txid = leads.parse_txid(text)
    refund = _locked(session, refund_id)
    if refund.state not in PAYABLE:
        raise RefundClosed
    refund.txid, refund.looks, refund.look_at, refund.why = txid, 0, hub.clock.now(), Why.NOT_FOUND.value
    return _move_on(session, hub, refund, State.VERIFYING, by)


def cancel(session: Session, hub: Hub, refund_id: int, *, by: By) -> Refund:
    """Give up a refund that nothing was paid for: its transfer waits for another decision.

    Raises RefundNotFound, RefundClosed (also while a transaction is being verified).
    """
    refund = _locked(session, refund_id)
    if refund.state not in CANCELABLE:
        raise RefundClosed
    refund.look_at = None
    return _move_on(session, hub, refund, State.CANCELED, by)


def due(session: Session, hub: Hub, *, limit: int) -> Sequence[Refund]:
    """List refunds that the watcher should look at now: transactions to verify, and links whose time is over."""
    wanted = select(Refund).where(Refund.look_at.is_not(None), Refund.look_at <= hub.clock.now())
    return session.scalars(wanted.order_by(Refund.look_at).limit(limit)).all()


def look(session: Session, hub: Hub, refund_id: int, *, txid: str | None, trace: Trace | None) -> Refund:
    """Write down what a node shows of a refund's transaction, or close its link; trace None: nobody could be asked."""
    refund = _locked(session, refund_id)
    now = hub.clock.now()
    if refund.state == State.REQUESTED and is_over(hub, refund):
        return cancel(session, hub, refund_id, by=HUB)
    if refund.state != State.VERIFYING or refund.txid is None or refund.txid != txid:
        return refund
    if trace is None:
        refund.look_at = now + SOON
        return refund
    why, proof = _judge(session, hub, refund, trace)
    if why is Why.NOT_FOUND and now - refund.changed_at > GIVE_UP_AFTER:
        why = Why.GIVEN_UP
    refund.looks, refund.why, refund.look_at = refund.looks + 1, why.value, None
    if why in WAITS:
        pause = SOON * (1 << min(refund.looks, 10)) if why is Why.NOT_FOUND else SOON
        refund.look_at = now + min(pause, LONGEST_PAUSE)
    elif proof is None:
        return _move_on(session, hub, refund, State.FAILED, By("chain", SENTENCES[why]))
    else:
        return _finish(session, hub, refund, refund.txid, proof.log_index)
    return refund


def see_outgoing(session: Session, hub: Hub, outgoing: Outgoing, *, merchant_id: int) -> Refund | None:
    """Take money that left one of the merchant's watched addresses for the refund it exactly pays, if there is one.

    The oldest one that waits for this amount at this address; called by the scanner, so the money is final.
    """
    wanted = (
        select(Refund)
        .join(Transfer, Transfer.id == Refund.transfer_id)
        .join(Address, Address.id == Transfer.address_id)
        .where(
            Refund.recipient == outgoing.recipient,
            Refund.state.in_([state.value for state in PAYABLE]),
            Refund.units == outgoing.units,
            Transfer.height < outgoing.height,
            Address.merchant_id == merchant_id,
        )
        .order_by(Refund.id)
        .limit(1)
    )
    refund = session.scalar(wanted)
    proves = (Refund.txid == outgoing.txid, Refund.log_index == outgoing.log_index)
    if refund is None or session.scalar(select(exists().where(*proves, Refund.state == State.VERIFIED.value))):
        return None
    refund = _locked(session, refund.id)
    refund.txid, refund.look_at = outgoing.txid, None
    return _finish(session, hub, refund, outgoing.txid, outgoing.log_index)


def _begin(
    session: Session, hub: Hub, transfer_id: int, by: By, state: State, values: dict[str, object]
) -> Refund:
    entry = inbox.waiting(session, transfer_id)
    if entry.open_units.units == 0:
        raise NotInInbox
    now = hub.clock.now()
    fresh = {
        "transfer_id": transfer_id, "payment_id": entry.payment.id if entry.payment else None, "state": state.value,
        "units": entry.open_units, "looks": 0, "created_at": now, "changed_at": now,
    }
    made = session.scalar(
        insert_for(session, Refund).values({"why": ""} | fresh | values).on_conflict_do_nothing().returning(Refund.id)
    )
    if made is None:  # another request was faster
        raise RefundUnderway
    return _move_on(session, hub, session.get_one(Refund, made), state, by)


def _locked(session: Session, refund_id: int) -> Refund:
    """Lock a refund's transfer, its payment, then itself: the order in which every decision locks them."""
    refund = get_refund(session, refund_id)
    session.execute(select(Transfer.id).where(Transfer.id == refund.transfer_id).with_for_update())
    if refund.payment_id is not None:
        session.execute(select(Payment.id).where(Payment.id == refund.payment_id).with_for_update())
    session.refresh(refund, with_for_update=True)
    return refund


def _move_on(session: Session, hub: Hub, refund: Refund, state: State, by: By) -> Refund:
    """Write a step down, tell the payment it concerns, and settle that anew: what leaves does not count."""
    now = hub.clock.now()
    refund.state, refund.changed_at = state.value, now
    session.add(RefundStep(refund_id=refund.id, state=state.value, actor=by.actor, note=by.note, created_at=now))
    session.flush()
    if refund.payment_id is None:
        return refund
    payment = session.get_one(Payment, refund.payment_id, populate_existing=True)
    events.record(session, payment, EVENTS[state], now=now, ids=hub.ids, note=by.note, actor=by.actor)
    if state is not State.VERIFIED:  # closing its transfer has settled it
        resettle(session, hub, payment, point=chain_point(session, hub))
    return refund


def _judge(session: Session, hub: Hub, refund: Refund, trace: Trace) -> tuple[Why, Move | None]:
    """Say whether a transaction pays a refund, and by which of its transfers."""
    if trace.view is not View.SOLID:
        return (Why.NOT_FINAL if trace.view is View.HEAD else Why.NOT_FOUND), None
    if not trace.has_succeeded:
        return Why.FAILED, None
    if not trace.usdt:
        return Why.OTHER_TOKEN, None
    there = [move for move in trace.usdt if move.to == refund.recipient]
    if not there:
        return Why.OTHER_ADDRESS, None
    if trace.height <= session.get_one(Transfer, refund.transfer_id).height:
        return Why.OLDER, None
    enough = [move for move in there if move.units >= refund.units.units]
    if not enough:
        return Why.TOO_LITTLE, None
    if trace.height > chain_point(session, hub).height:
        return Why.NOT_SCANNED, None
    taken = (Refund.txid == refund.txid, Refund.state == State.VERIFIED.value)
    used = set(session.scalars(select(Refund.log_index).where(*taken)).all())
    free = sorted((move for move in enough if move.log_index not in used), key=lambda move: move.units)
    return (Why.NONE, free[0]) if free else (Why.USED, None)


def _finish(session: Session, hub: Hub, refund: Refund, txid: str, log_index: int) -> Refund:
    """Close the refunded transfer and book it; what left a watched address for it is no spending of the merchant's."""
    refund.log_index, refund.why = log_index, Why.NONE.value
    act = inbox.close_refunded(session, hub, refund.transfer_id, by=CHAIN, refund_txid=txid)
    left = session.execute(
        select(Outgoing, Address)
        .join(Address, Address.id == Outgoing.address_id)
        .where(Outgoing.txid == txid, Outgoing.log_index == log_index)
    ).first()
    owner = session.scalar(
        select(Address.merchant_id)
        .join(Transfer, Transfer.address_id == Address.id)
        .where(Transfer.id == refund.transfer_id)
    )
    if left is not None and left.Address.merchant_id == owner:
        journal.book(
            session,
            source=f"refund:{refund.id}",
            amount=refund.units,
            debit=journal.refunded_account(left.Address.merchant_id),
            credit=journal.spent_account(left.Address.merchant_id, is_held=left.Address.kind == "held"),
            booked_at=act.created_at,
        )
    return _move_on(session, hub, refund, State.VERIFIED, CHAIN)


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()
