"""Crash points: wrap a hub's parts so that a run ends at its n-th step, by an exception or by SIGKILL.

A point lies before and after every commit, every POST and every question to the node. Between two neighbouring points
a hub does nothing that anybody else could see, so that a run which ends at each of them in turn has ended everywhere.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from core.chain.addresses import TronAddress
from core.chain.decode import BlockHeader, TransactionInfo
from core.chain.node import Heights, Node
from core.chain.rpc import LoggedTransfer
from core.contract import Answer
from core.db import Database
from core.http import HttpSender
from core.hub import Hub

T = TypeVar("T")


class Crash(BaseException):
    """The process ends here; no edge may catch it, as none could catch a SIGKILL."""


def crash() -> None:
    """End a run inside a process that goes on: raises Crash."""
    raise Crash


def kill() -> None:
    """End this process as kill -9 does: nothing is flushed, closed or rolled back by us."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(slots=True)
class CrashPoints:
    """The points a run has passed, by name and in order.

    crash_at: the point, counted from 1, at which `end` is called; None for a run to its end.
    """

    crash_at: int | None = None
    end: Callable[[], None] = crash
    passed: list[str] = field(default_factory=list)

    def reach(self, name: str) -> None:
        """Note a point and end the run at the chosen one; what is dead takes no later step either."""
        self.passed.append(name)
        if self.crash_at is not None and len(self.passed) >= self.crash_at:
            self.end()

    def around(self, name: str, act: Callable[[], T]) -> T:
        """Do one act with a point before it and one after it."""
        self.reach(f"before {name}")
        done = act()
        self.reach(f"after {name}")
        return done


def with_crash_points(hub: Hub, points: CrashPoints) -> Hub:
    """Give the same hub with points around its commits and POSTs."""
    return replace(hub, database=PointedDatabase(hub.database, points), http=PointedDoor(hub.http, points))


class PointedDatabase(Database):
    """A database with points around each commit: everything is written before the first, and lasts after the second."""

    def __init__(self, database: Database, points: CrashPoints) -> None:
        super().__init__(database.engine)
        self._points = points

    @contextmanager
    def transaction(self, connection: Connection | None = None) -> Iterator[Session]:
        """Open a write transaction with a point on either side of its commit."""
        with super().transaction(connection) as session:
            yield session
            session.flush()
            self._points.reach("before commit")
        self._points.reach("after commit")


class PointedDoor:
    """An outbound door with points around each POST."""

    def __init__(self, door: HttpSender, points: CrashPoints) -> None:
        self._door = door
        self._points = points

    def check(self, url: str) -> None:
        """Judge a URL; that changes nothing, so there is no point here."""
        self._door.check(url)

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST with a point before it leaves and one after its answer is here."""
        return self.send("POST", url, body=body, headers=headers)

    def send(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request with a point before it leaves and one after its answer is here."""
        return self._points.around(
            method.lower(), lambda: self._door.send(method, url, body=body, headers=headers)
        )


class PointedNode:
    """A node with points around each question."""

    def __init__(self, node: Node, points: CrashPoints) -> None:
        self._node = node
        self._points = points

    @property
    def name(self) -> str:
        """Name the provider."""
        return self._node.name

    def genesis_id(self) -> str:
        """Ask the node."""
        return self._points.around("genesis_id", self._node.genesis_id)

    def heights(self) -> Heights:
        """Ask the node."""
        return self._points.around("heights", self._node.heights)

    def solid_height(self) -> int:
        """Ask the node."""
        return self._points.around("solid_height", self._node.solid_height)

    def head_height(self) -> int:
        """Ask the node."""
        return self._points.around("head_height", self._node.head_height)

    def solid_infos(self, height: int) -> list[TransactionInfo]:
        """Ask the node."""
        return self._points.around(f"solid_infos {height}", lambda: self._node.solid_infos(height))

    def solid_header(self, height: int) -> BlockHeader | None:
        """Ask the node."""
        return self._points.around(f"solid_header {height}", lambda: self._node.solid_header(height))

    def solid_info(self, txid: str) -> TransactionInfo | None:
        """Ask the node."""
        return self._points.around(f"solid_info {txid}", lambda: self._node.solid_info(txid))

    def head_info(self, txid: str) -> TransactionInfo | None:
        """Ask the node."""
        return self._points.around(f"head_info {txid}", lambda: self._node.head_info(txid))

    def head_infos(self, height: int) -> list[TransactionInfo]:
        """Ask the node."""
        return self._points.around(f"head_infos {height}", lambda: self._node.head_infos(height))

    def head_header(self, height: int) -> BlockHeader | None:
        """Ask the node."""
        return self._points.around(f"head_header {height}", lambda: self._node.head_header(height))

    def contract_exists(self, address: TronAddress) -> bool:
        """Ask the node."""
        return self._points.around("contract_exists", lambda: self._node.contract_exists(address))

    def call_contract(self, contract: TronAddress, function: str, *words: bytes) -> bytes:
        """Ask the node."""
        return self._points.around(function, lambda: self._node.call_contract(contract, function, *words))

    def transfer_logs(
        self, contract: TronAddress, *, to: Sequence[bytes] | None, since: int, until: int
    ) -> list[LoggedTransfer]:
        """Ask the node."""
        return self._points.around(
            "transfer_logs", lambda: self._node.transfer_logs(contract, to=to, since=since, until=until)
        )
