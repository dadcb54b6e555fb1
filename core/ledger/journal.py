"""Book journals and read balances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from core.ledger import totals
from core.models import JournalEntry, Project
from core.money import Usdt


def book(session: Session, *, source: str, amount: Usdt, debit: str, credit: str, booked_at: datetime) -> None:
    """Book one amount from one account to another; the unique key on (source, account) refuses a second time."""
    lines = [
        {"source": source, "account": debit, "units": amount.units, "booked_at": booked_at},
        {"source": source, "account": credit, "units": -amount.units, "booked_at": booked_at},
    ]
    session.execute(insert(JournalEntry), lines)
    totals.add(session, lines)


def book_split(
    session: Session, *, source: str, debit: str, credits: Sequence[tuple[str, Usdt]], booked_at: datetime
) -> None:
    """Book what came to one account to several others, each > 0; their sum is what came."""
    lines = [
        {"source": source, "account": debit, "units": sum(part.units for _, part in credits), "booked_at": booked_at}
    ]
    lines += [
        {"source": source, "account": account, "units": -part.units, "booked_at": booked_at}
        for account, part in credits
    ]
    session.execute(insert(JournalEntry), lines)
    totals.add(session, lines)


def project_balance(session: Session, project_id: int) -> Usdt:
    """Give what the hub has credited to a project, less what of it was sent back: live payments only."""
    names = [account(project_id, is_held=is_held) for account in TWICE for is_held in (False, True)]
    return Usdt(-totals.total(session, *names))


@dataclass(frozen=True, slots=True)
class Balance:
    """What live payments have brought a project: what came to its merchant's own addresses, what to those that the hub
    holds, what of both was refunded, and what of the held part can still be withdrawn."""

    own: Usdt
    held: Usdt
    refunded: Usdt
    withdrawable: Usdt

    @property
    def received(self) -> Usdt:
        """Give all that was credited; what leaves an address later does not lessen it."""
        return self.own + self.held

    @property
    def balance(self) -> Usdt:
        """Give what was received and not refunded."""
        return self.received - self.refunded


def balance_of(session: Session, project: Project) -> Balance:
    """Sum a project's accounts, and bound what it can withdraw by what the held addresses have left.

    What was refunded from another wallet than a held address lessens nothing that lies there.

    Held addresses serve all projects of a merchant, so no project can withdraw more than all of them are owed less what
    has left those addresses; money that fits no payment lies there as well, but is nobody's to withdraw.
    """
    own, held = (-totals.total(session, project_account(project.id, is_held=is_held)) for is_held in (False, True))
    both = [returned_account(project.id, is_held=is_held) for is_held in (False, True)]
    back, held_back = (totals.total(session, account) for account in both)
    left = 0
    if held:
        projects = session.scalars(select(Project.id).where(Project.merchant_id == project.merchant_id)).all()
        owed = -totals.total(session, *[account(one, is_held=True) for account in TWICE for one in projects])
        left = owed - totals.total(session, spent_account(project.merchant_id, is_held=True))
    return Balance(Usdt(own), Usdt(held), Usdt(back + held_back), Usdt(max(0, min(held - held_back, left))))


def booked(session: Session, *, sources: Iterable[str], accounts: Iterable[str]) -> int:
    """Sum what these sources have booked on these accounts, in units."""
    lines = select(JournalEntry.units).where(JournalEntry.source.in_(sources), JournalEntry.account.in_(accounts))
    return sum(session.scalars(lines))


def account_sum(session: Session, account: str) -> int:
    """Sum one account's lines, in units: every one of them is read."""
    lines = select(func.coalesce(func.sum(JournalEntry.units), 0)).where(JournalEntry.account == account)
    return int(session.execute(lines).scalar_one())


def imbalance(session: Session) -> int:
    """Sum all lines: 0, or something is badly wrong."""
    return int(session.execute(select(func.coalesce(func.sum(JournalEntry.units), 0))).scalar_one())


def chain_account(address: str) -> str:
    """Name the account of what an address received."""
    return f"chain:{address}"


def project_account(project_id: int, *, is_held: bool = False) -> str:
    """Name the account of what a project has been paid: on addresses of its merchant's, or on those the hub holds."""
    return f"project:{project_id}:held" if is_held else f"project:{project_id}"


def returned_account(project_id: int, *, is_held: bool = False) -> str:
    """Name the account of what had paid a project and was sent back, apart for what left an address the hub holds."""
    return f"returned:{project_id}:held" if is_held else f"returned:{project_id}"


def unassigned_account(merchant_id: int) -> str:
    """Name the account of money that fits no payment yet."""
    return f"unassigned:{merchant_id}"


def spent_account(merchant_id: int, *, is_held: bool = False) -> str:
    """Name the account of what was sent away from a merchant's addresses, apart for those that the hub holds."""
    return f"spent:{merchant_id}:held" if is_held else f"spent:{merchant_id}"


def internal_account(merchant_id: int) -> str:
    """Name the account between a merchant's own addresses; a transfer from one to the other leaves it at zero."""
    return f"internal:{merchant_id}"


def refunded_account(merchant_id: int) -> str:
    """Name the account of money that the merchant has sent back to whom it came from."""
    return f"refunded:{merchant_id}"


def ignored_account(merchant_id: int) -> str:
    """Name the account of money that belongs to no order and that the merchant keeps."""
    return f"ignored:{merchant_id}"


def unassigned_parts(session: Session, *, sources: Iterable[str], merchant_ids: Iterable[int]) -> dict[str, int]:
    """Read what each of these sources has booked as unassigned, in units; less than zero where it took some away.

    Those that have booked nothing of these merchants' there are left out.
    """
    accounts = [unassigned_account(merchant_id) for merchant_id in merchant_ids]
    lines = select(JournalEntry.source, JournalEntry.units).where(
        JournalEntry.source.in_(sources), JournalEntry.account.in_(accounts)
    )
    return {source: -units for source, units in session.execute(lines)}


TWICE = (project_account, returned_account)  # each has a second one for what the hub holds
