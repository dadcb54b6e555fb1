"""The long-lived roles of a hub, each a process of its own: watcher, worker, web server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from urllib.parse import urlsplit

from core.chain.node import HttpNode
from core.hub import Hub
from workers.embedded import EmbeddedExecutor
from workers.loops import TICK_S, Ticker, Watch, drive
from workers.supervisor import Signals

log = logging.getLogger(__name__)

Loop = Callable[[Event], None]
FINISH_WITHIN_S = 8.0  # a step under way: below the supervisor's patience


def watch(hub: Hub, node: HttpNode) -> None:
    """Watch the chain until told to stop, and send at once what it makes due. Raises WrongNetwork."""
    watcher = Watch(hub, node, provider=urlsplit(hub.settings.network.full_url).netloc.rpartition("@")[2])
    with _sending(hub) as executor:
        hub.wake = executor.wake
        until_told([_loop(watcher.step, name="watcher", every_s=hub.settings.poll_interval_s)], on_stop=node.close)


def work(hub: Hub) -> None:
    """Send what is due and do the wall clock's chores until told to stop."""
    ticker = Ticker(hub)
    with _sending(hub) as executor:
        hub.wake = executor.wake
        until_told([_loop(_then_wake(ticker.step, hub), name="ticker", every_s=TICK_S)])


def until_told(loops: Sequence[Loop], *, on_stop: Callable[[], None] = lambda: None) -> None:
    """Run loops in threads until a stop signal comes or one of them ends; raises what a loop raised.

    on_stop: ends waits that do not listen to the event.
    """
    stop, failures = Event(), list[BaseException]()
    threads = [Thread(target=_guarded, args=(loop, stop, failures), daemon=True) for loop in loops]
    with Signals() as signals:
        for thread in threads:
            thread.start()
        while all(thread.is_alive() for thread in threads) and not signals.wait(0.5):
            pass
        stop.set()
        on_stop()
        for thread in threads:
            thread.join(FINISH_WITHIN_S)
    if failures:
        raise failures[0]


@contextmanager
def _sending(hub: Hub) -> Iterator[EmbeddedExecutor]:
    executor = EmbeddedExecutor(hub)
    executor.start()
    try:
        yield executor
    finally:
        executor.stop()


def _loop(step: Callable[[], bool], *, name: str, every_s: float) -> Loop:
    def run(stop: Event) -> None:
        drive(step, name=name, every_s=every_s, stop=stop)

    return run


def _then_wake(step: Callable[[], bool], hub: Hub) -> Callable[[], bool]:
    def run() -> bool:
        more = step()
        if more:
            hub.wake()
        return more

    return run


def _guarded(loop: Loop, stop: Event, failures: list[BaseException]) -> None:
    try:
        loop(stop)
    except BaseException as err:  # an edge: raised again in the main thread
        failures.append(err)
