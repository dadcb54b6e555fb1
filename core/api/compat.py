"""The compatible API: create a payment, read a payment. Fixed letter for letter (gateway API, section 1).

Precedence of errors: size, key, signature, disabled, mode, website, body, URLs. Anything not fixed by the contract
has its own sentence and code in `core.errors`.
"""

from __future__ import annotations

import re

from flask import Blueprint, Request, Response, jsonify, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.api import fields
from core.api.auth import Caller, authenticate, read_body
from core.api.orders import check_may_create, return_url
from core.api.strict_json import strict_object
from core.errors import (
    BadParameter,
    FailUrlMismatch,
    GatewayError,
    PaymentNotFound,
    SuccessUrlMismatch,
    UnsupportedCurrency,
    UnsupportedMediaType,
)
from core.hub import Hub
from core.ids import WIDE_LIMIT
from core.models import Payment, Project
from core.money import parse_amount
from core.outbox.bodies import CURRENCY, NETWORK, utc_text
from core.payments.service import Order, open_payment
from core.payments.state import Status, public_word
from core.web import error_answer, the_hub

blueprint = Blueprint("compat", __name__, url_prefix="/api")
PAYMENT_ID = re.compile(r"[1-9][0-9]{0,15}")


@blueprint.post("/create-payment.php")
def create_payment() -> Response:
    """Create the payment of an order, or answer with the one it has."""
    hub, body = the_hub(), read_body(request)
    with hub.database.visit() as connection:
        caller = authenticate(connection, hub, request, body)
        check_may_create(caller)
        order = _read_order(request, body, caller)
        with hub.database.transaction(connection) as session:
            opened = open_payment(session, hub, project=caller.project, credential=caller.credential, order=order)
    return _answer(hub, opened.payment)


@blueprint.get("/payment-status.php")
def payment_status() -> Response:
    """Answer a payment's state to the project that owns it; a foreign id answers as a missing one."""
    hub, body = the_hub(), read_body(request)
    with hub.database.snapshot() as session:
        caller = authenticate(session.connection(), hub, request, body)
        payment = _find_payment(session, caller.project, _payment_id(request))
    return _answer(hub, payment)


@blueprint.errorhandler(GatewayError)
def _say_error(error: GatewayError) -> Response:
    return error_answer(error)


def payment_fields(hub: Hub, payment: Payment) -> dict[str, object]:
    """Write a payment as the contract has it; `txid` and `paid_at` once it is paid."""
    shown: dict[str, object] = {
        "payment_id": payment.payment_id,
        "order_id": payment.order_id,
        "status": public_word(Status(payment.status)),
        "amount": payment.amount_text,
        "pay_amount": payment.pay_units.six_places(),
        "currency": CURRENCY,
        "network": NETWORK,
        "address": payment.address,
        "payment_url": payment_url(hub, payment),
        "expires_at": utc_text(payment.expires_at),
        "is_test": payment.is_test,
    }
    if payment.paid_at is not None:
        shown |= {"txid": payment.txid, "paid_at": utc_text(payment.paid_at)}
    return shown


def payment_url(hub: Hub, payment: Payment) -> str:
    """Give the address of a payment's page; its token, not its id, is what opens it."""
    return f"{hub.settings.base_url}/pay/?id={payment.payment_id}&t={payment.page_token}"


def _answer(hub: Hub, payment: Payment) -> Response:
    answer = jsonify({"ok": True, "payment": payment_fields(hub, payment)})
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _read_order(incoming: Request, body: bytes, caller: Caller) -> Order:
    if incoming.mimetype != "application/json" or incoming.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType
    given = strict_object(body)
    order_id = fields.order_id(given.get("order_id"))
    amount = parse_amount(given.get("amount"))
    if given.get("currency", CURRENCY) != CURRENCY:
        raise UnsupportedCurrency
    return Order(
        order_id=order_id,
        amount=amount,
        description=fields.description(given.get("description")) or "",
        success_url=return_url(given.get("success_url"), caller, SuccessUrlMismatch),
        fail_url=return_url(given.get("fail_url"), caller, FailUrlMismatch),
    )


def _payment_id(incoming: Request) -> int:
    given = incoming.args.getlist("payment_id")
    if len(given) != 1:
        raise BadParameter
    if PAYMENT_ID.fullmatch(given[0]) is None or int(given[0]) >= WIDE_LIMIT:
        raise PaymentNotFound
    return int(given[0])


def _find_payment(session: Session, project: Project, payment_id: int) -> Payment:
    found = session.scalar(
        select(Payment).where(Payment.project_id == project.id, Payment.payment_id == payment_id)
    )
    if found is None:
        raise PaymentNotFound
    return found
