"""Claims: two in flight per endpoint, and nobody's backlog in another's way (W11, performance goal 6)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, text

from core.errors import EgressFailed
from core.http import Answer
from core.hub import Hub
from core.models import Delivery
from core.outbox.claiming import BATCH, ENDPOINT_CAP, WINDOW
from core.outbox.delivery import attempt, claim_due
from core.testing.factories import Shop, make_shop
from tests.bench.places import add_cursor
from tests.crowd import add_payments, analyze
from tests.outbox.kit import complete
from tests.statements import counted_steps, full_scans, recorded, rows_read

BACKLOG = 1_500


@pytest.fixture
def shop(hub: Hub) -> Shop:
    return make_shop(hub)


def backlog(hub: Hub, shop: Shop) -> None:
    """Owe one endpoint far more than a claim looks at, all of it due before anything else."""
    add_payments(hub, shop, already=0, up_to=BACKLOG, status="paid")
    with hub.database.transaction() as session:
        earliest = {"now": int(hub.clock.now().timestamp() * 1000) - 10**6}
        session.execute(text("UPDATE delivery SET next_attempt_at = :now + id"), earliest)
    analyze(hub)


def neighbours(hub: Hub, number: int) -> list[Shop]:
    return [make_shop(hub, website=f"https://n{n}.example.com", webhook_url=f"https://n{n}.example.net/")
            for n in range(number)]


@pytest.fixture
def crowded(hub: Hub) -> Hub:
    add_cursor(hub, genesis_id="crowd", block_time=hub.clock.now())
    backlog(hub, make_shop(hub, website="https://busy.example.com"))
    return hub


def claimed_endpoints(hub: Hub, claims) -> list[int]:
    with hub.database.snapshot() as session:
        of_claims = select(Delivery.endpoint_id).where(Delivery.id.in_([claim.delivery_id for claim in claims]))
        return sorted(session.scalars(of_claims))


def test_a_backlog_that_fills_the_window_hides_nobody(crowded: Hub):
    for number, shop in enumerate(neighbours(crowded, 3)):
        complete(crowded, shop, f"O{number}")
        complete(crowded, shop, f"P{number}")
    assert BACKLOG > WINDOW

    assert claimed_endpoints(crowded, claim_due(crowded)) == sorted([1, 2, 3, 4] * ENDPOINT_CAP)


def test_of_many_endpoints_those_that_waited_longest_come_first(crowded: Hub, clock):
    shops = neighbours(crowded, 3)
    for number, shop in enumerate(reversed(shops)):
        clock.advance(seconds=1)
        complete(crowded, shop, f"O{number}")

    claims = claim_due(crowded, limit=ENDPOINT_CAP + 2)

    assert claimed_endpoints(crowded, claims) == [1, 1, 3, 4]


def test_a_claim_never_takes_more_than_it_was_asked_for(hub: Hub):
    for number, shop in enumerate(neighbours(hub, 4)):
        complete(hub, shop, f"O{number}")

    assert [len(claim_due(hub, limit=3)), len(claim_due(hub, limit=3))] == [3, 1]


def test_a_claim_reads_little_of_a_backlog(crowded: Hub):
    """The oldest rows are read up to the window, the rest is asked for by endpoint: no cost grows with a backlog."""
    claim_due(crowded)  # the busy endpoint is at its cap now
    for number, shop in enumerate(neighbours(crowded, 3)):
        complete(crowded, shop, f"O{number}")
    engine = crowded.database.engine

    with recorded(engine) as recording, counted_steps(engine) as steps:
        assert len(claim_due(crowded)) == 3
    analyze(crowded)

    assert [one.sql for one in recording.statements if "delivery" in full_scans(engine, one)] == []
    assert max(rows_read(engine, statement) for statement in recording.statements) <= WINDOW + 2 * BATCH
    assert sum(steps) < 3_000  # tens of instructions; a whole reading of the backlog takes many times as much


def test_a_dead_a_hanging_and_a_healthy_endpoint_share_a_worker_without_loss(hub: Hub, clock):
    """In virtual time: the hanging one keeps its two flights for 15 s; the healthy one's news never wait for them."""
    dead, hanging, healthy = neighbours(hub, 3)
    hub.http.answer = lambda posted: EgressFailed() if "//n0." in posted.url else Answer(200, b"", 1)
    kept, waits = list(), list()
    for second in range(30):
        for shop in (dead, hanging, healthy):
            complete(hub, shop, f"S{second}")
        born = clock.now()
        while claims := claim_due(hub):
            for claim in claims:
                [endpoint_id] = claimed_endpoints(hub, [claim])
                if endpoint_id == 2:
                    kept.append((clock.now(), claim))
                elif attempt(hub, claim) and endpoint_id == 3:
                    waits.append((clock.now() - born).total_seconds())
        assert len(kept) <= ENDPOINT_CAP
        clock.advance(seconds=1)
        over = [flight for flight in kept if (clock.now() - flight[0]).total_seconds() >= 15]
        for flight in over:
            kept.remove(flight)
            attempt(hub, flight[1])

    with hub.database.snapshot() as session:
        done = session.scalar(
            select(func.count()).where(Delivery.endpoint_id == 3, Delivery.state == "done")
        )
    assert (done, waits) == (30, [0.0] * 30)


def test_a_worker_whose_clock_is_behind_leaves_a_claimed_row_alone(hub: Hub, shop: Shop, clock):
    """Found by racing processes: a lease 61 s ahead was taken for one from a clock that had been set back."""
    complete(hub, shop)
    clock.advance(seconds=30)
    assert len(claim_due(hub)) == 1
    clock.advance(seconds=-30)

    assert claim_due(hub) == []


def test_j10_two_sweepers_at_once_send_each_delivery_once(hub: Hub):
    for number, shop in enumerate(neighbours(hub, 3)):
        for order in "ABC":
            complete(hub, shop, f"{order}{number}")

    def sweep() -> list[bool]:
        done = []
        while claims := claim_due(hub):
            done += [attempt(hub, claim) for claim in claims]
        return done

    with ThreadPoolExecutor(2) as threads:
        found = [thread.result() for thread in [threads.submit(sweep) for _ in range(2)]]

    assert found[0] + found[1] == [True] * 9
    with hub.database.snapshot() as session:
        assert session.scalars(select(Delivery.state)).all() == ["done"] * 9
        assert session.scalars(select(Delivery.attempts)).all() == [1] * 9
