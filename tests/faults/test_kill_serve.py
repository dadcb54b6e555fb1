"""The shipped `paywharf serve` under kill -9, downtime and a stopwatch: real processes, node, merchant, HTTP."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from threading import Event

import pytest

from core.db import Database
from core.devnet.keys import WITNESSES
from core.devnet.ledger import Chain
from core.devnet.server import DevnetServer
from core.devnet.witnesses import SOLID_LAG
from tests.faults.books import Books, read_books, right_books
from tests.faults.flight import ORDER_ID
from tests.faults.nursery import devnet
from tests.faults.receiver import Mailbox, Receiver, receiver
from tests.faults.serving import CLOCK, Stage, mining, stage, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(300)]

SOLID_TO_WEBHOOK_S = 2.0  # a promise of the product, with a node polled twice a second
LEASE_AND_A_BIT_S = 90.0  # a kill in the middle of a POST leaves a lease of 60 s
BLOCK_S = 0.3  # solid after 5.7 s: longer than a restart, so that kills fall before and after
KILLS = 3

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_both = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True
)


@pytest.fixture
def node() -> Iterator[DevnetServer]:
    """A devnet with the real lag, mined by hand."""
    with devnet(WITNESSES) as running:
        yield running


@pytest.fixture
def endpoint() -> Iterator[Receiver]:
    """A merchant's endpoint."""
    with receiver() as running:
        yield running


@pytest.fixture
def scene(database: Database, node: DevnetServer, endpoint: Receiver, tmp_path: Path) -> Iterator[Stage]:
    """A hub that is served."""
    folder = tmp_path / "var"
    folder.mkdir()
    with stage(database=database, node_url=node.url, chain=node.chain, receiver=endpoint, folder=folder) as running:
        running.serving.start()
        yield running


def books_at_rest(database: Database, mailbox: Mailbox, *, chain: Chain, scene: Stage, units: int) -> Books:
    """Wait until the hub has come to rest, or ten seconds; gives the books."""
    right = right_books(units=units, solid_height=chain.solid_height)

    def read() -> Books:
        return read_books(database, mailbox, project_id=scene.shop.project_id, now=CLOCK.now())

    deadline_s = CLOCK.monotonic() + 10
    while read() != right and CLOCK.monotonic() < deadline_s:
        Event().wait(0.1)
    return read()


@on_both
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 9))])
def test_f1_f2_serve_killed_at_random_moments_pays_once(
    seed: int, database: Database, node: DevnetServer, endpoint: Receiver, scene: Stage
) -> None:
    """F1, F2: everything at once, or the supervisor alone, while the payment is created, detected and credited."""
    chance = random.Random(seed)
    with mining(node.chain, every_s=BLOCK_S):
        bill = scene.merchant.create(ORDER_ID)
        for number in range(KILLS):
            after_s, kill = chance.uniform(0, 2), chance.choice((scene.serving.kill_all, scene.serving.kill_supervisor))
            print(f"seed {seed}, kill {number}: {kill.__name__} after {after_s:.3f} s")
            Event().wait(after_s)
            kill()
            if number == 0:
                node.chain.pay(bill.address, bill.units)
            scene.serving.start()
            assert scene.merchant.create(ORDER_ID) == bill
        assert endpoint.mailbox.wait_for_shipped(1, within_s=LEASE_AND_A_BIT_S)

    books = books_at_rest(database, endpoint.mailbox, chain=node.chain, scene=scene, units=bill.units)

    assert books == right_books(units=bill.units, solid_height=node.chain.solid_height)


@on_both
@pytest.mark.long
def test_f1_serve_killed_while_the_merchant_answers_tells_twice_and_has_one_effect(
    database: Database, node: DevnetServer, endpoint: Receiver, scene: Stage
) -> None:
    """F1, J8: the merchant has the webhook, the hub does not know; after the lease it says the same again."""
    bill = scene.merchant.create(ORDER_ID)
    kills = iter([scene.serving.kill_all])
    endpoint.mailbox.on_delivery = lambda: next(kills, lambda: None)()
    node.chain.pay(bill.address, bill.units)
    node.chain.advance(1 + SOLID_LAG, step_ms=1)
    assert endpoint.mailbox.wait_for_shipped(1, within_s=20)

    wait_until(lambda: scene.serving.process is None, within_s=10)
    scene.serving.start()
    wait_until(lambda: len(endpoint.mailbox.deliveries) == 2, within_s=LEASE_AND_A_BIT_S)

    books = books_at_rest(database, endpoint.mailbox, chain=node.chain, scene=scene, units=bill.units)
    assert books == right_books(units=bill.units, solid_height=node.chain.solid_height)


@on_both
def test_a_payment_that_arrives_while_the_hub_is_down_for_200_blocks_is_paid_after_restart(
    database: Database, node: DevnetServer, endpoint: Receiver, scene: Stage
) -> None:
    """Money rule 3: a gap is scanned, never skipped."""
    bill = scene.merchant.create(ORDER_ID)
    scene.serving.kill_all()
    node.chain.pay(bill.address, bill.units)
    node.chain.advance(200)

    scene.serving.start()

    assert endpoint.mailbox.wait_for_shipped(1, within_s=20)
    books = books_at_rest(database, endpoint.mailbox, chain=node.chain, scene=scene, units=bill.units)
    assert books == right_books(units=bill.units, solid_height=node.chain.solid_height)


@on_sqlite
def test_the_webhook_comes_within_two_seconds_of_the_solid_block(
    node: DevnetServer, endpoint: Receiver, scene: Stage
) -> None:
    """From the moment the block becomes solid on the node to the merchant's endpoint; the median of three."""
    delays = []
    for number in range(3):
        bill = scene.merchant.create(f"ORDER_{number}")
        node.chain.pay(bill.address, bill.units)
        node.chain.advance(SOLID_LAG, step_ms=1)
        Event().wait(0.7 + number / 10)  # until the hub has caught up, at another phase of its poll each time
        solid_s = CLOCK.monotonic()
        node.chain.advance(1, step_ms=1)
        assert endpoint.mailbox.wait_for_shipped(number + 1, within_s=20)
        delays.append(endpoint.mailbox.deliveries[-1].at_s - solid_s)

    print("solid block to webhook:", ", ".join(f"{delay:.2f} s" for delay in delays))
    assert median(delays) < SOLID_TO_WEBHOOK_S
