"""One merchant, a chain and a watcher of it, on each kind of database.

The chain is one in memory, a devnet in this process, or any node by URL: `worlds` names where a rule is shown. With
`--world node` every rule is shown on the node alone; left out are those that need what no foreign node can be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from unittest.mock import patch

import pytest
from sqlalchemy import select

from core.chain.addresses import address_of
from core.chain.decode import TransactionInfo
from core.chain.fleet import Fleet
from core.chain.lookahead import Lookahead
from core.chain.node import HttpNode, Node
from core.chain.scanner import Scanner
from core.clock import Clock
from core.errors import NodeUnavailable
from core.hub import Hub
from core.ids import random_bytes
from core.ledger import journal
from core.models import Address, Cursor, Event, Payment, Project, ScanCount, Transfer
from core.projects import receiving
from core.testing.chains import FakeChain
from core.testing.factories import Shop, make_payment, make_shop
from core.testing.hubs import START, TEST_CONTRACT, with_network
from tests.watcher.devnet_world import PAYER, DevnetWorld
from tests.watcher.node_world import NodeWorld, ShiftedClock
from tests.watcher.places import Place, a_place
from tests.watcher.served import served

APPROVAL = "8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925"


class Chain(FakeChain):
    """A chain whose answers a test may replace; at a URL it is asked over HTTP, by the real node client."""

    url = ""
    amount = "50.00"
    payer = PAYER

    @property
    def reached(self) -> int:
        return self.solid

    def fresh_address(self) -> str:
        """Give an address that nobody has used."""
        return address_of(random_bytes(20)).base58

    def approval(self, spender: str, units: int) -> TransactionInfo:
        """Write an event of the contract that moves nothing."""
        return self.transaction(self.log(spender, units, topic=APPROVAL))

    def burst(self, *, first: int, many: int, units: int) -> TransactionInfo:
        """Write one transaction that pays many addresses, numbered from the first."""
        numbered = [address_of(number.to_bytes(20)).base58 for number in range(first, first + many)]
        return self.transaction(*[self.log(address, units) for address in numbered])

    def silent_failure(self, to: str, units: int) -> TransactionInfo:
        """Write a failed transaction with its log, and without a word in its receipt."""
        return self.transaction(self.log(to, units), receipt=None, result="FAILED")

    def trx(self, to: str, sun: int) -> TransactionInfo:
        """Write a transfer of TRX, which has no log."""
        return self.transaction(receipt=None)

    def let_pass(self, moment: datetime) -> None:
        """Add a final block after a moment."""
        self.skip_to(moment + timedelta(minutes=1))

    def let_a_day_pass(self) -> None:
        """Add a final block that is more than a day later."""
        self.skip_to(self.time_of(self.head) + timedelta(hours=25))

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
    chain: Chain  # or a DevnetWorld or a NodeWorld, which have the same face
    scanner: Scanner
    lookahead: Lookahead

    @property
    def address(self) -> str:
        assert self.shop.address is not None
        return self.shop.address.base58

    def order(self, order_id: str = "ORDER_1", amount: str | None = None) -> Payment:
        return make_payment(self.hub, self.shop, order_id=order_id, amount=amount or self.chain.amount)

    def brief_order(self, order_id: str = "ORDER_1") -> Payment:
        """Open a payment whose window a test can wait out, where time cannot be moved."""
        if isinstance(self.chain, NodeWorld):
            with self.hub.database.transaction() as session:
                session.get_one(Project, self.shop.project_id).window_s = self.chain.window_s
        return self.order(order_id)

    def watch(self, address: str, *, shop: Shop | None = None) -> str:
        """Make an address one of the shop's."""
        with self.hub.database.transaction() as session:
            merchant_id = (shop or self.shop).merchant_id
            return receiving.add_address(session, self.hub, merchant_id=merchant_id, address=address).base58

    def pay(self, payment: Payment, *, off: int = 0, **changes: object) -> int:
        """Mine a solid block with a transfer of the exact amount, or `off` units beside it."""
        info = self.chain.transfer(payment.address, payment.pay_units.units + off, **changes)  # type: ignore[arg-type]
        return self.chain.mine(info)

    def mine(self, *logs: object, **changes: object) -> int:
        return self.chain.mine(self.chain.transaction(*logs, **changes))  # type: ignore[arg-type]

    def scan(self) -> None:
        """Scan once; where the chain goes on by itself, up to the block that the test waited for."""
        while self.scanner.scan_once().is_active and not self.is_up_to_date:
            assert isinstance(self.chain, NodeWorld)

    @property
    def is_up_to_date(self) -> bool:
        return self.height >= self.chain.reached

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
            if self.is_up_to_date:
                return
        raise AssertionError(f"the cursor stands at {self.height} of {self.chain.reached}")

    @property
    def node(self) -> Node:
        """Give what the watcher asks: the chain in memory itself, or the client of a node."""
        return self.chain.node if isinstance(self.chain, DevnetWorld | NodeWorld) else self.chain

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

    def buckets_of(self, address: str) -> list[str]:
        """List where transfers to one address ended."""
        found = select(Transfer.bucket).join(Address, Address.id == Transfer.address_id)
        with self.hub.database.snapshot() as session:
            return list(session.scalars(found.where(Address.base58 == address).order_by(Transfer.height)))

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


