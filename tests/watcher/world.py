"""A world that happens to a watcher: blocks, forks, faults, crashes and restarts, and the truth to hold it against.

The truth is read from the finished chain by code of its own, a few lines, that shares nothing with the scanner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import select

from core.chain.coverage import coverage
from core.chain.decode import TransactionInfo
from core.chain.fleet import Fleet
from core.chain.node import Node
from core.chain.scanner import Scanner
from core.clock import ManualClock
from core.errors import NodeUnavailable
from core.hub import Hub
from core.ledger import journal
from core.models import Cursor, Outgoing, Transfer
from core.testing.chains import FakeChain
from core.testing.crashpoints import Crash, CrashPoints, with_crash_points
from core.testing.factories import Shop, make_payment, make_shop
from core.testing.faulty import FaultyNode
from core.testing.hubs import START, TEST_CONTRACT

FAKE = "TG3XXyExBkPp9nzdajDZsozEu4BkaSJozs"
STRANGER = "TSeJkUh4Qv67VNFwY8LaAxERygNdy6NQZK"
ACTIONS = (
    "strangers", "order", "pay", "odd", "failed", "fake", "router", "zero", "spend", "empty", "head_pay", "head_empty",
    "fork", "solidify", "scan", "scan", "scan_badly", "restart", "crash", "downtime",
)
Step = tuple[str, int]


@dataclass
class World:
    """One hub and one chain; `view` puts something between node and watcher, for planted faults."""

    hub: Hub
    view: Callable[[Node], Node] = lambda node: node
    on_restart: Callable[[World], None] = lambda world: None
    chain: FakeChain = field(init=False)
    shop: Shop = field(init=False)
    scanner: Scanner = field(init=False)
    orders: int = 0
    calldata: dict[str, tuple[str, int]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chain = FakeChain(TEST_CONTRACT, START - timedelta(minutes=1))
        self.chain.skip(2)
        self.shop = make_shop(self.hub)
        self._start()
        self.scanner.scan_once()

    def live(self, steps: Sequence[Step]) -> list[str]:
        """Let it all happen, come to rest, and give what is wrong: nothing."""
        for name, number in steps:
            getattr(self, f"do_{name}")(number)
            self.check(f"after {name} {number}")
            if self.complaints:
                return self.complaints
        self.chain.solid = self.chain.head
        self._restart(percent=0, seed=0)
        self._scan(tries=40)
        if self._cursor() != self.chain.solid:
            self.complaints.append(f"the cursor stands at {self._cursor()} of {self.chain.solid}")
        self.check("at the end")
        return self.complaints

    def check(self, when: str) -> None:
        """Hold what is recorded against the truth up to the cursor: no more, no less, each once."""
        height = self._cursor()
        with self.hub.database.snapshot() as session:
            rows = session.execute(select(Transfer.txid, Transfer.log_index, Transfer.height))
            came = sorted((row.txid, row.log_index, row.height) for row in rows)
            went = session.scalars(select(Outgoing.txid)).all()
            cover = coverage(session, self.hub)
            imbalance = journal.imbalance(session)
        wanted, spent = self._truth(height)
        found = {
            "recorded": came == wanted, "spent": sorted(went) == spent, "books": imbalance == 0,
            "finality": height <= self.chain.solid, "coverage": cover is not None and cover.gaps == [],
        }
        self.complaints += [f"{name} wrong {when}" for name, is_right in found.items() if not is_right]

    def do_strangers(self, number: int) -> None:
        self._mine(*[self.chain.transfer(STRANGER, 1 + number)] * (1 + number % 3))

    def do_order(self, number: int) -> None:
        self.orders += 1
        self.last = make_payment(self.hub, self.shop, order_id=f"O{self.orders}", amount=str(1 + number % 50))

    def do_pay(self, number: int) -> None:
        self._mine(self._payment(number))

    def do_odd(self, number: int) -> None:
        self._mine(self._plain(1 + number * 7919))

    def do_failed(self, number: int) -> None:
        info = self.chain.transfer(self._address, 5, receipt="OUT_OF_TIME", result="FAILED")
        self.calldata[info.id] = (self._address, 5)
        self._mine(info)

    def do_fake(self, number: int) -> None:
        self._mine(self.chain.transfer(self._address, 5, contract=FAKE))

    def do_router(self, number: int) -> None:
        log = self.chain.log(self._address, 3 + number % 5)
        self._mine(self.chain.transaction(self.chain.log(STRANGER, 1), log, log))

    def do_zero(self, number: int) -> None:
        self._mine(self._plain(0))

    def do_spend(self, number: int) -> None:
        self._mine(self.chain.transfer(STRANGER, 1 + number, sender=self._address))

    def do_empty(self, number: int) -> None:
        self.chain.skip(1 + number % 4)

    def do_head_pay(self, number: int) -> None:
        self._mine(self._payment(number), solid=False)

    def do_head_empty(self, number: int) -> None:
        self.chain.mine(solid=False)

    def do_fork(self, number: int) -> None:
        """Replace every unsolid block: what was in them is gone, or comes at another height."""
        first, last = self.chain.solid + 1, self.chain.head
        lost = [info for height in range(first, last + 1) for info in self.chain.blocks[height]]
        self.chain.head = self.chain.solid
        for height in range(first, last + 2):
            self.chain.branch[height] = f"{(number * 31 + height) % 256:02x}"
            moved = lost[height - first - 1 : height - first] if number % 2 and height > first else []
            self.chain.mine(*moved, solid=False)

    def do_solidify(self, number: int) -> None:
        self.chain.solid = min(self.chain.head, self.chain.solid + 1 + number % 6)

    def do_scan(self, number: int) -> None:
        self._scan(tries=1 + number % 3)

    def do_scan_badly(self, number: int) -> None:
        self._restart(percent=35, seed=number)
        self._scan(tries=6)

    def do_restart(self, number: int) -> None:
        self._restart(percent=0, seed=number)

    def do_crash(self, number: int) -> None:
        """End the watcher at one of its next commits, before or after it."""
        self.scanner.close()
        hub = with_crash_points(self.hub, CrashPoints(crash_at=1 + number % 9))
        self._start(hub=hub)
        try:
            self._scan(tries=3)
        except Crash:
            pass
        self._restart(percent=0, seed=number)

    def do_downtime(self, number: int) -> None:
        for block in range(5 + number % 20):
            self._mine(*[self._payment(number + block)] * (block % 6 == 0))
        self._restart(percent=0, seed=number)

    @property
    def _address(self) -> str:
        assert self.shop.address is not None
        return self.shop.address.base58

    def _payment(self, number: int) -> TransactionInfo:
        last = getattr(self, "last", None)
        return self._plain(last.pay_units.units if last and number % 4 else 10_000_000 + number)

    def _plain(self, units: int) -> TransactionInfo:
        info = self.chain.transfer(self._address, units)
        self.calldata[info.id] = (self._address, units)
        return info

    def _mine(self, *infos: TransactionInfo, solid: bool = True) -> None:
        unique = {info.id: info for info in infos}
        is_solid = solid and self.chain.solid == self.chain.head
        self.chain.mine(*unique.values(), solid=is_solid)

    def _start(self, *, hub: Hub | None = None, percent: int = 0, seed: int = 0) -> None:
        node = FaultyNode(self.view(self.chain), percent=percent, seed=seed)
        self.scanner = Scanner(hub or self.hub, Fleet([node], clock=self.hub.clock))

    def _restart(self, *, percent: int, seed: int) -> None:
        self.scanner._ahead.close()
        assert isinstance(self.hub.clock, ManualClock)
        self.hub.clock.advance(seconds=11)
        self._start(percent=percent, seed=seed)
        self.on_restart(self)

    def _scan(self, *, tries: int) -> None:
        for _ in range(tries):
            try:
                self.scanner.scan_once()
            except NodeUnavailable:
                continue

    def _cursor(self) -> int:
        with self.hub.database.snapshot() as session:
            return session.scalars(select(Cursor.height)).one()

    def _truth(self, height: int) -> tuple[list[tuple[str, int, int]], list[str]]:
        ours = self.shop.address.raw20.hex() if self.shop.address else ""
        usdt = self.chain.log(STRANGER, 0).address
        came, went = [], []
        for number in range(1, height + 1):
            for info in self.chain.blocks[number]:
                for position, log in enumerate(info.log):
                    good = log.address == usdt and info.receipt.result == "SUCCESS" and int(log.data, 16) > 0
                    if good and log.topics[2].endswith(ours):
                        came.append((info.id, position, number))
                    if good and log.topics[1].endswith(ours):
                        went.append(info.id)
        return sorted(came), sorted(went)
