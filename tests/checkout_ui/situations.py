"""Bring a payment into each situation that its page can show, the way the product brings it there."""

from __future__ import annotations

from datetime import timedelta

from core.hub import Hub
from core.ids import Mode
from core.models import Address, Cursor, Payment, Sighting, Transfer
from core.money import parse_amount
from core.payments import controls, leads, refunds
from core.payments.inbox import By
from core.payments.leads import Finding
from core.payments.matching import Incoming, receive
from core.payments.reservations import ChainPoint
from core.payments.service import Order, open_payment
from core.payments.settling import close_passed, resettle
from core.projects import service
from core.testing.factories import Shop, make_shop

GENESIS = "0" * 16 + "ab" * 24
TXID = "5e0c" * 16
HEAD = 1_000
SUCCESS_URL = "https://shop.example.com/thanks"
FAIL_URL = "https://shop.example.com/cart"


def make_open(
    hub: Hub, *, mode: Mode = Mode.LIVE, shop: Shop | None = None, amount: str = "50.00", **order: str | None
) -> Payment:
    """Open a payment with return URLs, on a hub whose watcher has seen the chain."""
    shop = shop or make_shop(hub)
    given = {
        "order_id": "ORDER_12345", "description": "Two espresso cups, blue", "success_url": SUCCESS_URL,
        "fail_url": FAIL_URL, **order,
    }
    with hub.database.transaction() as session:
        if session.get(Cursor, GENESIS) is None:
            session.add(_cursor(hub))
        project = service.get_project(session, shop.project_id)
        credential = service.credential_of(session, project, mode)
        wanted = Order(amount=parse_amount(amount), **given)  # type: ignore[arg-type]
        return open_payment(session, hub, project=project, credential=credential, order=wanted).payment


def detect(hub: Hub, payment: Payment, *, confirmations: int = 7) -> None:
    """Let the head show the payment's transfer, with so many blocks on it, its own counted."""
    with hub.database.transaction() as session:
        height = HEAD - confirmations + 1
        session.add(
            Sighting(
                payment_id=payment.id, txid=TXID, height=height, block_time=hub.clock.now(), seen_at=hub.clock.now()
            )
        )
        resettle(session, hub, session.get_one(Payment, payment.id), point=_point(hub))


def move_head(hub: Hub, *, by: int) -> None:
    """Let the network make so many blocks more."""
    with hub.database.transaction() as session:
        session.get_one(Cursor, GENESIS).head_height += by


def pay(hub: Hub, payment: Payment, *, txid: str = TXID) -> None:
    """Let a solid block bring the payment's exact amount now."""
    with hub.database.transaction() as session:
        address = session.query(Address).filter_by(base58=payment.address).one()
        incoming = Incoming(
            genesis_id=GENESIS, txid=txid, log_index=0, height=HEAD, block_time=hub.clock.now(),
            sender=payment.address, amount=payment.pay_units,
        )
        receive(session, hub, address=address, incoming=incoming)


def expire(hub: Hub, payment: Payment) -> None:
    """Let chain time pass the payment's window."""
    with hub.database.transaction() as session:
        close_passed(session, hub, point=ChainPoint(HEAD, payment.expires_at + timedelta(seconds=3)))


def cancel(hub: Hub, payment: Payment) -> None:
    """Cancel as the buyer does."""
    with hub.database.transaction() as session:
        controls.cancel(session, hub, session.get_one(Payment, payment.id))


def name(hub: Hub, payment: Payment, *findings: Finding) -> None:
    """Let the buyer name transactions, of which this became."""
    for number, finding in enumerate(findings):
        with hub.database.transaction() as session:
            lead = leads.ask(session, hub, session.get_one(Payment, payment.id), f"{number:02x}" + TXID[2:])
            lead.finding = finding.value


def offer_refund(hub: Hub) -> str:
    """Let money come late and its merchant promise it back; gives the token of the refund's link."""
    payment = make_open(hub)
    expire(hub, payment)
    hub.clock.advance(minutes=40)  # type: ignore[attr-defined]
    pay(hub, payment)
    with hub.database.transaction() as session:
        transfer = session.query(Transfer).one()
        return refunds.request(session, hub, transfer.id, by=By("cli:anna")).link.partition("?t=")[2]


def watched_address(hub: Hub) -> str:
    """Give an address of the shop's own."""
    with hub.database.snapshot() as session:
        return session.query(Address).first().base58  # type: ignore[union-attr]


def status_of(hub: Hub, payment: Payment) -> str:
    """Read the payment's status anew."""
    with hub.database.snapshot() as session:
        return session.get_one(Payment, payment.id).status


def _point(hub: Hub) -> ChainPoint:
    return ChainPoint(HEAD - 18, hub.clock.now())


def _cursor(hub: Hub) -> Cursor:
    now = hub.clock.now()
    return Cursor(
        genesis_id=GENESIS, network=hub.settings.network.name, height=HEAD - 18, block_time=now,
        head_height=HEAD, updated_at=now,
    )
