"""The README's two bots against `make run`: asked in the imitated chat, paid on the devnet, killed at every step.

Each life's end has a bot of its own, all of them at once, so that the chain is waited for once.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from tests.journey.conftest import Demo
from tests.plugins.telegram.readme_bots import LIBRARIES, Job, Nursery, open_nursery

pytestmark = [pytest.mark.slow, pytest.mark.journey, pytest.mark.faults]

# A payment is asked for, its message sent and not yet noted, a sale half written, one written, its thanks sent.
ENDS = ("create_invoice-after.1", "send-after.1", "once-inside.1", "once-after.1", "send-after.2")
BILL = re.compile(
    r"Send exactly <code>([0-9.]+)</code> USDT \(TRC20\) to\n<code>(T\w{33})</code>.*?/pay/\?id=(\d+)", re.DOTALL
)
PATIENCE_S = 60  # for all bots, on a machine that does much else


class Stand:
    """A bot that dies at a point and is started again, and its one buyer."""

    def __init__(self, nursery: Nursery, job: Job) -> None:
        self._nursery, self._job = nursery, job
        self.chat = f"{job.bot_api}/chats/bot_{job.bot_token.partition(':')[0]}"
        self.deaths = 0
        self._pid = nursery.start(job)

    def is_up(self) -> bool:
        """Tell whether the bot has called the messenger."""
        return self._page().ok

    def say(self, text: str) -> None:
        """Write to the bot."""
        requests.post(f"{self.chat}/say", data={"text": text}, headers={"Accept": "application/json"}, timeout=10)

    def bill(self) -> tuple[str, str, str] | None:
        """Read amount, address and number of the payment that is shown last."""
        self._revive()
        found = BILL.findall(self._page().text)
        return found[-1] if found else None

    def is_told(self) -> bool:
        """Tell whether the buyer is told by a message of its own, and the bot knows that."""
        self._revive()
        page, known = self._page().text, self._read("SELECT value FROM paywharf WHERE key LIKE 'order:%'")
        return "<p>Paid. Your seat is booked.</p>" in page and '"told": "evt_' in known

    def story(self) -> str:
        """Tell what has happened here so far."""
        said = re.findall(r"<p>(.*?)</p>", self._page().text, re.DOTALL)
        job = self._job
        return f"{job.library} killed at {job.kill_at}, {self.deaths} deaths, {self.sold()} sold: {said[1:]}"

    def sold(self) -> int:
        """Count what was sold."""
        return int(self._read("SELECT count(*) FROM sold"))

    def stop(self) -> None:
        """Kill the bot."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)

    def _read(self, query: str) -> str:
        database = sqlite3.connect(Path(self._job.folder) / "bot.sqlite3")
        (value,) = database.execute(query).fetchone()
        database.close()
        return str(value)

    def _page(self) -> requests.Response:
        return requests.get(self.chat, timeout=10)

    def _revive(self) -> None:
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            self.deaths += 1
            self._pid = self._nursery.start(replace(self._job, kill_at=None))


@pytest.fixture
def stands(demo: Demo, tmp_path: Path) -> Iterator[list[Stand]]:
    """Both bots, with each end."""
    keys, opened = demo.config["live"], list[Stand]()
    with open_nursery() as nursery:
        for number, (library, end) in enumerate((library, end) for library in LIBRARIES for end in ENDS):
            folder = tmp_path / str(number)
            folder.mkdir()
            token = f"{5000 + number}:{'A' * 35}"
            hub, api = demo.config["base_url"], demo.config["bot_api_url"]
            opened.append(Stand(nursery, Job(library, str(folder), api, token, hub, keys["key"], keys["secret"], end)))
        yield opened
        for stand in opened:
            stand.stop()


def wait_for(stands: list[Stand], happened: Callable[[Stand], object]) -> None:
    """Wait until something has happened at every stand."""
    ends_s, left = time.monotonic() + PATIENCE_S, list(stands)
    while left := [stand for stand in left if not happened(stand)]:
        assert time.monotonic() < ends_s, [stand.story() for stand in left]
        time.sleep(0.2)


def test_wherever_the_readmes_bots_are_killed_each_payment_sells_exactly_once(demo: Demo, stands: list[Stand]):
    wait_for(stands, Stand.is_up)
    for stand in stands:
        stand.say("/pay 10")
    wait_for(stands, Stand.bill)

    for amount, address, _ in filter(None, [stand.bill() for stand in stands]):
        transfer = {"to": address, "units": int(amount.replace(".", ""))}
        requests.post(f"{demo.config['devnet_url']}/devnet/pay", json=transfer, timeout=10).raise_for_status()
    requests.post(f"{demo.config['devnet_url']}/devnet/advance", json={"blocks": 22}, timeout=10).raise_for_status()
    wait_for(stands, Stand.is_told)

    assert [(stand.deaths, stand.sold()) for stand in stands] == [(1, 1)] * len(stands)