def worlds(*names: str) -> pytest.MarkDecorator:
    """Say where a rule is shown: in `memory` (the default), on a `devnet`, on a `node` by URL."""
    return pytest.mark.worlds(*names)


def needs(power: str) -> pytest.MarkDecorator:
    """Say what a rule needs that a node given by URL cannot be told to do."""
    return pytest.mark.needs(power)


everywhere = worlds("memory", "devnet")
on_devnet = worlds("devnet")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Show a rule in its worlds."""
    if "scene" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("worlds")
    names = marker.args if marker else ("memory",)
    if metafunc.config.getoption("--world") == "node":
        names = ("node",)
    metafunc.parametrize("scene", names, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Ask a node with one kind of database alone, and leave out by name what it cannot be told to do."""
    twice = [item for item in items if {"node", "postgresql"} <= _params(item)]
    config.hook.pytest_deselected(items=twice)
    items[:] = [item for item in items if item not in twice]
    for item in items:
        power = item.get_closest_marker("needs")
        if power and "node" in _params(item):
            item.add_marker(pytest.mark.skip(reason=f"needs {power.args[0]}"))


def _params(item: pytest.Item) -> set[object]:
    given = getattr(item, "callspec", None)
    return {value for value in given.params.values() if isinstance(value, str)} if given else set()


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The node given by URL, or the devnet in its own process that takes its place."""
    with a_place(tmp_path_factory.mktemp("node")) as place:
        yield place
        if place.devnet_url:
            assert place.undocumented() == []


@pytest.fixture
def scene(hub: Hub, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """On SQLite a chain in memory is read through HTTP and the real node client, on PostgreSQL straight from memory."""
    with ExitStack() as stack:
        world = request.param
        if world == "node":
            yield _scene(hub, _node(hub, request.getfixturevalue("place"), stack), stack)
        else:
            yield _scene(hub, _devnet(hub, stack) if world == "devnet" else _memory(hub, stack), stack)


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


def _node(hub: Hub, place: Place, stack: ExitStack) -> Chain:
    world = NodeWorld(place)
    stack.callback(world.close)
    network = replace(hub.settings.network, nodes=(place.settings(),), usdt_contract=place.usdt)
    hub.settings, hub.clock = replace(hub.settings, network=network), ShiftedClock()
    stack.enter_context(patch("core.chain.identity.START_MARGIN", timedelta(minutes=1)))  # not ten: two hundred blocks
    return world  # type: ignore[return-value]  it has the face of one


def _scene(hub: Hub, chain: Chain, stack: ExitStack) -> Scene:
    shop = make_shop(hub, with_address=False)
    with hub.database.transaction() as session:
        address = receiving.add_address(session, hub, merchant_id=shop.merchant_id, address=chain.fresh_address())
    chain.skip(3)
    fleet = chain.fleet(hub.clock)
    stack.callback(fleet.close)
    scene = Scene(hub, replace(shop, address=address), chain, Scanner(hub, fleet), Lookahead(hub, fleet))
    scene.scan()
    return scene
