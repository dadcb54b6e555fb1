"""The hub is killed with SIGKILL between any two steps of a payment in flight: real processes, node, merchant, files.

The same points are gone through faster, by an exception, in `test_crash_points.py`.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.db import Database
from core.ids import Mode
from core.outbox.delivery import LEASE
from core.testing.factories import make_shop
from tests.faults.books import Books, read_books, right_books, wipe
from tests.faults.hub_process import ClockAhead, Job, build_hub
from tests.faults.nursery import Buyer, Nursery, devnet, nursery
from tests.faults.receiver import Mailbox, Receiver, receiver

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(300)]

LEAST_POINTS = 40
SPREAD = {"sqlite": 20, "postgresql": 6}  # kills over the run, beside those around the webhook: seconds count here
RESTART_AFTER_S = int(LEASE.total_seconds()) + 1


@pytest.fixture(scope="module")
def hubs() -> Iterator[Nursery]:
    """The program that forks hubs."""
    with nursery() as running:
        yield running


@pytest.fixture(scope="module")
def merchant() -> Iterator[Receiver]:
    """A merchant's endpoint."""
    with receiver() as running:
        yield running


class Trial:
    """Orders of one price on one database, each in an empty hub on a young devnet of its own."""

    def __init__(self, database: Database, hubs: Nursery, merchant: Receiver) -> None:
        self._database = database
        self._hubs = hubs
        self._merchant = merchant

    def points(self) -> list[str]:
        """Name all the points of one undisturbed run."""
        with devnet() as node:
            job, _ = self._open_shop(node.url, node.chain.usdt_address)
            code, passed = self._hubs.run(job, Buyer(node.chain))
            assert code == 0
            return passed

    def kill_at(self, point: int) -> tuple[Books, Books]:
        """Kill the hub at a point, restart it, let it come to rest; gives the books and what they must be."""
        with devnet() as node:
            buyer = Buyer(node.chain)
            job, project_id = self._open_shop(node.url, node.chain.usdt_address)
            code, _ = self._hubs.run(replace(job, crash_at=point), buyer)
            assert code == -signal.SIGKILL
            code, _ = self._hubs.run(replace(job, ahead_s=RESTART_AFTER_S), buyer)
            assert (code, buyer.bill is not None) == (0, True)
            now = ClockAhead(RESTART_AFTER_S).now()
            books = read_books(self._database, self._merchant.mailbox, project_id=project_id, now=now)
            assert buyer.bill is not None
            return books, right_books(units=buyer.bill.units, solid_height=node.chain.solid_height)

    def _open_shop(self, node_url: str, usdt_contract: str) -> tuple[Job, int]:
        """Empty the database and set up a merchant in it."""
        wipe(self._database)
        url = self._database.engine.url.render_as_string(hide_password=False)
        job = Job(url, node_url, usdt_contract, key="", secret="")
        shop = make_shop(build_hub(job, self._database), webhook_url=self._merchant.url)
        pair = shop.keys[Mode.LIVE]
        self._merchant.mailbox = Mailbox(pair.secret, shop.webhook_secret or "")
        return replace(job, key=pair.public_key, secret=pair.secret), shop.project_id


def wrong_ends(trial: Trial, points: dict[int, str]) -> dict[str, tuple[Books, Books]]:
    """Kill a hub at each point; list what did not end as it must."""
    ends = {f"{number} {name}": trial.kill_at(number) for number, name in points.items()}
    return {point: (books, right) for point, (books, right) in ends.items() if books != right}


def numbered(points: list[str]) -> dict[int, str]:
    """Number points from 1."""
    return dict(enumerate(points, start=1))


def test_f1_kill_9_between_steps_pays_once_and_tells_once(
    database: Database, hubs: Nursery, merchant: Receiver
) -> None:
    """F1, I1 to I10: at points spread evenly over the run, and at all around the webhook."""
    trial = Trial(database, hubs, merchant)
    points = numbered(trial.points())
    assert len(points) >= LEAST_POINTS
    posted = list(points.values()).index("after post") + 1
    step = len(points) // SPREAD[database.engine.dialect.name]
    chosen = sorted({*range(1, len(points) + 1, step), *range(posted - 3, posted + 3)})

    assert wrong_ends(trial, {number: points[number] for number in chosen}) == {}


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_f1_kill_9_at_every_point_pays_once_and_tells_once(
    database: Database, hubs: Nursery, merchant: Receiver
) -> None:
    """F1, I1 to I10: at all points."""
    trial = Trial(database, hubs, merchant)

    assert wrong_ends(trial, numbered(trial.points())) == {}
