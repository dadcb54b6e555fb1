"""Statements: every credit once, with its order and the balance after it."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest

from core.hub import Hub
from core.ledger import journal, statements
from core.models import Refund, Transfer
from core.payments import inbox
from core.testing.hubs import START
from tests.payments.conftest import Till, make_till
from tests.payments.test_refunds import addressed, send


@pytest.fixture
def till(hub: Hub) -> Till:
    return make_till(hub)


def rows_of(till: Till, **changes: object) -> list[dict[str, str]]:
    span = {"since": START - timedelta(days=1), "until": START + timedelta(days=9)} | changes
    with till.hub.database.snapshot() as session:
        return statements.as_rows(statements.statement(session, till.shop.project_id, **span))  # type: ignore[arg-type]


def test_each_credit_stands_there_once_with_its_order_and_balance(till: Till) -> None:
    paid, late = till.order("A", "50.00"), till.order("B", "7.00")
    till.pay(paid.address, paid.pay_units.units)
    till.act(inbox.accept, till.late(late))

    rows = rows_of(till)

    with till.hub.database.snapshot() as session:
        balance = journal.project_balance(session, till.shop.project_id)
    assert [(row["order_id"], row["amount"]) for row in rows] == [
        ("A", paid.pay_units.six_places()), ("B", late.pay_units.six_places()),
    ]
    assert rows[-1]["balance"] == balance.six_places()
    assert all(len(row["txid"]) == 64 for row in rows)


def test_money_that_waits_is_in_no_statement(till: Till) -> None:
    till.late(till.order())

    assert rows_of(till) == []


def test_what_came_late_and_was_sent_back_comes_and_goes_with_its_own_transactions(till: Till) -> None:
    """All lines add up to the last balance, and each can be found in the wallet."""
    paid, late = till.order("A"), till.order("B", "7.00")
    till.pay(paid.address, paid.pay_units.units)
    transfer = till.late(late)
    refund_id = addressed(till, transfer)
    send(till, refund_id, units=late.pay_units.units)

    rows = rows_of(till)

    with till.hub.database.snapshot() as session:
        came, went = session.get_one(Transfer, transfer).txid, session.get_one(Refund, refund_id).txid
    sum_ = late.pay_units.six_places()
    assert [(row["account"], row["amount"], row["txid"]) for row in rows[1:]] == [
        ("unassigned", sum_, came), ("refunded", f"-{sum_}", went),
    ]
    assert sum(Decimal(row["amount"]) for row in rows) == Decimal(rows[-1]["balance"]) == Decimal(rows[0]["balance"])


def test_a_span_has_a_first_moment_and_one_after_its_last(till: Till) -> None:
    payment = till.order()
    till.pay(payment.address, payment.pay_units.units)
    booked = till.hub.clock.now()

    assert len(rows_of(till, since=booked)) == 1
    assert rows_of(till, until=booked) == []


def test_an_order_number_is_no_formula_to_a_spreadsheet(till: Till) -> None:
    payment = till.order('=1+1,"x"')
    till.pay(payment.address, payment.pay_units.units)

    [row] = csv.DictReader(io.StringIO(statements.as_csv(rows_of(till)), newline=""))

    assert row["order_id"] == "'=1+1,\"x\""
