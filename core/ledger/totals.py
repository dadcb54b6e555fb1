"""Keep what accounts come to, so that a balance costs the same however many lines its account has.

The totals move with the lines, in their transaction, and as its last act, account by account in order: whoever waits
for a row of another transaction holds nothing the other still wants. The account of a single address has no total; what
proves an address's books reads every line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import bindparam, event, func, select, union_all
from sqlalchemy.orm import Session

from core.db import insert_for
from core.models import AccountTotal, JournalEntry

OF_AN_ADDRESS = "chain:"
BOOKED = "ledger.booked"  # in a session: what its lines add to each account, not yet written
TOTALS = select(func.coalesce(func.sum(AccountTotal.units), 0)).where(
    AccountTotal.account.in_(bindparam("accounts", expanding=True))
)


def add(session: Session, lines: Iterable[Mapping[str, Any]]) -> None:
    """Count lines that this transaction has booked: each has an `account` and `units`."""
    booked: Counter[str] | None = session.info.get(BOOKED)
    if booked is None:
        booked = session.info[BOOKED] = Counter()
        event.listen(session, "before_commit", _write, once=True)
    for line in lines:
        if not line["account"].startswith(OF_AN_ADDRESS):
            booked[line["account"]] += line["units"]


def total(session: Session, *accounts: str) -> int:
    """Give what these accounts come to together, in units, with what this transaction has booked."""
    booked: Counter[str] = session.info.get(BOOKED, Counter())
    stored = session.connection().scalar(TOTALS, {"accounts": accounts})
    return int(stored or 0) + sum(booked[account] for account in set(accounts))


def wrong(session: Session) -> list[str]:
    """Name the accounts whose total is not the sum of their lines: none, or something is badly wrong."""
    lines = select(JournalEntry.account, JournalEntry.units).where(JournalEntry.account.not_like(f"{OF_AN_ADDRESS}%"))
    both = union_all(lines, select(AccountTotal.account, -AccountTotal.units)).subquery()
    differing = select(both.c.account).group_by(both.c.account).having(func.sum(both.c.units) != 0)
    return list(session.scalars(differing.order_by(both.c.account)))


def _write(session: Session) -> None:
    booked: Counter[str] = session.info.pop(BOOKED, Counter())
    adding = insert_for(session, AccountTotal).values(account=bindparam("account"), units=bindparam("units"))
    adding = adding.on_conflict_do_update(
        index_elements=["account"], set_={"units": AccountTotal.units + adding.excluded.units}
    )
    if rows := [{"account": account, "units": units} for account, units in sorted(booked.items()) if units]:
        session.connection().execute(adding, rows)
