"""A payment's whole way through a hub, in steps: create, detect, credit, deliver. One thread, the shipped parts.

What the rest of the world does meanwhile is the caller's: a buyer who pays once, a chain that goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from core.chain.fleet import Fleet
from core.app import create_app
from core.chain.node import Node
from core.hub import Hub
from core.outbox.delivery import attempt, claim_due
from core.testing.merchant import MerchantClient
from workers.loops import Watch

ORDER_ID, PRICE = "ORDER_1", "50.00"


@dataclass(frozen=True, slots=True)
class Bill:
    """What a buyer is asked to pay: units of 10**-6 USDT to an address."""

    payment_id: int
    address: str
    units: int


@dataclass(frozen=True, slots=True)
class Outside:
    """What the world does when its turn comes; each may be called again after a restart, and acts once.

    bill_shown: the buyer pays, and the transfer is in a block that is not solid.   detected: that block becomes solid.
    """

    bill_shown: Callable[[Bill], None]
    detected: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Keys:
    """The key pair that the merchant's program signs with."""

    key: str
    secret: str = field(repr=False)


def fly(hub: Hub, node: Node, *, keys: Keys, outside: Outside) -> None:
    """Take one order from the signed request to the delivered webhook, or go on with it after a restart."""
    watch = Watch(hub, Fleet([node], clock=hub.clock), holder="devnet")
    _run_dry(watch.step)
    outside.bill_shown(_create(hub, keys))
    _run_dry(watch.step)
    outside.detected()
    _run_dry(watch.step)
    _drain(hub)
    _run_dry(watch.step)


def units_of(text: str) -> int:
    """Read an amount with six places."""
    whole, fraction = text.split(".")
    return int(whole + fraction.ljust(6, "0"))


def _create(hub: Hub, keys: Keys) -> Bill:
    """Ask for the order's payment as a merchant's program does, with the same order id every time."""
    with create_app(hub=hub).test_client() as client:
        answer = MerchantClient(client, keys.key, keys.secret).create({"order_id": ORDER_ID, "amount": PRICE})
    shown = answer.get_json()
    assert shown["ok"], shown
    payment = shown["payment"]
    return Bill(payment["payment_id"], payment["address"], units_of(payment["pay_amount"]))


def _drain(hub: Hub) -> None:
    while claims := claim_due(hub):
        for claim in claims:
            attempt(hub, claim)


def _run_dry(step: Callable[[], bool]) -> None:
    while step():
        pass
