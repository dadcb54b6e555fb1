"""RQ's traps, each met with a real Redis, and the outbox's end state that none of them changes (J1 to J4, R1 to R16).

R1, R2, R4, R5: a killed worker's rows are claimed again after their lease; RQ itself retries nothing.
R3: nobody waits for RQ's own recovery; an idle worker's slow maintenance matters to nothing.
"""

from __future__ import annotations

import ast
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest
from redis.exceptions import RedisError
from sqlalchemy import select, update

from core.chain.fleet import Fleet
from core.clock import EPOCH, SystemClock
from core.db import Database, open_database
from core.http import Answer
from core.hub import Hub
from core.models import Attempt, Delivery, Payment
from core.testing.chains import FakeChain
from core.testing.factories import make_payment, make_shop
from core.testing.hubs import TEST_CONTRACT, Posted, make_hub, make_settings
from tests.outbox.kit import complete, deliveries
from tests.workers.redis_server import RedisServer
from workers import rq
from workers.embedded import EmbeddedExecutor
from workers.loops import Watch

pytestmark = pytest.mark.slow

PAYMENTS = 4
SOON = timedelta(milliseconds=300)  # instead of half a minute: what a lost wake-up costs
LONGEST_S = 30.0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that runs."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


def hub_on(database: Database, url: str) -> Hub:
    settings = replace(make_settings(str(database.engine.url)), executor="rq", redis_url=url)
    return make_hub(database, settings=settings, clock=SystemClock())


def owing(database: Database, url: str, number: int = 1) -> Hub:
    hub = hub_on(database, url)
    shop = make_shop(hub)
    for n in range(number):
        complete(hub, shop, f"O{n}")
    return hub


def later(hub: Hub) -> None:
    """Let a minute pass for every row: leases are over, dispatches forgotten."""
    with hub.database.transaction() as session:
        session.execute(update(Delivery).values(lease_until=EPOCH, dispatched_at=None))


def work(hub: Hub) -> None:
    """Be a worker until the queue is empty, or until Redis goes; then the supervisor would start another."""
    try:
        rq.run_worker(hub, burst=True)
    except (RedisError, SystemExit):
        pass


def all_done(hub: Hub) -> bool:
    return {row.state for row in deliveries(hub)} == {"done"}


def end_state(hub: Hub) -> tuple[object, ...]:
    """What must be the same whatever happened to Redis: payments, deliveries, tries, and what merchants were sent."""
    with hub.database.snapshot() as session:
        paid = session.execute(select(Payment.order_id, Payment.status).order_by(Payment.order_id)).all()
        rows = session.execute(select(Delivery.state, Delivery.failures)).all()
        tries = len(session.scalars(select(Attempt)).all())
    told = Counter(posted.headers["webhook-id"] for posted in hub.http.posted)
    return [tuple(row) for row in paid], Counter(map(tuple, rows)), tries, sorted(told.values())


def journey(hub: Hub, *, send: Callable[[], None], midway: Callable[[], None] = lambda: None) -> tuple[object, ...]:
    """Take payments from the order to the told merchant while `send` is what sends."""
    shop, chain = make_shop(hub), FakeChain(TEST_CONTRACT, hub.clock.now() - timedelta(minutes=1))
    chain.skip(3)
    watch = Watch(hub, Fleet([chain], clock=hub.clock), holder="fake")
    watch.step()
    for number in range(PAYMENTS):
        payment = make_payment(hub, shop, order_id=f"ORDER-{number}")
        chain.mine(chain.transfer(payment.address, payment.pay_units.units))
        while watch.step():
            pass
        if number == PAYMENTS // 2:
            midway()
        send()
    began_s = hub.clock.monotonic()
    while not all_done(hub) and hub.clock.monotonic() - began_s < LONGEST_S:
        send()
    return end_state(hub)


RIGHT = (
    [(f"ORDER-{number}", "paid") for number in range(PAYMENTS)], Counter({("done", 0): PAYMENTS}), PAYMENTS,
    [1] * PAYMENTS,
)


def test_j1_a_journey_without_redis(database: Database):
    hub = make_hub(database, clock=SystemClock())
    executor = EmbeddedExecutor(hub)

    assert journey(hub, send=lambda: None if executor.step() else None) == RIGHT
    executor.stop()


def with_redis(hub: Hub) -> Callable[[], None]:
    """Give what sends: the sweep and a worker, in turns, and the wake-ups of whoever records."""
    executor = rq.RQExecutor(hub)
    hub.wake = executor.wake

    def send() -> None:
        executor.sweep()
        work(hub)

    return send


def test_j2_a_journey_with_redis(database: Database, redis: RedisServer):
    hub = hub_on(database, redis.url)

    assert journey(hub, send=with_redis(hub)) == RIGHT


def test_j3_a_journey_with_redis_flushed_every_200_ms(
    database: Database, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rq, "REDISPATCH_AFTER", SOON)
    hub, over, flushes = hub_on(database, redis.url), threading.Event(), list[object]()

    def flush() -> None:
        while not over.wait(0.2):
            flushes.append(redis.command("FLUSHALL"))

    flusher = threading.Thread(target=flush)
    flusher.start()
    try:
        assert journey(hub, send=with_redis(hub)) == RIGHT
    finally:
        over.set()
        flusher.join()
    assert flushes


