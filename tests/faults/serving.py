"""The shipped `paywharf serve` as its operator runs it: started, killed at a bad moment, started again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import requests

from core.clock import SystemClock
from core.db import Database
from core.devnet.ledger import Chain
from core.ids import Mode
from core.testing.factories import Shop, make_shop
from core.testing.hubs import TEST_KEYS
from tests.faults.flight import PRICE, Bill, units_of
from tests.faults.hub_process import Job, build_hub
from tests.faults.nursery import ROOT
from tests.faults.receiver import Mailbox, Receiver

STARTS_WITHIN_S = 90.0  # on a machine busy with other tests
POLL_INTERVAL_S = 0.5  # "the devnet is polled twice a second"
CLOCK = SystemClock()


@dataclass(slots=True)
class Serving:
    """One hub's settings, and its processes while it runs."""

    port: int
    environment: dict[str, str] = field(repr=False)
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Give the hub's address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start everything and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "core.cli", "serve", "--port", str(self.port), "--workers", "1"],
                cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        wait_until(self._answers, within_s=STARTS_WITHIN_S, story=self.log.read_text)

    def kill_all(self) -> None:
        """Kill -9 the supervisor and every process below it; stopped first, so that none sees another one die."""
        if self.process is not None:
            family = [self.process.pid, *descendants(self.process.pid)]
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for pid in family:
                    _send(pid, number)
            self.process.wait()
            self.process = None

    def kill_supervisor(self) -> None:
        """Kill -9 the supervisor alone: the kernel has to tell its children."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except requests.RequestException:
            return False


@dataclass(frozen=True, slots=True)
class Merchant:
    """A merchant's program: asks again, with the same order id, until it has an answer."""

    hub_url: str
    key: str
    secret: str = field(repr=False)

    def create(self, order_id: str) -> Bill:
        """Create the payment of an order."""
        body = json.dumps({"order_id": order_id, "amount": PRICE}).encode()
        signature = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-API-Key": self.key, "X-Signature": signature, "Content-Type": "application/json"}
        answers: list[dict[str, Any]] = []

        def ask() -> bool:
            try:
                answer = requests.post(f"{self.hub_url}/api/create-payment.php", body, headers=headers, timeout=10)
                answers.append(answer.json())
            except requests.RequestException:
                return False
            return bool(answers[-1]["ok"])

        wait_until(ask, within_s=STARTS_WITHIN_S, story=lambda: str(answers))
        payment = answers[-1]["payment"]
        return Bill(payment["payment_id"], payment["address"], units_of(payment["pay_amount"]))


@dataclass(frozen=True, slots=True)
class Stage:
    """A hub that is served, its merchant, and what was set up for both."""

    serving: Serving
    merchant: Merchant
    shop: Shop


@contextmanager
def stage(*, database: Database, node_url: str, chain: Chain, receiver: Receiver, folder: Path) -> Iterator[Stage]:
    """Set up a shop on a database and the settings to serve it; nothing of it runs when the block ends."""
    database_url = database.engine.url.render_as_string(hide_password=False)
    hub = build_hub(Job(database_url, node_url, chain.usdt_address, key="", secret=""), database)
    shop = make_shop(hub, webhook_url=receiver.url)
    pair = shop.keys[Mode.LIVE]
    receiver.mailbox = Mailbox(pair.secret, shop.webhook_secret or "")
    environment = _environment(folder, database_url=database_url, node_url=node_url, usdt=chain.usdt_address)
    serving = Serving(_free_port(), environment, folder / "serve.log")
    try:
        yield Stage(serving, Merchant(serving.url, pair.public_key, pair.secret), shop)
    finally:
        serving.kill_all()


@contextmanager
def mining(chain: Chain, *, every_s: float) -> Iterator[None]:
    """Mine a block now and then until the block ends."""
    stop = Event()

    def mine() -> None:
        while not stop.wait(every_s):
            chain.mine()

    thread = Thread(target=mine)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def wait_until(is_true: Callable[[], bool], *, within_s: float, story: Callable[[], str] = str) -> None:
    """Ask again and again; fails with the story when the time is over."""
    deadline_s = CLOCK.monotonic() + within_s
    while not is_true():
        assert CLOCK.monotonic() < deadline_s, story()
        Event().wait(0.05)


def descendants(pid: int) -> list[int]:
    """List the processes below one of ours, as the kernel knows them."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(word) for task in tasks for word in task.read_text().split()]
    return [*children, *(deeper for child in children for deeper in descendants(child))]


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it has just ended by itself
        os.kill(pid, number)


def _environment(folder: Path, *, database_url: str, node_url: str, usdt: str) -> dict[str, str]:
    key_id, key = TEST_KEYS[0]
    settings = {
        "DATA_DIR": str(folder),
        "DATABASE_URL": database_url,
        "NETWORK": "devnet",
        "NODE_URL": node_url,
        "USDT_CONTRACT": usdt,
        "POLL_INTERVAL_S": str(POLL_INTERVAL_S),
        "EGRESS_ALLOW": "127.0.0.0/8",
        "MASTER_KEYS": f"{key_id}:{base64.b64encode(key).decode()}",
        "LOG_FORMAT": "text",
    }
    return {"PATH": "/usr/bin:/bin"} | {f"PAYWHARF_{name}": text for name, text in settings.items()}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
