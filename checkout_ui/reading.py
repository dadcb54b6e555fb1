"""Find what one page shows, by the payment's id and its token; a wrong token is answered as a missing payment."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from core.errors import PaymentNotFound
from core.hub import Hub
from core.ids import WIDE_LIMIT
from core.models import Cursor, Lead, Payment, Project, Refund, Sighting
from core.money import Usdt
from core.payments.leads import leads_of
from core.payments.refund_limits import refunds_of_payment
from core.payments.settling import takings_of
from core.payments.state import Anomaly

PAYMENT_ID = re.compile(r"[1-9][0-9]{0,15}")
HAS_LEADS = exists().where(Lead.payment_id == Payment.id).correlate(Payment).label("has_leads")
HAS_REFUNDS = exists().where(Refund.payment_id == Payment.id).correlate(Payment).label("has_refunds")
NO_TOKEN = "-" * 22  # compared where there is no payment, so that both refusals do the same work


@dataclass(frozen=True, slots=True)
class PageKey:
    """What opens a page: the public id, which anybody may guess, and the token, which nobody can (A15)."""

    payment_id: int
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Viewed:
    """Everything one page shows.

    seen_height, seen_txid: the transfer on its way, as the chain's head shows it.   head_height: the newest block.
    test_now: the time a test payment lives by, where its project has a test clock.   leads: what the buyer has named.
    arrived: the final transfers of one that has received less than it asks.
    refunds: of the payment's money, canceled ones not among them.
    """

    payment: Payment
    shop: str
    website: str | None = None
    overpaid_note: str = ""
    test_now: datetime | None = None
    seen_height: int | None = None
    seen_txid: str | None = None
    head_height: int = 0
    arrived: Usdt | None = None
    leads: Sequence[Lead] = ()
    refunds: Sequence[Refund] = ()


def read_key(given: MultiDict[str, str]) -> PageKey:
    """Read `id` and `t`, each given exactly once; raises PaymentNotFound for anything else (P58-P60)."""
    number, token = _only(given.getlist("id")), _only(given.getlist("t"))
    if PAYMENT_ID.fullmatch(number) is None or int(number) >= WIDE_LIMIT:
        raise PaymentNotFound
    return PageKey(int(number), token)


def read_viewed(session: Session, hub: Hub, key: PageKey) -> Viewed:
    """Read all that a page shows in one query, in others what its buyer has named and what goes back.

    Raises PaymentNotFound.
    """
    row = session.execute(
        select(
            Payment, Project.name, Project.website_url, Project.overpaid_note, Project.test_now,
            Sighting.height, Sighting.txid, Cursor.head_height, HAS_LEADS, HAS_REFUNDS,
        )
        .join(Project, Project.id == Payment.project_id)
        .outerjoin(Sighting, Sighting.payment_id == Payment.id)
        .outerjoin(Cursor, Cursor.network == hub.settings.network.name)
        .where(Payment.payment_id == key.payment_id)
    ).one_or_none()
    nothing = (None, "", None, "", None, None, None, None, False, False)
    payment, shop, website, note, test_now, seen_height, seen_txid, head_height, has_leads, has_refunds = row or nothing
    payment = _opened(payment, key)
    return Viewed(
        payment=payment,
        shop=shop,
        website=website,
        overpaid_note=note,
        test_now=test_now if payment.is_test else None,
        seen_height=seen_height,
        seen_txid=seen_txid,
        head_height=head_height or 0,
        arrived=_arrived(session, payment),
        leads=leads_of(session, payment) if has_leads else (),
        refunds=[
            one for one in refunds_of_payment(session, payment) if one.state != "canceled"
        ] if has_refunds else (),
    )


def _arrived(session: Session, payment: Payment) -> Usdt | None:
    """Add up what counts for an underpaid payment; None where nothing does, and for any other."""
    if payment.anomaly != Anomaly.UNDERPAID or payment.is_test:
        return None
    total = takings_of(session, payment).total
    return Usdt(total) if total else None


def read_payment(session: Session, key: PageKey) -> Payment:
    """Read the payment alone, to act on it; raises PaymentNotFound."""
    return _opened(session.scalar(select(Payment).where(Payment.payment_id == key.payment_id)), key)


def _opened(payment: Payment | None, key: PageKey) -> Payment:
    stored = payment.page_token if payment else NO_TOKEN
    is_right = hmac.compare_digest(stored.encode(), key.token.encode("utf-8", "replace"))
    if payment is None or not is_right:
        raise PaymentNotFound
    return payment


def _only(given: Sequence[str]) -> str:
    if len(given) != 1:
        raise PaymentNotFound
    return given[0]
