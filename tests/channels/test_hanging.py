"""An adapter that does not answer costs its own turn: nobody else waits for it, and it is said where it hangs."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

from core.channels import adapters
from core.channels.adapters import MISSING_OF_CHANNEL
from core.channels.reading import RETRY_S
from core.clock import ManualClock
from core.contract import InboundRequest, PaymentUpdate, PlatformEvent, PushResult
from core.hub import Hub
from core.ids import Mode
from core.models import Alarm, Attempt, ChannelCall, Delivery
from core.projects.service import get_project, set_mode
from tests.channels.kit import Bench, Market, add_channel, make_bench
from tests.channels.test_pushing import pay
from tests.outbox.kit import drain
from workers.channels import ChannelWork

LIMIT_S = 0.3
STILL = "The adapter hanger did not answer in {} when it was asked before, and is still at it."


class Gate:
    """Where adapters hang until it is opened. begun: what they were asked."""

    def __init__(self) -> None:
        self.opened = Event()
        self.begun: list[str] = []

    def hang(self, what: str) -> None:
        """Wait for long."""
        self.begun.append(what)
        self.opened.wait(60)


GATE = Gate()


class Hanger(Market):
    """A market that never answers about orders called "stuck…"."""

    name = "hanger"
    order_space = ""

    def verify(self, request: InboundRequest) -> str | None:
        if request.path == "hang":
            GATE.hang("verify")
        return super().verify(request)

    def parse(self, request: InboundRequest) -> list[PlatformEvent]:
        if b"stuck" in request.body:
            GATE.hang("parse")
        return super().parse(request)

    def push(self, update: PaymentUpdate) -> PushResult:
        if update.order_id == "dumb":
            GATE.hang("push")
        return super().push(update)


@pytest.fixture
def bench(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    GATE.__init__()  # type: ignore[misc]
    monkeypatch.setattr(adapters, "LIMIT_S", LIMIT_S)
    bench = make_bench(hub)
    hub.registry.adapters["hanger"] = Hanger  # type: ignore[index]
    yield bench
    GATE.opened.set()


@pytest.fixture
def hanger(bench: Bench) -> Bench:
    """The same shop's channel to the market that hangs."""
    return Bench(bench.hub, bench.shop, add_channel(bench.hub, bench.shop, adapter="hanger"), bench.platform)


def release(hub: Hub) -> None:
    """Let all that hang come back."""
    GATE.opened.set()
    for _ in range(1000):
        if not hub.patience.all_missing():
            return
        Event().wait(0.01)
    raise AssertionError("they do not come back")


def test_a_call_that_hangs_keeps_no_other_channel_waiting(
    bench: Bench, hanger: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters, "LIMIT_S", 60.0)
    bench.platform.orders["A"] = "50.00"
    hanger.call("placed", "stuck")
    bench.call("placed", "A")
    work = ChannelWork(bench.hub, slow_after_s=0.1)

    for _ in range(100):
        work.step()
        if bench.payments():
            break

    assert bench.payments() == [("A", "50.00", "pending")]
    assert [one.state for one in bench.rows(ChannelCall)] == ["due", "done"]
    release_and_close(work)


def release_and_close(work: ChannelWork) -> None:
    """Let the hanging come back, and wait for the pool."""
    GATE.opened.set()
    work.close()


def test_a_call_that_hangs_is_a_failure_that_names_adapter_hook_and_limit(
    hanger: Bench, clock: ManualClock
) -> None:
    hanger.platform.orders |= {"stuck": "7.00", "B": "8.00"}
    hanger.call("placed", "stuck", delivery="d-1")

    assert hanger.read() == [False]
    [call] = hanger.rows(ChannelCall)
    said = f"The adapter hanger did not answer within {LIMIT_S} s in parse."
    assert (call.state, call.failures, call.reason) == ("due", 1, said)
    assert hanger.row().trouble.startswith(f"Call 1 (delivery d-1) waits: {said}")
    clock.advance(seconds=RETRY_S[0])
    hanger.call("placed", "B")
    assert sorted(hanger.read()) == [False, True], "it is not begun again, and the channel's other orders go on"
    assert GATE.begun == ["parse"] and hanger.rows(ChannelCall)[0].reason == STILL.format("parse")
    assert "Call 1" in hanger.row().trouble

    release(hanger.hub)
    clock.advance(seconds=RETRY_S[1])
    assert hanger.read() == [True]
    assert (hanger.row().trouble, len(hanger.payments())) == ("", 2)
    assert [one.cleared_at is not None for one in hanger.rows(Alarm)] == [True]


def test_a_channel_whose_calls_do_not_come_back_rests_and_costs_no_more_threads(
    bench: Bench, hanger: Bench, clock: ManualClock
) -> None:
    for n in range(MISSING_OF_CHANNEL):
        hanger.call("placed", f"stuck-{n}")
    while len(GATE.begun) < MISSING_OF_CHANNEL:
        hanger.read()
    bench.platform.orders |= {"A": "50.00", "B": "8.00"}
    kept = [hanger.call("placed", "B").status_code, bench.call("placed", "A").status_code]
    clock.advance(seconds=RETRY_S[0])

    assert (kept, bench.read()) == ([200, 200], [True])
    assert bench.payments() == [("A", "50.00", "pending")] and len(GATE.begun) == MISSING_OF_CHANNEL
    assert "It is not asked again until it answers or the hub is restarted" in hanger.row().trouble
    refused = hanger.call("placed", "C", path="checkout")
    assert (refused.status_code, refused.json["code"]) == (503, "channel_busy")

    release(bench.hub)
    bench.read()
    assert ("B", "8.00", "pending") in bench.payments()


def test_a_push_that_hangs_is_an_attempt_that_failed_and_is_not_begun_again(hanger: Bench, clock: ManualClock) -> None:
    with hanger.hub.database.transaction() as session:
        set_mode(get_project(session, hanger.shop.project_id), Mode.TEST)
    pay(hanger, "dumb")

    assert drain(hanger.hub) == [False]
    [delivery] = hanger.rows(Delivery)
    said = f"The adapter hanger did not answer within {LIMIT_S} s in push."
    assert (delivery.state, delivery.failures, delivery.last_error) == ("due", 1, said)
    assert hanger.row().trouble.startswith(f"Delivery 1 of order dumb fails: {said}")
    tell_again(hanger, clock)
    assert GATE.begun == ["push"] and hanger.rows(Attempt)[-1].error == STILL.format("push")

    release(hanger.hub)
    tell_again(hanger, clock)
    assert (hanger.rows(Delivery)[0].state, hanger.row().trouble) == ("done", "")


def tell_again(bench: Bench, clock: ManualClock) -> Any:
    """Have the delivery tried when it is due next."""
    clock.advance(seconds=3600)
    return drain(bench.hub)


def test_a_door_that_hangs_answers_that_it_cannot(
    bench: Bench, hanger: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(adapters.LIMITS_S, "verify", 0.05)

    answers = [hanger.call("placed", "A", path="hang") for _ in range(MISSING_OF_CHANNEL + 1)]

    assert {(one.status_code, one.json["code"]) for one in answers} == {(503, "channel_unavailable")}
    assert len(GATE.begun) == MISSING_OF_CHANNEL
    assert "within 0.05 s in verify" in answers[0].json["error"] and "hangs" in answers[-1].json["error"]
    monkeypatch.setitem(adapters.LIMITS_S, "verify", 10.0)
    assert bench.call("placed", "A").status_code == 200
