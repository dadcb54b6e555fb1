"""Make rows the way the product makes them: through its services, with sensible defaults."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from core.chain.addresses import address_of
from core.hub import Hub
from core.ids import Mode
from core.models import Address, Payment, Rate
from core.money import parse_amount
from core.payments.quoting import parse_price
from core.payments.service import Order, open_payment
from core.projects import receiving, service
from core.projects.keys import IssuedKey

_serial = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Shop:
    """A merchant with one project, its keys and, if asked for, a receiving address."""

    merchant_id: int
    project_id: int
    keys: dict[str, IssuedKey] = field(repr=False)
    webhook_secret: str | None = field(repr=False)
    address: Address | None


def make_shop(
    hub: Hub,
    *,
    website: str | None = "https://shop.example.com",
    webhook_url: str | None = "https://hooks.example.com/paywharf",
    mode: Mode = Mode.LIVE,
    with_address: bool = True,
) -> Shop:
    """Create a merchant and its project; raises what the services raise."""
    with hub.database.transaction() as session:
        merchant = service.create_merchant(session, hub, name="Demo merchant")
        made = service.create_project(
            session, hub, merchant_id=merchant.id, name="Demo shop", website=website, webhook_url=webhook_url
        )
        service.set_mode(made.project, mode)
        address = add_fresh_address(session, hub, merchant.id) if with_address else None
        return Shop(merchant.id, made.project.id, made.keys, made.webhook_secret, address)


def add_fresh_address(session: Session, hub: Hub, merchant_id: int) -> Address:
    """Watch an address nobody else has."""
    raw20 = next(_serial).to_bytes(20, "big", signed=False)
    return receiving.add_address(session, hub, merchant_id=merchant_id, address=address_of(raw20).base58)


def know_rates(hub: Hub, *, source: str = "table", **prices: str) -> None:
    """Let a source have said just now what one USDT costs: `EUR="0.92"`."""
    now = hub.clock.now()
    with hub.database.transaction() as session:
        for currency, price in prices.items():
            session.merge(Rate(currency=currency, source=source, price=price, at=now, heard_at=now))


def make_payment(
    hub: Hub, shop: Shop, *, order_id: str = "ORDER_1", amount: str = "50.00", mode: Mode = Mode.LIVE,
    currency: str = "USDT",
) -> Payment:
    """Open a payment as a signed request would."""
    with hub.database.transaction() as session:
        project = service.get_project(session, shop.project_id)
        credential = service.credential_of(session, project, mode)
        asked = parse_amount(amount) if currency == "USDT" else parse_price(amount, currency)
        order = Order(order_id=order_id, amount=asked)
        return open_payment(session, hub, project=project, credential=credential, order=order).payment
