"""How fast the outbox drains into receivers that take 50 ms, and how soon a payment's webhook follows its block."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from threading import Event, Thread

from sqlalchemy import func, select, text

from core.chain.fleet import Fleet
from core.clock import SystemClock
from core.http import GuardedHttp
from core.hub import Hub
from core.models import Delivery
from core.testing.chains import GENESIS, FakeChain
from core.testing.factories import Shop, make_payment, make_shop
from core.testing.hubs import TEST_CONTRACT, RecordingDoor
from tests.bench.figures import Calibration, Figure, Report, around
from tests.bench.places import Places, add_cursor
from tests.bench.receiver import receiver
from tests.crowd import add_payments
from workers.embedded import IN_FLIGHT, EmbeddedExecutor
from workers.loops import Watch, drive

PAUSE_MS = 50
ENDPOINTS = 32
DELIVERIES = 400
PAYMENTS = 20
POLL_S = 0.2
BODY = b'{"payment_id":123456789,"order_id":"ORDER_12345","status":"paid"}' + b" " * 200


def measure(report: Report, places: Places, calibration: Calibration, *, kind: str, rounds: int) -> None:
    """Measure goal 6's first half and goal 9 on one kind of database."""
    with receiver(pause_ms=PAUSE_MS) as url:
        report.say(f"{kind}: draining {DELIVERIES} deliveries to {ENDPOINTS} endpoints, {rounds} rounds")
        hub = owing(places, kind, url)
        bare, drained = list[float](), list[float]()
        for _ in range(rounds):
            calibration.take()
            bare.append(_bare_rate(hub, url))
            drained.append(_drain_rate(hub))
    shares = [one / other for one, other in zip(drained, bare, strict=True)]
    note = f"{around(drained, '/s')}, {IN_FLIGHT} POSTs in flight alone {around(bare, '/s')}"
    report.add(Figure(f"{kind}: drain ÷ as many POSTs in flight, no database", shares, note=note))
    report.add(Figure(f"{kind}: deliveries/s ÷ 300", [one / 300 for one in drained], "≥ 1"))
    report.say(f"{kind}: paying {PAYMENTS} payments, one after the other, {rounds} rounds")
    shares = [_slowest_news_s(places, kind) / (POLL_S + 1) for _ in range(rounds)]
    note = f"poll {POLL_S} s; slowest of {PAYMENTS}"
    report.add(Figure(f"{kind}: solid block to webhook, p99 ÷ (poll + 1 s)", shares, "≤ 1", note))


def owing(places: Places, kind: str, url: str) -> Hub:
    """Give a hub that owes deliveries to many endpoints, all of them served by one receiver."""
    hub = places.hub(kind)
    add_cursor(hub, genesis_id=GENESIS, block_time=hub.clock.now())
    shops = [make_shop(hub, website=f"https://shop{number}.example.com") for number in range(ENDPOINTS)]
    add_payments(hub, shops[0], already=0, up_to=DELIVERIES, status="paid")
    with hub.database.transaction() as session:
        session.execute(text("UPDATE endpoint SET url = :url"), {"url": url})
        values = {"body": BODY, "endpoints": ENDPOINTS}
        session.execute(text("UPDATE delivery SET body = :body, endpoint_id = 1 + id % :endpoints"), values)
    hub.http = _door()
    return hub


def _drain_rate(hub: Hub) -> float:
    """Drain all that is owed; gives deliveries a second, leases and marks included."""
    now_ms = int(hub.clock.now().timestamp() * 1000)
    with hub.database.transaction() as session:
        session.execute(text("UPDATE delivery SET state = 'due', next_attempt_at = :now"), {"now": now_ms})
    executor = EmbeddedExecutor(hub)
    began = time.perf_counter()
    executor.step()
    seconds = time.perf_counter() - began
    executor.stop()
    with hub.database.snapshot() as session:
        done = session.scalar(select(func.count()).where(Delivery.state == "done"))
    if done != DELIVERIES:
        raise RuntimeError(f"{done} deliveries are done instead of {DELIVERIES}")
    return DELIVERIES / seconds


def _bare_rate(hub: Hub, url: str) -> float:
    """POST as often through the same door, from as many threads, and write nothing."""
    began = time.perf_counter()
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        list(pool.map(lambda _: hub.http.post(url, body=BODY, headers={}), range(DELIVERIES)))
    return DELIVERIES / (time.perf_counter() - began)


def _slowest_news_s(places: Places, kind: str) -> float:
    """Run watcher and executor as one process does, and pay payments; gives the slowest way to the merchant."""
    hub = places.hub(kind)
    news, door = Event(), RecordingDoor()
    arrived = door.answer

    def tell(posted: object) -> object:
        news.set()
        return arrived(posted)  # type: ignore[arg-type]

    hub.http = replace(door, answer=tell)  # type: ignore[arg-type]
    shop, chain = make_shop(hub), FakeChain(TEST_CONTRACT, hub.clock.now() - timedelta(minutes=1))
    chain.skip(3)
    with _Running(hub, Watch(hub, Fleet([chain], clock=hub.clock), holder="fake").step):
        return max(_news_s(hub, shop, chain, news, number) for number in range(PAYMENTS))


def _news_s(hub: Hub, shop: Shop, chain: FakeChain, news: Event, number: int) -> float:
    payment = make_payment(hub, shop, order_id=f"NEWS-{number}")
    time.sleep(POLL_S * (number % 7) / 7)  # every part of the poll interval gets its turn
    news.clear()
    chain.mine(chain.transfer(payment.address, payment.pay_units.units))
    began = time.perf_counter()
    if not news.wait(20):
        raise RuntimeError("a paid payment was told to nobody")
    return time.perf_counter() - began


class _Running:
    """A watcher and an executor in threads, for as long as the block lasts."""

    def __init__(self, hub: Hub, step: Callable[[], bool]) -> None:
        self._stop = Event()
        self._executor = EmbeddedExecutor(hub)
        hub.wake = self._executor.wake
        how = {"name": "w", "every_s": lambda: POLL_S, "stop": self._stop}
        self._thread = Thread(target=drive, args=(step,), kwargs=how)

    def __enter__(self) -> None:
        self._executor.start()
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._executor.stop()


def _door() -> GuardedHttp:
    return GuardedHttp(clock=SystemClock(), allow=(ip_network("127.0.0.0/8"),))
