"""Typed, frozen settings: what an operator can choose. This file holds values; `core.config` fills them.

Every field is read from the environment variable `PAYWHARF_<NAME IN CAPITALS>`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """One TRON network as the hub must find it.

    name: devnet, nile, shasta, mainnet or custom.   full_url, solid_url: base URLs of the node's HTTP API.
    usdt_contract: base58check.   genesis_id: 64 hex digits, or a suffix of them; empty on the devnet, whose random
    genesis is remembered at the first start.
    """

    name: str
    full_url: str
    solid_url: str
    usdt_contract: str
    genesis_id: str
    api_key: str = field(default="", repr=False)
    node_qps: float = 8.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the operator decides.

    base_url: the hub's public address, without a trailing slash; payment pages live under it.
    database_url: SQLAlchemy URL, `sqlite:///…` or `postgresql+psycopg://…`.
    master_keys: (key id, 32 bytes) pairs; the first encrypts, all decrypt.
    executor: embedded (threads, no Redis) or rq.   redis_url: only looked at with rq; its password may stand in it.
    poll_interval_s: how often the watcher asks the node for a new solid block.
    payment_window_s, late_window_s: defaults for new projects, in seconds of chain time.
    egress_allow: networks (CIDR) that merchant-chosen URLs may reach although the guard would refuse them.
    dev_loopback_websites: admits `http://127.0.0.1:…` as a Website URL; for the demo and for tests only.
    trusted_proxies: how many reverse proxies in front set X-Forwarded-* headers.
    wide_payment_ids: 53-bit instead of 31-bit payment ids; cannot be changed once payments exist.
    """

    base_url: str
    database_url: str
    network: NetworkSettings
    master_keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    data_dir: Path = Path("var")
    executor: str = "embedded"
    redis_url: str = field(default="redis://127.0.0.1:6379/0", repr=False)
    poll_interval_s: float = 3.0
    payment_window_s: int = 30 * 60
    late_window_s: int = 24 * 3600
    egress_allow: tuple[str, ...] = ()
    egress_ports: tuple[int, ...] = ()
    dev_loopback_websites: bool = False
    trusted_proxies: int = 0
    wide_payment_ids: bool = False
    log_level: str = "INFO"
    log_format: str = "json"
