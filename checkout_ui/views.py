"""The street door of the payment page: reads on GET, passes a buyer's few wishes on by POST, decides nothing.

A wrong token, a foreign id and a malformed address are all answered with the same bytes as an id that never was.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, jsonify, make_response, render_template, request
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from checkout_ui.assets import asset_url, send_asset
from checkout_ui.guards import harden, require_own_form
from checkout_ui.presenter import DEVNET, Page, present
from checkout_ui.reading import PageKey, read_key, read_payment, read_viewed
from checkout_ui.refusals import say_refusals
from core.chain.demo_wallet import pay_from_demo_wallet
from core.errors import (
    GatewayError, InvalidField, InvalidTxid, NodeUnavailable, NotFound, PaymentClosed,
    PaymentNotFound, TooManyTries, TransferUnderway,
)
from core.hub import Hub
from core.models import Payment
from core.payments import controls, leads
from core.payments.controls import Scenario
from core.payments.state import Status
from core.throttle import visitor_of
from core.web import error_answer, the_hub

blueprint = Blueprint("checkout", __name__, url_prefix="/pay", template_folder="templates")
blueprint.after_request(harden)

FORM_LIMIT = 4096  # bytes; the longest form here has three short fields
TRIES = 3  # of an act whose payment the watcher changes at the same moment
Act = Callable[[Session, Hub, Payment], object]


@blueprint.get("/")
def show_page() -> Response:
    """Show a payment's page."""
    page = _read_page(note=request.args.get("note", ""))
    return make_response(render_template("checkout/page.html", page=page, asset=asset_url))


@blueprint.get("/status")
def show_status() -> Response:
    """Say what a live page needs to know: its state's word, and the texts that move within a state."""
    page = _read_page()
    return jsonify(
        ok=True,
        state=page.state.value,
        version=page.version,
        confirmations=page.progress.count if page.progress else None,
        progress_text=page.progress.text if page.progress else None,
        seconds_left=page.countdown.seconds if page.countdown else None,
        named=page.named_mark,
        poll_ms=page.poll_ms,
    )


@blueprint.get("/transaction")
def ask_transaction() -> Response:
    """Show a page with the form alone: there nothing is loaded anew while the buyer pastes."""
    page = _read_page(note=request.args.get("note", ""))
    if not page.can_name:
        return _lead_back(read_key(request.args), note="")
    return make_response(render_template("checkout/transaction.html", page=page, asset=asset_url))


@blueprint.post("/transaction")
def name_transaction() -> Response:
    """Take the transaction that the buyer says has paid, and lead back to the page, which says what became of it."""
    key = _read_form()
    text = request.form.get("txid", "")
    note = _act(key, lambda session, hub, payment: leads.ask(session, hub, payment, text, visitor=visitor_of(request)))
    return _lead_back(key, note=note, to="transaction" if note == InvalidTxid.code else "./")


@blueprint.post("/cancel")
def cancel() -> Response:
    """Cancel the payment, and lead back to its page."""
    key = _read_form()
    return _lead_back(key, note=_act(key, controls.cancel))


@blueprint.post("/simulate")
def simulate() -> Response:
    """Play the end of a test payment, and lead back to its page."""
    key = _read_form()
    wanted = request.form.get("scenario", "")
    if wanted not in {scenario.value for scenario in Scenario}:
        raise InvalidField("scenario must be complete, fail or expire.")
    note = _act(key, lambda session, hub, payment: controls.simulate(session, hub, payment, Scenario(wanted)))
    the_hub().wake()
    return _lead_back(key, note=note)


@blueprint.post("/demo-wallet")
def pay_by_demo_wallet() -> Response:
    """On the devnet, let the demo wallet pay, and lead back to the page; no such address elsewhere."""
    hub = the_hub()
    if hub.settings.network.name != DEVNET:
        raise PaymentNotFound
    key = _read_form()
    with hub.database.snapshot() as session:
        payment = read_payment(session, key)
    if payment.is_test:
        raise PaymentNotFound
    if payment.status != Status.PENDING:
        is_underway = payment.status == Status.CONFIRMING
        return _lead_back(key, note=(TransferUnderway if is_underway else PaymentClosed).code)
    try:
        pay_from_demo_wallet(hub.settings.network, to=payment.address, amount=payment.pay_units)
    except NodeUnavailable as refusal:
        return _lead_back(key, note=refusal.code)
    return _lead_back(key, note="demo_wallet_sent")


@blueprint.get("/static/<name>")
def show_asset(name: str) -> Response:
    """Serve the page's style and script."""
    return send_asset(name, version=request.args.get("v"))


def _read_page(*, note: str = "") -> Page:
    hub, key = the_hub(), read_key(request.args)
    with hub.database.snapshot() as session:
        viewed = read_viewed(session, hub, key)
    return present(viewed, now=viewed.test_now or hub.clock.now(), network=hub.settings.network.name, note=note)


def _read_form() -> PageKey:
    request.max_content_length = FORM_LIMIT
    require_own_form(request, base_url=the_hub().settings.base_url)
    return read_key(request.form)


def _act(key: PageKey, act: Act) -> str:
    """Act on a payment in a transaction of its own; returns the code of the note to show, "" when all went well."""
    hub = the_hub()
    for _ in range(TRIES):
        try:
            with hub.database.transaction() as session:
                act(session, hub, read_payment(session, key))
            return ""
        except StaleDataError:  # the watcher was faster: decide again on what is true now
            continue
        except (TransferUnderway, PaymentClosed, InvalidTxid, TooManyTries) as refusal:
            return refusal.code
    return "try_again"


def _lead_back(key: PageKey, *, note: str, to: str = "./") -> Response:
    """Lead back to the page, or to another of this room, by GET; relative, so that any prefix of a proxy stays."""
    shown = f"&note={note}" if note else ""
    answer = make_response("", 303)
    answer.headers["Location"] = f"{to}?id={key.payment_id}&t={key.token}{shown}"
    return answer


def _say(error: GatewayError) -> Response:
    """Say an error to a person, or to the page's script."""
    if request.endpoint == "checkout.show_status":
        return error_answer(error)
    template = "checkout/missing.html" if isinstance(error, NotFound) else "checkout/error.html"
    return make_response(render_template(template, sentence=error.sentence, asset=asset_url))


say_refusals(
    blueprint, _say, missing=PaymentNotFound, away="The payment cannot be shown at this moment; please try again.",
)
