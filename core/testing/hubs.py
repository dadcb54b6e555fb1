"""Build a Hub from test parts: a clock moved by hand, a recording door, a fresh database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from core.clock import Clock, ManualClock
from core.contract import Answer
from core.db import Database
from core.errors import EgressBlocked, GatewayError
from core.hub import Hub
from core.ids import Ids
from core.projects.vault import Vault
from core.settings import NetworkSettings, NodeSettings, Settings

START = datetime(2026, 7, 1, 18, 0, tzinfo=UTC)
TEST_KEYS = (("t1", bytes(range(32))),)
TEST_CONTRACT = "TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBf"


@dataclass(frozen=True, slots=True)
class Posted:
    """One request that a test's door was asked for."""

    url: str
    body: bytes
    headers: dict[str, str]
    method: str = "POST"


@dataclass(slots=True)
class RecordingDoor:
    """An outbound door that records; `answer` decides what comes back, or raises."""

    answer: Callable[[Posted], Answer | GatewayError] = field(default=lambda _: Answer(200, b"ok", 1))
    posted: list[Posted] = field(default_factory=list)

    def check(self, url: str) -> None:
        """Admit everything but what looks internal on its face."""
        if "//127." in url or "//localhost" in url:
            raise EgressBlocked

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Record a POST and answer it."""
        return self.send("POST", url, body=body, headers=headers)

    def send(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Record a request and answer it."""
        request = Posted(url, body, dict(headers or {}), method)
        self.posted.append(request)
        answer = self.answer(request)
        if isinstance(answer, GatewayError):
            raise answer
        return answer


def make_settings(database_url: str, *, data_dir: Path = Path("var")) -> Settings:
    """Give settings for a test hub on a devnet."""
    network = NetworkSettings(
        name="devnet",
        usdt_contract=TEST_CONTRACT,
        genesis_id="",
        nodes=(node_at("http://127.0.0.1:1"),),
    )
    return Settings(
        base_url="https://hub.example",
        database_url=database_url,
        network=network,
        master_keys=TEST_KEYS,
        data_dir=data_dir,
        poll_interval_s=0.05,
        live_requests=0,
    )


def node_at(url: str) -> NodeSettings:
    """Describe a provider of our own on loopback, without limits worth the name."""
    return NodeSettings(url, url, qps=1000.0, daily_requests=0)


def with_network(settings: Settings, *, urls: Sequence[str], usdt_contract: str) -> Settings:
    """Point test settings at a devnet that runs; several URLs are several providers of it."""
    nodes = tuple(node_at(url) for url in urls)
    network = replace(settings.network, nodes=nodes, usdt_contract=usdt_contract)
    return replace(settings, network=network)


def make_hub(
    database: Database, *, settings: Settings | None = None, clock: Clock | None = None, ids: Ids | None = None
) -> Hub:
    """Build a hub with a manual clock and a recording door."""
    return Hub(
        settings=settings or make_settings(str(database.engine.url)),
        database=database,
        clock=clock or ManualClock(START),
        ids=ids or Ids(),
        vault=Vault(TEST_KEYS),
        http=RecordingDoor(),
    )
