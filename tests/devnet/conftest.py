"""A chain in memory on a clock that stands still, and the means to talk to it without HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from core.clock import ManualClock
from core.devnet import node_api
from core.devnet.ledger import Chain

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
BUYER = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH"  # the first address of the published HD vector
Ask = Callable[..., Any]


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock that moves by hand."""
    return ManualClock(START)


@pytest.fixture
def chain(clock: ManualClock) -> Iterator[Chain]:
    """Give a fresh chain with one block beyond genesis."""
    chain = Chain.open(None, clock=clock)
    chain.advance(1)
    yield chain
    chain.close()


@pytest.fixture
def ask(chain: Chain) -> Ask:
    """Give a function that makes one node call: ask("wallet/getnowblock", visible=True)."""

    def call(path: str, **params: Any) -> Any:
        root, _, name = path.partition("/")
        return node_api.answer(chain, root=root, name=name, params=params)

    return call
