"""Keys take turns, and what is said of one binds it alone; a day's budget is never overdrawn."""

from __future__ import annotations

import pytest

from core.chain.failures import FailureKind, NodeFailure
from core.chain.keyring import KeyRing
from core.chain.pacing import Allowance, DailyBudget, Pacer
from core.clock import ManualClock
from core.testing.hubs import START


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


def ring(clock: ManualClock, *secrets: str, qps: float | None = None, daily: int | None = None) -> KeyRing:
    return KeyRing(secrets, lambda: Pacer(clock=clock, qps=qps, wait=lambda s: clock.advance(seconds=s), daily=daily))


def refuse(secret: str, kind: FailureKind, retry_in_s: float | None = None):
    def send(given: str) -> str:
        if given == secret:
            raise NodeFailure(kind, retry_in_s=retry_in_s)
        return given

    return send


def test_keys_take_turns_so_that_none_waits(clock: ManualClock):
    keys = ring(clock, "one", "two", qps=1.0)
    began = clock.monotonic()

    used = [keys.use(lambda secret: secret) for _ in range(4)]

    assert (sorted(used), clock.monotonic() - began) == (["one", "one", "two", "two"], 1.0)


@pytest.mark.parametrize("kind", [FailureKind.KEY_SUSPENDED, FailureKind.DAILY_QUOTA])
def test_t31_a_refused_key_gives_way_to_the_next_at_once(clock: ManualClock, kind: FailureKind):
    keys = ring(clock, "one", "two")

    assert keys.use(refuse("one", kind, 30.0)) == "two"


def test_t31_a_suspended_key_rests_alone(clock: ManualClock):
    keys = ring(clock, "one", "two")
    keys.use(refuse("one", FailureKind.KEY_SUSPENDED, 30.0))
    meanwhile = {keys.use(lambda secret: secret) for _ in range(5)}
    clock.advance(seconds=31)

    assert (meanwhile, keys.use(lambda secret: secret)) == ({"two"}, "one")


def test_a_failure_of_the_node_itself_is_not_the_keys_affair(clock: ManualClock):
    with pytest.raises(NodeFailure) as failed:
        ring(clock, "one", "two").use(refuse("one", FailureKind.TIMEOUT))

    assert failed.value.kind is FailureKind.TIMEOUT


def test_without_a_key_there_is_one_pace_all_the_same(clock: ManualClock):
    assert ring(clock).use(lambda secret: secret) == ""


def test_a_key_is_never_shown(clock: ManualClock):
    keys = ring(clock, "not-to-be-shown")

    assert "not-to-be-shown" not in repr(keys) + repr(keys._keys)


def test_any_day_holds_at_most_its_budget(clock: ManualClock):
    budget, spent = DailyBudget(1000), []
    for hour in range(72):
        now = hour * 3600.0
        turns = 0
        while budget.left(now) > 0:
            budget.spend(now)
            turns += 1
        spent.append(turns)

    assert max(sum(spent[start : start + 24]) for start in range(48)) <= 1000
    assert sum(spent) >= 2000


def test_beyond_the_budget_one_request_a_second_goes_on(clock: ManualClock):
    keys = ring(clock, "one", daily=10)
    for _ in range(10):
        keys.use(lambda secret: secret)
    assert keys.is_spent
    began = clock.monotonic()

    for _ in range(6):
        keys.use(lambda secret: secret)

    assert clock.monotonic() - began >= 4.0


def test_an_allowance_never_gives_more_than_it_has_in_a_day(clock: ManualClock):
    allowance, taken = Allowance(1000, clock=clock), 0
    for _ in range(24 * 60):
        clock.advance(minutes=1)
        while allowance.take(1):
            taken += 1

    assert 900 < taken <= 1000
    assert Allowance(None, clock=clock).take(10**9)
