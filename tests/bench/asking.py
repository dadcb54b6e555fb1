"""How many requests a day of live watching takes, counted on a simulated day: no clock of the machine is in it.

A block every three seconds, one in a hundred a slot late; the watcher pauses as it says it would. What it may ask
beyond the solid blocks begins with a quarter of a day's worth: after three hours that is spent, and an hour is as the
next. So a day is its first three hours, and the fourth 21 times.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from core.chain.addresses import address_of
from core.clock import ManualClock
from core.hub import Hub
from core.testing.chains import FakeChain
from core.testing.factories import Shop, make_payment, make_shop
from core.testing.hubs import START, TEST_CONTRACT
from tests.bench.figures import Calibration, Figure, Report
from tests.bench.places import Places
from workers.loops import Watch

HOURS = 4
LAG_BLOCKS = 18
STRANGER = address_of(b"\x77" * 20).base58


class CountingChain(FakeChain):
    """A chain that counts every question."""

    asked = 0

    def _answer(self, answer):  # type: ignore[no-untyped-def]
        self.asked += 1
        return answer


def measure(report: Report, places: Places, calibration: Calibration, *, kind: str, rounds: int, many: int) -> None:
    """Measure goal 10, with nobody waiting and with a payment always open."""
    del rounds, many, calibration
    for name, is_busy in (("nobody waits", False), ("a payment is always open", True)):
        report.say(f"{kind}: counting the requests of {HOURS} hours, {name}")
        *first, last = _simulate(places.hub(kind), is_busy=is_busy)
        asked = sum(first) + last * (24 - len(first))
        report.add(Figure(f"{kind}: requests a day, {name}", [asked] * 3, "≤ 60,000"))


def _simulate(hub: Hub, *, is_busy: bool) -> list[int]:
    """Count the requests of each hour."""
    clock = ManualClock(START)
    hub.clock = clock
    hub.settings = replace(hub.settings, live_requests=60_000, poll_interval_s=3.0)
    chain = CountingChain(TEST_CONTRACT, START - timedelta(minutes=10))
    for _ in range(LAG_BLOCKS + 2):
        chain.mine(chain.transfer(STRANGER, 1), solid=False)
    chain.solid = 2
    shop, next_block_s, blocks = make_shop(hub), 3.0, 0
    watch = Watch(hub, chain.fleet(clock))
    watch.step()
    asked = [0] * HOURS
    while clock.monotonic() < HOURS * 3600:
        before, hour = chain.asked, int(clock.monotonic() // 3600)
        while next_block_s <= clock.monotonic():
            chain.mine(chain.transfer(STRANGER, 1), solid=False)
            chain.solid = chain.head - LAG_BLOCKS
            blocks += 1
            next_block_s += 6.0 if blocks % 100 == 0 else 3.0
        if is_busy and blocks % 500 == 0:
            _keep_one_open(hub, shop, blocks)
        has_more = watch.step()
        asked[hour] += chain.asked - before
        if not has_more:
            clock.advance(seconds=watch.pause_s())
    watch.close()
    return asked


def _keep_one_open(hub: Hub, shop: Shop, number: int) -> None:
    make_payment(hub, shop, order_id=f"O{number}")
