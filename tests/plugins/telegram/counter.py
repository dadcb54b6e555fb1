"""A managed bot with its people, real money and a chain, without sockets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from core.chain.scanner import Scanner
from core.channels import people as crew
from core.channels import service
from core.clock import ManualClock
from core.desk import Role
from core.hub import Hub
from core.ids import Mode
from core.models import InboxAct, Payment, Transfer
from core.projects.service import get_project, set_mode
from core.testing.bot_api import people
from core.testing.chains import FakeChain
from core.testing.factories import make_payment
from core.testing.hubs import START, TEST_CONTRACT
from tests.plugins.telegram.managed import OWNER, Stall, make_stall


@dataclass
class Counter:
    """A stall with real money, an owner and a chain."""

    stall: Stall
    chain: FakeChain
    scanner: Scanner

    def money(self, units: int, *, to: str | None = None) -> Transfer:
        """Let money arrive; gives its transfer."""
        self.chain.mine(self.chain.transfer(to or self.stall.shop.address.base58, units))
        self.scanner.scan_once()
        with self.stall.hub.database.snapshot() as session:
            return session.scalars(select(Transfer).order_by(Transfer.id.desc())).first()

    def order(self, amount: str, order_id: str = "A-1") -> Payment:
        return make_payment(self.stall.hub, self.stall.shop, amount=amount, order_id=order_id)

    def join(self, person: int, role: Role) -> None:
        with self.stall.hub.database.transaction() as session:
            channel = service.get_channel(session, self.stall.channel.uid)
            code = crew.invite(session, self.stall.hub, channel, role=role)
        people.start(self.stall.world, self.stall.bot, person, f"owner-{code}")
        self.stall.tick()

    def later(self, seconds: int = 30) -> None:
        self.stall.tick(seconds)

    def acts(self) -> list[tuple[str, str]]:
        with self.stall.hub.database.snapshot() as session:
            return [(one.act, one.actor) for one in session.query(InboxAct)]


def open_counter(hub: Hub, clock: ManualClock) -> Counter:
    """Open a stall for real money, with an owner."""
    stall = make_stall(hub, clock, owner_chat_id=None)
    with hub.database.transaction() as session:
        set_mode(get_project(session, stall.shop.project_id), Mode.LIVE)
    chain = FakeChain(TEST_CONTRACT, START - timedelta(minutes=1))
    chain.skip(3)
    scanner = Scanner(hub, chain.fleet(clock), holder="test")
    scanner.scan_once()
    made = Counter(stall, chain, scanner)
    made.join(OWNER, Role.OWNER)
    return made
