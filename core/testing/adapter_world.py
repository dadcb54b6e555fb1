"""A hub with one channel whose platform is a plugin author's fake: real database, real outbox, real door, no network.

The door to the outside hands each request to the fake, and can lose an answer, throttle, or end the process between
any two steps: `Crash` is no Exception, so that nothing swallows it.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import select

from core.channels import receiving, service
from core.channels.adapters import adapter_of
from core.channels.noticing import tell_people
from core.channels.polling import ask, take_turns
from core.channels.reading import claim_calls, read_call
from core.channels.receiving import Received
from core.channels.registry import Registry
from core.clock import ManualClock
from core.contract import Adapter, Answer, InboundRequest
from core.db import open_database
from core.errors import EgressFailed
from core.hub import Hub
from core.ids import Mode
from core.migrations import upgrade
from core.models import Channel, Payment
from core.outbox.delivery import attempt, claim_due
from core.payments.controls import Scenario, simulate
from core.projects.service import get_project, set_mode
from core.testing.factories import Shop, make_shop
from core.testing.hubs import START, make_hub

THROTTLED_S = 7
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # no test cuts the power, and a disk would be slow
LONG_MINUTES = 60 * 24  # longer than any wait between two tries


class Crash(BaseException):
    """The process ends here."""


class FakePlatform(ABC):
    """A platform as a test plays it: its orders in memory, its calls signed as the real one signs them."""

    @abstractmethod
    def answer(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Answer a request of the adapter's, as the platform's own API would; act on it."""

    @abstractmethod
    def place(self, order_id: str, amount: str) -> InboundRequest:
        """Put an order in, or change its amount, and give the call that tells of it."""

    @abstractmethod
    def cancel(self, order_id: str) -> InboundRequest:
        """Cancel an order and give the call that tells of it."""

    @abstractmethod
    def forget(self, order_id: str) -> None:
        """Lose an order: asked for it, the platform does not know it."""

    @abstractmethod
    def unknown(self) -> InboundRequest:
        """Give an authentic call about something that is of no concern."""

    @abstractmethod
    def garbage(self) -> InboundRequest:
        """Give an authentic call whose content makes no sense."""

    @abstractmethod
    def effects(self, order_id: str) -> Sequence[str]:
        """List what the hub's updates have changed about an order, the oldest first; once each."""


@dataclass
class PlatformDoor:
    """The outbound door to a fake platform. sent: how many requests there were.

    lost: the numbers of the requests whose answers are lost, although the platform has acted.   throttled: those it
    refuses with 429.   crash_before, crash_after: the request at which the process ends.
    """

    platform: FakePlatform
    sent: int = 0
    lost: set[int] = field(default_factory=set)
    throttled: set[int] = field(default_factory=set)
    crash_before: int = -1
    crash_after: int = -1

    def check(self, url: str) -> None:
        """Admit every URL."""

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a POST."""
        return self.send("POST", url, body=body, headers=headers)

    def send(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Hand a request to the platform, or let it meet what was planned."""
        number, self.sent = self.sent, self.sent + 1
        if number == self.crash_before:
            raise Crash
        if number in self.throttled:
            return Answer(429, b"", 1, {"retry-after": str(THROTTLED_S)})
        answer = self.platform.answer(method, url, body, headers or {})
        if number == self.crash_after:
            raise Crash
        if number in self.lost:
            raise EgressFailed
        return answer


class AdapterWorld:
    """One hub, one shop in test mode, one channel, one fake platform."""

    def __init__(self, kind: type[Adapter], settings: Mapping[str, Any], platform: FakePlatform) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="paywharf-adapter-", dir=MEMORY))
        shutil.copy(_template(), self._folder / "hub.db")
        self.clock = ManualClock(START)
        self.platform = platform
        self.door = PlatformDoor(platform)
        self.hub: Hub = make_hub(open_database(f"sqlite:///{self._folder}/hub.db"), clock=self.clock)
        self.hub.http = self.door
        self.hub.registry = Registry(adapters={kind.name: kind})
        self.shop: Shop = make_shop(self.hub, webhook_url=None)
        with self.hub.database.transaction() as session:
            project = get_project(session, self.shop.project_id)
            set_mode(project, Mode.TEST)
            self.channel: Channel = service.connect(
                session, self.hub, project, adapter=kind.name, name=kind.name, settings=settings
            )

    def close(self) -> None:
        """Take everything down."""
        self.hub.database.dispose()
        shutil.rmtree(self._folder, ignore_errors=True)

    def adapter(self) -> Adapter:
        """Build the adapter anew, as each call does."""
        with self.hub.database.snapshot() as session:
            channel = service.get_channel(session, self.channel.uid)
        return adapter_of(self.hub, channel, channel.project)

    def receive(self, call: InboundRequest) -> Received:
        """Take a call at the door."""
        return receiving.receive(self.hub, self.channel.uid, replace(call, received_at=self.clock.now()))

    def work(self) -> None:
        """Do all that waits, waiting as long as it takes: read, ask, tell, push."""
        for _ in range(12):
            for claim in claim_calls(self.hub):
                read_call(self.hub, claim)
            for turn in take_turns(self.hub):
                ask(self.hub, turn)
            tell_people(self.hub)
            for due in claim_due(self.hub):
                attempt(self.hub, due)
            self.clock.advance(minutes=LONG_MINUTES / 12)

    def restart(self) -> None:
        """Begin again after a crash: leases of the dead end with time, plans are over."""
        self.door.crash_before = self.door.crash_after = -1
        self.clock.advance(minutes=5)

    def pay(self, order_id: str, scenario: Scenario = Scenario.COMPLETE) -> None:
        """Let an order's open test payment end."""
        with self.hub.database.transaction() as session:
            payment = session.scalars(
                select(Payment).where(Payment.order_id == order_id).order_by(Payment.id.desc()).limit(1)
            ).one()
            if payment.status in ("pending", "confirming"):
                simulate(session, self.hub, payment, scenario)

    def last_payment(self) -> Payment | None:
        """Read the payment that was opened last."""
        with self.hub.database.snapshot() as session:
            return session.scalar(select(Payment).order_by(Payment.id.desc()).limit(1))

    def payments(self) -> list[tuple[str, str, str]]:
        """List each payment's order, amount and status."""
        with self.hub.database.snapshot() as session:
            rows = session.scalars(select(Payment).order_by(Payment.id)).all()
        return [(one.order_id, one.amount_text, one.status) for one in rows]


@cache
def _template() -> Path:
    """Make a database with the schema in it, once a process."""
    folder = Path(tempfile.mkdtemp(prefix="paywharf-template-", dir=MEMORY))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "template.db"
    database = open_database(f"sqlite:///{path}")
    upgrade(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return path
