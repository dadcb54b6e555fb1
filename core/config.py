"""Reads settings from `PAYWHARF_…` environment variables, once, typed: the only door to the environment.

Values may also stand in the file `paywharf.env` in the data folder; the process's environment goes before it. Every
problem is said in one sentence that names the variable. Master keys come from `PAYWHARF_MASTER_KEYS`
(`<id>:<base64 of 32 bytes>`, comma-separated; the first encrypts, all decrypt) or from the file `master.key` in the
data folder, which is made, readable by its owner only, at the first start.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

from environs import Env, EnvError

from core.chain.addresses import parse_address
from core.errors import GatewayError, MisconfiguredHub
from core.ids import random_bytes
from core.settings import NetworkSettings, Settings

PREFIX = "PAYWHARF_"
KEY_BYTES = 32  # AES-256
ENV_FILE = "paywharf.env"  # in the data folder; the process's own environment goes before it

# Genesis ids end in the network's chain id: enough to tell networks apart (java-tron; checked at every start).
NETWORKS = {
    "mainnet": NetworkSettings(
        name="mainnet",
        full_url="https://api.trongrid.io",
        solid_url="https://api.trongrid.io",
        usdt_contract="TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
        genesis_id="2b6653dc",
    ),
    "nile": NetworkSettings(
        name="nile",
        full_url="https://nile.trongrid.io",
        solid_url="https://nile.trongrid.io",
        usdt_contract="TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBf",
        genesis_id="cd8690dc",
    ),
    "shasta": NetworkSettings(
        name="shasta",
        full_url="https://api.shasta.trongrid.io",
        solid_url="https://api.shasta.trongrid.io",
        usdt_contract="TG3XXyExBkPp9nzdajDZsozEu4BkaSJozs",
        genesis_id="94a9059e",
    ),
    "devnet": NetworkSettings(
        name="devnet",
        full_url="http://127.0.0.1:8081",
        solid_url="http://127.0.0.1:8081",
        usdt_contract="",
        genesis_id="",
        node_qps=200.0,  # our own process: paced only so that a bug cannot spin
    ),
    "custom": NetworkSettings(name="custom", full_url="", solid_url="", usdt_contract="", genesis_id=""),
}


def load_settings() -> Settings:
    """Read the settings from the process's environment; raises MisconfiguredHub with a sentence for the operator."""
    env = Env(prefix=PREFIX)
    env.read_env(str(Path(env.str("DATA_DIR", "var")) / ENV_FILE), recurse=False)
    try:
        return _settings(env)
    except EnvError as err:
        raise MisconfiguredHub(str(err)) from err


def impose(values: Mapping[str, str]) -> None:
    """Put settings into this process's environment, before all others; the processes it starts inherit them.

    values: by name without `PAYWHARF_`. For the demo, which decides for itself whatever the shell says.
    """
    os.environ.update({PREFIX + name: value for name, value in values.items()})


def load_or_make_master_key(path: Path) -> tuple[tuple[str, bytes], ...]:
    """Read the key file, or make it: 0600, never overwritten. Losing it loses every stored secret: back it up."""
    with suppress(FileExistsError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"k1:{base64.b64encode(random_bytes(KEY_BYTES)).decode()}\n")
    return parse_master_keys(path.read_text("ascii").strip(), where=str(path))


def parse_master_keys(text: str, *, where: str) -> tuple[tuple[str, bytes], ...]:
    """Read `<id>:<base64>` pairs; the sentence of a refusal never repeats the key."""
    keys = []
    for pair in text.split(","):
        key_id, _, encoded = pair.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as err:
            raise MisconfiguredHub(f"{where}: a master key is not valid base64.") from err
        if not key_id.isalnum() or len(key) != KEY_BYTES:
            raise MisconfiguredHub(f"{where}: a master key is written <id>:<base64 of {KEY_BYTES} bytes>.")
        keys.append((key_id, key))
    return tuple(keys)


