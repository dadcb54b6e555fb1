"""O6: doctor finds each planted fault, says it in a sentence, and exits with 1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from core.cli import main
from core.cli.roof import Roof
from core.clock import ManualClock, SystemClock
from core.db import Database, open_database
from core.devnet.ledger import Chain
from core.devnet.server import DevnetServer
from core.hub import Hub
from core.models import Cursor
from core.payments.rates import RatePoller
from core.plugin_loader import load_plugins
from core.testing.factories import make_shop
from core.testing.hubs import make_hub, node_at, with_network


@pytest.fixture
def chain() -> Iterator[Chain]:
    """A chain of 30 blocks, the newest of them now."""
    opened = Chain.open(None, clock=SystemClock(), block_interval_s=0.001)
    opened.advance(30)
    yield opened
    opened.close()


@pytest.fixture
def node_url(chain: Chain) -> Iterator[str]:
    """The chain behind its HTTP interface."""
    server = DevnetServer(chain).start()
    yield server.url
    server.stop()


@pytest.fixture
def roof(sqlite_template: Path, tmp_path: Path, chain: Chain, node_url: str) -> Iterator[Roof]:
    """A roof over a hub that is well."""
    path = tmp_path / "hub.db"
    path.write_bytes(sqlite_template.read_bytes())
    database: Database = open_database(f"sqlite:///{path}")
    hub = make_hub(database, clock=SystemClock())
    settings = with_network(hub.settings, urls=[node_url], usdt_contract=chain.usdt_address)
    hub.settings = replace(settings, data_dir=tmp_path, master_key_file=tmp_path / "master.key")
    (tmp_path / "master.key").touch(0o600)
    hub.registry = load_plugins().registry
    RatePoller(hub).step()
    make_shop(hub)
    built = Roof()
    built.__dict__.update(settings=hub.settings, bare_hub=hub)
    yield built
    database.dispose()


def examine(roof: Roof) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """Run doctor; give its exit code and its findings by check."""
    result = CliRunner().invoke(main, ["doctor", "--json"], obj=roof)
    found: dict[str, list[tuple[str, str]]] = {}
    for row in json.loads(result.stdout)["findings"]:
        found.setdefault(row["check"], []).append((row["state"], row["sentence"]))
    assert json.loads(result.stdout)["ok"] == (result.exit_code == 0)
    return result.exit_code, found


def watch_up_to(hub: Hub, *, height: int, genesis_id: str) -> None:
    """Write a cursor as a watcher would leave it."""
    with hub.database.transaction() as session:
        session.add(Cursor(
            genesis_id=genesis_id, network="devnet", height=height, head_height=height,
            block_time=hub.clock.now(), updated_at=hub.clock.now(),
            leased_until=hub.clock.now() + timedelta(minutes=1),
        ))


def test_a_hub_that_is_well_passes(roof: Roof, chain: Chain) -> None:
    watch_up_to(roof.hub, height=chain.solid_height, genesis_id=chain.genesis_id)

    code, found = examine(roof)

    assert code == 0
    assert {state for check, rows in found.items() for state, _ in rows if check != "development"} == {"ok"}


def test_a_person_sees_one_line_a_finding(roof: Roof) -> None:
    result = CliRunner().invoke(main, ["doctor"], obj=roof)

    assert result.exit_code == 0
    assert "ok    database" in result.stdout


def test_a_key_file_that_others_may_read_is_found(roof: Roof) -> None:
    (roof.settings.data_dir / "master.key").chmod(0o640)

    code, found = examine(roof)

    assert code == 1
    assert found["secret files"] == [
        ("problem", f"Others may read {roof.settings.data_dir}/master.key: run chmod 600 on it.")
    ]


def test_a_database_without_its_tables_is_said_once(roof: Roof) -> None:
    """Each check that met the missing tables once added an OperationalError of its own."""
    with roof.hub.database.engine.begin() as connection:
        for table in ("address", "alarm", "scan_count", "cursor", "alembic_version"):
            connection.exec_driver_sql(f"DROP TABLE {table}")

    code, found = examine(roof)

    problems = [check for check, rows in found.items() for state, _ in rows if state == "problem"]
    assert (code, problems) == (1, ["database"])
    assert "db upgrade" in found["database"][0][1]


def test_a_database_that_is_away_says_why(roof: Roof) -> None:
    """A bare "OperationalError" sent operators to the log of another machine."""
    away = open_database("postgresql+psycopg://paywharf@/hub?host=/nonexistent")
    roof.hub.database = roof.bare_hub.database = away

    code, found = examine(roof)

    away.dispose()
    assert (code, found["database"][0][0]) == (1, "problem")
    assert "/nonexistent" in found["database"][0][1]


def test_a_missing_contract_does_not_take_the_log_index_with_it(roof: Roof) -> None:
    network = replace(roof.settings.network, usdt_contract="")
    roof.__dict__["settings"] = roof.hub.settings = replace(roof.settings, network=network)

    code, found = examine(roof)

    assert (code, found["contract"][0][0], "log index" in found) == (1, "problem", False)


def test_a_node_that_is_away_is_found(roof: Roof) -> None:
    network = replace(roof.settings.network, nodes=(node_at("http://127.0.0.1:1"),))
    roof.__dict__["settings"] = replace(roof.settings, network=network)

    code, found = examine(roof)

    assert code == 1
    assert found["node"][0][0] == "problem"
    assert found["database"][0][0] == "ok"


def test_a_wrong_network_is_found(roof: Roof, chain: Chain) -> None:
    network = replace(roof.settings.network, genesis_id="2b6653dc")
    roof.__dict__["settings"] = replace(roof.settings, network=network)

    assert examine(roof)[1]["node"] == [
        ("problem", f"The node is not on devnet: its genesis block is {chain.genesis_id}.")
    ]


@pytest.mark.parametrize("contract", ["TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", ""])
def test_a_contract_that_is_not_there_is_found(roof: Roof, contract: str) -> None:
    network = replace(roof.settings.network, usdt_contract=contract)
    roof.__dict__["settings"] = replace(roof.settings, network=network)

    assert examine(roof)[1]["contract"][0][0] == "problem"


def test_a_watcher_that_has_fallen_behind_is_found(roof: Roof, chain: Chain) -> None:
    chain.advance(40)
    watch_up_to(roof.hub, height=5, genesis_id=chain.genesis_id)

    code, found = examine(roof)

    assert (code, found["watcher"]) == (1, [
        ("problem", f"It is {chain.solid_height - 5} blocks behind the node: is it running?")
    ])


def test_a_frozen_watcher_is_not_taken_for_one_that_does_not_run(roof: Roof, chain: Chain) -> None:
    chain.advance(40)
    watch_up_to(roof.hub, height=5, genesis_id=chain.genesis_id)
    with roof.hub.database.transaction() as session:
        session.execute(update(Cursor).values(frozen_at=roof.hub.clock.now(), frozen_why="money vanished."))

    code, found = examine(roof)

    assert (code, found["watcher"]) == (1, [
        ("problem", "It is frozen at block 5: look, then run `paywharf unfreeze`. Why: money vanished.")
    ])


def test_a_database_of_another_chain_is_found(roof: Roof) -> None:
    watch_up_to(roof.hub, height=5, genesis_id="ab" * 32)

    assert examine(roof)[1]["watcher"][0][0] == "problem"


def test_b8_a_clock_that_is_off_is_found(roof: Roof) -> None:
    roof.hub.clock = ManualClock(roof.hub.clock.now() + timedelta(seconds=90))

    code, found = examine(roof)

    assert code == 1
    assert found["clock"][0][0] == "problem"


def test_a_database_without_schema_is_found(roof: Roof, tmp_path: Path) -> None:
    hub = roof.bare_hub
    hub.database.dispose()
    hub.database = open_database(f"sqlite:///{tmp_path}/empty.db")

    code, found = examine(roof)

    assert code == 1
    assert "paywharf db upgrade" in found["database"][0][1]
    assert [state for state, _ in found["key"]] == ["ok"], "what is wrong with the database is said once"
    hub.database.dispose()


def test_development_settings_are_named(roof: Roof) -> None:
    changes: dict[str, Any] = {
        "dev_loopback_websites": True, "egress_allow": ("10.0.0.0/8",), "base_url": "http://127.0.0.1:8080"
    }
    roof.__dict__["settings"] = replace(roof.settings, **changes)

    rows = examine(roof)[1]["development"]

    assert [state for state, _ in rows] == ["warning"] * 4
    assert "10.0.0.0/8" in rows[2][1]


def test_settings_that_cannot_be_read_are_the_only_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PAYWHARF_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PAYWHARF_LOG_LEVEL", "LOUD")

    code, found = examine(Roof())

    assert code == 1
    assert list(found) == ["settings"]
    assert "PAYWHARF_LOG_LEVEL" in found["settings"][0][1]


def with_providers(roof: Roof, *urls: str, **changes: Any) -> None:
    """Give the hub these providers."""
    network = replace(roof.settings.network, nodes=tuple(node_at(url) for url in urls))
    roof.__dict__["settings"] = replace(roof.settings, network=network, **changes)


def test_a_provider_that_fails_beside_one_that_works_is_a_warning(roof: Roof, chain: Chain, node_url: str) -> None:
    watch_up_to(roof.hub, height=chain.solid_height, genesis_id=chain.genesis_id)
    with_providers(roof, "http://127.0.0.1:1", node_url)

    code, found = examine(roof)

    assert (code, [state for state, _ in found["node"]]) == (0, ["warning", "ok"])
    assert "127.0.0.1:1" in found["node"][0][1]


def test_a_second_provider_of_another_network_is_found(roof: Roof, node_url: str) -> None:
    stranger = Chain.open(None, clock=SystemClock(), block_interval_s=0.001)
    server = DevnetServer(stranger).start()
    with_providers(roof, node_url, server.url)

    code, found = examine(roof)

    server.stop()
    stranger.close()
    assert (code, [state for state, _ in found["node"]]) == (1, ["ok", "problem"])


def test_no_provider_that_answers_is_a_problem(roof: Roof) -> None:
    with_providers(roof, "http://127.0.0.1:1", "http://127.0.0.1:2")

    code, found = examine(roof)

    assert (code, found["node"][-1]) == (1, ("problem", "No provider can be used: nothing is watched."))


def test_a_second_opinion_that_nobody_can_give_is_found(roof: Roof, node_url: str) -> None:
    with_providers(roof, node_url, second_opinion_units=1_000_000)

    code, found = examine(roof)

    assert (code, found["node"][-1][0]) == (1, "problem")
