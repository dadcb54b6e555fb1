"""`paywharf inbox`: money that fits no payment, and what is decided about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from core.cli.answers import ID, LIMIT, Answer, answering, listing, table
from core.cli.documents import Document, moment, transfer_document
from core.cli.lookups import find_payment
from core.cli.roof import Roof

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from core.models import InboxAct, Lead, Payment
    from core.payments.candidates import Candidate
    from core.payments.inbox import By, Entry

COLUMNS = ("transfer_id", "bucket", "amount", "open_amount", "address", "payment_id", "block_time", "txid")
CANDIDATE_COLUMNS = ("payment_id", "order_id", "status", "pay_amount", "off", "why")
NAMED_COLUMNS = ("named_at", "by_payer_of", "order_id", "finding")
ACT_COLUMNS = ("created_at", "act", "actor", "payment_id", "note")


def deciding(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the transfer it is about, and who decides and why."""
    for parameter in (
        click.option("--note", default="", help="Why; kept with the act."),
        click.option("--by", "actor", default="operator", show_default=True, help="Who decides; kept with the act."),
        click.argument("transfer_id", type=ID),
    ):
        command = parameter(command)
    return command


@click.group()
def inbox() -> None:
    """Money that fits no payment: underpaid, overpaid, late, duplicate, ambiguous or unknown transfers."""


@inbox.command("list")
@click.option("--merchant", "merchant_id", type=ID, help="Only what came to this merchant's addresses.")
@click.option("--project", "project_id", type=ID, help="Only what is counted for this project's payments.")
@click.option("--decided", is_flag=True, help="Those that were decided about, with what was decided.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many, the oldest first.")
@answering
def list_inbox(roof: Roof, merchant_id: int | None, project_id: int | None, decided: bool, limit: int) -> Answer:
    """List transfers that wait for a decision, the oldest first."""
    from core.payments.inbox import entries

    with roof.snapshot() as session:
        found = entries(session, merchant_id=merchant_id, project_id=project_id, limit=limit, decided=decided)
        rows = [entry_document(entry) for entry in found]
    columns = ("resolution", *COLUMNS) if decided else COLUMNS
    return Answer(rows, table(rows, columns, empty="Nothing was decided." if decided else "The inbox is empty."))


@inbox.command()
@click.argument("transfer_id", type=ID)
@answering
def show(roof: Roof, transfer_id: int) -> Answer:
    """Show a transfer, the orders it may have been meant for, and what was decided about it."""
    from core.payments.candidates import candidates
    from core.payments.inbox import acts_of, get_entry
    from core.payments.leads import naming

    with roof.snapshot() as session:
        entry = get_entry(session, transfer_id)
        document = dict(entry_document(entry))
        likely = [candidate_document(one) for one in candidates(session, entry)]
        acts = [act_document(session, one) for one in acts_of(session, transfer_id)]
        named = [lead_document(lead, payment) for lead, payment in naming(session, transfer_id)]
    described = listing(document.items())
    tables = (
        table(likely, CANDIDATE_COLUMNS, empty="No order is likely."),
        *([table(named, NAMED_COLUMNS, empty="")] if named else []),
        table(acts, ACT_COLUMNS, empty="Nothing was decided yet."),
    )
    document |= {"candidates": likely, "named_by": named, "acts": acts}
    return Answer(document, "\n\n".join((described, *tables)))


@inbox.command()
@deciding
@answering
def accept(roof: Roof, transfer_id: int, actor: str, note: str) -> Answer:
    """Take what the transfer brought its payment for enough: the payment is paid, and its shop is told."""
    from core.payments.inbox import accept

    return _decide(roof, transfer_id, accept, actor, note)


@inbox.command()
@deciding
@click.argument("payment_id", type=ID)
@answering
def attach(roof: Roof, transfer_id: int, payment_id: int, actor: str, note: str) -> Answer:
    """Count the transfer for PAYMENT_ID; where that is enough, the payment is paid."""
    from core.payments.inbox import attach

    def act(session: Session, *arguments: Any, by: By) -> Entry:
        return attach(session, *arguments, payment=find_payment(session, payment_id), by=by)

    return _decide(roof, transfer_id, act, actor, note)


@inbox.command()
@deciding
@click.option("--txid", help="The transaction that sent the money back: it is verified on the chain.")
@click.option("--to", "recipient", help="Where that sent it; by default to the transfer's sender.")
@answering
def refunded(
    roof: Roof, transfer_id: int, txid: str | None, recipient: str | None, actor: str, note: str
) -> Answer:
    """Note that you have given the money back; with --txid it is closed once that is found on the chain."""
    from core.cli.refunds import told
    from core.payments import inbox, refunds
    from core.payments.inbox import By

    if txid is None:
        return _decide(roof, transfer_id, inbox.mark_refunded, actor, note)
    by = By(f"cli:{actor}", note)
    with roof.transaction() as session:
        begun = refunds.pay_known(session, roof.hub, transfer_id, by=by, text=txid, recipient=recipient)
        return told(session, begun)


@inbox.command()
@deciding
@answering
def ignore(roof: Roof, transfer_id: int, actor: str, note: str) -> Answer:
    """Put the transfer aside: the money stays yours and counts for no payment."""
    from core.payments.inbox import ignore

    return _decide(roof, transfer_id, ignore, actor, note)


def entry_document(entry: Entry) -> Document:
    """Describe a transfer of the inbox; `open_amount` is what nobody has been credited with."""
    payment = entry.payment
    whose = {"order_id": payment.order_id, "project_id": payment.project_id} if payment else {}
    described = transfer_document(
        entry.transfer, address=entry.address.base58, payment_id=payment.payment_id if payment else None
    )
    return described | {"open_amount": entry.open_units.six_places()} | whose


def candidate_document(one: Candidate) -> Document:
    """Describe a payment that may have been meant."""
    from core.money import Usdt

    return {
        "payment_id": one.payment.payment_id,
        "project_id": one.payment.project_id,
        "order_id": one.payment.order_id,
        "status": one.payment.status,
        "pay_amount": one.payment.pay_units.six_places(),
        "off": Usdt(one.off_units).six_places(),
        "reasons": list(one.reasons),
        "why": ", ".join(one.reasons),
    }


def lead_document(lead: Lead, payment: Payment) -> Document:
    """Describe whose payer has named a transfer; anybody can read transaction ids, so it proves nothing."""
    return {
        "named_at": moment(lead.asked_at),
        "by_payer_of": payment.payment_id,
        "order_id": payment.order_id,
        "finding": lead.finding,
    }


def act_document(session: Session, row: InboxAct) -> Document:
    """Describe what somebody decided."""
    from core.models import Payment

    payment = session.get(Payment, row.payment_id) if row.payment_id else None
    return {
        "act": row.act,
        "actor": row.actor,
        "note": row.note,
        "closes": row.closes,
        "payment_id": payment.payment_id if payment else None,
        "refund_txid": row.refund_txid,
        "created_at": moment(row.created_at),
    }


def _decide(roof: Roof, transfer_id: int, act: Callable[..., Entry], actor: str, note: str) -> Answer:
    from core.payments.inbox import By

    with roof.transaction() as session:
        entry = act(session, roof.hub, transfer_id, by=By(f"cli:{actor}", note))
        document = entry_document(entry)
        status = entry.payment.status if entry.payment else None
    transfer = entry.transfer
    what = transfer.resolution or f"counted as {transfer.bucket} and still waiting"
    order = f"; payment {document['payment_id']} is {status}" if status else ""
    return Answer(document | {"payment_status": status}, f"Transfer {transfer_id} is {what}{order}.")
