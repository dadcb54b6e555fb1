"""Eight processes race for deliveries, orders and amounts (DB1 to DB3, J5): nothing twice, nothing lost, no error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import pytest
from sqlalchemy import func, select, text

from core.clock import SystemClock
from core.db import Database, open_database
from core.hub import Hub
from core.models import Delivery, Endpoint, Event, Payment, Reservation
from core.outbox.claiming import ENDPOINT_CAP
from core.outbox.delivery import claim_due, finish, pack, send
from core.testing.factories import Shop, make_payment, make_shop
from core.testing.hubs import make_hub
from tests.bench.places import add_cursor
from tests.crowd import add_payments

pytestmark = pytest.mark.slow

PROCESSES = 8
SERVER = get_context("forkserver")  # imports once, and has no thread or connection that a fork could break
SERVER.set_forkserver_preload([__name__])
long = pytest.mark.long


@dataclass(frozen=True, slots=True)
class Size:
    """How much is raced for."""

    deliveries: int
    endpoints: int
    orders: int
    slots: int


sizes = pytest.mark.parametrize(
    "size", [Size(80, 8, 12, 48), pytest.param(Size(4_000, 40, 600, 1_900), marks=[long, pytest.mark.timeout(900)])],
    ids=["short", "long"],
)


@dataclass(frozen=True, slots=True)
class Errand:
    """What one process is told: where the database is, whose shop it is, and its number."""

    url: str
    shop: Shop
    number: int
    size: Size

    def hub(self) -> Hub:
        """Open the hub anew: nothing is shared across processes."""
        return make_hub(open_database(self.url), clock=SystemClock())


def race(database: Database, shop: Shop, size: Size, run: Callable[[Errand], list[object]]) -> list[list[object]]:
    """Run eight processes on one errand each; a process that fails fails the test."""
    url = database.engine.url.render_as_string(hide_password=False)
    errands = [Errand(url, shop, number, size) for number in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, mp_context=SERVER) as pool:
        return list(pool.map(run, errands))


def flat(rows: Sequence[Sequence[object]]) -> list[object]:
    return [one for row in rows for one in row]


def deliver(errand: Errand) -> list[object]:
    """Send until nothing is due; gives the ids that were sent, and the most in flight of one endpoint ever seen."""
    hub, most, idle = errand.hub(), 0, 0
    while idle < 50:
        claims = claim_due(hub, limit=4)
        with hub.database.snapshot() as session:
            flying = session.execute(
                select(Delivery.endpoint_id, func.count())
                .where(Delivery.state == "due", Delivery.lease_until > hub.clock.now())
                .group_by(Delivery.endpoint_id)
            ).all()
            left = session.scalar(select(func.count()).where(Delivery.state == "due"))
        most = max([most, *(many for _, many in flying)])
        finish(hub, [(parcel, send(hub, parcel)) for parcel in pack(hub, claims)])
        idle = 50 if not left else 0 if claims else idle + 1
    hub.database.dispose()
    return [*(posted.headers["webhook-id"] for posted in hub.http.posted), most]


@sizes
def test_db1_j5_every_delivery_is_claimed_once_and_no_endpoint_has_more_than_two(database: Database, size: Size):
    hub = make_hub(database, clock=SystemClock())
    shops = [make_shop(hub, website=f"https://s{n}.example.com") for n in range(size.endpoints)]
    add_cursor(hub, genesis_id="race", block_time=hub.clock.now())
    add_payments(hub, shops[0], already=0, up_to=size.deliveries, status="paid")
    with hub.database.transaction() as session:
        first = session.scalar(select(func.min(Endpoint.id)))
        now = int(hub.clock.now().timestamp() * 1000) - 10**6
        values = {"first": first, "many": size.endpoints, "now": now}
        session.execute(
            text("UPDATE delivery SET endpoint_id = :first + id % :many, next_attempt_at = :now + id"), values
        )

    done = race(database, shops[0], size, deliver)

    sent = Counter(one for one in flat(done) if isinstance(one, str))
    assert (len(sent), set(sent.values())) == (size.deliveries, {1})
    assert max(one for one in flat(done) if isinstance(one, int)) <= ENDPOINT_CAP
    with database.snapshot() as session:
        assert set(session.execute(select(Delivery.state, Delivery.attempts))) == {("done", 1)}


def order(errand: Errand) -> list[object]:
    """Ask for the same orders as everybody, each in another sequence; gives (order, payment)."""
    hub, many = errand.hub(), errand.size.orders
    numbers = [(n + errand.number * 3) % many for n in range(many)]
    made = [(n, make_payment(hub, errand.shop, order_id=f"O{n}").payment_id) for n in numbers]
    hub.database.dispose()
    return list(made)


@sizes
def test_db2_racing_requests_for_an_order_are_answered_with_one_payment(database: Database, size: Size):
    shop = make_shop(make_hub(database, clock=SystemClock()))

    answers = set(flat(race(database, shop, size, order)))

    assert len(answers) == size.orders
    with database.snapshot() as session:
        held = select(func.count()).where(Reservation.released_at.is_(None))
        counts = [session.scalar(select(func.count()).select_from(table)) for table in (Payment, Event)]
        assert [*counts, session.scalar(held)] == [size.orders] * 3


def reserve(errand: Errand) -> list[object]:
    """Open payments of one price, all of whose sums must differ; gives what is to be paid."""
    hub, share = errand.hub(), errand.size.slots // PROCESSES
    made = [make_payment(hub, errand.shop, order_id=f"P{errand.number}-{n}") for n in range(share)]
    hub.database.dispose()
    return [(payment.address, payment.pay_units.units) for payment in made]


@sizes
def test_db3_racing_payments_of_one_price_get_sums_of_their_own(database: Database, size: Size):
    shop = make_shop(make_hub(database, clock=SystemClock()))

    sums = flat(race(database, shop, size, reserve))

    assert len(set(sums)) == len(sums) == size.slots // PROCESSES * PROCESSES
