"""Two merchants with live and test keys, calling /api/v1 of one hub."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from core.chain.scanner import Scanner
from core.clock import ManualClock
from core.hub import Hub
from core.testing.chains import FakeChain
from core.testing.factories import Shop, make_shop
from core.testing.hubs import START, TEST_CONTRACT
from core.testing.v1_merchant import V1Client


@pytest.fixture
def shop(hub: Hub) -> Shop:
    return make_shop(hub)


@pytest.fixture
def neighbour(hub: Hub) -> Shop:
    """Another merchant's shop in the same hub."""
    return make_shop(hub, website="https://neighbour.example.net")


def client_of(app: Flask, clock: ManualClock, shop: Shop, mode: str) -> V1Client:
    """Give a shop's program with its keys of one mode."""
    key = shop.keys[mode]
    return V1Client(app.test_client(), key.public_key, key.secret, lambda: int(clock.now().timestamp()))


@pytest.fixture
def live(app: Flask, clock: ManualClock, shop: Shop) -> V1Client:
    return client_of(app, clock, shop, "live")


@pytest.fixture
def test(app: Flask, clock: ManualClock, shop: Shop) -> V1Client:
    return client_of(app, clock, shop, "test")


@pytest.fixture
def stranger(app: Flask, clock: ManualClock, neighbour: Shop) -> V1Client:
    return client_of(app, clock, neighbour, "live")


class Chain:
    """A chain whose watcher has run: money comes by `pay`."""

    def __init__(self, hub: Hub) -> None:
        self._chain = FakeChain(TEST_CONTRACT, START - timedelta(minutes=1))
        self._chain.skip(3)
        self._scanner = Scanner(hub, self._chain.fleet(hub.clock), holder="fake")
        self._scanner.scan_once()

    def pay(self, to: str, amount: str) -> None:
        """Bring USDT to an address in a final block."""
        self._chain.mine(self._chain.transfer(to, int(amount.replace(".", ""))))
        self._scanner.scan_once()


@pytest.fixture
def chain(hub: Hub, shop: Shop) -> Chain:
    return Chain(hub)