def _settings(env: Env) -> Settings:
    data_dir = Path(env.str("DATA_DIR", "var")).resolve()
    return Settings(
        base_url=_base_url(env),
        database_url=env.str("DATABASE_URL", f"sqlite:///{data_dir}/paywharf.db"),
        network=_network(env),
        master_keys=_master_keys(env, data_dir),
        data_dir=data_dir,
        redis_url=env.str("REDIS_URL", "redis://127.0.0.1:6379/0"),
        executor=_one_of(env, "EXECUTOR", "embedded", ("embedded", "rq")),
        poll_interval_s=_positive(env, "POLL_INTERVAL_S", "3"),
        payment_window_s=_seconds(env, "PAYMENT_WINDOW_S", 30 * 60),
        late_window_s=_seconds(env, "LATE_WINDOW_S", 24 * 3600),
        egress_allow=_networks(env, "EGRESS_ALLOW"),
        egress_ports=tuple(env.list("EGRESS_PORTS", [], subcast=int)),
        dev_loopback_websites=env.bool("DEV_LOOPBACK_WEBSITES", False),
        trusted_proxies=env.int("TRUSTED_PROXIES", 0),
        wide_payment_ids=env.bool("WIDE_PAYMENT_IDS", False),
        log_level=_one_of(env, "LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
        log_format=_one_of(env, "LOG_FORMAT", "json", ("json", "text")),
    )


def _base_url(env: Env) -> str:
    url = env.str("BASE_URL", "http://127.0.0.1:8080").rstrip("/")
    if not url.startswith(("https://", "http://")):
        raise MisconfiguredHub(f"{PREFIX}BASE_URL must be the hub's public address, such as https://pay.example.com.")
    return url


def _network(env: Env) -> NetworkSettings:
    """Take a named network and let single values be replaced: the node, its key, the contract, the genesis id."""
    known = NETWORKS[_one_of(env, "NETWORK", "devnet", tuple(NETWORKS))]
    node_url = env.str("NODE_URL", known.full_url).rstrip("/")
    network = replace(
        known,
        full_url=node_url,
        solid_url=env.str("SOLID_NODE_URL", node_url).rstrip("/"),
        usdt_contract=env.str("USDT_CONTRACT", known.usdt_contract),
        genesis_id=env.str("GENESIS_ID", known.genesis_id).lower(),
        api_key=env.str("NODE_API_KEY", ""),
        node_qps=_positive(env, "NODE_QPS", str(known.node_qps)),
    )
    if not network.full_url:
        raise MisconfiguredHub(f"{PREFIX}NODE_URL is required with {PREFIX}NETWORK={network.name}.")
    if network.name == "custom" and not network.genesis_id:
        raise MisconfiguredHub(f"{PREFIX}GENESIS_ID is required with {PREFIX}NETWORK=custom.")
    if not network.usdt_contract and network.name == "devnet":
        return network  # a devnet makes its own contract; only the watcher needs to know it
    try:
        parse_address(network.usdt_contract)
    except GatewayError as err:
        raise MisconfiguredHub(f"{PREFIX}USDT_CONTRACT: {err.sentence}") from err
    return network


def _master_keys(env: Env, data_dir: Path) -> tuple[tuple[str, bytes], ...]:
    given = env.str("MASTER_KEYS", "")
    if given:
        return parse_master_keys(given, where=f"{PREFIX}MASTER_KEYS")
    return load_or_make_master_key(Path(env.str("MASTER_KEY_FILE", str(data_dir / "master.key"))))


def _one_of(env: Env, name: str, default: str, choices: tuple[str, ...]) -> str:
    value = env.str(name, default)
    if value not in choices:
        raise MisconfiguredHub(f"{PREFIX}{name} must be one of: {', '.join(choices)}.")
    return value


def _positive(env: Env, name: str, default: str) -> float:
    value = env.float(name, float(default))
    if not 0 < value < 3600:
        raise MisconfiguredHub(f"{PREFIX}{name} must be a positive number.")
    return value


def _seconds(env: Env, name: str, default: int) -> int:
    value = env.int(name, default)
    if not 60 <= value <= 365 * 24 * 3600:
        raise MisconfiguredHub(f"{PREFIX}{name} must be between 60 seconds and a year.")
    return value


def _networks(env: Env, name: str) -> tuple[str, ...]:
    entries: list[str] = env.list(name, [])
    given = tuple(entry for entry in entries if entry)
    for text in given:
        try:
            ip_network(text)
        except ValueError as err:
            raise MisconfiguredHub(f"{PREFIX}{name}: {text!r} is not a network such as 10.1.2.0/24.") from err
    return given
