"""Refunds: the merchant sends money back from a wallet of their own; `refund_proofs` finds it on the chain.

A refund is of one transfer of the inbox, of all that nobody had been credited with; or of money that has paid an order,
all of it or a part, as often as something is left of it. It begins with a link under which the payer leaves an address,
once, or with an address that the merchant knows. The merchant pays and names the
transaction; one that leaves an address we watch is seen without that. Only a final transfer of enough USDT to that very
address, later than the money it returns and proof of no other refund, makes it `verified`; then it is booked, and a
transfer of the inbox is closed. Until then such a transfer counts for no payment, and nothing else can be decided about
it; a paid payment stays paid whatever of it goes back.

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
from core.errors import (
    InvalidAddress, InvalidField, NotInInbox, RefundClosed, RefundNotFound, RefundTooLarge, RefundUnderway,
)
from core.hub import Hub
from core.models import Address, Payment, Project, Refund, RefundStep, Transfer
from core.models.refunds import is_live_refund
from core.money import Usdt
from core.outbox import events
from core.payments import inbox, leads, refund_limits
from core.payments.inbox import By
from core.payments.refund_words import EVENTS, State, Why
from core.payments.service import chain_point
from core.payments.settling import resettle
from core.payments.state import Status

LINK_LASTS, LINK_AT_MOST = timedelta(days=14), timedelta(days=90)
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
    return _offer(session, hub, _of_transfer(session, transfer_id), by=by, lasts=lasts)


def request_paid(
    session: Session, hub: Hub, payment_id: int, *, amount: Usdt | None, by: By, lasts: timedelta = LINK_LASTS
) -> Offer:
    """Begin the refund of money that has paid a payment (its row's id), with a link as above.

    amount: by default all that is left.   Raises RefundTooLarge, InvalidField.
    """
    return _offer(session, hub, _of_payment(session, payment_id, amount), by=by, lasts=lasts)


def pay_known(session: Session, hub: Hub, transfer_id: int, *, by: By, text: str, recipient: str | None) -> Refund:
    """Begin the refund of a transfer that the merchant has paid already, without a link, and have it verified.

    text: the transaction as pasted.   recipient: where it went; by default back to the transfer's sender.
    Raises NotFound, NotInInbox, RefundUnderway, InvalidTxid, InvalidAddress.
    """
    txid = leads.parse_txid(text)
    entry = inbox.waiting(session, transfer_id)
    to = recipient_of(session, hub, recipient or entry.transfer.sender)
    values = {"txid": txid, "recipient": to, "look_at": hub.clock.now(), "why": Why.NOT_FOUND.value}
    return _begin(session, hub, _of_transfer(session, transfer_id), by, State.VERIFYING, values)


def pay_known_paid(
    session: Session, hub: Hub, payment_id: int, *, amount: Usdt | None, by: By, text: str, recipient: str | None
) -> Refund:
    """Begin the refund of money that has paid a payment (its row's id), which the merchant has sent already.

    recipient: by default back to the sender of what paid.   Raises RefundTooLarge, InvalidTxid, InvalidAddress.
    """
    txid, payment = leads.parse_txid(text), _paid(session, payment_id)
    to = recipient_of(session, hub, recipient or _receipt(session, payment).sender)
    what = _of_payment(session, payment_id, amount)
    values = {"txid": txid, "recipient": to, "look_at": hub.clock.now(), "why": Why.NOT_FOUND.value}
    return _begin(session, hub, what, by, State.VERIFYING, values)


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


def live_refunds(
    session: Session, *, merchant_id: int | None = None, project_id: int | None = None, after: int = 0,
    limit: int = 100,
) -> list[Refund]:
    """List refunds that are not over, the oldest first, from beyond the id `after`; of a merchant or a project."""
    wanted = select(Refund).where(is_live_refund(), Refund.id > after).order_by(Refund.id).limit(limit)
    if merchant_id is not None:
        wanted = wanted.where(Refund.merchant_id == merchant_id)
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
    refund = locked(session, refund.id)
    if refund.state != State.REQUESTED or is_over(hub, refund):
        raise RefundClosed
    refund.recipient, refund.look_at = recipient_of(session, hub, text), None
    return move_on(session, hub, refund, State.ADDRESSED, By("payer"))


def is_over(hub: Hub, refund: Refund) -> bool:
    """Tell whether a link's time is over."""
    return refund.expires_at is not None and refund.expires_at <= hub.clock.now()


def name_transaction(session: Session, hub: Hub, refund_id: int, text: str, *, by: By) -> Refund:
    """Take the merchant's word that a transaction has paid a refund, and have it verified.

    Raises RefundNotFound, RefundClosed, InvalidTxid.
    """
    txid = leads.parse_txid(text)
    refund = locked(session, refund_id)
    if refund.state not in PAYABLE:
        raise RefundClosed
    refund.txid, refund.looks, refund.look_at, refund.why = txid, 0, hub.clock.now(), Why.NOT_FOUND.value
    return move_on(session, hub, refund, State.VERIFYING, by)


def cancel(session: Session, hub: Hub, refund_id: int, *, by: By) -> Refund:
    """Give up a refund that nothing was paid for: its money waits for another decision.

    Raises RefundNotFound, RefundClosed (also while a transaction is being verified).
    """
    refund = locked(session, refund_id)
    if refund.state not in CANCELABLE:
        raise RefundClosed
    refund.look_at = None
    if refund.transfer_id is None:
        refund_limits.release(session, refund)
    return move_on(session, hub, refund, State.CANCELED, by)


def locked(session: Session, refund_id: int) -> Refund:
    """Lock a refund's transfer, its payment, then itself: the order in which every decision locks them."""
    refund = get_refund(session, refund_id)
    if refund.transfer_id is not None:
        session.execute(select(Transfer.id).where(Transfer.id == refund.transfer_id).with_for_update())
    if refund.payment_id is not None:
        session.execute(select(Payment.id).where(Payment.id == refund.payment_id).with_for_update())
    session.refresh(refund, with_for_update=True)
    return refund


def move_on(session: Session, hub: Hub, refund: Refund, state: State, by: By) -> Refund:
    """Write a step down, tell the payment it concerns, and settle that anew: what leaves does not count."""
    now = hub.clock.now()
    refund.state, refund.changed_at = state.value, now
    session.add(RefundStep(refund_id=refund.id, state=state.value, actor=by.actor, note=by.note, created_at=now))
    session.flush()
    if refund.payment_id is None:
        return refund
    payment = session.get_one(Payment, refund.payment_id, populate_existing=True)
    events.record(session, payment, EVENTS[state], now=now, ids=hub.ids, note=by.note, actor=by.actor, refund=refund)
    if state is not State.VERIFIED:  # closing its transfer has settled it
        resettle(session, hub, payment, point=chain_point(session, hub))
    return refund


def _of_transfer(session: Session, transfer_id: int) -> dict[str, object]:
    """Say what a refund of a transfer is of; locks it. Raises as `request`."""
    entry = inbox.waiting(session, transfer_id)
    if entry.open_units.units == 0:
        raise NotInInbox
    return {
        "transfer_id": transfer_id, "payment_id": entry.payment.id if entry.payment else None,
        "merchant_id": entry.address.merchant_id, "after_height": entry.transfer.height, "units": entry.open_units,
    }


def _of_payment(session: Session, payment_id: int, amount: Usdt | None) -> dict[str, object]:
    """Say what a refund of a payment's money is of, and set the sum aside; locks it. Raises RefundTooLarge."""
    payment = _paid(session, payment_id)
    units = refund_limits.promise(session, payment, amount)
    merchant_id = session.scalar(select(Project.merchant_id).where(Project.id == payment.project_id))
    return {
        "transfer_id": None, "payment_id": payment.id, "merchant_id": merchant_id, "units": units,
        "after_height": _receipt(session, payment).height,
    }


def _paid(session: Session, payment_id: int) -> Payment:
    """Lock a paid live payment; raises RefundTooLarge for any other."""
    payment = session.scalars(select(Payment).where(Payment.id == payment_id).with_for_update()).one()
    if payment.is_test or payment.status != Status.PAID:
        raise RefundTooLarge("No real money has paid this payment: there is nothing to refund.")
    return payment


def _receipt(session: Session, payment: Payment) -> Transfer:
    """Find the transfer that made a payment paid."""
    wanted = select(Transfer).where(Transfer.payment_id == payment.id, Transfer.txid == payment.txid)
    return session.scalars(wanted.order_by(Transfer.id).limit(1)).one()


def _offer(session: Session, hub: Hub, what: dict[str, object], *, by: By, lasts: timedelta) -> Offer:
    if not timedelta(minutes=1) <= lasts <= LINK_AT_MOST:
        raise InvalidField(f"A refund link lasts from a minute to {LINK_AT_MOST.days} days.")
    token, ends = hub.ids.refund_token(), hub.clock.now() + lasts
    values = {"token_hash": _hash(token), "expires_at": ends, "look_at": ends}
    refund = _begin(session, hub, what, by, State.REQUESTED, values)
    return Offer(refund, f"{hub.settings.base_url}/refund/?t={token}")


def _begin(
    session: Session, hub: Hub, what: dict[str, object], by: By, state: State, values: dict[str, object]
) -> Refund:
    now = hub.clock.now()
    fresh = {"why": "", "state": state.value, "looks": 0, "created_at": now, "changed_at": now}
    made = session.scalar(
        insert_for(session, Refund).values(what | fresh | values).on_conflict_do_nothing().returning(Refund.id)
    )
    if made is None:  # another request was faster
        raise RefundUnderway
    return move_on(session, hub, session.get_one(Refund, made), state, by)


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()
