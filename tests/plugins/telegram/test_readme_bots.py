"""The README's bots, as they stand there, killed with SIGKILL around every step of a payment and started again."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from core.clock import SystemClock
from core.hub import Hub
from core.testing.bot_api import FakeBotApi, World, people
from core.testing.bot_api.world import Bot
from tests.plugins.telegram.conftest import Desk
from tests.plugins.telegram.readme_bots import README, Job, example

ROOT = Path(__file__).parents[3]
LIBRARIES = ("aiogram", "ptb")
# Points passed, of 22: on the way to the bill, around the events, in and after `on_paid`, before the thanks; never.
KILLED_AT = {"aiogram": (3, 8, 12, 14, 60), "ptb": (5, 10, 13, 15, 60)}
PATIENCE_S = 10


@dataclass
class Nursery:
    """The program that forks bots."""

    process: subprocess.Popen[str]

    def start(self, job: Job) -> int:
        """Start a bot; gives its process id."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(asdict(job)) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.plugins.telegram.bot_process"], cwd=ROOT, text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "plugins" / "telegram" / "kit")},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        yield Nursery(process)
        process.stdin.close()


@pytest.fixture
def clock() -> SystemClock:
    """The bots sign by the machine's clock."""
    return SystemClock()


@dataclass
class Stage:
    """A buyer, a bot that comes and goes, and all that is around them."""

    desk: Desk
    api: FakeBotApi
    bot: Bot
    job: Job
    nursery: Nursery
    alive: int | None = None
    buyer: int = 0

    @property
    def world(self) -> World:
        return self.api.world

    def start(self, kill_at: int | None = None) -> None:
        self.alive = self.nursery.start(Job(**asdict(self.job) | {"kill_at": kill_at}))

    def is_dead(self) -> bool:
        if self.alive is None:
            return True
        try:
            os.kill(self.alive, 0)
        except ProcessLookupError:
            return True
        return False

    def stop(self) -> None:
        if self.alive is not None:
            with suppress(ProcessLookupError):
                os.kill(self.alive, signal.SIGKILL)

    def messages(self) -> list[dict[str, Any]]:
        return people.messages_from(self.world, self.bot, self.buyer)

    def bill(self) -> int | None:
        """Find the number of the payment that is shown last."""
        for message in reversed(self.messages()):
            found = re.search(r"id=(\d+)", json.dumps(message.get("reply_markup", {})))
            if found:
                return int(found[1])
        return None

    def sold(self) -> list[int]:
        """List the buyers of all seats sold, with repetitions."""
        database = sqlite3.connect(Path(self.job.folder) / "bot.sqlite3")
        rows = database.execute("SELECT buyer FROM sold ORDER BY buyer").fetchall()
        database.close()
        return [row[0] for row in rows]

    def is_told(self) -> bool:
        return any(message["text"] == "Paid. Your seat is booked." for message in self.messages())

    def comes_back(self) -> bool:
        """Give a bot that was started again a moment to show the order its former life had noted."""
        ends_s = time.monotonic() + 1
        while self.bill() is None and time.monotonic() < ends_s:
            time.sleep(0.01)
        return self.bill() is not None

    def wait(self, happened: Callable[[], object]) -> bool:
        """Wait until something has happened; False: the bot died first."""
        ends_s = time.monotonic() + PATIENCE_S
        while not happened():
            if self.is_dead():
                return bool(happened())
            assert time.monotonic() < ends_s, [message["text"] for message in self.messages()]
            time.sleep(0.01)
        return True


@pytest.fixture(params=LIBRARIES)
def stage(
    request: pytest.FixtureRequest, nursery: Nursery, desk: Desk, hub: Hub, tmp_path: Path
) -> Iterator[Stage]:
    world = World()
    bot = world.add_bot("4242:" + "A" * 35)
    key = desk.shop.keys["test"]
    with FakeBotApi(world) as api:
        job = Job(request.param, str(tmp_path), api.url, bot.token, desk.url, key.public_key, key.secret)
        stage = Stage(desk, api, bot, job, nursery)
        yield stage
        stage.stop()


def sell_once(stage: Stage, kill_at: int) -> bool:
    """Let a bot that dies at a point, and then one that does not, sell one seat; tells whether the first one died."""
    stage.stop()
    stage.buyer += 1
    stage.world.add_person(stage.buyer)
    stage.start(kill_at)
    people.say(stage.world, stage.bot, stage.buyer, "/pay 10")
    died = not stage.wait(stage.bill)
    if died:
        stage.start()
        if not stage.comes_back():
            people.say(stage.world, stage.bot, stage.buyer, "/pay 10")  # its message was taken and nothing came of it
        assert stage.wait(stage.bill)
    number = stage.bill()
    assert number is not None
    stage.desk.play(number)
    if not stage.wait(stage.is_told):
        died = True
        stage.start()
        assert stage.wait(stage.is_told)
    return died


@pytest.mark.slow
@pytest.mark.faults
def test_exactly_one_is_sold_wherever_the_bot_is_killed(stage: Stage):
    """Each point a sale; the last one is past the end. `test_kit` plays every single point, without processes."""
    deaths = [sell_once(stage, kill_at=point) for point in KILLED_AT[stage.job.library]]
    stage.stop()

    assert deaths == [True] * 4 + [False]
    assert stage.sold() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_bots_have_ten_lines_and_are_told_in_the_main_readme(library: str):
    code = example(library)
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith(("import ", "from "))]

    assert len(lines) <= 11
    assert library != "aiogram" or f"```python\n{code}```" in (ROOT / "README.md").read_text()
    assert README.read_text().count("on_paid(paid: Paid)") == 2
