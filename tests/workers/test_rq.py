"""The RQ executor over a real Redis: faster with it, complete without it (J1 to J4, J9, R6, R8)."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import select

from core.clock import SystemClock
from core.db import Database
from core.hub import Hub
from core.ids import Mode
from core.models import Delivery, Payment
from core.payments.controls import Scenario, simulate
from core.testing.factories import make_payment, make_shop
from core.testing.hubs import make_hub, make_settings
from workers import rq


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of this module's own, on a Unix socket."""
    path = tmp_path_factory.mktemp("redis") / "redis.sock"
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(path.parent)],
        stdout=subprocess.DEVNULL,
    )
    url = f"unix://{path}"
    for _ in range(200):
        if _answers(path):
            break
        threading.Event().wait(0.02)
    yield url
    server.terminate()
    server.wait(10)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def hub_with(database: Database, redis_url: str) -> Hub:
    settings = replace(make_settings(str(database.engine.url)), executor="rq", redis_url=redis_url)
    return make_hub(database, settings=settings, clock=SystemClock())


def owe_deliveries(hub: Hub, number: int) -> None:
    shop = make_shop(hub)
    for n in range(number):
        payment = make_payment(hub, shop, order_id=f"O{n}", mode=Mode.TEST)
        with hub.database.transaction() as session:
            simulate(session, hub, session.get_one(Payment, payment.id), Scenario.COMPLETE)


def states(hub: Hub) -> list[str]:
    with hub.database.snapshot() as session:
        return list(session.scalars(select(Delivery.state)))


def flush(redis_url: str) -> None:
    with Redis.from_url(redis_url) as connection:
        connection.flushall()


def test_j2_one_wake_up_drains_everything_due(database: Database, redis_url: str):
    flush(redis_url)
    hub = hub_with(database, redis_url)
    owe_deliveries(hub, 7)

    rq.RQExecutor(hub).wake()
    rq.run_worker(hub, burst=True)

    assert states(hub) == ["done"] * 7
    assert len(hub.http.posted) == 7


def test_j3_r6_a_flushed_redis_loses_a_wake_up_and_no_event(database: Database, redis_url: str):
    hub = hub_with(database, redis_url)
    owe_deliveries(hub, 1)
    executor = rq.RQExecutor(hub)
    executor.wake()
    flush(redis_url)

    executor.sweep()
    rq.run_worker(hub, burst=True)

    assert states(hub) == ["done"]


def test_a_row_is_dispatched_once_in_half_a_minute(database: Database, redis_url: str):
    hub = hub_with(database, redis_url)
    owe_deliveries(hub, 1)
    executor = rq.RQExecutor(hub)

    assert [executor.sweep(), executor.sweep()] == [True, False]


def test_j1_j9_r8_o2_without_redis_nothing_fails_and_the_sweeper_delivers(database: Database, tmp_path: Path):
    hub = hub_with(database, f"unix://{tmp_path}/nobody.sock")
    owe_deliveries(hub, 2)
    executor = rq.RQExecutor(hub)

    executor.wake()
    executor.sweep()

    assert (states(hub), executor.failed_kicks) == (["done", "done"], 2)


def test_jobs_are_json_and_carry_nothing(database: Database, redis_url: str):
    flush(redis_url)
    hub = hub_with(database, redis_url)
    rq.RQExecutor(hub).wake()

    with Redis.from_url(redis_url) as connection:
        [key] = connection.keys("rq:job:*")
        packed = connection.hget(key, "data")

    assert json.loads(zlib.decompress(packed)) == ["workers.rq.drain", None, [], {}]
