"""Read one applied block again on an operator's word, and record what the scan was not shown of it.

The cursor stays where it is, and what is recorded already is not recorded twice. It refuses to choose between
providers that show the block differently: that takes a human who has looked it up elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.alarms import AlarmKind, clear_alarm
from core.chain.addresses import parse_address
from core.chain.blocks import Block, agree, read_block, vouch
from core.chain.coverage import coverage
from core.chain.findings import record_findings, whose
from core.chain.fleet import BlockDisputed, Fleet
from core.chain.node import Node
from core.errors import InvalidField, NodeUnavailable, NotFound
from core.hub import Hub
from core.models import Cursor


@dataclass(frozen=True, slots=True)
class Rescan:
    """What came of it.   recorded: transfers to us that were missing.   providers: who showed the block."""

    height: int
    recorded: int
    providers: list[str]


def rescan(hub: Hub, fleet: Fleet, *, height: int, provider: str | None = None) -> Rescan:
    """Record what is missing of a block that the scan has passed.

    provider: the only one to believe; by default all that show the block must show the same.
    Raises InvalidField (a block that was not scanned), NotFound (no such provider), BlockDisputed, NodeUnavailable.
    """
    genesis_id = _require_scanned(hub, height)
    fleet.expect(genesis_id)
    usdt20 = parse_address(hub.settings.network.usdt_contract).raw20
    shown = _shown(fleet, height, provider=provider, usdt20=usdt20)
    first, *others = shown.values()
    if not all(agree(first, other) for other in others):
        raise BlockDisputed(
            f"{', '.join(sorted(shown))} show block {height} differently: look it up elsewhere, and say with "
            "--provider which of them is right."
        )
    with hub.database.transaction() as session:
        session.execute(select(Cursor.height).where(Cursor.genesis_id == genesis_id).with_for_update()).one()
        recorded = _record(session, hub, genesis_id, first, usdt20=usdt20)
    return Rescan(height, recorded, sorted(shown))


def _require_scanned(hub: Hub, height: int) -> str:
    with hub.database.snapshot() as session:
        found = coverage(session, hub)
        genesis_id = session.scalar(select(Cursor.genesis_id).where(Cursor.network == hub.settings.network.name))
    if found is None or genesis_id is None or not found.first <= height <= found.last:
        scanned = "none yet" if found is None else f"{found.first} to {found.last}"
        raise InvalidField(f"Block {height} is none of those that were scanned: {scanned}.")
    return genesis_id


def _shown(fleet: Fleet, height: int, *, provider: str | None, usdt20: bytes) -> Mapping[str, Block]:
    def ask(node: Node) -> Block | None:
        if provider not in (None, node.name):
            return None
        block = read_block(node, height, usdt20=usdt20)
        return None if block is None else vouch(node, block)

    if provider is not None and provider not in {node.name for node in fleet.providers}:
        raise NotFound(f"No provider is called {provider}: {', '.join(node.name for node in fleet.providers)}.")
    answers = fleet.ask_each(ask)
    shown = {name: block for name, block in answers.items() if isinstance(block, Block)}
    if not shown:
        failures = [one for one in answers.values() if isinstance(one, NodeUnavailable)]
        raise failures[0] if failures else NodeUnavailable(f"No TRON provider shows block {height}.")
    return shown


def _record(session: Session, hub: Hub, genesis_id: str, block: Block, *, usdt20: bytes) -> int:
    """Record transfers alone: an old block's announcements may have been taken back since."""
    block = replace(block, notices=())
    recorded = record_findings(session, hub, genesis_id, block, whose(session, [block]), usdt20=usdt20)
    for txid in {log.txid for log in block.logs}:
        clear_alarm(session, kind=AlarmKind.TRANSFER_MISSED, subject=txid, now=hub.clock.now())
    return recorded
