"""A till: a shop, a chain and its watcher, and what its merchant decides about odd money."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from core.chain.scanner import Scanner
from core.clock import ManualClock
from core.db import Database, open_database
from core.hub import Hub
from core.ledger import journal
from core.models import Event, Payment, Transfer
from core.payments import inbox
from core.payments.inbox import By, Entry
from core.projects import policies, receiving, service
from core.testing.chains import FakeChain
from core.testing.factories import Shop, make_payment, make_shop
from core.testing.hubs import START, TEST_CONTRACT, make_hub
from tests.conftest import _empty

ANNA = By("cli:anna", "asked the buyer")


@dataclass
class Till:
    """A shop, a chain and its watcher."""

    hub: Hub
    shop: Shop
    chain: FakeChain
    scanner: Scanner

    def order(self, order_id: str = "A", amount: str = "50.00") -> Payment:
        return make_payment(self.hub, self.shop, order_id=order_id, amount=amount)

    def pay(self, to: str, units: int, **changes: object) -> int:
        """Bring units to an address; gives the transfer's id."""
        self.chain.mine(self.chain.transfer(to, units, **changes))  # type: ignore[arg-type]
        self.scanner.scan_once()
        with self.hub.database.snapshot() as session:
            return session.scalars(select(Transfer.id).order_by(Transfer.id.desc()).limit(1)).one()

    def late(self, payment: Payment) -> int:
        self.chain.skip_to(payment.expires_at + timedelta(minutes=1))
        return self.pay(payment.address, payment.pay_units.units)

    def act(self, act: Callable[..., Entry], transfer_id: int, **arguments: object) -> Entry:
        with self.hub.database.transaction() as session:
            return act(session, self.hub, transfer_id, by=ANNA, **arguments)

    def standing(self, payment: Payment) -> tuple[str, str]:
        with self.hub.database.snapshot() as session:
            row = session.get_one(Payment, payment.id)
            return row.status, row.anomaly

    def set_policy(self, **changes: object) -> None:
        with self.hub.database.transaction() as session:
            project = service.get_project(session, self.shop.project_id)
            policies.set_policy(project, **changes)  # type: ignore[arg-type]

    def pool(self, *addresses: str) -> None:
        with self.hub.database.transaction() as session:
            for address in addresses:
                receiving.set_exclusive(session, address=address, exclusive=True)

    def bucket(self, transfer_id: int) -> str:
        with self.hub.database.snapshot() as session:
            return session.get_one(Transfer, transfer_id).bucket

    def books(self) -> dict[str, int]:
        """Give what the merchant's accounts hold, in units; the journal must balance."""
        merchant = self.shop.merchant_id
        accounts = {
            "project": journal.project_account(self.shop.project_id),
            "unassigned": journal.unassigned_account(merchant),
            "refunded": journal.refunded_account(merchant),
            "returned": journal.returned_account(self.shop.project_id),
            "ignored": journal.ignored_account(merchant),
        }
        with self.hub.database.snapshot() as session:
            assert journal.imbalance(session) == 0
            sums = {name: -journal.account_sum(session, account) for name, account in accounts.items()}
        return {name: units for name, units in sums.items() if units}

    def events(self, payment: Payment) -> list[str]:
        with self.hub.database.snapshot() as session:
            rows = session.scalars(select(Event.type).where(Event.payment_id == payment.id).order_by(Event.number))
            return [row.removeprefix("payment.") for row in rows]

    def waiting(self) -> list[int]:
        with self.hub.database.snapshot() as session:
            return [entry.transfer.id for entry in inbox.entries(session, merchant_id=self.shop.merchant_id)]


@pytest.fixture
def till(hub: Hub) -> Till:
    return make_till(hub)


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_hub(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Hub]:
    """Make a hub on an empty database, as often as asked; the one before is closed."""
    opened: list[Database] = []

    def make() -> Hub:
        while opened:
            opened.pop().dispose()
        if request.param == "sqlite":
            for old in tmp_path.glob("machine.db*"):
                old.unlink()
            shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "machine.db")
            url = f"sqlite:///{tmp_path}/machine.db"
        else:
            url = request.getfixturevalue("postgresql_url")
            _empty(url)
        opened.append(open_database(url))
        return make_hub(opened[-1], clock=ManualClock(START))

    request.addfinalizer(lambda: [database.dispose() for database in opened])
    return make


def make_till(hub: Hub) -> Till:
    """Open a shop with a chain and its watcher."""
    chain = FakeChain(TEST_CONTRACT, START - timedelta(minutes=1))
    chain.skip(3)
    till = Till(hub, make_shop(hub), chain, Scanner(hub, chain.fleet(hub.clock), holder="test"))
    till.scanner.scan_once()
    return till
