"""Goal 6's second half: what healthy receivers feel when one in ten hangs and has a backlog of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import Event

from sqlalchemy import text

from core.contract import Answer
from core.errors import EgressFailed
from core.http import HttpSender
from core.hub import Hub
from tests.bench.figures import Calibration, Figure, Report, around
from tests.bench.delivering import DELIVERIES, ENDPOINTS, PAUSE_MS, owing
from tests.bench.places import Places
from tests.bench.receiver import receiver
from workers.embedded import EmbeddedExecutor

HANGING = ENDPOINTS // 10
BLACK_HOLE = "https://hangs.example.com/"


class Door:
    """Sends to the receiver and notes when each POST was over; a POST into the black hole ends with the round."""

    def __init__(self, door: HttpSender, healthy: int) -> None:
        self._door, self._healthy = door, healthy
        self.over_s: list[float] = []
        self.is_over = Event()

    def check(self, url: str) -> None:
        """Admit everything."""

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send, or hang."""
        return self.send("POST", url, body=body, headers=headers)

    def send(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send, or hang."""
        if url == BLACK_HOLE:
            self.is_over.wait(15)
            raise EgressFailed
        answer = self._door.send(method, url, body=body, headers=headers)
        self.over_s.append(time.perf_counter())
        if len(self.over_s) == self._healthy:
            self.is_over.set()
        return answer


def measure(report: Report, places: Places, calibration: Calibration, *, kind: str, rounds: int) -> None:
    """Measure one kind of database, rounds with and without hanging receivers in turns."""
    shares, healthy = list[float](), list[float]()
    with receiver(pause_ms=PAUSE_MS) as url:
        report.say(f"{kind}: {HANGING} of {ENDPOINTS} endpoints hang, {rounds} rounds")
        hub = owing(places, kind, url)
        door = hub.http
        for _ in range(rounds):
            calibration.take()
            calm_s = _p99_s(hub, door, url=url, other_url=url)
            shares.append(_p99_s(hub, door, url=url, other_url=BLACK_HOLE) / calm_s)
            healthy.append(calm_s * 1000)
    note = f"all healthy: p99 {around(healthy, ' ms')} after {DELIVERIES} deliveries became due at once"
    report.add(Figure(f"{kind}: healthy p99, 10 % hanging ÷ none", shares, "≤ 1.5", note))


def _p99_s(hub: Hub, door: HttpSender, *, url: str, other_url: str) -> float:
    """Let everything become due, and give the time to the 99th hundredth of the healthy endpoints' deliveries."""
    with hub.database.transaction() as session:
        values = {"url": url, "other": other_url, "hanging": HANGING, "now": int(hub.clock.now().timestamp() * 1000)}
        session.execute(text("UPDATE endpoint SET url = CASE WHEN id <= :hanging THEN :other ELSE :url END"), values)
        session.execute(
            text("UPDATE delivery SET state = 'due', failures = 0, lease_until = 0, next_attempt_at = :now"), values
        )
        healthy = session.execute(
            text("SELECT count(*) FROM delivery WHERE endpoint_id > :hanging OR :url = :other"), values
        ).scalar_one()
    noting = Door(door, healthy)
    hub.http = noting
    executor, began_s = EmbeddedExecutor(hub), time.perf_counter()
    executor.start()
    if not noting.is_over.wait(60):
        raise RuntimeError("healthy deliveries were held up for a minute")
    executor.stop()
    return sorted(noting.over_s)[int(healthy * 0.99) - 1] - began_s
