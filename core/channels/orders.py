"""What a platform tells of its orders, done: a payment opened, opened anew for another amount, or canceled.

Repeatable: the same event again changes nothing. It is handed a session and never commits.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.alarms import AlarmKind, raise_alarm
from core.contract import OrderCanceled, OrderPlaced, PlatformEvent
from core.db import insert_for
from core.errors import (
    BadPayload, FailUrlMismatch, OrderAmountConflict, OrderElsewhere, PaymentClosed, ProjectDisabled,
    SuccessUrlMismatch, TransferUnderway, WebsiteNotConfigured,
)
from core.hub import Hub
from core.ids import Mode
from core.models import Channel, ChannelPayment, Credential, Endpoint, Payment, Project
from core.money import parse_amount
from core.outbox.events import owe_first
from core.payments.controls import cancel
from core.payments.quoting import parse_price
from core.payments.service import Order, elsewhere, open_payment, origin_of
from core.payments.state import TAKES_ORDER, Status
from core.projects.service import credential_of
from core.projects.website import HostMismatch, Website, check_return_url

ORDER_ID_LIMIT = 64
DETAILS_LIMIT = 4 * 1024  # bytes of JSON


def apply(session: Session, hub: Hub, channel: Channel, told: Sequence[PlatformEvent]) -> list[Payment]:
    """Do what a platform's events ask for, in their order; gives the payments of the orders placed.

    Raises what `open_payment` does, BadPayload and the URL errors; StaleDataError where the watcher was faster.
    """
    opened = []
    for event in told:
        if isinstance(event, OrderPlaced):
            opened.append(_place(session, hub, channel, event))
        elif isinstance(event, OrderCanceled):
            _cancel(session, hub, channel, event)
        else:
            raise BadPayload(f"The adapter gave {type(event).__name__}, which is no platform event.")
    return opened


def _place(session: Session, hub: Hub, channel: Channel, event: OrderPlaced) -> Payment:
    project = session.get_one(Project, channel.project_id)
    if project.disabled_at is not None:
        raise ProjectDisabled
    credential = credential_of(session, project, Mode(project.mode))
    order = _order(project, event)
    opening = partial(
        open_payment, session, hub, project=project, credential=credential, order=order, channel_id=channel.id
    )
    try:
        payment = opening().payment
    except OrderAmountConflict:  # the order was edited after its payment was opened
        _close_former(session, hub, credential, order)
        payment = opening().payment
    except OrderElsewhere:
        if not _close_left_behind(session, hub, credential, order):
            raise
        payment = opening().payment
    made = insert_for(session, ChannelPayment).values(
        payment_id=payment.id, channel_id=channel.id, details=_details(event)
    )
    is_new = session.scalar(made.on_conflict_do_nothing().returning(ChannelPayment.payment_id)) is not None
    kind = hub.registry.adapters.get(channel.adapter)
    if is_new and kind is not None and kind.shows_created:
        owe_first(session, payment, session.get_one(Endpoint, channel.endpoint_id), now=hub.clock.now())
    return payment


def _close_former(session: Session, hub: Hub, credential: Credential, order: Order) -> None:
    """Cancel an order's open payment; raises OrderAmountConflict where money is under way or has come."""
    former = _standing(session, credential, order.order_id)
    if former is None:
        return
    try:
        cancel(session, hub, former)
    except (TransferUnderway, PaymentClosed) as err:
        raise OrderAmountConflict(
            f"Order {order.order_id} was changed to {order.amount.text} after money had come or was under way."
        ) from err
    session.flush()


def _close_left_behind(session: Session, hub: Hub, credential: Credential, order: Order) -> bool:
    """Cancel an order's open payment where its channel was disconnected: the shop was connected anew, and hears of
    nothing that its former channel opened. False where the payment belongs to somebody, or money is under way.
    """
    former = _standing(session, credential, order.order_id)
    origin = origin_of(session, former) if former else None
    if former is None or origin is None or origin.disconnected_at is None:
        return former is None
    try:
        cancel(session, hub, former)
    except (TransferUnderway, PaymentClosed):
        return False
    session.flush()
    return True


def _cancel(session: Session, hub: Hub, channel: Channel, event: OrderCanceled) -> None:
    project = session.get_one(Project, channel.project_id)
    payment = _standing(session, credential_of(session, project, Mode(project.mode)), event.order_id)
    if payment is None or not _may_cancel(session, channel, payment):
        return
    try:
        cancel(session, hub, payment)
    except (TransferUnderway, PaymentClosed):
        sentence = f"Order {event.order_id} was canceled at the platform, but payment {payment.payment_id} has money."
        raise_alarm(
            session, kind=AlarmKind.CHANNEL_CONFLICT, subject=f"{channel.uid}:{payment.payment_id}",
            sentence=sentence, now=hub.clock.now(),
        )


def _may_cancel(session: Session, channel: Channel, payment: Payment) -> bool:
    """Tell whether a payment is this channel's, or was left behind by one that is gone.

    Raises OrderElsewhere for another's open payment; another's paid one has nothing that could be canceled.
    """
    origin = origin_of(session, payment)
    if origin is not None and (origin.id == channel.id or origin.disconnected_at is not None):
        return True
    if Status(payment.status) is Status.PAID:
        return False
    raise elsewhere(payment, origin)


def _standing(session: Session, credential: Credential, order_id: str) -> Payment | None:
    """Find the payment that has an order now, for writing."""
    return session.scalar(
        select(Payment)
        .where(
            Payment.project_id == credential.project_id,
            Payment.is_test == (credential.mode == Mode.TEST),
            Payment.order_id == order_id,
            Payment.status.in_([status.value for status in TAKES_ORDER]),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _order(project: Project, event: OrderPlaced) -> Order:
    order_id = event.order_id
    if not isinstance(order_id, str) or not 0 < len(order_id.strip()) <= len(order_id) <= ORDER_ID_LIMIT:
        raise BadPayload(f"An order's id has 1 to {ORDER_ID_LIMIT} characters.")
    if not order_id.isprintable() or not unicodedata.is_normalized("NFC", order_id):
        raise BadPayload("An order's id must consist of printable characters in normal form C.")
    in_usdt = event.currency == "USDT"
    return Order(
        order_id=order_id,
        amount=parse_amount(event.amount) if in_usdt else parse_price(event.amount, event.currency),
        success_url=_return_url(event.success_url, project, SuccessUrlMismatch),
        fail_url=_return_url(event.cancel_url, project, FailUrlMismatch),
    )


def _return_url(
    text: str, project: Project, mismatch: type[SuccessUrlMismatch | FailUrlMismatch]
) -> str | None:
    if not text:
        return None
    if project.website_host is None:
        raise WebsiteNotConfigured
    website = Website(url=project.website_url or "", host=project.website_host)
    try:
        return check_return_url(text, website=website, allow_http=project.mode == Mode.TEST)
    except HostMismatch:
        raise mismatch from None


def _details(event: OrderPlaced) -> str:
    try:
        details = json.dumps(dict(event.details), ensure_ascii=True)
    except (TypeError, ValueError) as err:
        raise BadPayload("An order's details must be texts by name.") from err
    if len(details) > DETAILS_LIMIT:
        raise BadPayload(f"An order's details are larger than {DETAILS_LIMIT} bytes.")
    return details
