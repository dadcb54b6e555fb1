"""Make sure the node is on the network this hub was set up for, and find where its solid scan begins.

A hub remembers the genesis id of its first start. A devnet that was deleted and made anew is another network, and a
hub that would go on watching it would be blind to the money of the old one: it refuses instead.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.chain.addresses import parse_address
from core.chain.decode import BlockHeader
from core.chain.node import Node
from core.clock import from_millis
from core.db import insert_for
from core.errors import NodeUnavailable, WrongNetwork
from core.hub import Hub
from core.models import Address, Cursor

# the oldest address may have been shown to someone this long before its row, by a clock that is off
START_MARGIN = timedelta(minutes=10)


def identify(hub: Hub, node: Node) -> str:
    """Check the node's identity and give its genesis id; makes the cursor at the very first start.

    Raises WrongNetwork (do not watch), NodeUnavailable (try again).
    """
    network = hub.settings.network
    genesis_id = node.genesis_id()
    if not genesis_id.endswith(network.genesis_id.lower()):
        raise WrongNetwork(f"The TRON node is not on {network.name}: its genesis block is {genesis_id}.")
    known = _known_genesis(hub)
    if known is None:
        _check_contract(hub, node)
        _make_cursor(hub, node, genesis_id)
        known = _known_genesis(hub)
    if known != genesis_id:
        raise WrongNetwork(
            f"This hub has watched {network.name} with genesis block {known}; the node now has {genesis_id}. "
            "Restore the old node, or start with a fresh database."
        )
    return genesis_id


def _check_contract(hub: Hub, node: Node) -> None:
    contract = parse_address(hub.settings.network.usdt_contract)
    if not node.contract_exists(contract):
        raise WrongNetwork(f"The TRON node knows no USDT contract {contract} on {hub.settings.network.name}.")


def _known_genesis(hub: Hub) -> str | None:
    with hub.database.snapshot() as session:
        return session.scalar(select(Cursor.genesis_id).where(Cursor.network == hub.settings.network.name))


def _make_cursor(hub: Hub, node: Node, genesis_id: str) -> None:
    """Write the cursor, unless another watcher's first start was faster."""
    with hub.database.snapshot() as session:
        oldest = _oldest_address(session)
    start = _start_header(node, oldest)
    with hub.database.transaction() as session:
        session.execute(
            insert_for(session, Cursor)
            .values(
                genesis_id=genesis_id,
                network=hub.settings.network.name,
                height=start.height,
                block_time=from_millis(start.time_ms),
                head_height=start.height,
                updated_at=hub.clock.now(),
            )
            .on_conflict_do_nothing()
        )


def _oldest_address(session: Session) -> datetime | None:
    return session.scalar(select(func.min(Address.created_at)))


def _start_header(node: Node, oldest: datetime | None) -> BlockHeader:
    """Find the last solid block before any address could have been paid; the newest one when there is no address."""
    newest = _header(node, node.solid_height())
    if oldest is None:
        return newest
    wanted = oldest - START_MARGIN
    low, high = 0, newest.height
    while low < high:  # block times rise with heights
        middle = (low + high + 1) // 2
        if from_millis(_header(node, middle).time_ms) <= wanted:
            low = middle
        else:
            high = middle - 1
    return _header(node, low)


def _header(node: Node, height: int) -> BlockHeader:
    header = node.solid_header(height)
    if header is None:
        raise NodeUnavailable(f"The TRON node does not know its own solid block {height}.")
    return header
