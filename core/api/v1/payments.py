"""Payments: create, read, list, cancel, and play the end of a test payment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, literal, select

from core.api.compat import payment_url
from core.api.orders import check_may_create, return_url
from core.api.v1 import cursors
from core.api.v1.door import Call, Reply, operation
from core.api.v1.schemas.payments import (
    NewPayment,
    NewPaymentSchema,
    OrderQuery,
    PaymentAnswer,
    PaymentFilter,
    PaymentList,
    PaymentQuery,
    ScenarioSchema,
)
from core.clock import from_millis, to_millis
from core.errors import (
    AmountNotPositive,
    FailUrlMismatch,
    InvalidAmount,
    InvalidPrice,
    InvalidUrl,
    NoFreeAmount,
    NoReceivingAddress,
    NotATestPayment,
    OrderAmountConflict,
    OrderElsewhere,
    OrderHoldsFunds,
    PaymentClosed,
    PaymentNotFound,
    ProjectDisabled,
    ProjectInTestMode,
    RateUnavailable,
    SuccessUrlMismatch,
    TooManyDecimals,
    TransferUnderway,
    UnsupportedCurrency,
    WebsiteNotConfigured,
)
from core.hub import Hub
from core.ids import WIDE_LIMIT
from core.models import Payment
from core.outbox.bodies import CURRENCY, NETWORK
from core.payments import controls
from core.payments.controls import scenario_of
from core.payments.service import Order, open_payment
from core.payments.state import PUBLIC_WORDS, Status, public_word

LAST_MILLIS = 253_370_764_800_000  # the year 9999: later ones are no datetime
PAYMENT_ID = re.compile(r"[1-9][0-9]{0,15}")
CREATE_ERRORS = (
    AmountNotPositive, InvalidAmount, TooManyDecimals, UnsupportedCurrency, InvalidUrl, SuccessUrlMismatch,
    FailUrlMismatch, ProjectDisabled, ProjectInTestMode, WebsiteNotConfigured, OrderAmountConflict, OrderElsewhere,
    OrderHoldsFunds, NoReceivingAddress, NoFreeAmount, InvalidPrice, RateUnavailable,
)


@dataclass(frozen=True, slots=True)
class QuoteView:
    """The price of a payment, and how it became USDT."""

    amount: str
    currency: str
    rate: str
    rate_sources: list[str]
    rate_at: datetime


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A payment as it is shown."""

    payment_id: int
    order_id: str
    status: str
    state: str
    anomaly: str
    amount: str
    price: QuoteView | None
    pay_amount: str
    currency: str
    network: str
    address: str
    payment_url: str
    description: str
    success_url: str | None
    fail_url: str | None
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None
    txid: str | None
    is_test: bool


@operation(
    "POST", "/payments", body=NewPaymentSchema, answer=PaymentAnswer, errors=CREATE_ERRORS, statuses=(200, 201)
)
def create_payment(call: Call) -> Reply:
    """Create the payment of an order, or answer with the one it has.

    `order_id` identifies it: asked again with the same amount or price, its payment is answered with 200; a new one
    with 201. A price is quoted once, when its payment is made.
    """
    check_may_create(call.caller)
    opened = open_payment(
        call.session,
        call.hub,
        project=call.caller.project,
        credential=call.caller.credential,
        order=_order(call.body, call),
    )
    return Reply({"payment": show(call.hub, opened.payment)}, 201 if opened.created else 200)


@operation("GET", "/payments", query=PaymentQuery, answer=PaymentList)
def list_payments(call: Call) -> Reply:
    """List payments, the newest first."""
    wanted: PaymentFilter = call.query
    found = _page(call, wanted)
    shown, more = found[: wanted.limit], len(found) > wanted.limit
    last = shown[-1] if more else None
    cursor = cursors.encode("p", to_millis(last.created_at), last.id) if last else None
    return Reply({"payments": [show(call.hub, payment) for payment in shown], "next_cursor": cursor})


@operation("GET", "/payments/by-order", query=OrderQuery, answer=PaymentAnswer, errors=(PaymentNotFound,))
def get_payment_of_order(call: Call) -> Reply:
    """Read the newest payment of an order."""
    wanted = _scoped(call).where(Payment.order_id == call.query["order_id"]).order_by(Payment.id.desc()).limit(1)
    payment = call.session.scalar(wanted)
    if payment is None:
        raise PaymentNotFound
    return Reply({"payment": show(call.hub, payment)})


@operation("GET", "/payments/<payment_id>", answer=PaymentAnswer, errors=(PaymentNotFound,))
def get_payment(call: Call) -> Reply:
    """Read a payment."""
    return Reply({"payment": show(call.hub, find_payment(call))})


@operation(
    "POST", "/payments/<payment_id>/cancel", answer=PaymentAnswer,
    errors=(PaymentNotFound, PaymentClosed, TransferUnderway),
)
def cancel_payment(call: Call) -> Reply:
    """Cancel a payment that waits for money; canceling it again changes nothing.

    Money beats cancel: the exact amount still pays it while its window lasts, also when it is sent after the cancel;
    then `payment.paid` follows `payment.canceled`. What comes later, or short within a tolerance, waits in the inbox.
    """
    payment = find_payment(call)
    controls.cancel(call.session, call.hub, payment)
    return Reply({"payment": show(call.hub, payment)})


