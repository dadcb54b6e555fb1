"""What proves a refund: a final transfer of enough USDT to its address, later than the money it returns, used once.

It asks no node: the watcher hands it what one shows of a transaction, and what left the merchant's own addresses.
Who sent a transfer is not looked at: a proof says that the recipient was paid, not by whom (D43).

Every function is handed a session and never commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from core.hub import Hub
from core.ledger import journal
from core.models import Address, Outgoing, Payment, Refund
from core.payments import inbox, refunds
from core.payments.inbox import By
from core.payments.refund_words import SENTENCES, WAITS, State, Why
from core.payments.refunds import PAYABLE
from core.payments.service import chain_point
from core.payments.traces import Move, Trace, View

GIVE_UP_AFTER = timedelta(hours=1)
SOON, LONGEST_PAUSE = timedelta(seconds=4), timedelta(minutes=5)
CHAIN, HUB = By("chain"), By("hub", "the link's time was over")


def due(session: Session, hub: Hub, *, limit: int) -> Sequence[Refund]:
    """List refunds that the watcher should look at now: transactions to verify, and links whose time is over."""
    wanted = select(Refund).where(Refund.look_at.is_not(None), Refund.look_at <= hub.clock.now())
    return session.scalars(wanted.order_by(Refund.look_at).limit(limit)).all()


def look(session: Session, hub: Hub, refund_id: int, *, txid: str | None, trace: Trace | None) -> Refund:
    """Write down what a node shows of a refund's transaction, or close its link; trace None: nobody could be asked."""
    refund = refunds.locked(session, refund_id)
    now = hub.clock.now()
    if refund.state == State.REQUESTED and refunds.is_over(hub, refund):
        return refunds.cancel(session, hub, refund_id, by=HUB)
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
        return refunds.move_on(session, hub, refund, State.FAILED, By("chain", SENTENCES[why]))
    else:
        return _finish(session, hub, refund, refund.txid, proof.log_index)
    return refund


def see_outgoing(session: Session, hub: Hub, outgoing: Outgoing, *, merchant_id: int) -> Refund | None:
    """Take money that left one of the merchant's watched addresses for the refund it exactly pays, if there is one.

    The oldest one that waits for this amount at this address; called by the scanner, so the money is final.
    """
    wanted = (
        select(Refund)
        .where(
            Refund.recipient == outgoing.recipient,
            Refund.state.in_([state.value for state in PAYABLE]),
            Refund.units == outgoing.units,
            Refund.after_height < outgoing.height,
            Refund.merchant_id == merchant_id,
        )
        .order_by(Refund.id)
        .limit(1)
    )
    refund = session.scalar(wanted)
    proves = (Refund.txid == outgoing.txid, Refund.log_index == outgoing.log_index)
    if refund is None or session.scalar(select(exists().where(*proves, Refund.state == State.VERIFIED.value))):
        return None
    refund = refunds.locked(session, refund.id)
    refund.txid, refund.look_at = outgoing.txid, None
    return _finish(session, hub, refund, outgoing.txid, outgoing.log_index)


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
    if trace.height <= refund.after_height:
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
    left = session.execute(
        select(Address)
        .join(Outgoing, Address.id == Outgoing.address_id)
        .where(Outgoing.txid == txid, Outgoing.log_index == log_index, Address.merchant_id == refund.merchant_id)
    ).scalar_one_or_none()
    is_held = left is not None and left.kind == "held"
    refunded = journal.refunded_account(refund.merchant_id)
    book = partial(journal.book, session, amount=refund.units, booked_at=hub.clock.now())
    if refund.transfer_id is not None:
        inbox.close_refunded(session, hub, refund.transfer_id, by=CHAIN, refund_txid=txid)
    elif refund.payment_id is not None:
        project_id = session.get_one(Payment, refund.payment_id).project_id
        returned = journal.returned_account(project_id, is_held=is_held)
        book(source=f"returned:{refund.id}", debit=returned, credit=refunded)
    if left is not None:
        spent = journal.spent_account(refund.merchant_id, is_held=is_held)
        book(source=f"refund:{refund.id}", debit=refunded, credit=spent)
    return refunds.move_on(session, hub, refund, State.VERIFIED, CHAIN)
