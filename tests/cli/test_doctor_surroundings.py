"""O6: doctor looks around the hub: key, disk, sizes, Redis, and what waits to be sent."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import update

from core.cli import surroundings
from core.cli.roof import Roof
from core.models import Cursor, Delivery
from core.projects.vault import Vault
from core.testing.factories import make_payment, make_shop
from tests.cli.conftest import Run
from tests.outbox.kit import complete
from tests.workers.redis_server import RedisServer
from workers.rq import RedisState

Look = Callable[..., list[tuple[str, str]]]
Usage = namedtuple("Usage", "total used free")
HEALTHY = RedisState("7.2.1", "noeviction", 0, 10**6, "nothing", True, 2, 0)


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone: which database it is matters to one line only."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'hub.db')}"


@pytest.fixture
def look(run: Run, roof: Roof, tmp_path: Path) -> Look:
    """Run one check and give its states and sentences; the exit code says whether one is a problem."""
    roof.__dict__["settings"] = replace(roof.settings, data_dir=tmp_path)

    def look_at(check: str, **settings: object) -> list[tuple[str, str]]:
        roof.__dict__["settings"] = roof.bare_hub.settings = replace(roof.settings, **settings)
        result = run("doctor", "--json", "--only", check)
        findings = [(row["state"], row["sentence"]) for row in json.loads(result.stdout)["findings"][1:]]
        assert result.exit_code == int("problem" in [state for state, _ in findings])
        return findings

    return look_at


def states(findings: list[tuple[str, str]]) -> list[str]:
    return [state for state, _ in findings]


def test_a_check_that_does_not_exist_is_wrong_usage(run: Run):
    result = run("doctor", "--only", "weather")

    assert (result.exit_code, "none of: secret files, database," in result.stderr) == (2, True)


def test_a_key_beside_real_money_is_a_warning_and_one_that_is_gone_a_problem(look: Look, roof: Roof, tmp_path: Path):
    key, mainnet = tmp_path / "master.key", replace(roof.settings.network, name="mainnet")
    key.touch(0o600)
    elsewhere = tmp_path.parent / f"{tmp_path.name}.key"
    elsewhere.touch(0o600)

    assert states(look("key", master_key_file=key)) == ["ok", "ok"]
    assert states(look("key", master_key_file=key, network=mainnet)) == ["warning", "ok"]
    assert states(look("key", master_key_file=elsewhere)) == ["ok", "ok"]
    assert states(look("key", master_key_file=None)) == ["ok", "ok"]
    assert states(look("key", master_key_file=tmp_path / "gone")) == ["problem", "ok"]
    elsewhere.unlink()


def test_a_key_file_elsewhere_is_looked_at_too(look: Look, tmp_path: Path):
    key = tmp_path / "elsewhere.key"
    key.touch()
    key.chmod(0o644)

    assert look("secret files", master_key_file=key) == [("problem", f"Others may read {key}: run chmod 600 on it.")]


def test_a_key_that_opens_nothing_is_found(look: Look, roof: Roof):
    make_payment(roof.bare_hub, make_shop(roof.bare_hub))
    assert states(look("key")) == ["ok", "ok"]

    roof.bare_hub.vault = Vault((("t1", bytes(32)),))

    assert look("key")[1] == (
        "problem",
        "The master key does not open hub_secret:payment_id_key:value: put the key back that the hub was made with.",
    )


@pytest.mark.parametrize(
    ("free", "state"), [(10**8, "problem"), (10**9, "warning"), (10**11, "ok")], ids=["full", "low", "room"]
)
def test_room_on_the_disk(look: Look, monkeypatch: pytest.MonkeyPatch, free: int, state: str):
    monkeypatch.setattr(surroundings.shutil, "disk_usage", lambda _: Usage(10**12, 0, free))

    assert states(look("disk")) == [state]


def test_sizes_of_database_and_logs(look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "hub.log").write_bytes(b"x" * 3_000_000)

    assert look("size")[0][1].startswith("The database has ")
    assert look("logs") == [("ok", "Log files in the data folder have 3.0 MB.")]
    monkeypatch.setattr(surroundings, "LOGS_WARNING", 10**6)
    monkeypatch.setattr(surroundings, "WAL_WARNING", 0)
    assert states(look("logs")) == ["warning"]
    assert states(look("size"))[0] == "ok"


def test_the_watcher_is_looked_at_without_asking_a_provider(look: Look, roof: Roof):
    hub = roof.bare_hub
    assert states(look("watching")) == ["warning"]
    now = hub.clock.now()
    with hub.database.transaction() as session:
        session.add(Cursor(
            genesis_id="g", network="devnet", height=5, head_height=5, block_time=now, updated_at=now,
            leased_until=now + timedelta(seconds=9),
        ))
    assert look("watching") == [("ok", "A watcher runs, at block 5.")]

    hub.clock.advance(minutes=5)  # type: ignore[attr-defined]

    assert states(look("watching")) == ["problem", "problem"]


@pytest.mark.parametrize(("waited_s", "state"), [(0, "ok"), (60, "warning"), (200, "problem")])
def test_deliveries_that_nobody_sends(look: Look, roof: Roof, waited_s: int, state: str):
    complete(roof.bare_hub, make_shop(roof.bare_hub))
    roof.bare_hub.clock.advance(seconds=waited_s)  # type: ignore[attr-defined]

    [(found, sentence)] = look("deliveries")

    assert (found, sentence.startswith(f"1 due, the oldest for {waited_s} s.")) == (state, True)


def test_deliveries_given_up_are_counted(look: Look, roof: Roof):
    complete(roof.bare_hub, make_shop(roof.bare_hub))
    with roof.bare_hub.database.transaction() as session:
        session.execute(update(Delivery).values(state="failed"))

    assert look("deliveries") == [
        ("ok", "None is due."), ("warning", "1 were given up: `paywharf delivery list --state failed`."),
    ]


def test_redis_is_looked_at_where_it_is_used(look: Look, tmp_path: Path):
    assert look("redis") == [("ok", "Not needed: webhooks are sent by the embedded executor.")]
    nobody = f"unix://{tmp_path}/nobody.sock"
    assert states(look("redis", executor="rq", redis_url=nobody)) == ["problem"]
    server = RedisServer(tmp_path)
    server.start()
    try:
        found = look("redis", executor="rq", redis_url=server.url)
        Redis.from_url(server.url).hset("rq:worker:of_a_flushed_list", "state", "idle")
        flushed = look("redis", executor="rq", redis_url=server.url)
    finally:
        server.kill()
    assert found[0][1].startswith("Redis ") and found[0][1].endswith("keeps nothing: needs to keep nothing.")
    assert found[1] == (
        "warning", "No worker is there: start `paywharf work`. The watcher sends meanwhile, more slowly.",
    )
    assert flushed[1] == ("ok", "Workers: 1. Wake-ups that wait: 0.")


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, ["ok", "ok"]),
        ({"version": "4.0.9"}, ["problem", "ok"]),
        ({"memory_limit": 1, "policy": "allkeys-lru"}, ["ok", "warning", "ok"]),
        ({"memory_limit": 1}, ["ok", "ok"]),
        ({"is_saving_well": False}, ["ok", "problem", "ok"]),
        ({"workers": 0}, ["ok", "warning"]),
    ],
)
def test_what_is_said_of_redis(change: dict[str, object], wanted: list[str]):
    found = surroundings._redis_findings(replace(HEALTHY, **change))

    assert [finding.state for finding in found] == wanted
