"""Transfers of a payment, and the resolution inbox: money that waits for a decision, and the four decisions.

A key sees what is counted for its own project's payments. Money that fits no payment belongs to the merchant: it is
seen where the merchant has this one project only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select

from core.api.v1 import cursors
from core.api.v1.door import Call, Reply, operation
from core.api.v1.numbers import row_id
from core.api.v1.payments import find_payment, payment_numbered
from core.api.v1.schemas.base import Page
from core.api.v1.schemas.money import (
    ActSchema,
    AttachSchema,
    EntryAnswer,
    EntryList,
    RefundedSchema,
    TransferList,
    TransferPage,
)
from core.errors import (
    InvalidAddress,
    InvalidCursor,
    InvalidTxid,
    NotAttachable,
    NotFound,
    NotInInbox,
    OrderTaken,
    PaymentNotFound,
    RefundUnderway,
    TransferNotFound,
)
from core.models import Address, Payment, Project, Transfer
from core.money import Usdt
from core.payments import inbox, refunds
from core.payments.candidates import Candidate, candidates
from core.payments.inbox import By, Entry
from core.payments.leads import naming

ACT_ERRORS = (TransferNotFound, NotInInbox, RefundUnderway)


@dataclass(frozen=True, slots=True)
class CandidateView:
    """A payment that may have been meant, as it is shown."""

    payment_id: int
    order_id: str
    pay_amount: Usdt
    off_amount: Usdt
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamedView:
    """A payment whose payer has named a transfer, as it is shown."""

    payment_id: int
    order_id: str
    finding: str
    named_at: datetime


@dataclass(frozen=True, slots=True)
class TransferView:
    """A transfer as it is shown; the last three where it waits."""

    transfer_id: int
    txid: str
    log_index: int
    block_height: int
    block_time: datetime
    sender: str
    address: str
    amount: Usdt
    bucket: str
    payment_id: int | None
    order_id: str | None
    resolution: str | None
    resolved_at: datetime | None
    open_amount: Usdt | None = None
    candidates: tuple[CandidateView, ...] = ()
    named_by: tuple[NamedView, ...] = ()


@operation("GET", "/payments/<payment_id>/transfers", answer=TransferList, errors=(PaymentNotFound,))
def list_transfers_of_payment(call: Call) -> Reply:
    """List what final blocks have brought a payment, the oldest first; at most 100."""
    payment = find_payment(call)
    rows = call.session.execute(
        select(Transfer, Address)
        .join(Address, Address.id == Transfer.address_id)
        .where(Transfer.payment_id == payment.id)
        .order_by(Transfer.id)
        .limit(100)
    ).all()
    return Reply({"transfers": [_view(transfer, address, payment) for transfer, address in rows]})


@operation("GET", "/transfers", query=Page, answer=TransferPage, errors=(InvalidCursor,))
def list_transfers(call: Call) -> Reply:
    """List what final blocks have brought the project's payments, the newest first; a test key has none."""
    limit: int = call.query["limit"]
    wanted = (
        select(Transfer, Address, Payment)
        .join(Address, Address.id == Transfer.address_id)
        .join(Payment, Payment.id == Transfer.payment_id)
        .where(Transfer.project_id == call.caller.project.id)
    )
    if "cursor" in call.query:
        wanted = wanted.where(Transfer.id < cursors.decode("t", call.query["cursor"], numbers=1)[0])
    rows = [] if call.is_test else call.session.execute(wanted.order_by(Transfer.id.desc()).limit(limit + 1)).all()
    cursor = cursors.encode("t", rows[limit - 1][0].id) if len(rows) > limit else None
    return Reply({"transfers": [_view(*row) for row in rows[:limit]], "next_cursor": cursor})


@operation("GET", "/inbox", query=Page, answer=EntryList, errors=(InvalidCursor,))
def list_inbox(call: Call) -> Reply:
    """List the transfers that wait for a decision, the oldest first."""
    limit: int = call.query["limit"]
    after = cursors.decode("i", call.query["cursor"], numbers=1)[0] if "cursor" in call.query else 0
    found = [] if call.is_test else _entries(call, after=after, limit=limit + 1)
    cursor = cursors.encode("i", found[limit - 1].transfer.id) if len(found) > limit else None
    return Reply({"inbox": [_entry_view(entry) for entry in found[:limit]], "next_cursor": cursor})


@operation("GET", "/inbox/<transfer_id>", answer=EntryAnswer, errors=(TransferNotFound,))
def get_inbox_transfer(call: Call) -> Reply:
    """Read a transfer, waiting or settled, with the payments it may have been meant for."""
    return _reply(call, find_entry(call))


@operation(
    "POST", "/inbox/<transfer_id>/accept", body=ActSchema, answer=EntryAnswer,
    errors=(*ACT_ERRORS, NotAttachable, OrderTaken),
)
def accept_transfer(call: Call) -> Reply:
    """Take what came, be it short, late or too much, for enough: its payment is paid."""
    entry = find_entry(call)
    return _reply(call, inbox.accept(call.session, call.hub, entry.transfer.id, by=deciding(call)))


