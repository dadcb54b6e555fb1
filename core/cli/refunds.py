"""`paywharf refund`: send money back from your own wallet, and have the hub find it on the chain."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from core.cli.answers import ID, LIMIT, Answer, answering, listing, table
from core.cli.documents import Document, moment
from core.cli.inbox import deciding
from core.cli.roof import Roof

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from core.models import Refund

COLUMNS = ("refund_id", "transfer_id", "payment_id", "state", "amount", "recipient", "reason")
STEP_COLUMNS = ("created_at", "state", "actor", "note")


@click.group()
def refund() -> None:
    """Money on its way back: a link for the payer's address, and proof that it was sent."""


@refund.command()
@deciding
@click.option("--days", type=click.IntRange(1, 90), default=14, show_default=True, help="Until the link ends.")
@answering
def request(roof: Roof, transfer_id: int, days: int, actor: str, note: str) -> Answer:
    """Promise the transfer's money back; prints the link, once, under which its payer leaves an address."""
    from core.payments import refunds
    from core.payments.inbox import By

    by = By(f"cli:{actor}", note)
    with roof.transaction() as session:
        offer = refunds.request(session, roof.hub, transfer_id, by=by, lasts=timedelta(days=days))
        document = {**refund_document(session, offer.refund), "claim_url": offer.link}
    return Answer(document, listing(document.items()))


@refund.command()
@click.argument("payment_id", type=ID)
@click.option("--amount", help="In USDT; by default all that is left of what has paid it.")
@click.option("--days", type=click.IntRange(1, 90), default=14, show_default=True, help="Until the link ends.")
@click.option("--txid", help="You have sent it already: the transaction, which is looked for. There is no link then.")
@click.option("--to", "recipient", help="With --txid: where that sent it; by default to the payer's address.")
@click.option("--note", default="", help="Why; kept with the act.")
@click.option("--by", "actor", default="operator", show_default=True, help="Who decides; kept with the act.")
@answering
def payment(
    roof: Roof, payment_id: int, amount: str | None, days: int, txid: str | None, recipient: str | None, actor: str,
    note: str,
) -> Answer:
    """Promise back what has paid an order, in full or in part; prints the link, once, for the payer's address."""
    from core.cli.lookups import find_payment
    from core.money import parse_amount
    from core.payments import refunds
    from core.payments.inbox import By

    by, sum_ = By(f"cli:{actor}", note), parse_amount(amount).due if amount is not None else None
    with roof.transaction() as session:
        paid = find_payment(session, payment_id).id
        if txid is not None:
            begun = refunds.pay_known_paid(
                session, roof.hub, paid, amount=sum_, by=by, text=txid, recipient=recipient
            )
            return told(session, begun)
        offer = refunds.request_paid(session, roof.hub, paid, amount=sum_, by=by, lasts=timedelta(days=days))
        document = {**refund_document(session, offer.refund), "claim_url": offer.link}
    return Answer(document, listing(document.items()))


@refund.command("list")
@click.option("--merchant", "merchant_id", type=ID, help="Only this merchant's.")
@click.option("--payment", "payment_id", type=ID, help="All of this payment's, over or not.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many, the oldest first.")
@answering
def list_refunds(roof: Roof, merchant_id: int | None, payment_id: int | None, limit: int) -> Answer:
    """List refunds that are not over, or all of a payment's."""
    from core.cli.lookups import find_payment
    from core.payments import refund_limits, refunds

    with roof.snapshot() as session:
        if payment_id is not None:
            found = refund_limits.refunds_of_payment(session, find_payment(session, payment_id))
        else:
            found = refunds.live_refunds(session, merchant_id=merchant_id, limit=limit)
        rows = [refund_document(session, one) for one in found]
    return Answer(rows, table(rows, COLUMNS, empty="Nothing is on its way back."))


@refund.command()
@click.argument("refund_id", type=ID)
@answering
def show(roof: Roof, refund_id: int) -> Answer:
    """Show a refund and its steps."""
    from core.payments import refunds

    with roof.snapshot() as session:
        return told(session, refunds.get_refund(session, refund_id))


@refund.command()
@click.option("--note", default="", help="Why; kept with the act.")
@click.option("--by", "actor", default="operator", show_default=True, help="Who decides; kept with the act.")
@click.argument("refund_id", type=ID)
@click.argument("txid")
@answering
def sent(roof: Roof, refund_id: int, txid: str, actor: str, note: str) -> Answer:
    """Name the transaction by which you have paid it: the watcher then looks for it."""
    from core.payments import refunds
    from core.payments.inbox import By

    with roof.transaction() as session:
        named = refunds.name_transaction(session, roof.hub, refund_id, txid, by=By(f"cli:{actor}", note))
        return told(session, named)


@refund.command()
@click.option("--note", default="", help="Why; kept with the act.")
@click.option("--by", "actor", default="operator", show_default=True, help="Who decides; kept with the act.")
@click.argument("refund_id", type=ID)
@answering
def cancel(roof: Roof, refund_id: int, actor: str, note: str) -> Answer:
    """Give up a refund that nothing was paid for."""
    from core.payments import refunds
    from core.payments.inbox import By

    with roof.transaction() as session:
        return told(session, refunds.cancel(session, roof.hub, refund_id, by=By(f"cli:{actor}", note)))


def told(session: Session, one: Refund) -> Answer:
    """Answer with a refund and its steps."""
    from core.payments import refunds

    document = refund_document(session, one)
    steps = [
        {"created_at": moment(step.created_at), "state": step.state, "actor": step.actor, "note": step.note}
        for step in refunds.steps_of(session, one)
    ]
    shown = (listing(document.items()), table(steps, STEP_COLUMNS, empty="No steps."))
    return Answer({**document, "steps": steps}, "\n\n".join(shown))


def refund_document(session: Session, one: Refund) -> Document:
    """Describe a refund."""
    from core.models import Payment
    from core.payments.refund_words import SENTENCES, Why

    payment = session.get(Payment, one.payment_id) if one.payment_id else None
    return {
        "refund_id": one.id,
        "transfer_id": one.transfer_id,
        "payment_id": payment.payment_id if payment else None,
        "state": one.state,
        "amount": one.units.six_places(),
        "recipient": one.recipient,
        "txid": one.txid,
        "reason": SENTENCES[Why(one.why)],
        "expires_at": moment(one.expires_at),
        "created_at": moment(one.created_at),
    }
