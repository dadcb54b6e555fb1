"""The hub dies at every single point of a payment in flight, in one process: quick, so that all of them can be tried.

The same points are gone through with real processes and SIGKILL in `test_kill_hub.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from core.chain.blocks import Block
from core.chain.findings import whose
from core.chain.progress import Extent, move_cursor
from core.chain.scanner import Scanner
from core.clock import ManualClock
from core.db import Database
from core.http import Answer
from core.hub import Hub
from core.models import Delivery
from core.outbox import delivery
from core.outbox.delivery import LEASE, Claim
from core.testing.chains import FakeChain
from core.testing.crashpoints import Crash, CrashPoints, PointedNode, with_crash_points
from core.testing.factories import Shop, make_shop
from core.testing.hubs import START, TEST_CONTRACT, RecordingDoor, make_hub
from tests.faults import flight
from tests.faults.books import Books, read_books, right_books, wipe
from tests.faults.flight import Bill, Keys, Outside, fly
from tests.faults.receiver import Mailbox

pytestmark = pytest.mark.slow

LEAST_POINTS = 40
PRICE_UNITS = 50_000_000


@dataclass(slots=True)
class World:
    """Everything that outlives a hub: database, clock, chain, buyer, merchant."""

    database: Database
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    chain: FakeChain = field(default_factory=lambda: FakeChain(TEST_CONTRACT, START))
    mailbox: Mailbox = field(default_factory=Mailbox)
    bill: Bill | None = None

    def pay(self, bill: Bill) -> None:
        """Pay the bill that is shown first; a buyer pays once."""
        if self.bill is None:
            self.bill = bill
            self.chain.mine(self.chain.transfer(bill.address, bill.units), solid=False)

    def solidify(self) -> None:
        """Build on what there is until it is solid."""
        self.chain.skip(2)

    def door(self) -> RecordingDoor:
        """Give a door to the merchant's mailbox."""
        return RecordingDoor(lambda posted: Answer(self.mailbox.take(posted.headers, posted.body), b"", 1))

    def hub(self) -> Hub:
        """Build a hub anew, as a start of the process does."""
        return replace(make_hub(self.database, clock=self.clock), http=self.door())

    def open_shop(self) -> Shop:
        """Set up a merchant on an empty database and a young chain."""
        wipe(self.database)
        shop = make_shop(self.hub())
        self.chain.skip(2)
        self.mailbox.secret, self.mailbox.webhook_secret = shop.keys["live"].secret, shop.webhook_secret or ""
        return shop


def run(world: World, shop: Shop, points: CrashPoints) -> None:
    """Start a hub and let it go its way, to the end or to its crash; either way nothing of it is left."""
    live = shop.keys["live"]
    hub = with_crash_points(world.hub(), points)
    try:
        fly(hub, PointedNode(world.chain, points), keys=Keys(live.public_key, live.secret),
            outside=Outside(world.pay, world.solidify))
    finally:
        world.database.dispose()


def points_of(database: Database) -> list[str]:
    """Name all the points of one undisturbed run."""
    world, points = World(database), CrashPoints()
    run(world, world.open_shop(), points)
    return points.passed


@dataclass(frozen=True, slots=True)
class End:
    """How a crash and a restart ended: the books, what they must be, and how often the merchant was told."""

    books: Books
    right: Books
    told: int


def after_crash(database: Database, crash_at: int, *, blocks_missed: int = 0) -> End:
    """Crash at a point, restart when the lease is over, run to quiet."""
    world = World(database)
    shop = world.open_shop()
    with pytest.raises(Crash):
        run(world, shop, CrashPoints(crash_at))
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    world.chain.skip(blocks_missed)
    run(world, shop, CrashPoints())
    assert world.bill is not None
    books = read_books(database, world.mailbox, project_id=shop.project_id, now=world.clock.now())
    right = right_books(units=world.bill.units, solid_height=world.chain.solid)
    return End(books, right, len(world.mailbox.deliveries))


def wrong_ends(database: Database, *, blocks_missed: int = 0) -> dict[str, End]:
    """Crash at every point in turn; list what did not end as it must."""
    points = points_of(database)
    assert len(points) >= LEAST_POINTS
    ends = {
        f"{number} {name}": after_crash(database, number, blocks_missed=blocks_missed)
        for number, name in enumerate(points, start=1)
    }
    return {point: end for point, end in ends.items() if end.books != end.right}


def test_the_points_lie_around_every_kind_of_step(database: Database) -> None:
    """S12: before and after each commit, each POST, each question to the node."""
    kinds = {name.split()[0] + " " + name.split()[1] for name in points_of(database)}

    steps = ("commit", "post", "genesis_id", "contract_exists", "solid_height", "solid_infos", "solid_header",
             "head_height", "head_header", "head_infos", "heights")
    assert kinds == {f"{side} {step}" for side in ("before", "after") for step in steps}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("blocks_missed", [0, pytest.param(3, marks=pytest.mark.long)])
def test_i1_to_i10_a_crash_at_any_point_pays_once_and_tells_once(database: Database, blocks_missed: int) -> None:
    """S12: every point, also with blocks that pass while the hub is down."""
    assert wrong_ends(database, blocks_missed=blocks_missed) == {}


def test_j7_j8_only_a_crash_after_the_post_tells_twice(database: Database) -> None:
    """The same bytes with the same webhook-id, as the books say, and no retry used up."""
    sent = points_of(database).index("after post") + 1

    told = {number - sent: after_crash(database, number).told for number in range(sent - 2, sent + 4)}

    assert told == {-2: 1, -1: 1, 0: 2, 1: 2, 2: 1, 3: 1}


def test_a_cursor_committed_before_its_findings_is_caught(monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    """Rule 3, planted: a crash between the two loses the money, or the expectation of it."""
    apply = Scanner._apply

    def careless(scanner: Scanner, genesis_id: str, part: list[Block]) -> int:
        hub, last = scanner._hub, part[-1]
        with hub.database.snapshot() as session:
            is_ours = any(map(whose(session, part).concerns, part))
        if is_ours and (len(part) > 1 or not last.has_header):  # not vouched for yet: nothing of it is committed
            return apply(scanner, genesis_id, part)
        extent = Extent(part[0].height, last.height, last.block_time, last.provider)
        with hub.database.transaction() as session:
            move_cursor(session, hub, genesis_id, extent, fence=scanner._lease.fence, range_id=None)
        return apply(scanner, genesis_id, part)

    monkeypatch.setattr("core.chain.scanner.move_cursor", lambda *_, **__: None)
    monkeypatch.setattr(Scanner, "_apply", careless)
    paid_block = points_of(database).index("after solid_header 3") + 1

    ends = [after_crash(database, paid_block + later) for later in range(2, 6)]  # after its vouching

    assert [len(end.books.transfers) for end in ends] == [1, 1, 0, 0]
    assert {end.books.cursor_height for end in ends} == {end.right.cursor_height for end in ends}


def test_a_delivery_marked_done_before_its_post_is_caught(monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    """Habit of the trade, planted: a crash between the two leaves the merchant untold."""
    def careless(hub: Hub, claim: Claim) -> bool:
        with hub.database.transaction() as session:
            session.get_one(Delivery, claim.delivery_id).state = "done"
        [parcel] = delivery.pack(hub, [claim])
        return hub.http.post(parcel.url, body=parcel.body, headers=parcel.headers).status == 200

    monkeypatch.setattr(flight, "attempt", careless)
    sent = points_of(database).index("after post") + 1

    assert [after_crash(database, number).told for number in (sent - 2, sent - 1, sent)] == [0, 0, 1]
