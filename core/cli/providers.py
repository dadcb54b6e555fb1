"""The checks of `paywharf doctor` that ask TRON providers: each of them, what they say together, the watcher's place.

A provider that fails while another one works is a warning, for the watcher goes on; so is one that lags. One of
another network, two that show different final blocks, and none that answers are problems.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from sqlalchemy import select

from core.app import build_nodes
from core.chain.addresses import parse_address
from core.chain.failures import FailureKind, NodeFailure
from core.chain.fleet import Fleet, TroubleKind
from core.chain.node import Heights, HttpNode
from core.cli.findings import Finding, ok, problem, warning
from core.cli.roof import Roof
from core.clock import SystemClock, from_millis
from core.errors import NodeUnavailable
from core.hub import Hub
from core.models import Cursor
from core.settings import NetworkSettings

MAX_LAG_BLOCKS = 20  # a minute of blocks: a healthy watcher is at most a few behind the node's solid height
MAX_SKEW = timedelta(seconds=30)  # of the newest block against our clock (B8)


def check_providers(roof: Roof) -> Iterator[Finding]:
    """Look at every provider, whether they agree, and how far the watcher is behind the best of them."""
    network = roof.settings.network
    nodes = build_nodes(network, SystemClock())
    try:
        reached: list[tuple[HttpNode, Heights]] = []
        for node in nodes:
            genesis_id = network.genesis_id or (reached[0][0].genesis_id() if reached else "")
            finding, heights = _look(node, network.name, genesis_id, is_only=len(nodes) == 1)
            yield finding
            reached += [(node, heights)] if heights else []
        if not reached:
            if len(nodes) > 1:
                yield problem("node", "No provider can be used: nothing is watched.")
            return
        yield from _together(roof, [node for node, _ in reached])
        best, seen = max(reached, key=lambda one: one[1].solid)
        yield from _contract_findings(best, network)
        yield from _clock_findings(roof, best, seen.head)
        yield from _watcher_findings(roof.bare_hub, best.genesis_id(), solid_height=seen.solid)
    finally:
        for node in nodes:
            node.close()


def _look(node: HttpNode, network: str, expected: str, *, is_only: bool) -> tuple[Finding, Heights | None]:
    """Ask one provider; its heights where it can be used.   expected: the genesis id, or its end."""
    name = "The node" if is_only else f"Provider {node.name}"
    try:
        genesis_id, heights = node.genesis_id(), node.heights()
    except NodeUnavailable as err:
        return (problem if is_only else warning)("node", err.sentence if is_only else f"{name}: {err.sentence}"), None
    if not genesis_id.endswith(expected):
        return problem("node", f"{name} is not on {network}: its genesis block is {genesis_id}."), None
    what = "Reachable" if is_only else f"{name} is reachable"
    return ok("node", f"{what}, on {network}, head {heights.head}, solid {heights.solid}."), heights


def _together(roof: Roof, nodes: Sequence[HttpNode]) -> Iterator[Finding]:
    """Say what only several providers can tell, and what none of them offers."""
    fleet = Fleet(nodes, clock=SystemClock())
    for trouble in fleet.survey().troubles:
        yield (problem if trouble.kind is TroubleKind.DISAGREEMENT else warning)("node", trouble.sentence)
    if roof.settings.second_opinion_units is not None and len(nodes) < 2:
        yield problem("node", "PAYWHARF_SECOND_OPINION_ABOVE needs a second provider, and none can be asked: "
                              "larger payments are not credited.")
    network = roof.settings.network
    if network.usdt_contract and not any(_has_log_index(node, network) for node in nodes):
        yield ok("log index", "No provider has one (JSON-RPC): `paywharf reconcile` can compare balances only.")


def _has_log_index(node: HttpNode, network: NetworkSettings) -> bool:
    try:
        node.transfer_logs(parse_address(network.usdt_contract), to=[bytes(20)], since=1, until=1)
    except NodeFailure as failure:
        return failure.kind not in (FailureKind.DISABLED, FailureKind.NODE_ERROR)
    return True


def _contract_findings(node: HttpNode, network: NetworkSettings) -> Iterator[Finding]:
    if not network.usdt_contract:
        yield problem("contract", "PAYWHARF_USDT_CONTRACT is not set: no transfer can be recognised.")
    elif not node.contract_exists(parse_address(network.usdt_contract)):
        yield problem("contract", f"The node knows no contract {network.usdt_contract}.")


def _clock_findings(roof: Roof, node: HttpNode, head: int) -> Iterator[Finding]:
    header = node.head_header(head)
    if header is None:
        return
    skew = abs(roof.bare_hub.clock.now() - from_millis(header.time_ms))
    if skew > MAX_SKEW:
        apart = f"{round(skew.total_seconds())} s apart"
        yield problem("clock", f"The newest block and this machine's clock are {apart}: one of them stands or is off.")
    else:
        yield ok("clock", "In step with the newest block.")


def _watcher_findings(hub: Hub, genesis_id: str, *, solid_height: int) -> Iterator[Finding]:
    with hub.database.snapshot() as session:
        cursor = session.scalar(select(Cursor).where(Cursor.network == hub.settings.network.name))
    if cursor is None:
        yield warning("watcher", "It has not run yet: start `paywharf serve` or `paywharf watch`.")
    elif cursor.genesis_id != genesis_id:
        yield problem(
            "watcher", f"This hub has watched a chain with genesis block {cursor.genesis_id}, not this one: point "
            "PAYWHARF_NODE_URL at a node of that chain again, or start with a fresh database.",
        )
    elif cursor.frozen_at is not None:
        stands = f"It is frozen at block {cursor.height}"
        yield problem("watcher", f"{stands}: look, then run `paywharf unfreeze`. Why: {cursor.frozen_why}")
    elif solid_height - cursor.height > MAX_LAG_BLOCKS:
        yield problem("watcher", f"It is {solid_height - cursor.height} blocks behind the node: is it running?")
    else:
        yield ok("watcher", f"At solid block {cursor.height}, {max(0, solid_height - cursor.height)} behind the node.")
