"""Several providers: order, rests, quarantine, lag, disagreement. T28 to T33 on top of it are in tests/watcher."""

from __future__ import annotations

import pytest

from core.chain.failures import FailureKind, NodeFailure
from core.chain.fleet import Fleet, ProvidersDisagree
from core.chain.node import Node
from core.clock import ManualClock
from core.errors import NodeUnavailable, WrongNetwork
from core.testing.chains import FakeChain
from core.testing.hubs import START, TEST_CONTRACT


class Chain(FakeChain):
    """A chain whose answers a test may replace."""


def chain(name: str, *, blocks: int = 40) -> Chain:
    made = Chain(TEST_CONTRACT, START, name=name)
    made.skip(blocks)
    return made


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


def names(fleet: Fleet) -> list[str]:
    return [node.name for node in fleet.in_order()]


def fail(*failing: str, kind: FailureKind = FailureKind.TIMEOUT, retry_in_s: float | None = None):
    def ask(node: Node) -> str:
        if node.name in failing:
            raise NodeFailure(kind, retry_in_s=retry_in_s)
        return node.name

    return ask


def test_the_first_provider_is_asked_while_it_answers(clock: ManualClock):
    fleet = Fleet([chain("a"), chain("b")], clock=clock)

    assert [fleet.ask(fail()) for _ in range(3)] == ["a", "a", "a"]


def test_who_failed_rests_and_comes_back_as_configured(clock: ManualClock):
    fleet = Fleet([chain("a"), chain("b")], clock=clock)

    assert fleet.ask(fail("a")) == "b"
    assert names(fleet) == ["b", "a"]
    clock.advance(seconds=1.1)
    assert names(fleet) == ["a", "b"]


def test_each_failure_in_a_row_doubles_the_rest_up_to_a_minute(clock: ManualClock):
    fleet = Fleet([chain("a"), chain("b")], clock=clock)
    rests = []
    for _ in range(8):
        fleet.ask(fail("a"))
        rested = 0
        while names(fleet)[0] == "b":
            clock.advance(seconds=0.5)
            rested += 1
        rests.append(rested / 2)

    assert rests == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_rest_that_was_asked_for_is_kept(clock: ManualClock):
    fleet = Fleet([chain("a"), chain("b")], clock=clock)
    fleet.ask(fail("a", kind=FailureKind.KEY_SUSPENDED, retry_in_s=30.0))
    clock.advance(seconds=29)
    early = names(fleet)
    clock.advance(seconds=2)

    assert (early, names(fleet)) == (["b", "a"], ["a", "b"])


def test_when_all_rest_all_are_asked_and_the_last_failure_is_told(clock: ManualClock):
    fleet = Fleet([chain("a"), chain("b")], clock=clock)
    for _ in range(2):
        with pytest.raises(NodeFailure):
            fleet.ask(fail("a", "b"))

    assert fleet.ask(fail("a")) == "b"


def test_a_wrong_network_passes_through_and_is_no_failover(clock: ManualClock):
    fleet = Fleet([chain("a"), chain("b")], clock=clock)

    def ask(node: Node) -> str:
        raise WrongNetwork

    with pytest.raises(WrongNetwork):
        fleet.ask(ask)


def test_t33_a_provider_with_another_genesis_is_never_asked(clock: ManualClock):
    ours, stranger = chain("ours"), chain("stranger")
    stranger.genesis = "0" * 16 + "77" * 24
    fleet = Fleet([stranger, ours], clock=clock)
    fleet.expect(ours.genesis)

    assert fleet.ask(fail()) == "ours"
    assert (names(fleet), [trouble.kind for trouble in fleet.troubles()]) == (["ours"], ["wrong_network"])
    with pytest.raises(NodeUnavailable):
        fleet.ask(fail("ours"))


def test_where_no_provider_is_ours_the_watcher_must_not_go_on(clock: ManualClock):
    stranger = chain("stranger")
    fleet = Fleet([stranger], clock=clock)
    fleet.expect("0" * 16 + "77" * 24)

    with pytest.raises(WrongNetwork):
        fleet.ask(fail())


def test_a_lagging_provider_is_asked_last_until_it_has_caught_up(clock: ManualClock):
    late, prompt = chain("late", blocks=5), chain("prompt", blocks=40)
    fleet = Fleet([late, prompt], clock=clock)
    survey = fleet.survey()
    told, order = [trouble.kind for trouble in survey.troubles], names(fleet)
    late.skip(30)

    fleet.survey()

    assert (survey.solid_height, told, order) == (40, ["lagging"], ["prompt", "late"])
    assert (names(fleet), fleet.troubles()) == (["late", "prompt"], [])


def test_a_disagreement_stops_every_question_until_it_is_over(clock: ManualClock):
    one, other = chain("one"), chain("other")
    other.branch[40] = "ee"
    fleet = Fleet([one, other], clock=clock)
    fleet.survey()
    with pytest.raises(ProvidersDisagree, match="height 40: one, other"):
        fleet.ask(fail())
    other.branch.clear()

    fleet.survey()

    assert fleet.ask(fail()) == "one"


def test_a_provider_that_cannot_show_the_block_disagrees_with_nobody(clock: ManualClock):
    one, other = chain("one"), chain("other")
    other.solid_header = lambda height: None  # type: ignore[method-assign]
    fleet = Fleet([one, other], clock=clock)

    assert fleet.survey().troubles == []


@pytest.mark.parametrize(("kind", "trouble"), [
    (FailureKind.DAILY_QUOTA, "quota"), (FailureKind.LITE_NODE, "unsuitable"), (FailureKind.DISABLED, "unsuitable"),
])
def test_what_a_human_must_mend_is_told_at_once(clock: ManualClock, kind: FailureKind, trouble: str):
    fleet = Fleet([chain("a"), chain("b")], clock=clock)

    fleet.ask(fail("a", kind=kind))

    assert [(told.kind, told.provider) for told in fleet.troubles()] == [(trouble, "a")]


def test_a_provider_that_fails_for_minutes_is_told(clock: ManualClock):
    fleet = Fleet([chain("a"), chain("b")], clock=clock)
    fleet.ask(fail("a"))
    clock.advance(seconds=200)
    fleet.ask(fail("a"))
    told = [trouble.kind for trouble in fleet.troubles()]
    clock.advance(seconds=70)
    fleet.ask(fail())

    assert (told, fleet.troubles()) == (["unreachable"], [])


def test_a_second_opinion_is_anothers(clock: ManualClock):
    one, other = chain("one"), chain("other")

    assert Fleet([one, other], clock=clock).ask_others("one", lambda node: node.name) == "other"
    with pytest.raises(NodeUnavailable, match="no other provider"):
        Fleet([one], clock=clock).ask_others("one", lambda node: node.name)


def test_two_providers_of_one_name_are_refused(clock: ManualClock):
    with pytest.raises(ValueError, match="one name"):
        Fleet([chain("one"), chain("one")], clock=clock)