def test_j4_r7_a_journey_with_redis_killed_in_the_middle_of_a_job_and_back_empty(
    database: Database, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rq, "REDISPATCH_AFTER", SOON)
    hub = hub_on(database, redis.url)

    def answer(_: Posted) -> Answer:
        if len(hub.http.posted) == 2:
            redis.kill()
        return Answer(200, b"", 1)

    hub.http.answer = answer

    assert journey(hub, send=with_redis(hub), midway=redis.start) == RIGHT


def test_j4_a_journey_with_redis_killed_half_way_for_good(database: Database, redis: RedisServer):
    hub = hub_on(database, redis.url)
    executor = rq.RQExecutor(hub)
    hub.wake = executor.wake

    assert journey(hub, send=lambda: None if executor.sweep() else None, midway=redis.kill) == RIGHT


def hang_in_a_job(database_url: str, redis_url: str, told: object) -> None:
    """Be a worker in a process of its own whose POST never ends."""
    hub = hub_on(open_database(database_url), redis_url)

    def answer(posted: Posted) -> Answer:
        told.send(posted.headers["webhook-id"])  # type: ignore[attr-defined]
        threading.Event().wait()
        raise AssertionError

    hub.http.answer = answer
    rq.run_worker(hub)


def test_r1_r2_r4_r5_a_worker_killed_in_its_job_leaves_a_row_that_another_sends_under_the_same_id(
    database: Database, redis: RedisServer
):
    hub = owing(database, redis.url)
    url = database.engine.url.render_as_string(hide_password=False)
    ours, theirs = get_context("spawn").Pipe()
    worker = get_context("spawn").Process(target=hang_in_a_job, args=(url, redis.url, theirs))
    worker.start()
    rq.RQExecutor(hub).wake()
    assert ours.poll(60)
    worker.kill()
    worker.join(10)
    work(hub)
    assert hub.http.posted == []  # leased: nobody sends it twice at once

    later(hub)
    rq.RQExecutor(hub).sweep()
    work(hub)

    [row], [posted] = deliveries(hub), hub.http.posted
    assert (row.state, row.attempts, row.failures) == ("done", 2, 0)
    assert posted.headers["webhook-id"] == ours.recv()


def test_r9_a_wake_up_lost_between_queue_and_worker_is_made_up_for(database: Database, redis: RedisServer):
    hub = owing(database, redis.url)
    executor = rq.RQExecutor(hub)
    executor.sweep()
    redis.command("DEL", "rq:queue:paywharf")
    work(hub)
    assert not all_done(hub)

    later(hub)
    executor.sweep()
    work(hub)

    assert all_done(hub)


def test_r10_r11_wake_ups_have_ids_of_their_own_and_a_superfluous_one_does_nothing(
    database: Database, redis: RedisServer
):
    hub = owing(database, redis.url, 3)
    executor = rq.RQExecutor(hub)
    for _ in range(5):
        executor.wake()
    assert redis.command("LLEN", "rq:queue:paywharf") == 5

    work(hub)

    assert (all_done(hub), len(hub.http.posted), redis.command("LLEN", "rq:queue:paywharf")) == (True, 3, 0)


def test_r12_to_r15_nothing_of_rq_that_needs_a_scheduler_a_retry_or_a_callback_is_used():
    """A SCHEDULED job needs a scheduler, its retries have other times than the contract's, its cron is nobody's."""
    tree = ast.parse(Path(rq.__file__).read_text())
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    arguments = {word.arg for node in ast.walk(tree) if isinstance(node, ast.Call) for word in node.keywords}

    assert names & {"enqueue_in", "enqueue_at", "Retry", "CronScheduler", "Callback", "Webhook"} == set()
    assert arguments & {"retry", "unique", "job_id", "with_scheduler", "on_success", "on_failure", "repeat"} == set()


@pytest.mark.parametrize("trouble", [
    ("CONFIG", "SET", "requirepass", "another"), ("CONFIG", "SET", "maxmemory", "1"),
    ("CLIENT", "PAUSE", "20000", "ALL"),
], ids=["password", "memory", "paused"])
def test_r16_a_redis_that_refuses_or_stalls_costs_a_moment_and_no_webhook(
    database: Database, redis: RedisServer, trouble: tuple[str, ...]
):
    hub = owing(database, redis.url, 2)
    redis.command(*trouble)
    executor, began_s = rq.RQExecutor(hub), hub.clock.monotonic()

    executor.wake()
    assert hub.clock.monotonic() - began_s < 8  # a kick has a second to connect and one to be answered
    executor.sweep()

    assert (all_done(hub), executor.failed_kicks) == (True, 2)


def test_r3_rows_no_worker_comes_for_are_sent_by_the_sweeper_itself(database: Database, redis: RedisServer):
    hub = owing(database, redis.url)
    executor = rq.RQExecutor(hub)
    executor.sweep()
    assert not all_done(hub)
    later(hub)
    with hub.database.transaction() as session:
        session.execute(update(Delivery).values(next_attempt_at=hub.clock.now() - rq.OVERDUE_AFTER))

    executor.sweep()

    assert all_done(hub)
