"""Two figures of a project: what it has received, and what of it can still be withdrawn from the hub."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from core.ids import Mode
from core.ledger import journal, totals
from core.ledger.journal import Balance
from core.models import AccountTotal, JournalEntry, Project
from core.money import Usdt, parse_amount
from core.payments import refunds
from core.payments.service import Order, open_payment
from core.projects import receiving, service
from tests.ledger.test_statements import rows_of, till  # noqa: F401  a fixture
from tests.payments.conftest import ANNA, Till

BUYER = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH"
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def hold_all(till: Till) -> str:  # noqa: F811
    """Receive from now on at an address whose key the hub holds."""
    with till.hub.database.transaction() as session:
        held = receiving.hold_address(session, till.hub, merchant_id=till.shop.merchant_id).base58
        receiving.retire_address(session, till.hub, address=till.shop.address.base58)  # type: ignore[union-attr]
    return held


def balance(till: Till, project_id: int | None = None) -> tuple[int, int, int]:  # noqa: F811
    """Give received, held and withdrawable, in units."""
    with till.hub.database.snapshot() as session:
        found = journal.balance_of(session, session.get_one(Project, project_id or till.shop.project_id))
        assert (journal.imbalance(session), totals.wrong(session)) == (0, [])
    return found.received.units, found.held.units, found.withdrawable.units


def test_what_came_to_the_merchants_own_address_cannot_be_withdrawn_from_the_hub(till: Till) -> None:  # noqa: F811
    payment = till.order()
    till.pay(payment.address, payment.pay_units.units)

    assert balance(till) == (payment.pay_units.units, 0, 0)


def test_what_left_a_held_address_was_received_but_can_be_withdrawn_no_more(till: Till) -> None:  # noqa: F811
    held = hold_all(till)
    payment = till.order()
    till.pay(held, payment.pay_units.units)
    units = payment.pay_units.units
    assert balance(till) == (units, units, units)

    till.chain.mine(till.chain.transfer(BUYER, 20_000_000, sender=held))
    till.scanner.scan_once()

    assert balance(till) == (units, units, units - 20_000_000)


def test_money_that_fits_no_payment_is_nobodys_to_withdraw_nor_is_its_refund_a_loss(till: Till) -> None:  # noqa: F811
    held = hold_all(till)
    payment = till.order()
    till.pay(held, payment.pay_units.units)
    units = payment.pay_units.units
    stray = till.pay(held, 9_000_000)
    assert balance(till) == (units, units, units)
    with till.hub.database.transaction() as session:
        offer = refunds.request(session, till.hub, stray, by=ANNA)
        refunds.give_address(session, till.hub, offer.refund, BUYER)

    till.chain.mine(till.chain.transfer(BUYER, 9_000_000, sender=held))
    till.scanner.scan_once()

    assert balance(till) == (units, units, units)
    with till.hub.database.snapshot() as session:
        assert journal.account_sum(session, journal.chain_account(held)) == units


def test_two_projects_on_one_held_address_never_withdraw_more_than_is_there(till: Till) -> None:  # noqa: F811
    held, hub = hold_all(till), till.hub
    first = till.order()
    with hub.database.transaction() as session:
        made = service.create_project(
            session, hub, merchant_id=till.shop.merchant_id, name="Second", website="https://second.example.com"
        )
        service.set_mode(made.project, Mode.LIVE)
        session.flush()
        key = service.credential_of(session, made.project, Mode.LIVE)
        order = Order(order_id="B", amount=parse_amount("30.00"))
        second = open_payment(session, hub, project=made.project, credential=key, order=order).payment
    for payment in (first, second):
        till.pay(held, payment.pay_units.units)
    till.chain.mine(till.chain.transfer(BUYER, 60_000_000, sender=held))
    till.scanner.scan_once()

    there = first.pay_units.units + second.pay_units.units - 60_000_000
    assert [balance(till, one)[2] for one in (till.shop.project_id, second.project_id)] == [there, there]


def test_a_project_without_money_has_none(till: Till) -> None:  # noqa: F811
    with till.hub.database.snapshot() as session:
        found = journal.balance_of(session, session.get_one(Project, till.shop.project_id))

    assert found == Balance(Usdt(0), Usdt(0), Usdt(0), Usdt(0))


def test_a_statement_shows_what_was_sent_back_and_the_balance_ends_where_it_was(till: Till) -> None:  # noqa: F811
    paid, late = till.order("A", "50.00"), till.order("B", "7.00")
    till.pay(paid.address, paid.pay_units.units)
    transfer = till.late(late)
    own = till.shop.address.base58  # type: ignore[union-attr]
    with till.hub.database.transaction() as session:
        offer = refunds.request(session, till.hub, transfer, by=ANNA)
        refunds.give_address(session, till.hub, offer.refund, BUYER)
    till.chain.mine(till.chain.transfer(BUYER, late.pay_units.units, sender=own))
    till.scanner.scan_once()

    rows = rows_of(till)

    sums = [(row["account"], row["order_id"], row["amount"], row["balance"]) for row in rows]
    paid_sum, late_sum = paid.pay_units.six_places(), late.pay_units.six_places()
    both = (paid.pay_units + late.pay_units).six_places()
    gone = [("unassigned", "B", late_sum, both), ("refunded", "B", f"-{late_sum}", paid_sum)]
    assert sums == [("own", "A", paid_sum, paid_sum), *gone]


def test_a_balance_counts_what_its_own_transaction_booked_and_nothing_undone(till: Till) -> None:  # noqa: F811
    account, usual = journal.project_account(till.shop.project_id), parse_amount("5.00").due
    with till.hub.database.transaction() as session:
        for source in ("a", "b"):
            booking = {"amount": usual, "debit": "chain:x", "credit": account, "booked_at": till.hub.clock.now()}
            journal.book(session, source=source, **booking)
        within = journal.project_balance(session, till.shop.project_id)
    with pytest.raises(ZeroDivisionError), till.hub.database.transaction() as session:
        journal.book(session, source="c", **booking)
        raise ZeroDivisionError

    assert within.units == 10_000_000
    assert balance(till) == (10_000_000, 0, 0)


def test_a_total_that_is_not_the_sum_of_its_lines_is_found(till: Till) -> None:  # noqa: F811
    payment = till.order()
    till.pay(payment.address, payment.pay_units.units)
    account = journal.project_account(till.shop.project_id)

    for damage in (update(AccountTotal).values(units=5), delete(AccountTotal), delete(JournalEntry)):
        with till.hub.database.engine.connect() as connection, Session(connection) as session:
            session.execute(damage)
            assert totals.wrong(session) == [account]
