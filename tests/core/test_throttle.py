"""The bound on one address: it protects a process from a flood and nobody from being served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from core.app import create_app
from core.clock import ManualClock
from core.errors import TooManyRequests
from core.hub import Hub
from core.testing.hubs import START
from core.throttle import REMEMBERED, Throttle, visitor_of

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that is moved by hand."""
    return ManualClock(START)


def taken(throttle: Throttle, visitor: str, *, tries: int) -> int:
    """Count how many of so many tries are let through."""
    passed = 0
    for _ in range(tries):
        try:
            throttle.take(visitor)
        except TooManyRequests:
            continue
        passed += 1
    return passed


def test_a13_ten_seconds_worth_at_once_and_then_the_rate(clock: ManualClock) -> None:
    throttle = Throttle(clock, per_minute=60)

    assert taken(throttle, "192.0.2.1", tries=50) == 10
    clock.advance(seconds=3)
    assert taken(throttle, "192.0.2.1", tries=50) == 3


def test_a_refusal_says_how_long_and_costs_nothing(clock: ManualClock) -> None:
    throttle = Throttle(clock, per_minute=6)
    throttle.take("192.0.2.1")

    for _ in range(3):
        with pytest.raises(TooManyRequests) as refused:
            throttle.take("192.0.2.1")
        assert refused.value.retry_after_s == 10
    clock.advance(seconds=10)
    throttle.take("192.0.2.1")


def test_visitors_do_not_share_and_the_nameless_are_not_counted(clock: ManualClock) -> None:
    throttle = Throttle(clock, per_minute=60)

    assert taken(throttle, "192.0.2.1", tries=11) == 10
    assert taken(throttle, "192.0.2.2", tries=11) == 10
    assert taken(throttle, "", tries=100) == 100


def test_a_flood_of_addresses_does_not_fill_the_memory(clock: ManualClock) -> None:
    throttle = Throttle(clock, per_minute=60)

    for number in range(REMEMBERED + 10):
        throttle.take(f"visitor {number}")

    assert len(throttle._full_at_ms) == REMEMBERED


@pytest.mark.parametrize(("address", "visitor"), [
    ("192.0.2.9", "192.0.2.9"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ("127.0.0.1", ""),
    ("::1", ""),
    ("", ""),
    ("unix:", ""),
])
def test_a_visitor_is_an_address_or_a_household(address: str, visitor: str) -> None:
    environ = EnvironBuilder().get_environ() | {"REMOTE_ADDR": address}

    assert visitor_of(Request(environ)) == visitor


@SQLITE
def test_every_door_answers_429_in_the_contracts_form(hub: Hub, clock: ManualClock, tmp_path: Path) -> None:
    hub.settings = replace(hub.settings, address_rate_per_minute=6)
    client = create_app(hub=hub).test_client()
    stranger = {"REMOTE_ADDR": "192.0.2.7"}

    assert client.get("/api/payment-status.php", environ_base=stranger).status_code == 401
    answer = client.get("/api/payment-status.php", environ_base=stranger)

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")
    assert answer.json == {
        "ok": False, "code": "too_many_requests",
        "error": "Too many requests from this address: wait as long as Retry-After says.",
    }
    assert client.get("/api/payment-status.php").status_code == 401  # this machine is not counted
