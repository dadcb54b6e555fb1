"""Whatever happens to a watcher, it records the truth; and planted faults show that these tests would tell."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import update

from core.chain import blocks, decode
from core.chain.addresses import parse_address
from core.chain.blocks import Block
from core.chain.decode import TransactionInfo, TransferLog
from core.chain.node import Node
from core.chain.findings import whose
from core.chain.progress import Extent, move_cursor
from core.chain.scanner import Scanner
from core.clock import ManualClock
from core.db import open_database
from core.hub import Hub
from core.models import Cursor
from core.testing.hubs import START, make_hub
from tests.conftest import _empty
from tests.watcher.world import ACTIONS, STRANGER, Step, World

pytestmark = [
    pytest.mark.slow, pytest.mark.timeout(300),
    # a crash may hit the thread that keeps the lease
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

FreshHub = Callable[[], Iterator[Hub]]
STEPS = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1000)), max_size=30)
SEEDS = range(40)


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_hub(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], object]:
    """Make a hub on an empty database, as often as asked."""

    @contextmanager
    def make() -> Iterator[Hub]:
        if request.param == "sqlite":
            for old in tmp_path.glob("world.db*"):
                old.unlink()
            shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "world.db")
            url = f"sqlite:///{tmp_path}/world.db"
        else:
            url = request.getfixturevalue("postgresql_url")
            _empty(url)
        database = open_database(url)
        try:
            yield make_hub(database, clock=ManualClock(START))
        finally:
            database.dispose()

    return make


def random_steps(seed: int) -> list[Step]:
    dice = Random(seed)
    return [(dice.choice(ACTIONS), dice.randrange(1000)) for _ in range(30)]


@settings(
    max_examples=25, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_whatever_happens_the_truth_is_recorded(fresh_hub, steps: list[Step]):
    with fresh_hub() as hub:
        assert World(hub).live(steps) == []


def test_forty_long_lives_record_the_truth(fresh_hub):
    """The seeds that the planted faults below are caught with."""
    for seed in list(SEEDS)[:12]:
        with fresh_hub() as hub:
            assert World(hub).live(random_steps(seed)) == [], seed


class HeadAsSolid:
    """Planted: a view that calls every block final."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def __getattr__(self, name: str) -> object:
        return getattr(self._node, name.replace("solid_", "head_"))


def start_at_head(world: World) -> None:
    """Planted: after a restart go on at the newest final block."""
    with world.hub.database.transaction() as session:
        height = world.chain.solid
        session.execute(update(Cursor).values(height=height, block_time=world.chain.time_of(height)))


def trust_empty(monkeypatch: pytest.MonkeyPatch, world: dict[str, World]) -> None:
    def careless(node: Node, height: int) -> Block:
        return Block(height, world["now"].chain.time_of(height), (), frozenset(), (), node.name, "00" * 32)

    monkeypatch.setattr(blocks, "_read_empty", careless)


def read_calldata(monkeypatch: pytest.MonkeyPatch, world: dict[str, World]) -> None:
    def careless(infos: list[TransactionInfo]) -> list[TransferLog]:
        found = []
        for info in infos:
            if info.id in world["now"].calldata:
                to, units = world["now"].calldata[info.id]
                usdt = bytes.fromhex(world["now"].chain.log(STRANGER, 0).address)
                found.append(
                    TransferLog(info.id, 0, 0, usdt, b"\x11" * 20, parse_address(to).raw20, units, info.has_succeeded)
                )
        return found

    monkeypatch.setattr(blocks, "transfers_in", careless)
    monkeypatch.setattr(blocks, "accounts_in", lambda infos: frozenset(log.to20 for log in careless(infos)))


def ignore_the_receipt(monkeypatch: pytest.MonkeyPatch, world: dict[str, World]) -> None:
    honest = decode.transfers_in

    def careless(infos: list[TransactionInfo]) -> list[TransferLog]:
        return [replace(log, succeeded=True) for log in honest(infos)]

    monkeypatch.setattr(blocks, "transfers_in", careless)


def move_first(monkeypatch: pytest.MonkeyPatch, world: dict[str, World]) -> None:
    apply = Scanner._apply

    def careless(scanner: Scanner, genesis_id: str, part: list[Block]) -> int:
        hub, last = scanner._hub, part[-1]
        with hub.database.snapshot() as session:
            is_ours = any(map(whose(session, part).concerns, part))
        if is_ours and (len(part) > 1 or not last.has_header):  # not vouched for yet: nothing of it is committed
            return apply(scanner, genesis_id, part)
        extent = Extent(part[0].height, last.height, last.block_time, last.provider)
        with hub.database.transaction() as session:
            move_cursor(session, hub, genesis_id, extent, fence=scanner._lease.fence, range_id=None)
        return apply(scanner, genesis_id, part)

    monkeypatch.setattr("core.chain.scanner.move_cursor", lambda *_, **__: None)
    monkeypatch.setattr(Scanner, "_apply", careless)


def change_nothing(monkeypatch: pytest.MonkeyPatch, world: dict[str, World]) -> None:
    pass


MUTANTS = {
    "trusting_an_empty_answer": (trust_empty, {}),
    "calldata_instead_of_logs": (read_calldata, {}),
    "ignoring_the_receipts_status": (ignore_the_receipt, {}),
    "the_cursor_before_its_findings": (move_first, {}),
    "head_instead_of_solid": (change_nothing, {"view": HeadAsSolid}),
    "starting_at_head_after_downtime": (change_nothing, {"on_restart": start_at_head}),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_planted_fault_is_caught(fresh_hub, monkeypatch: pytest.MonkeyPatch, mutant: str):
    """Each is what some other gateway does (the TRON facts, section 12); without it the same life is without fault."""
    plant, changes = MUTANTS[mutant]
    world: dict[str, World] = {}
    complaints: list[str] = []
    for seed in SEEDS:
        with fresh_hub() as hub, monkeypatch.context() as patched:
            world["now"] = World(hub, **changes)
            plant(patched, world)
            complaints = world["now"].live(random_steps(seed))
        if complaints:
            break

    assert complaints
    with fresh_hub() as hub:
        assert World(hub).live(random_steps(seed)) == [], f"what the fault was caught with, seed {seed}, is at fault"
