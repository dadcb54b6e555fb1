"""The providers of one network, the best first: asks another one when one fails, and judges none by a single answer.

A lower height is never an error in itself: providers are unequal, and the watcher waits. What is an error is another
chain: a provider with another genesis is never asked again, and while two providers show different blocks at the same
solid height nobody is believed, for nobody can know which one is right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import TypeVar

from core.chain.decode import BlockInconsistent
from core.chain.failures import FailureKind, NodeFailure
from core.chain.node import Heights, Node
from core.clock import Clock
from core.errors import NodeUnavailable, WrongNetwork

FIRST_REST_S, LONGEST_REST_S = 1.0, 60.0  # doubled with each failure in a row
UNSUITABLE_REST_S = 600.0  # a lite node or a disabled call does not change by itself within minutes
UNREACHABLE_AFTER_S = 180.0
LAGGING_BLOCKS = 30  # behind the best solid height: a minute and a half
UNSUITABLE = (FailureKind.LITE_NODE, FailureKind.DISABLED)

T = TypeVar("T")


class ProvidersDisagree(NodeUnavailable):
    """Two providers show different blocks at the same solid height: nobody is believed until they agree again."""

    code = "providers_disagree"
    sentence = "Two TRON providers disagree about a final block."


class BlockDisputed(ProvidersDisagree):
    """One block is shown differently: nothing of it counts until they agree."""


class TroubleKind(StrEnum):
    """What is wrong with a provider; the words are stable."""

    WRONG_NETWORK = "wrong_network"
    DISAGREEMENT = "disagreement"
    LAGGING = "lagging"
    QUOTA = "quota"
    UNREACHABLE = "unreachable"
    UNSUITABLE = "unsuitable"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What an operator must know now about one provider."""

    kind: TroubleKind
    provider: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What every provider that answered said about its heights."""

    heights: dict[str, Heights]
    troubles: list[Trouble]

    @property
    def solid_height(self) -> int:
        """Give the highest solid height shown, 0 when nobody answered."""
        return max((heights.solid for heights in self.heights.values()), default=0)


@dataclass(slots=True)
class _Standing:
    """What is known of one provider: times are monotonic seconds."""

    is_known: bool = False
    is_wrong: bool = False
    is_lagging: bool = False
    failures: int = 0
    failing_since_s: float | None = None
    rests_until_s: float = 0.0
    last_failure: NodeUnavailable | None = None


class Fleet:
    """The providers of one network in order of preference; safe to share between threads."""

    def __init__(self, providers: Sequence[Node], *, clock: Clock) -> None:
        if not providers:
            raise ValueError("a fleet needs a provider")
        if len({node.name for node in providers}) < len(providers):
            raise ValueError("two providers of a fleet have one name: neither could vouch for the other")
        self.providers = tuple(providers)
        self._clock = clock
        self._lock = Lock()
        self._standings = {id(node): _Standing() for node in providers}
        self._genesis_id: str | None = None
        self._disagreement: Trouble | None = None

    def expect(self, genesis_id: str) -> None:
        """From now on ask a provider for its genesis id before its first use, and never one with another id."""
        self._genesis_id = genesis_id

    def in_order(self) -> list[Node]:
        """List the providers to ask: as configured, those that rest or lag last, those of another network never."""
        now_s = self._clock.monotonic()

        def rank(node: Node) -> int:
            standing = self._standings[id(node)]
            return 2 * (standing.rests_until_s > now_s) + standing.is_lagging

        return sorted((node for node in self.providers if not self._standings[id(node)].is_wrong), key=rank)

    def ask(self, question: Callable[[Node], T]) -> T:
        """Put a question to the best provider, and to the next one when that fails.

        Raises the last NodeUnavailable, ProvidersDisagree, WrongNetwork where no provider is on the network.
        """
        if self._disagreement is not None:
            raise ProvidersDisagree(self._disagreement.sentence)
        return self._first_of(self.in_order(), question)

    def ask_others(self, provider: str, question: Callable[[Node], T]) -> T:
        """Put a question to any provider but the named one, for a second opinion. Raises NodeUnavailable."""
        others = [node for node in self.in_order() if node.name != provider]
        try:
            return self._first_of(others, question)
        except WrongNetwork as err:
            raise NodeUnavailable("There is no other provider of this network.") from err

    def ask_each(self, question: Callable[[Node], T]) -> dict[str, T | NodeUnavailable]:
        """Put a question to every provider of this network; a failure stands in the place of its answer.

        Raises WrongNetwork where no provider is on the network.
        """
        answers: dict[str, T | NodeUnavailable] = {}
        for node in self.in_order():
            try:
                answers[node.name] = self._first_of([node], question)
            except NodeUnavailable as err:
                answers[node.name] = err
            except WrongNetwork:
                continue
        if not answers:
            raise WrongNetwork("No configured TRON provider is on this hub's network.")
        return answers

    def survey(self) -> Survey:
        """Ask every provider how far it is, and whether all show the same block at a height all have passed."""
        heights: dict[str, Heights] = {}
        asked: list[Node] = []
        for node in self.in_order():
            try:
                if self._is_ours(node):
                    heights[node.name] = node.heights()
                    asked.append(node)
                    self._worked(node)
            except NodeUnavailable as err:
                self._failed(node, err)
        self._judge_lag(heights)
        self._compare(asked, heights)
        return Survey(heights, self.troubles())

    def troubles(self) -> list[Trouble]:
        """List what is wrong now."""
        found = [trouble for node in self.providers if (trouble := self._trouble_of(node)) is not None]
        return found + ([self._disagreement] if self._disagreement else [])

    def close(self) -> None:
        """Close every provider's connections and end its waits."""
        for node in self.providers:
            close = getattr(node, "close", None)
            if close is not None:
                close()

    def _first_of(self, nodes: Sequence[Node], question: Callable[[Node], T]) -> T:
        failure: NodeUnavailable | None = None
        for node in nodes:
            try:
                if not self._is_ours(node):
                    continue
                answer = question(node)
            except NodeUnavailable as err:
                self._failed(node, err)
                failure = err
            else:
                self._worked(node)
                return answer
        if failure is None:
            raise WrongNetwork("No configured TRON provider is on this hub's network.")
        raise failure

    def _is_ours(self, node: Node) -> bool:
        standing = self._standings[id(node)]
        if standing.is_known or self._genesis_id is None:
            return True
        if node.genesis_id() != self._genesis_id:
            standing.is_wrong = True
            return False
        standing.is_known = True
        return True

    def _worked(self, node: Node) -> None:
        with self._lock:
            standing = self._standings[id(node)]
            standing.failures, standing.failing_since_s, standing.rests_until_s = 0, None, 0.0
            standing.last_failure = None

    def _failed(self, node: Node, failure: NodeUnavailable) -> None:
        with self._lock:
            now_s = self._clock.monotonic()
            standing = self._standings[id(node)]
            standing.failures += 1
            standing.last_failure = failure
            if standing.failing_since_s is None:
                standing.failing_since_s = now_s
            standing.rests_until_s = now_s + _rest_s(failure, standing.failures)

    def _judge_lag(self, heights: dict[str, Heights]) -> None:
        best = max((seen.solid for seen in heights.values()), default=0)
        for node in self.providers:
            seen = heights.get(node.name)
            if seen is not None:
                self._standings[id(node)].is_lagging = best - seen.solid > LAGGING_BLOCKS

    def _compare(self, asked: Sequence[Node], heights: dict[str, Heights]) -> None:
        """Compare block ids at the lowest solid height; who cannot show that block says nothing."""
        if len(asked) < 2:
            return
        height = min(heights[node.name].solid for node in asked)
        ids: dict[str, str] = {}
        for node in asked:
            try:
                header = node.solid_header(height)
            except NodeUnavailable as err:
                self._failed(node, err)
                continue
            if header is not None:
                ids[node.name] = header.block_id
        if len(set(ids.values())) > 1:
            sentence = f"Providers show different final blocks at height {height}: {', '.join(sorted(ids))}."
            self._disagreement = Trouble(TroubleKind.DISAGREEMENT, ", ".join(sorted(ids)), sentence)
        elif len(ids) > 1:
            self._disagreement = None

    def _trouble_of(self, node: Node) -> Trouble | None:
        standing = self._standings[id(node)]
        kind = _kind_of(standing, now_s=self._clock.monotonic())
        if kind is None:
            return None
        why = {
            TroubleKind.WRONG_NETWORK: "is on another network: it is not asked any more.",
            TroubleKind.LAGGING: f"is more than {LAGGING_BLOCKS} blocks behind another one.",
        }
        reason = why.get(kind) or (standing.last_failure.sentence if standing.last_failure else "does not help.")
        return Trouble(kind, node.name, f"Provider {node.name}: {reason}")


def _rest_s(failure: NodeUnavailable, failures: int) -> float:
    doubled_s: float = min(FIRST_REST_S * 2 ** min(failures - 1, 10), LONGEST_REST_S)
    if isinstance(failure, BlockInconsistent):
        return FIRST_REST_S
    if isinstance(failure, NodeFailure) and failure.kind in UNSUITABLE:
        return UNSUITABLE_REST_S
    asked_s = failure.retry_in_s if isinstance(failure, NodeFailure) else None
    return max(doubled_s, asked_s or 0.0)


def _kind_of(standing: _Standing, *, now_s: float) -> TroubleKind | None:
    if standing.is_wrong:
        return TroubleKind.WRONG_NETWORK
    failure = standing.last_failure
    kind = failure.kind if isinstance(failure, NodeFailure) else None
    if kind in UNSUITABLE:
        return TroubleKind.UNSUITABLE
    if kind is FailureKind.DAILY_QUOTA:
        return TroubleKind.QUOTA
    if standing.failing_since_s is not None and now_s - standing.failing_since_s > UNREACHABLE_AFTER_S:
        return TroubleKind.UNREACHABLE
    return TroubleKind.LAGGING if standing.is_lagging else None
