"""The demo's project is made once, moves with its ports, and heals what a crash has torn apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from core.chain.addresses import parse_address
from core.cli import demo_files
from core.cli.demo_files import DemoUrls
from core.cli.demo_project import ensure_demo_project, require_same_chain
from core.db import open_database
from core.errors import MisconfiguredHub, WrongNetwork
from core.http import GuardedHttp
from core.hub import Hub
from core.ids import Mode
from core.models import Cursor, Endpoint, Project
from core.projects.keys import inbound_secrets, outbound_secret, webhook_secrets
from core.projects.service import credential_of
from core.testing.hubs import make_hub

URLS = DemoUrls(8080)


@pytest.fixture
def hub(sqlite_template: Path, tmp_path: Path) -> Iterator[Hub]:
    """A hub with the demo's settings."""
    path = tmp_path / "hub.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = open_database(f"sqlite:///{path}")
    made = make_hub(database)
    made.settings = replace(made.settings, dev_loopback_websites=True)
    made.http = GuardedHttp(clock=made.clock, allow=(ip_network("127.0.0.1/32"),))
    yield made
    database.dispose()


def works(hub: Hub, secrets: dict[str, Any]) -> list[str]:
    """Name the secrets of demo.json that the hub would take and use at once."""
    with hub.database.snapshot() as session:
        project, now = session.get_one(Project, secrets["project_id"]), hub.clock.now()
        good = []
        for mode in Mode:
            row, pair = credential_of(session, project, mode), secrets[mode.value]
            valid = inbound_secrets(row, hub.vault, now=now)
            if (row.public_key, valid[0]) == (pair["key"], pair["secret"]):
                good += [mode.value] if outbound_secret(row, hub.vault, now=now) == pair["secret"] else []
        endpoint = session.query(Endpoint).one()
        if webhook_secrets(endpoint, hub.vault, now=now)[0] == secrets["webhook_secret"]:
            good.append("webhook")
    return sorted(good)


ALL = ["live", "test", "webhook"]


def test_the_first_start_makes_a_live_project_with_an_address(hub: Hub) -> None:
    made = ensure_demo_project(hub, URLS, known={})

    assert works(hub, made) == ALL
    assert made["website"] == "http://127.0.0.1:8082"
    assert parse_address(made["receiving_address"])
    with hub.database.snapshot() as session:
        assert session.get_one(Project, made["project_id"]).mode == "live"
        assert session.query(Endpoint).one().url == "http://127.0.0.1:8082/webhook"


def test_a_second_start_changes_nothing(hub: Hub) -> None:
    made = ensure_demo_project(hub, URLS, known={})

    assert ensure_demo_project(hub, URLS, known=made) == made


def test_other_ports_move_the_urls_and_keep_the_keys(hub: Hub) -> None:
    made = ensure_demo_project(hub, URLS, known={})

    moved = ensure_demo_project(hub, DemoUrls(9000), known=made)

    assert moved == made | {"website": "http://127.0.0.1:9002"}
    with hub.database.snapshot() as session:
        assert session.query(Endpoint).one().url == "http://127.0.0.1:9002/webhook"


def test_a_crash_before_demo_json_was_written_heals(hub: Hub) -> None:
    first = ensure_demo_project(hub, URLS, known={})

    healed = ensure_demo_project(hub, URLS, known={})

    assert works(hub, healed) == ALL
    assert healed["project_id"] == first["project_id"]
    assert healed["live"]["key"] == first["live"]["key"]


@pytest.mark.parametrize("damage", [
    {"live": {"key": "pk_live_other", "secret": "sk_live_other"}}, {"test": None}, {"webhook_secret": "whsec_AAAA"},
    {"live": {"key": 5}}, {"test": {"key": "x", "secret": 7}},
], ids=str)
def test_a_secret_that_does_not_fit_is_renewed_and_the_others_stay(hub: Hub, damage: dict[str, Any]) -> None:
    made = ensure_demo_project(hub, URLS, known={})

    healed = ensure_demo_project(hub, URLS, known=made | damage)

    assert works(hub, healed) == ALL
    kept = [name for name in ("test", "live", "webhook_secret") if name not in damage]
    assert [healed[name] for name in kept] == [made[name] for name in kept]


def test_a_chain_that_was_made_anew_is_refused(hub: Hub) -> None:
    require_same_chain(hub, "ab" * 32)
    with hub.database.transaction() as session:
        now = hub.clock.now()
        session.add(Cursor(genesis_id="ab" * 32, network="devnet", height=1, block_time=now, updated_at=now))

    require_same_chain(hub, "ab" * 32)
    with pytest.raises(WrongNetwork, match="delete the whole folder"):
        require_same_chain(hub, "cd" * 32)


def test_settings_of_somebody_else_are_not_overwritten(tmp_path: Path) -> None:
    demo_files.require_demo_folder(tmp_path)
    demo_files.write_settings(tmp_path, {"NETWORK": "devnet"})
    demo_files.require_demo_folder(tmp_path)
    (tmp_path / "paywharf.env").write_text("PAYWHARF_NETWORK=mainnet\n")

    with pytest.raises(MisconfiguredHub, match="--data-dir"):
        demo_files.require_demo_folder(tmp_path)


def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    demo_files.write_settings(tmp_path, {"NETWORK": "devnet"})
    demo_files.write_demo(tmp_path, {"a": 1})
    demo_files.write_demo(tmp_path, {"a": 2})

    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert json.loads((tmp_path / "demo.json").read_text()) == demo_files.read_demo(tmp_path) == {"a": 2}


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"])
def test_a_damaged_demo_json_counts_as_missing(tmp_path: Path, text: str) -> None:
    (tmp_path / "demo.json").write_bytes(text.encode("latin-1"))

    assert demo_files.read_demo(tmp_path) == {}
