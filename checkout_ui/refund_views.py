"""The door of a refund's link: the payer leaves an address, reads it back, and later sees that the money was sent.

Works without a script. Whoever has the link may leave the address, once; a wrong link is answered as a missing one.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta

from flask import Blueprint, Response, make_response, render_template, request
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from checkout_ui.assets import asset_url
from checkout_ui.guards import harden, require_own_form
from checkout_ui.presenter import GROUP
from checkout_ui.refusals import say_refusals
from checkout_ui.wording import REFUND_MISSING, REFUND_OVER, REFUND_WORDS, Words
from core.errors import (
    DatabaseUnavailable, GatewayError, InvalidAddress, NotFound, ReadBackDiffers, RefundClosed, RefundNotFound,
    TooManyTries,
)
from core.models import Merchant, Payment, Project, Refund
from core.payments import allowances, refunds
from core.payments.refund_words import State
from core.web import the_hub

blueprint = Blueprint("refund", __name__, url_prefix="/refund", template_folder="templates")
blueprint.after_request(harden)

FORM_LIMIT = 4096  # bytes
READ_BACK = 4  # the last characters, which a wallet shows too
EVERY, BURST = timedelta(seconds=10), 20
TRIES = 3  # against the watcher, which may settle the same payment at the same moment


@dataclass(frozen=True, slots=True)
class RefundPage:
    """Everything the template shows. step: `ask`, `confirm` or `told`; groups: of the address, as it is read."""

    step: str
    words: Words
    shop: str
    amount: str = ""
    order_id: str = ""
    groups: tuple[str, ...] = ()
    address: str = ""
    txid: str = ""
    seal: str = "clock"
    trouble: str = ""
    token: str = ""


@blueprint.get("/")
def show_refund() -> Response:
    """Show how far a refund is, or ask for the address."""
    with the_hub().database.snapshot() as session:
        refund, token = _opened(session, request.args.getlist("t"))
        return _shown(_page(session, refund, token))


@blueprint.post("/check")
def check_address() -> Response:
    """Check an address and show it to be read back; nothing is kept yet."""
    _read_form()
    text = request.form.get("address", "")
    hub = the_hub()
    with hub.database.transaction() as session:
        refund, token = _opened(session, request.form.getlist("t"))
        page = _page(session, refund, token)
        if page.step != "ask":
            return _shown(page)
        try:
            allowances.take(session, hub, f"refund:{refund.id}", every=EVERY, burst=BURST)
            address = refunds.recipient_of(session, hub, text)
        except (InvalidAddress, TooManyTries) as refusal:
            return _shown(_page(session, refund, token, address=text[:100], trouble=refusal.sentence), refusal)
        return _shown(_page(session, refund, token, step="confirm", address=address))


@blueprint.post("/confirm")
def confirm_address() -> Response:
    """Keep the address that was read back, and lead to the page that says so."""
    _read_form()
    text, read_back = request.form.get("address", ""), request.form.get("read_back", "").strip()
    for _ in range(TRIES):
        try:
            return _confirm(text, read_back)
        except StaleDataError:
            continue
    raise DatabaseUnavailable("This could not be kept at this moment; please try again.")


def _confirm(text: str, read_back: str) -> Response:
    hub = the_hub()
    with hub.database.transaction() as session:
        refund, token = _opened(session, request.form.getlist("t"))
        if not hmac.compare_digest(text[-READ_BACK:].encode(), read_back.encode()):
            trouble = ReadBackDiffers("That is not how the address ends. Compare it with your wallet once more.")
            page = _page(session, refund, token, step="confirm", address=text[:100], trouble=trouble.sentence)
            return _shown(page, trouble)
        try:
            refunds.give_address(session, hub, refund, text)
        except (InvalidAddress, RefundClosed) as refusal:
            return _shown(_page(session, refund, token, trouble=refusal.sentence), refusal)
    hub.wake()
    answer = make_response("", 303)
    answer.headers["Location"] = f"./?t={token}"
    return answer


def _read_form() -> None:
    request.max_content_length = FORM_LIMIT
    require_own_form(request, base_url=the_hub().settings.base_url)


def _opened(session: Session, tokens: list[str]) -> tuple[Refund, str]:
    if len(tokens) != 1:
        raise RefundNotFound
    return refunds.by_token(session, tokens[0]), tokens[0]


def _page(
    session: Session, refund: Refund, token: str, *, step: str = "ask", address: str = "", trouble: str = ""
) -> RefundPage:
    """Decide what a refund's page shows."""
    state, is_over = State(refund.state), refunds.is_over(the_hub(), refund)
    is_open = state is State.REQUESTED and not is_over
    words = REFUND_OVER if state is State.REQUESTED and is_over else REFUND_WORDS[state]
    shown = address if is_open else refund.recipient or ""
    payment = session.get(Payment, refund.payment_id) if refund.payment_id else None
    return RefundPage(
        step=step if is_open else "told",
        words=words,
        shop=_shop(session, refund, payment),
        amount=refund.units.six_places(),
        order_id=payment.order_id if payment else "",
        groups=tuple(shown[place:place + GROUP] for place in range(0, len(shown), GROUP)),
        address=shown,
        txid=refund.txid or "" if state is State.VERIFIED else "",
        seal="done" if state is State.VERIFIED else "stop" if is_over or state is State.CANCELED else "clock",
        trouble=trouble,
        token=token,
    )


def _shop(session: Session, refund: Refund, payment: Payment | None) -> str:
    if payment is not None:
        return session.get_one(Project, payment.project_id).name
    return session.get_one(Merchant, refund.merchant_id).name


def _shown(page: RefundPage, refusal: GatewayError | None = None) -> Response:
    answer = make_response(render_template("checkout/refund.html", page=page, asset=_asset))
    answer.status_code = refusal.http_status if refusal else 200
    return answer


def _asset(name: str) -> str:
    return f"../pay/{asset_url(name)}"


def _say(error: GatewayError) -> Response:
    """Say an error to a person."""
    if isinstance(error, NotFound):
        return _shown(RefundPage("told", REFUND_MISSING, "", seal="stop"))
    return _shown(RefundPage("told", Words("This did not work", error.sentence), "", seal="warning"))


say_refusals(
    blueprint, _say, missing=RefundNotFound, away="The refund cannot be shown at this moment; please try again.",
)