@operation(
    "POST", "/payments/<payment_id>/simulate", body=ScenarioSchema, answer=PaymentAnswer,
    errors=(PaymentNotFound, PaymentClosed, NotATestPayment),
)
def simulate_payment(call: Call) -> Reply:
    """Play the end of a test payment: its events and webhooks follow as they would for a real one."""
    payment = find_payment(call)
    controls.simulate(call.session, call.hub, payment, scenario_of(call.body["scenario"]))
    return Reply({"payment": show(call.hub, payment)})


def find_payment(call: Call) -> Payment:
    """Find the payment that the path names; another project's or mode's is not found, like a missing one."""
    return payment_numbered(call, call.path["payment_id"])


def payment_numbered(call: Call, payment_id: str) -> Payment:
    """Find a payment of the caller by its public number; raises PaymentNotFound."""
    found = None
    if PAYMENT_ID.fullmatch(payment_id) and int(payment_id) < WIDE_LIMIT:
        found = call.session.scalar(_scoped(call).where(Payment.payment_id == int(payment_id)))
    if found is None:
        raise PaymentNotFound
    return found


def show(hub: Hub, payment: Payment) -> PaymentView:
    """Show a payment."""
    status = Status(payment.status)
    return PaymentView(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        status=public_word(status),
        state=status.value,
        anomaly=payment.anomaly,
        amount=payment.amount_text,
        price=_quote(payment),
        pay_amount=payment.pay_units.six_places(),
        currency=CURRENCY,
        network=NETWORK,
        address=payment.address,
        payment_url=payment_url(hub, payment),
        description=payment.description,
        success_url=payment.success_url,
        fail_url=payment.fail_url,
        created_at=payment.created_at,
        expires_at=payment.expires_at,
        paid_at=payment.paid_at,
        txid=payment.txid,
        is_test=payment.is_test,
    )


def _quote(payment: Payment) -> QuoteView | None:
    if payment.price_text is None or payment.rate_at is None:
        return None
    sources = (payment.rate_sources or "").split()
    return QuoteView(payment.price_text, payment.price_currency or "", payment.rate or "", sources, payment.rate_at)


def _order(given: NewPayment, call: Call) -> Order:
    """Judge the URLs."""
    return Order(
        order_id=given.order_id,
        amount=given.amount,
        description=given.description,
        success_url=return_url(given.success_url, call.caller, SuccessUrlMismatch),
        fail_url=return_url(given.fail_url, call.caller, FailUrlMismatch),
    )


def _scoped(call: Call) -> Select[Payment]:
    """Select the caller's payments: of its project, and of its key's mode."""
    return select(Payment).where(
        Payment.project_id == call.caller.project.id, Payment.is_test == literal(call.is_test, Payment.is_test.type)
    )


def _page(call: Call, wanted: PaymentFilter) -> list[Payment]:
    """Read one payment more than asked; each inner status, and each side of the cursor, is an index range of its own.

    Merged here, because SQLite reads every payment of the cursor's millisecond when it is given both sides at once.
    """
    states = [state for state, word in PUBLIC_WORDS.items() if word == wanted.status] if wanted.status else [None]
    rows: list[Payment] = []
    for state in states:
        for side in _after_cursor(wanted.cursor):
            chosen = _selection(call, wanted, state).where(*side)
            newest_first = chosen.order_by(Payment.created_at.desc(), Payment.id.desc())
            rows += call.session.scalars(newest_first.limit(wanted.limit + 1)).all()
    rows.sort(key=lambda payment: (payment.created_at, payment.id), reverse=True)
    return rows[: wanted.limit + 1]


def _selection(call: Call, wanted: PaymentFilter, state: Status | None) -> Select[Payment]:
    chosen = _scoped(call)
    if wanted.order_id is not None:
        chosen = chosen.where(Payment.order_id == wanted.order_id)
    if state is not None and wanted.order_id is not None:
        chosen = chosen.where(Payment.status + "" == state.value)  # an order has few payments, a status many
    elif state is not None:
        chosen = chosen.where(Payment.status == state.value)
    if wanted.created_from is not None:
        chosen = chosen.where(Payment.created_at >= wanted.created_from)
    if wanted.created_to is not None:
        chosen = chosen.where(Payment.created_at < wanted.created_to)
    return chosen


def _after_cursor(cursor: str | None) -> list[tuple[ColumnElement[bool], ...]]:
    """Say what comes after a place: the rest of its millisecond, and all before it."""
    if cursor is None:
        return [()]
    millis, row_id = cursors.decode("p", cursor, numbers=2)
    moment = from_millis(min(millis, LAST_MILLIS))
    return [(Payment.created_at == moment, Payment.id < row_id), (Payment.created_at < moment,)]
