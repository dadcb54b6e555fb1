"""The long-lived roles of a hub, each a process of its own: watcher, worker, web server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from core.chain.fleet import Fleet
from core.errors import GatewayError
from core.hub import Hub
from core.payments.rates import RatePoller
from workers.channels import ChannelWork
from workers.embedded import EmbeddedExecutor
from workers.loops import TICK_S, Ticker, Watch, drive
from workers.supervisor import Signals

log = logging.getLogger(__name__)

Loop = Callable[[Event], None]
RATES_S = 5.0  # how often is looked whether a rate source is due
FINISH_WITHIN_S = 8.0  # a step under way: below the supervisor's patience


def watch(hub: Hub, fleet: Fleet) -> None:
    """Watch the chain until told to stop, and have what it makes due sent at once. Raises WrongNetwork.

    With RQ workers this process also sweeps and ticks: it needs no Redis to go on.
    """
    watcher = Watch(hub, fleet)
    loops = [_loop(watcher.step, name="watcher", every_s=watcher.pause_s)]
    try:
        if hub.settings.executor == "rq":
            until_told([*loops, _ticker(hub), _channels(hub), _rates(hub), _rq_sweeper(hub)], on_stop=fleet.close)
            return
        with _sending(hub):
            until_told(loops, on_stop=fleet.close)
    finally:
        watcher.close()


def work(hub: Hub) -> None:
    """Send what is due and do the wall clock's chores until told to stop; or be one of many RQ workers.

    Raises GatewayError when Redis cannot be reached.
    """
    if hub.settings.executor == "rq":
        _work_for_rq(hub)
        return
    with _sending(hub):
        until_told([_ticker(hub), _channels(hub), _rates(hub)])


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
def _sending(hub: Hub) -> Iterator[None]:
    executor = EmbeddedExecutor(hub)
    hub.wake = executor.wake
    executor.start()
    try:
        yield
    finally:
        executor.stop()


def _rq_sweeper(hub: Hub) -> Loop:
    from workers import rq  # only hubs that chose it load Redis

    executor = rq.RQExecutor(hub)
    hub.wake = executor.wake
    return lambda stop: rq.sweep_until(hub, executor, stop)


def _work_for_rq(hub: Hub) -> None:
    from workers import rq

    try:
        rq.run_worker(hub)
    except rq.RedisError as err:  # type: ignore[attr-defined]
        raise GatewayError(f"Redis does not answer ({type(err).__name__}); the watcher sends meanwhile.") from err


def _ticker(hub: Hub) -> Loop:
    return _loop(_then_wake(Ticker(hub).step, hub), name="ticker", every_s=lambda: TICK_S)


def _channels(hub: Hub) -> Loop:
    return _loop(ChannelWork(hub).step, name="channels", every_s=lambda: TICK_S)


def _rates(hub: Hub) -> Loop:
    return _loop(RatePoller(hub).step, name="rates", every_s=lambda: RATES_S)


def _loop(step: Callable[[], bool], *, name: str, every_s: Callable[[], float]) -> Loop:
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
