"""Read every solid block once, in order, and commit cursor and findings together: nothing is skipped or assumed.

Blocks are read and proven by `blocks`, several at once while behind; they are applied one after the other, each in
one transaction, and a run of blocks in which nothing is ours shares one. Money is credited from solid blocks, from
logs of the configured contract, of successful transactions, and by the one watcher that holds the lease.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.chain.addresses import parse_address
from core.chain.blocks import Block, agree, check_order, read_block, vouch
from core.chain.findings import Ours, record_findings, whose
from core.chain.fleet import BlockDisputed, Fleet
from core.chain.identity import identify
from core.chain.lease import Lease, Pulse, hold, keeping, let_go
from core.chain.node import Node
from core.chain.progress import CursorMoved, Extent, move_cursor
from core.chain.readahead import ReadAhead
from core.errors import NodeUnavailable
from core.hub import Hub
from core.payments.reservations import ChainPoint, release_passed
from core.payments.settling import close_passed

MAX_BLOCKS_A_STEP = 500  # so that a step ends, and the loop hears a stop signal, within seconds even when far behind
LOOK_EVERY_S = 60.0  # how often the solid height is asked where requests are counted


@dataclass(frozen=True, slots=True)
class Progress:
    """What a step achieved.

    applied, recorded: blocks and transfers.   solid_height: the highest shown.   height: the cursor afterwards.
    is_active: False while another watcher has the lease.
    """

    applied: int
    recorded: int
    solid_height: int
    height: int
    is_active: bool = True

    @property
    def is_behind(self) -> bool:
        """Tell whether there is more to apply at once."""
        return self.is_active and self.height < self.solid_height


class _OursInside(Exception):
    """A part that was to be committed at once holds a block that must be vouched for, and stand alone."""

    def __init__(self, ours: Ours) -> None:
        super().__init__("something in these blocks is ours")
        self.ours = ours


class Scanner:
    """The solid scan of one network by one watcher; `holder` names it in the lease."""

    def __init__(self, hub: Hub, fleet: Fleet, *, holder: str | None = None) -> None:
        self._hub = hub
        self._fleet = fleet
        self._holder = holder or hub.ids.watcher_name()
        self._usdt20 = parse_address(hub.settings.network.usdt_contract).raw20
        self._ahead = ReadAhead(self._read, most=hub.settings.read_ahead, clock=hub.clock)
        self._genesis_id: str | None = None
        self._lease: Lease | None = None
        self._pulse = Pulse(hub.clock)
        self._range_id: int | None = None
        self._solid_height = 0
        self._looked_at_s: float | None = None
        self.has_applied = False  # whether the last step moved the cursor, also one that a failure ended

    def scan_once(self) -> Progress:
        """Apply the solid blocks that are new, at most MAX_BLOCKS_A_STEP of them.

        Raises NodeUnavailable (nothing lost: the next step goes on at the cursor), WrongNetwork.
        """
        self.has_applied = False
        genesis_id = self._identity()
        held = hold(self._hub, genesis_id, holder=self._holder, mine=self._lease, pulse=self._pulse)
        self._lease, point = held.lease, held.point
        if self._lease is None:
            return Progress(0, 0, self._solid_height, point.height, is_active=False)
        before, recorded = point.height, 0
        with keeping(self._hub, genesis_id, self._lease):
            for run in self._runs(point.height + 1, self._target(point.height)):
                for block in run:
                    check_order(block, height=point.height + 1, after=point.block_time)
                    point = ChainPoint(block.height, block.block_time)
                recorded += self._apply_run(genesis_id, run)
        return Progress(point.height - before, recorded, self._solid_height, point.height)

    def close(self) -> None:
        """Stop reading ahead, and give the lease back."""
        self._ahead.close()
        if self._lease is not None and self._genesis_id is not None:
            let_go(self._hub, self._genesis_id, self._lease)
            self._lease = None

    def _identity(self) -> str:
        if self._genesis_id is None:
            self._genesis_id = self._fleet.ask(lambda node: identify(self._hub, node))
            self._fleet.expect(self._genesis_id)
        return self._genesis_id

    def _target(self, height: int) -> int:
        """Choose up to which height to read.

        Where requests cost nothing the solid height is asked each time. Where they are counted it is asked once a
        minute, and in between the next block is asked for straight away: one request a block instead of two.
        """
        is_due = self._looked_at_s is None or self._hub.clock.monotonic() - self._looked_at_s >= LOOK_EVERY_S
        if is_due or not self._hub.settings.live_requests:
            self._looked_at_s = self._hub.clock.monotonic()
            shown = self._fleet.ask(lambda node: node.solid_height())
            self._solid_height = max(shown, self._solid_height)
            return min(shown, height + MAX_BLOCKS_A_STEP)
        if height < self._solid_height:
            return min(self._solid_height, height + MAX_BLOCKS_A_STEP)
        return height + 1

    def _runs(self, first: int, last: int) -> Iterator[list[Block]]:
        """Read these heights in order; end early at a block that is not there yet."""
        if first == last:
            block = self._read(first)
            yield from [[block]] if block else []
            return
        for run in self._ahead.runs(first, last):
            there = [block for block in run if block is not None]
            if there:
                yield there if len(there) == len(run) else there[: run.index(None)]
            if len(there) < len(run):
                return

    def _read(self, height: int) -> Block | None:
        return self._fleet.ask(lambda node: self._read_from(node, height))

    def _read_from(self, node: Node, height: int) -> Block | None:
        block = read_block(node, height, usdt20=self._usdt20)
        if block is None and height <= self._solid_height:
            raise NodeUnavailable(f"The TRON node does not show solid block {height} yet.")
        return block

    def _apply_run(self, genesis_id: str, run: Sequence[Block]) -> int:
        """Commit a run at once if nothing in it is ours, as is nearly always so; else cut it where something is."""
        try:
            return self._apply(genesis_id, run)
        except _OursInside as inside:  # and nothing of it was committed
            found = inside.ours
        try:
            return sum(self._apply(genesis_id, part) for part in self._parts(run, found))
        except _OursInside as inside:
            raise CursorMoved("An address was added while its block was being read.") from inside

    def _parts(self, run: Sequence[Block], ours: Ours) -> Iterator[list[Block]]:
        """Cut a run where something is ours: such a block stands alone, vouched for; the others share a transaction."""
        quiet: list[Block] = []
        for block in run:
            if not ours.concerns(block):
                quiet.append(block)
                continue
            if quiet:
                yield quiet
            yield [self._confirmed(block)]
            quiet = []
        if quiet:
            yield quiet

    def _confirmed(self, block: Block) -> Block:
        """Have a block that concerns us vouched for, and seen by a second provider where its money demands it."""
        if not block.has_header:
            block = self._vouched(block)
        limit = self._hub.settings.second_opinion_units
        if limit is not None and self._brings_more_than(block, limit):
            self._ask_another(block)
        return block

    def _vouched(self, block: Block) -> Block:
        """Ask the provider that showed it; another one is asked for the whole block anew."""

        def ask(node: Node) -> Block:
            shown = block if node.name == block.provider else read_block(node, block.height, usdt20=self._usdt20)
            if shown is None:
                raise NodeUnavailable(f"The TRON node does not show solid block {block.height} yet.")
            if shown.logs != block.logs or shown.notices != block.notices:
                raise BlockDisputed(f"Two providers show block {block.height} differently.")
            return vouch(node, shown)

        return self._fleet.ask(ask)

    def _brings_more_than(self, block: Block, limit: int) -> bool:
        large = [log for log in block.logs if log.units > limit and log.contract20 == self._usdt20 and log.succeeded]
        with self._hub.database.snapshot() as session:
            ours = whose(session, [block])
        return any(log.to20 in ours.by_raw20 for log in large)

    def _ask_another(self, block: Block) -> None:
        try:
            other = self._fleet.ask_others(block.provider, lambda node: self._shown(node, block.height))
        except NodeUnavailable as err:
            why = f"Block {block.height} needs a second provider's word, and none can be had: {err.sentence}"
            raise NodeUnavailable(why) from err
        if not agree(block, other):
            raise BlockDisputed(f"Two providers show block {block.height} differently.")

    def _shown(self, node: Node, height: int) -> Block:
        """Read what another provider shows; that it proves the block empty is a word too, and a different one."""
        block = read_block(node, height, usdt20=self._usdt20)
        if block is None:
            raise NodeUnavailable(f"Provider {node.name} does not show block {height} yet.")
        return block

    def _apply(self, genesis_id: str, part: Sequence[Block]) -> int:
        """Commit a part: cursor, findings, expiries, releases and proof in one transaction."""
        if self._lease is None:
            raise CursorMoved
        last = part[-1]
        extent = Extent(part[0].height, last.height, last.block_time, last.provider)
        with self._hub.database.transaction() as session:
            ours = whose(session, part)
            concerning = [block for block in part if ours.concerns(block)]
            if concerning and (len(part) > 1 or not concerning[0].has_header):
                raise _OursInside(ours)
            range_id = move_cursor(
                session, self._hub, genesis_id, extent, fence=self._lease.fence, range_id=self._range_id
            )
            recorded = sum(
                record_findings(session, self._hub, genesis_id, block, ours, usdt20=self._usdt20)
                for block in concerning
            )
            close_passed(session, self._hub, point=ChainPoint(last.height, last.block_time))
            release_passed(session, block_time=last.block_time)
        self._range_id = range_id
        self.has_applied = True
        if recorded:
            self._hub.figures.recorded(seconds=max(0.0, (self._hub.clock.now() - last.block_time).total_seconds()))
        return recorded