@operation(
    "POST", "/inbox/<transfer_id>/attach", body=AttachSchema, answer=EntryAnswer,
    errors=(*ACT_ERRORS, PaymentNotFound, NotAttachable, OrderTaken),
)
def attach_transfer(call: Call) -> Reply:
    """Count a transfer for another payment of your project."""
    entry = find_entry(call)
    payment = payment_numbered(call, str(call.body["payment_id"]))
    return _reply(call, inbox.attach(call.session, call.hub, entry.transfer.id, payment=payment, by=deciding(call)))


@operation(
    "POST", "/inbox/<transfer_id>/refunded", body=RefundedSchema, answer=EntryAnswer,
    errors=(*ACT_ERRORS, InvalidTxid, InvalidAddress),
)
def mark_transfer_refunded(call: Call) -> Reply:
    """Say that you have given a transfer's money back; no money moves by this call.

    With `refund_txid` a refund begins, and the transfer is closed once that transaction is found on the chain. Without
    it your word closes it.
    """
    entry, txid = find_entry(call), call.body["refund_txid"]
    if txid is None:
        return _reply(call, inbox.mark_refunded(call.session, call.hub, entry.transfer.id, by=deciding(call)))
    refunds.pay_known(
        call.session, call.hub, entry.transfer.id, by=deciding(call), text=txid, recipient=call.body["recipient"]
    )
    return _reply(call, inbox.get_entry(call.session, entry.transfer.id))


@operation("POST", "/inbox/<transfer_id>/ignore", body=ActSchema, answer=EntryAnswer, errors=ACT_ERRORS)
def ignore_transfer(call: Call) -> Reply:
    """Put a transfer aside: its money stays yours and counts for no payment."""
    entry = find_entry(call)
    return _reply(call, inbox.ignore(call.session, call.hub, entry.transfer.id, by=deciding(call)))


def deciding(call: Call) -> By:
    """Say who decides, and why: the key, and the note of the request."""
    return By(actor=f"api:{call.caller.credential.public_key}", note=call.body["note"])


def _entries(call: Call, *, after: int, limit: int) -> list[Entry]:
    project = call.caller.project
    if is_only_project(call):
        return inbox.entries(call.session, merchant_id=project.merchant_id, after=after, limit=limit)
    return inbox.entries(call.session, project_id=project.id, after=after, limit=limit)


def find_entry(call: Call, entry: Entry | None = None) -> Entry:
    """Find a transfer the key may decide about, by the path or as given; another's is not found, like a missing one."""
    number = row_id(call.path["transfer_id"]) if entry is None and not call.is_test else None
    if entry is None and number is None:
        raise TransferNotFound
    try:
        entry = entry or inbox.get_entry(call.session, number or 0)
    except NotFound:
        raise TransferNotFound from None
    if entry.payment is not None:
        is_ours = entry.payment.project_id == call.caller.project.id
    else:
        is_ours = entry.address.merchant_id == call.caller.project.merchant_id and is_only_project(call)
    if not is_ours:
        raise TransferNotFound
    return entry


def is_only_project(call: Call) -> bool:
    """Tell whether what is the merchant's is this one project's."""
    of_merchant = select(func.count(Project.id)).where(Project.merchant_id == call.caller.project.merchant_id)
    return call.session.scalar(of_merchant) == 1


def _reply(call: Call, entry: Entry) -> Reply:
    ours = [one for one in candidates(call.session, entry) if one.payment.project_id == call.caller.project.id]
    named = tuple(
        NamedView(payment.payment_id, payment.order_id, lead.finding, lead.asked_at)
        for lead, payment in naming(call.session, entry.transfer.id)
        if payment.project_id == call.caller.project.id
    )
    return Reply({"transfer": replace(_entry_view(entry, found=ours), named_by=named)})


def _entry_view(entry: Entry, *, found: list[Candidate] | None = None) -> TransferView:
    shown = tuple(
        CandidateView(
            one.payment.payment_id, one.payment.order_id, one.payment.pay_units, Usdt(one.off_units), one.reasons
        )
        for one in found or ()
    )
    return _view(entry.transfer, entry.address, entry.payment, open_amount=entry.open_units, found=shown)


def _view(
    transfer: Transfer, address: Address, payment: Payment | None, *, open_amount: Usdt | None = None,
    found: tuple[CandidateView, ...] = (),
) -> TransferView:
    return TransferView(
        transfer_id=transfer.id,
        txid=transfer.txid,
        log_index=transfer.log_index,
        block_height=transfer.height,
        block_time=transfer.block_time,
        sender=transfer.sender,
        address=address.base58,
        amount=transfer.units,
        bucket=transfer.bucket,
        payment_id=payment.payment_id if payment else None,
        order_id=payment.order_id if payment else None,
        resolution=transfer.resolution,
        resolved_at=transfer.resolved_at,
        open_amount=open_amount,
        candidates=found,
    )
