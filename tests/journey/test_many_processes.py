"""The layout of workers/deploy, as processes: two web servers, two watchers, two workers, PostgreSQL and Redis.

Redis is flushed all the while until it dies half-way; the active watcher is stopped then too. Every order is paid once,
and its merchant told once.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest
import requests
from redis.exceptions import RedisError
from sqlalchemy import select

from core.db import Database
from core.ledger import journal
from core.models import Cursor, Payment, Transfer
from tests.faults.nursery import ROOT, devnet
from tests.faults.receiver import receiver
from tests.faults.serving import Stage, mining, stage, wait_until
from tests.journey.conftest import free_port
from tests.workers.redis_server import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.journey, pytest.mark.timeout(300)]
ORDERS, HALF = 6, 3
WITHIN_S = 120.0  # on a machine busy with other tests; alone it takes a few seconds


class Processes:
    """The hub's processes by name, each with a log of its own."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._folder = folder
        self.running: dict[str, int] = {}
        self._nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.journey.forked_commands"], cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        assert self._nursery.stdout is not None and self._nursery.stdout.readline() == "ready\n"

    def start(self, name: str, *command: str) -> None:
        """Start a `paywharf` command."""
        self.running[name] = self._ask([str(self._folder / f"{name}.log"), *command])

    def said(self, name: str) -> str:
        """Read what a process has logged."""
        path = self._folder / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def stop(self, name: str, number: int = signal.SIGTERM) -> int:
        """Ask a process to end; gives its exit code."""
        pid = self.running.pop(name)
        os.kill(pid, number)
        return self._ask(pid)

    def close(self) -> None:
        """Kill what still runs."""
        for name in list(self.running):
            self.stop(name, signal.SIGKILL)
        self._nursery.communicate()

    def _ask(self, question: object) -> int:
        assert self._nursery.stdin is not None and self._nursery.stdout is not None
        self._nursery.stdin.write(json.dumps(question) + "\n")
        self._nursery.stdin.flush()
        return int(self._nursery.stdout.readline())


@contextmanager
def flushing(redis: RedisServer) -> Iterator[list[object]]:
    """Flush Redis every 200 ms, while it is there."""
    over, flushes = Event(), list[object]()

    def flush() -> None:
        while not over.wait(0.2):
            try:
                flushes.append(redis.command("FLUSHALL"))
            except (RedisError, OSError):
                continue

    thread = Thread(target=flush)
    thread.start()
    try:
        yield flushes
    finally:
        over.set()
        thread.join()


@contextmanager
def hub_of_six(scene: Stage, redis: RedisServer, folder: Path) -> Iterator[tuple[Processes, list[str]]]:
    """Run two of each role; gives them and the addresses of the web servers."""
    ports = [free_port(), free_port()]
    settings = {"PAYWHARF_EXECUTOR": "rq", "PAYWHARF_REDIS_URL": redis.url}
    processes = Processes(scene.serving.environment | settings, folder)
    try:
        for number, port in enumerate(ports):
            processes.start(f"web{number}", "web", "--port", str(port), "--workers", "1")
            processes.start(f"watch{number}", "watch")
            processes.start(f"work{number}", "work")
        yield processes, [f"http://127.0.0.1:{port}" for port in ports]
    finally:
        processes.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_j3_j4_j11_j12_many_processes_one_active_watcher_and_a_redis_that_goes(
    database: Database, tmp_path: Path
):
    redis = RedisServer(tmp_path)
    redis.start()
    with devnet(witnesses=1) as node, receiver() as told, stage(
        database=database, node_url=node.url, chain=node.chain, receiver=told, folder=tmp_path
    ) as scene, hub_of_six(scene, redis, tmp_path) as (hub, urls), mining(node.chain, every_s=0.2):
        try:
            wait_until(lambda: watchers(hub) == ["standing by", "watching"], within_s=WITHIN_S, story=lambda: logs(hub))
            with flushing(redis) as flushes:
                for number in range(HALF):
                    order(scene, urls[number % 2], number, node.chain)
                assert told.mailbox.wait_for_shipped(HALF, within_s=WITHIN_S), logs(hub)
            assert flushes
            redis.kill()
            [active] = [name for name in ("watch0", "watch1") if role(hub, name) == "watching"]
            assert hub.stop(active) == 0
            for number in range(HALF, ORDERS):
                order(scene, urls[number % 2], number, node.chain)
            assert told.mailbox.wait_for_shipped(ORDERS, within_s=WITHIN_S), logs(hub)
            assert_all_paid_once(database, [f"ORDER-{number}" for number in range(ORDERS)])
            assert sorted(told.mailbox.shipped) == [f"ORDER-{number}" for number in range(ORDERS)]
            assert {came.is_signed for came in told.mailbox.deliveries} == {True}
            assert taken(urls[0]) == taken(urls[1]) >= ORDERS  # either web process shows what all have counted
            # workers end with 1 where there is no Redis to say goodbye to; their supervisor starts them again
            assert [hub.stop(name) for name in sorted(hub.running) if not name.startswith("work")] == [0] * 3
        finally:
            redis.kill()


def role(hub: Processes, name: str) -> str:
    """Say what a watcher has last called itself."""
    said = re.findall(r"(watching|standing by)(?:: another watcher holds the lease)?, at solid block", hub.said(name))
    return said[-1] if said else ""


def watchers(hub: Processes) -> list[str]:
    return sorted(role(hub, name) for name in ("watch0", "watch1"))


def logs(hub: Processes) -> str:
    return "\n".join(f"{name}: {hub.said(name)[-1500:]}" for name in hub.running)


def order(scene: Stage, url: str, number: int, chain: object) -> None:
    """Order at one of the web servers, and pay."""
    bill = replace(scene.merchant, hub_url=url).create(f"ORDER-{number}")
    chain.pay(bill.address, bill.units)  # type: ignore[attr-defined]


def assert_all_paid_once(database: Database, orders: list[str]) -> None:
    with database.snapshot() as session:
        paid = session.execute(select(Payment.order_id, Payment.status).order_by(Payment.order_id)).all()
        assert [tuple(row) for row in paid] == [(name, "paid") for name in orders]
        assert session.scalars(select(Transfer.bucket)).all() == ["matched"] * len(orders)
        assert journal.imbalance(session) == 0
        assert session.scalars(select(Cursor.fence)).one() >= 2  # the second watcher has taken over


def taken(url: str) -> float:
    """Read from one web process how many webhooks were taken, whoever sent them."""
    text = requests.get(f"{url}/metrics", timeout=10).text
    return sum(map(float, re.findall(r'^paywharf_webhook_attempt_seconds_count\{result="2xx"\} (.*)$', text, re.M)))
