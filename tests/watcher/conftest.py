"""One merchant, a chain in memory and a watcher of it, on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select

from core.chain.fleet import Fleet
from core.chain.lookahead import Lookahead
from core.chain.node import HttpNode, Node
from core.chain.scanner import Scanner
from core.clock import Clock
from core.errors import NodeUnavailable
from core.hub import Hub
from core.ledger import journal
from core.models import Cursor, Event, Payment, ScanCount, Transfer
from core.testing.chains import FakeChain
from core.testing.factories import Shop, make_payment, make_shop
from core.testing.hubs import START, TEST_CONTRACT, with_network
from tests.watcher.devnet_world import DevnetWorld
from tests.watcher.served import served


class Chain(FakeChain):
    """A chain whose answers a test may replace; at a URL it is asked over HTTP, by the real node client."""

    url = ""

    def fleet(self, clock: Clock) -> Fleet:
        if not self.url:
            return super().fleet(clock)
        node = HttpNode(self.url, clock=clock, qps=None, daily_requests=None, wait=lambda seconds: None)
        return Fleet([node], clock=clock)


@dataclass
class Scene:
    """What a rule is shown on."""

    hub: Hub
    shop: Shop
    chain: Chain  # or a DevnetWorld, which has the same face
    scanner: Scanner
    lookahead: Lookahead

    @property
    def address(self) -> str:
        assert self.shop.address is not None
        return self.shop.address.base58

    def order(self, order_id: str = "ORDER_1", amount: str = "50.00") -> Payment:
        return make_payment(self.hub, self.shop, order_id=order_id, amount=amount)

    def pay(self, payment: Payment, *, off: int = 0, **changes: object) -> int:
        """Mine a solid block with a transfer of the exact amount, or `off` units beside it."""
        info = self.chain.transfer(payment.address, payment.pay_units.units + off, **changes)  # type: ignore[arg-type]
        return self.chain.mine(info)

    def mine(self, *logs: object, **changes: object) -> int:
        return self.chain.mine(self.chain.transaction(*logs, **changes))  # type: ignore[arg-type]

    def scan(self) -> None:
        self.scanner.scan_once()

    def watch_through(self, *nodes: Node) -> None:
        """Go on with a new watcher through other providers."""
        self.scanner.close()
        fleet = Fleet(list(nodes), clock=self.hub.clock)
        self.scanner, self.lookahead = Scanner(self.hub, fleet), Lookahead(self.hub, fleet)

    def scan_stubbornly(self, tries: int = 300) -> None:
        """Scan until the cursor has come to the solid height, however often the node fails."""
        for _ in range(tries):
            try:
                self.scanner.scan_once()
            except NodeUnavailable:
                continue
            if self.height == self.chain.solid:
                return
        raise AssertionError(f"the cursor stands at {self.height} of {self.chain.solid}")

    @property
    def node(self) -> Node:
        """Give what the watcher asks: the chain in memory itself, or the client of the devnet's port."""
        return self.chain.node if isinstance(self.chain, DevnetWorld) else self.chain

    @property
    def height(self) -> int:
        with self.hub.database.snapshot() as session:
            return session.scalars(select(Cursor.height)).one()

    def standing(self, payment: Payment) -> tuple[str, str]:
        with self.hub.database.snapshot() as session:
            row = session.get_one(Payment, payment.id)
            return row.status, row.anomaly

    @property
    def buckets(self) -> list[str]:
        with self.hub.database.snapshot() as session:
            return list(session.scalars(select(Transfer.bucket).order_by(Transfer.height, Transfer.log_index)))

    @property
    def transfers(self) -> list[Transfer]:
        with self.hub.database.snapshot() as session:
            return list(session.scalars(select(Transfer).order_by(Transfer.height, Transfer.log_index)))

    @property
    def counts(self) -> dict[str, int]:
        with self.hub.database.snapshot() as session:
            return {row.kind: row.seen for row in session.scalars(select(ScanCount))}

    def events(self, payment: Payment) -> list[str]:
        with self.hub.database.snapshot() as session:
            rows = session.scalars(select(Event.type).where(Event.payment_id == payment.id).order_by(Event.number))
            return [row.removeprefix("payment.") for row in rows]

    @property
    def owed(self) -> int:
        """What the project is owed, in units; the books must balance."""
        with self.hub.database.snapshot() as session:
            assert journal.imbalance(session) == 0
            return journal.project_balance(session, self.shop.project_id).units


@pytest.fixture
def scene(hub: Hub, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """On SQLite every rule is shown through HTTP and the real node client, on PostgreSQL straight from memory.

    A test marked `everywhere` is also shown on a devnet over HTTP, on both; one marked `on_devnet` there alone.
    """
    with ExitStack() as stack:
        is_devnet = getattr(request, "param", "memory") == "devnet"
        yield _scene(hub, _devnet(hub, stack) if is_devnet else _memory(hub, stack), stack)


everywhere = pytest.mark.parametrize("scene", ["memory", "devnet"], indirect=True)
on_devnet = pytest.mark.parametrize("scene", ["devnet"], indirect=True)


def _memory(hub: Hub, stack: ExitStack) -> Chain:
    chain = Chain(TEST_CONTRACT, START - timedelta(minutes=1))
    if hub.database.is_sqlite:
        chain.url = stack.enter_context(served(chain))
    return chain


def _devnet(hub: Hub, stack: ExitStack) -> Chain:
    world = DevnetWorld()
    stack.callback(world.close)
    hub.settings = with_network(hub.settings, urls=[world.server.url], usdt_contract=world.usdt_contract)
    return world  # type: ignore[return-value]  it has the face of one


def _scene(hub: Hub, chain: Chain, stack: ExitStack) -> Scene:
    chain.skip(3)
    shop = make_shop(hub)
    fleet = chain.fleet(hub.clock)
    stack.callback(fleet.close)
    scene = Scene(hub, shop, chain, Scanner(hub, fleet), Lookahead(hub, fleet))
    scene.scan()
    return scene
