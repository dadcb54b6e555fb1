"""The long-lived roles: they end when told to, and when they must."""

from __future__ import annotations

import os
import signal
from threading import Event, Thread

import pytest

from core.chain.fleet import Fleet
from core.errors import WrongNetwork
from core.hub import Hub
from core.testing.chains import FakeChain
from core.testing.hubs import START, TEST_CONTRACT
from workers import roles
from workers.web import WebWorker, web_options


class ClosableChain(FakeChain):
    """A node in memory that notes when it is closed."""

    closed = False

    def close(self) -> None:
        """Note it."""
        self.closed = True


def test_a_stop_signal_ends_every_loop() -> None:
    ended = []

    def first(stop: Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        stop.wait()
        ended.append("first")

    def second(stop: Event) -> None:
        stop.wait()
        ended.append("second")

    roles.until_told([first, second])

    assert sorted(ended) == ["first", "second"]


def test_a_loop_that_fails_ends_the_others_and_is_told() -> None:
    told = []

    def fails(_stop: Event) -> None:
        raise WrongNetwork("Elsewhere.")

    def waits(stop: Event) -> None:
        stop.wait()
        told.append(True)

    with pytest.raises(WrongNetwork, match="Elsewhere."):
        roles.until_told([fails, waits])

    assert told == [True]


def test_a_watcher_on_a_wrong_network_ends(hub: Hub) -> None:
    """T1: a hub must not go on blind."""
    node = ClosableChain("TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", START)

    with pytest.raises(WrongNetwork, match="knows no USDT contract"):
        roles.watch(hub, Fleet([node], clock=hub.clock))  # type: ignore[arg-type]

    assert node.closed


def test_a_watcher_goes_on_while_its_node_is_away(hub: Hub) -> None:
    """E5: a node that cannot be reached is retried for ever."""
    node = ClosableChain(TEST_CONTRACT, START, down=True)
    asked = Event()
    node.genesis_id = lambda: (asked.set(), FakeChain.genesis_id(node))[1]  # type: ignore[method-assign]

    def stop_when_asked() -> None:
        asked.wait(10)
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=stop_when_asked).start()

    roles.watch(hub, Fleet([node], clock=hub.clock))  # type: ignore[arg-type]

    assert asked.is_set() and node.closed


def test_the_web_server_is_quiet_and_strict(hub: Hub) -> None:
    """V9: gunicorn's own limits stay as they come; URLs with tokens are logged nowhere."""
    options = web_options(hub.settings, host="127.0.0.1", port=8080, workers=2)

    assert options["worker_class"] is WebWorker
    assert options["control_socket_disable"] is True
    assert [name for name in options if name.startswith("limit_") or name in ("accesslog", "header_map")] == []
    assert options["logger_class"].access(None) is None


def test_an_ipv6_host_is_bracketed(hub: Hub) -> None:
    assert web_options(hub.settings, host="::1", port=80, workers=1)["bind"] == "[::1]:80"
