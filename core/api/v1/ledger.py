"""Balance, journal and receiving addresses: read only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import literal_column, select

from core.api.v1 import cursors
from core.api.v1.door import Call, Reply, operation
from core.api.v1.schemas.base import Page
from core.api.v1.schemas.money import AddressList, BalanceAnswer, JournalList
from core.errors import InvalidCursor
from core.ledger import journal
from core.models import Address, JournalEntry
from core.money import Usdt


@dataclass(frozen=True, slots=True)
class LineView:
    """A booking as it is shown."""

    entry_id: int
    account: str
    source: str
    amount: Usdt
    booked_at: datetime


@dataclass(frozen=True, slots=True)
class AddressView:
    """A receiving address as it is shown."""

    address: str
    kind: str
    label: str
    created_at: datetime


@operation("GET", "/balance", answer=BalanceAnswer)
def get_balance(call: Call) -> Reply:
    """Read what live payments have brought; a test key's balance is always zero."""
    if call.is_test:
        return Reply({"balance": journal.Balance(Usdt(0), Usdt(0), Usdt(0), Usdt(0))})
    return Reply({"balance": journal.balance_of(call.session, call.caller.project)})


@operation("GET", "/journal", query=Page, answer=JournalList, errors=(InvalidCursor,))
def list_journal(call: Call) -> Reply:
    """List the bookings on the project's account, the newest first; a test key has none."""
    limit: int = call.query["limit"]
    lines: list[LineView] = []
    for account, name in _accounts(call).items():
        wanted = select(JournalEntry).where(JournalEntry.account == account)
        if "cursor" in call.query:
            wanted = wanted.where(JournalEntry.id < cursors.decode("j", call.query["cursor"], numbers=1)[0])
        for row in call.session.scalars(wanted.order_by(JournalEntry.id.desc()).limit(limit + 1)):
            lines.append(LineView(row.id, name, row.source, Usdt(-row.units), row.booked_at))
    lines.sort(key=lambda line: line.entry_id, reverse=True)
    shown = [] if call.is_test else lines[:limit]
    cursor = cursors.encode("j", shown[-1].entry_id) if shown and len(lines) > limit else None
    return Reply({"entries": shown, "next_cursor": cursor})


@operation("GET", "/addresses", query=Page, answer=AddressList, errors=(InvalidCursor,))
def list_addresses(call: Call) -> Reply:
    """List the addresses in use, which all projects of the merchant share; one derived for a payment stands there."""
    limit: int = call.query["limit"]
    wanted = select(Address).where(
        Address.merchant_id == call.caller.project.merchant_id,
        Address.retired_at.is_(None),
        Address.kind != literal_column("'derived'"),
    )
    if "cursor" in call.query:
        wanted = wanted.where(Address.id > cursors.decode("a", call.query["cursor"], numbers=1)[0])
    rows = call.session.scalars(wanted.order_by(Address.id).limit(limit + 1)).all()
    shown = [AddressView(row.base58, row.kind, row.label, row.created_at) for row in rows[:limit]]
    cursor = cursors.encode("a", rows[limit - 1].id) if len(rows) > limit else None
    return Reply({"addresses": shown, "next_cursor": cursor})


def _accounts(call: Call) -> dict[str, str]:
    project_id = call.caller.project.id
    return {
        journal.project_account(project_id): "own",
        journal.project_account(project_id, is_held=True): "held",
        journal.returned_account(project_id): "returned",
        journal.returned_account(project_id, is_held=True): "returned",
    }
