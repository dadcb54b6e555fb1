"""Nodes in front of a node, each wrong in one way, and what a scene's watcher has to say of it."""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from core.alarms import standing_alarms
from core.chain.decode import BlockHeader, TransactionInfo
from core.chain.failures import NodeFailure
from core.chain.node import Node
from core.models import ScannedRange
from core.testing.chains import FakeChain
from core.testing.faulty import FaultyNode
from tests.watcher.conftest import Chain, Scene


class Second(FaultyNode):
    """Another provider of what a node shows; honest as it is, for others to spoil."""

    def __init__(self, node: Node, name: str = "second") -> None:
        super().__init__(node, percent=0)
        self._name = name

    @property
    def name(self) -> str:
        return self._name


class OneFault(Second):
    """A provider that fails in one way at every call, until it is mended."""

    def __init__(self, node: Node, failure: NodeFailure, name: str = "second") -> None:
        super().__init__(node, name)
        self.failure, self.percent = failure, 100

    def _maybe(self, act, lie):
        if self.percent:
            raise self.failure
        return act()

    def _maybe_none(self, act):
        return self._maybe(act, None)


class Behind(Second):
    """A provider whose final height may go backwards; it counts who asks it for blocks all the same."""

    height: int | None = None

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.asked: list[int] = []

    def solid_height(self) -> int:
        return self.node.solid_height() if self.height is None else self.height

    def solid_infos(self, height: int) -> list[TransactionInfo]:
        self.asked.append(height)
        return super().solid_infos(height)


class Blind(Second):
    """A provider that promises a block which it cannot show."""

    def __init__(self, node: Node, height: int) -> None:
        super().__init__(node)
        self.height = height

    def solid_infos(self, height: int) -> list[TransactionInfo]:
        return [] if height >= self.height else super().solid_infos(height)

    def solid_header(self, height: int) -> BlockHeader | None:
        return None if height >= self.height else super().solid_header(height)


class Stranger(Behind):
    """A provider of another network."""

    def genesis_id(self) -> str:
        return "0" * 16 + "77" * 24


class Mixed(Second):
    """A load balancer: the transactions of one block are those of another fork, until it is mended."""

    def __init__(self, node: Node, height: int | None) -> None:
        super().__init__(node)
        self.height = height

    def solid_infos(self, height: int) -> list[TransactionInfo]:
        infos = super().solid_infos(height)
        if height != self.height:
            return infos
        return [msgspec.structs.replace(info, block_time_ms=info.block_time_ms + 3000) for info in infos]


def second_view(chain: FakeChain, **changes: object) -> Chain:
    """Give another provider of the same chain."""
    view = Chain(chain.usdt_contract, chain.start, name="second")
    view.blocks, view.branch, view.jumps = dict(chain.blocks), dict(chain.branch), dict(chain.jumps)
    view.head, view.solid = chain.head, chain.solid
    for name, value in changes.items():
        setattr(view, name, value)
    return view


def alarms(scene: Scene) -> list[str]:
    with scene.hub.database.snapshot() as session:
        return [alarm.kind for alarm in standing_alarms(session)]


def ranges(scene: Scene) -> list[tuple[int, int, str]]:
    with scene.hub.database.snapshot() as session:
        rows = session.scalars(select(ScannedRange).order_by(ScannedRange.from_height))
        return [(row.from_height, row.to_height, row.provider) for row in rows]
