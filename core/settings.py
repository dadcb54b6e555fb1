"""Typed, frozen settings: what an operator can choose. This file holds values; `core.config` fills them.

Every field is read from the environment variable `PAYWHARF_<NAME IN CAPITALS>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """One provider of a network: a TRON full node of the operator's own, or a hosted one.

    full_url, solid_url: base URLs of its HTTP API.   rpc_url: of its JSON-RPC; empty for `<full_url>/jsonrpc`.
    api_keys: each has a rate and a daily quota of its own.   qps, daily_requests: per key; 0 requests means no limit.
    """

    full_url: str
    solid_url: str
    rpc_url: str = ""
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    qps: float = 8.0
    daily_requests: int = 90_000


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """One TRON network as the hub must find it.

    name: devnet, nile, shasta, mainnet or custom.   usdt_contract: base58check.
    genesis_id: 64 hex digits, or a suffix of them; empty on the devnet, whose random genesis is remembered at the
    first start.   nodes: the providers, the preferred one first; never empty.
    """

    name: str
    usdt_contract: str
    genesis_id: str
    nodes: tuple[NodeSettings, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the operator decides.

    base_url: the hub's public address, without a trailing slash; payment pages live under it.
    database_url: SQLAlchemy URL, `sqlite:///…` or `postgresql+psycopg://…`.
    master_keys: (key id, 32 bytes) pairs; the first encrypts, all decrypt.
    master_key_file: where they were read from; None when they stand in a setting.
    executor: embedded (threads, no Redis) or rq.   redis_url: only looked at with rq; its password may stand in it.
    poll_interval_s: how often the watcher asks the node for a new solid block.
    read_ahead: how many blocks are read at once while the watcher is behind.
    live_requests: what live watching may ask of the providers in a day, the look at the head included; 0: no limit.
    second_opinion_units: a block that brings more than this to one payment is believed only when a second provider
    shows the same; None: one provider is enough.
    payment_window_s, late_window_s: defaults for new projects, in seconds of chain time.
    egress_allow: networks (CIDR) that merchant-chosen URLs may reach although the guard would refuse them.
    dev_loopback_websites: admits `http://127.0.0.1:…` as a Website URL; for the demo and for tests only.
    trusted_proxies: how many reverse proxies in front set X-Forwarded-* headers.
    api_rate_per_minute: signed requests that one key may make of /api/v1 in a minute; 0: no limit.
    address_rate_per_minute: requests of one address to one web process in a minute; 0: no limit.
    metrics_token: who shows it may read /metrics and the reasons of /readyz; empty: whoever asks on this machine.
    plugins: entry points of installed distributions (group `paywharf`) that are to be loaded beside the bundled ones.
    metrics_dir: where the processes of this machine share what they count; None: each keeps it to itself.
    rate_sources: whom to ask what USDT costs, by name: `peg`, `table`, `kraken`, `coinbase`, or what a plugin brings.
    rate_table: the operator's own rates, what one USDT costs by currency.   rate_every_s: how often sources are asked.
    rate_max_age_s, rate_max_deviation_percent, rate_min_sources: when a source is believed, see
    `core.payments.quoting.judge`.
    wide_payment_ids: 53-bit instead of 31-bit payment ids; cannot be changed once payments exist.
    """

    base_url: str
    database_url: str
    network: NetworkSettings
    master_keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    data_dir: Path = Path("var")
    master_key_file: Path | None = None
    executor: str = "embedded"
    redis_url: str = field(default="redis://127.0.0.1:6379/0", repr=False)
    poll_interval_s: float = 3.0
    read_ahead: int = 8
    live_requests: int = 60_000
    second_opinion_units: int | None = None
    payment_window_s: int = 30 * 60
    late_window_s: int = 24 * 3600
    egress_allow: tuple[str, ...] = ()
    egress_ports: tuple[int, ...] = ()
    dev_loopback_websites: bool = False
    trusted_proxies: int = 0
    api_rate_per_minute: int = 600
    address_rate_per_minute: int = 3_000
    metrics_token: str = field(default="", repr=False)
    metrics_dir: Path | None = None
    plugins: tuple[str, ...] = ()
    rate_sources: tuple[str, ...] = ("peg", "table")
    rate_table: Mapping[str, Decimal] = field(default_factory=dict, hash=False)
    rate_every_s: int = 60
    rate_max_age_s: int = 600
    rate_max_deviation_percent: Decimal = Decimal("2")
    rate_min_sources: int = 1
    wide_payment_ids: bool = False
    log_level: str = "INFO"
    log_format: str = "json"
