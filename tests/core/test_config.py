"""Settings: every problem is one sentence that names its variable; secrets are never repeated."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from core.app import build_nodes
from core.clock import SystemClock
from core.config import NETWORKS, load_settings
from core.errors import MisconfiguredHub

KEY = base64.b64encode(bytes(32)).decode()


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PAYWHARF_DATA_DIR", str(tmp_path))
    return tmp_path


def test_the_defaults_are_a_devnet_on_sqlite(tmp_path: Path):
    settings = load_settings()

    assert settings.database_url == f"sqlite:///{tmp_path}/paywharf.db"
    assert (settings.network.name, settings.dev_loopback_websites, settings.egress_allow) == ("devnet", False, ())
    assert (settings.payment_window_s, settings.late_window_s) == (1800, 86400)


def test_the_master_key_is_made_once_and_is_its_owners_alone(tmp_path: Path):
    first, second = load_settings(), load_settings()

    assert first.master_keys == second.master_keys
    assert len(first.master_keys[0][1]) == 32
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["mainnet", "nile", "shasta"])
def test_one_setting_switches_the_network(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv("PAYWHARF_NETWORK", name)

    assert load_settings().network == NETWORKS[name]


def test_a_custom_network_needs_its_node_contract_and_genesis(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PAYWHARF_NETWORK", "custom")
    for name, value in [
        ("NODE_URL", "http://node.internal:8090/"), ("GENESIS_ID", "AB" * 32),
        ("USDT_CONTRACT", "TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBf"),
    ]:
        with pytest.raises(MisconfiguredHub, match=f"PAYWHARF_{name}"):
            load_settings()
        monkeypatch.setenv(f"PAYWHARF_{name}", value)

    network = load_settings().network

    assert (network.nodes[0].full_url, network.nodes[0].solid_url, network.genesis_id) == (
        "http://node.internal:8090", "http://node.internal:8090", "ab" * 32,
    )


def test_further_nodes_are_numbered_from_two(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PAYWHARF_NODE_API_KEY", "first, second")
    monkeypatch.setenv("PAYWHARF_NODE_2_URL", "http://node.internal:8090/")
    monkeypatch.setenv("PAYWHARF_SOLID_NODE_2_URL", "http://node.internal:8091")
    monkeypatch.setenv("PAYWHARF_NODE_2_DAILY_REQUESTS", "0")
    monkeypatch.setenv("PAYWHARF_SECOND_OPINION_ABOVE", "1000")

    settings = load_settings()

    first, second = settings.network.nodes
    assert first.api_keys == ("first", "second")
    assert "first" not in repr(settings)
    assert (second.full_url, second.solid_url) == ("http://node.internal:8090", "http://node.internal:8091")
    assert (second.api_keys, second.daily_requests) == ((), 0)
    assert settings.second_opinion_units == 1_000_000_000


def test_a_second_opinion_needs_a_second_provider(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PAYWHARF_SECOND_OPINION_ABOVE", "1000")

    with pytest.raises(MisconfiguredHub, match="PAYWHARF_NODE_2_URL"):
        load_settings()


def test_a_file_in_the_data_folder_fills_what_the_environment_leaves_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "paywharf.env").write_text("PAYWHARF_BASE_URL=https://file.example/\nPAYWHARF_LOG_LEVEL=DEBUG\n")
    monkeypatch.setenv("PAYWHARF_LOG_LEVEL", "ERROR")

    settings = load_settings()

    assert (settings.base_url, settings.log_level) == ("https://file.example", "ERROR")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NETWORK", "tron"), ("BASE_URL", "pay.example.com"), ("EGRESS_ALLOW", "10.0.0.0/8,nonsense"),
        ("MASTER_KEYS", "k1:short"), ("MASTER_KEYS", f"k 1:{KEY}"), ("LOG_LEVEL", "LOUD"), ("TRUSTED_PROXIES", "many"),
        ("PAYMENT_WINDOW_S", "5"), ("POLL_INTERVAL_S", "0"), ("DEV_LOOPBACK_WEBSITES", "perhaps"),
        ("USDT_CONTRACT", "T123"), ("EXECUTOR", "celery"), ("DATABASE_URL", "banana"), ("DATABASE_URL", "mysql://h/n"),
        ("GENESIS_ID", "xyz"), ("NODE_URL", "node.internal:8090"), ("SOLID_NODE_URL", "http://node:99999"),
        ("NODE_2_RPC_URL", "ftp://node"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    monkeypatch.setenv("PAYWHARF_NODE_2_URL", "http://node.internal:8090")
    monkeypatch.setenv(f"PAYWHARF_{name}", value)

    with pytest.raises(MisconfiguredHub) as refused:
        load_settings()

    assert f"PAYWHARF_{name}" in refused.value.sentence
    assert "short" not in refused.value.sentence and KEY not in refused.value.sentence


def test_several_master_keys_rotate(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PAYWHARF_MASTER_KEYS", f"new:{KEY}, old:{KEY}")

    assert [key_id for key_id, _ in load_settings().master_keys] == ["new", "old"]


def test_a_provider_whose_number_leaves_a_gap_is_not_silently_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYWHARF_NODE_3_URL", "http://node.internal:8090")

    with pytest.raises(MisconfiguredHub, match="PAYWHARF_NODE_2_URL"):
        load_settings()


@pytest.mark.parametrize(
    ("first", "second"),
    [("http://node.internal:8090", "http://NODE.internal:8090/"), ("http://node", "http://node:80"),
     ("http://localhost:8090", "http://127.0.0.1:8090")],
)
def test_one_provider_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, first: str, second: str) -> None:
    """It would be its own second opinion."""
    monkeypatch.setenv("PAYWHARF_NODE_URL", first)
    monkeypatch.setenv("PAYWHARF_NODE_2_URL", second)

    with pytest.raises(MisconfiguredHub, match="same provider"):
        load_settings()


def test_a_provider_keeps_its_name_when_another_one_of_its_host_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof of coverage would show one provider as two."""
    monkeypatch.setenv("PAYWHARF_NODE_URL", "http://Node.internal:8090/")
    alone = build_nodes(load_settings().network, SystemClock())
    monkeypatch.setenv("PAYWHARF_NODE_2_URL", "http://node.internal:8090/other")
    both = build_nodes(load_settings().network, SystemClock())

    assert [node.name for node in alone] == ["node.internal:8090"]
    assert [node.name for node in both] == ["node.internal:8090", "node.internal:8090 (2)"]


def test_an_impossible_port_is_called_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYWHARF_NODE_URL", "http://node.internal:99999")

    with pytest.raises(MisconfiguredHub, match="PAYWHARF_NODE_URL has a port"):
        load_settings()
