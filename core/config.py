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
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from environs import Env, EnvError

from core.chain.addresses import parse_address
from core.chain.node import base_url, host_of
from core.currencies import MINOR_UNITS
from core.errors import GatewayError, MisconfiguredHub
from core.ids import random_bytes
from core.money import parse_amount
from core.settings import NetworkSettings, NodeSettings, Settings

DATABASE_URL = re.compile(r"(sqlite:///|postgresql(\+psycopg)?://).")
BLOCK_ID = re.compile("[0-9a-f]{8,64}")
PREFIX = "PAYWHARF_"
KEY_BYTES = 32  # AES-256
ENV_FILE = "paywharf.env"  # in the data folder; the process's own environment goes before it

# Genesis ids end in the network's chain id: enough to tell networks apart (java-tron; checked at every start).
NETWORKS = {
    "mainnet": NetworkSettings(
        name="mainnet", usdt_contract="TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", genesis_id="2b6653dc",
        nodes=(NodeSettings("https://api.trongrid.io", "https://api.trongrid.io"),),
    ),
    "nile": NetworkSettings(
        name="nile", usdt_contract="TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBf", genesis_id="cd8690dc",
        nodes=(NodeSettings("https://nile.trongrid.io", "https://nile.trongrid.io"),),
    ),
    "shasta": NetworkSettings(
        name="shasta", usdt_contract="TG3XXyExBkPp9nzdajDZsozEu4BkaSJozs", genesis_id="94a9059e",
        nodes=(NodeSettings("https://api.shasta.trongrid.io", "https://api.shasta.trongrid.io"),),
    ),
    "devnet": NetworkSettings(
        name="devnet", usdt_contract="", genesis_id="",
        # our own process: paced only so that a bug cannot spin
        nodes=(NodeSettings("http://127.0.0.1:8081", "http://127.0.0.1:8081", qps=200.0, daily_requests=0),),
    ),
    "custom": NetworkSettings(name="custom", usdt_contract="", genesis_id="", nodes=(NodeSettings("", ""),)),
}
OWN_NETWORKS = ("devnet", "custom")  # their nodes are the operator's own: nobody counts the requests
MAX_NODES = 9
DECIMAL = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")


def load_settings() -> Settings:
    """Read the settings from the process's environment; raises MisconfiguredHub with a sentence for the operator."""
    env = Env(prefix=PREFIX)
    env.read_env(str(Path(env.str("DATA_DIR", "var")) / ENV_FILE), recurse=False)
    try:
        return _settings(env)
    except EnvError as err:
        raise MisconfiguredHub(str(err)) from err


def absent_key_file() -> Path | None:
    """Tell where reading the settings would make a new master key; None where there is one already."""
    env = Env(prefix=PREFIX)
    data_dir = Path(env.str("DATA_DIR", "var"))
    env.read_env(str(data_dir / ENV_FILE), recurse=False)
    place = Path(env.str("MASTER_KEY_FILE", str(data_dir / "master.key")))
    return None if env.str("MASTER_KEYS", "") or place.exists() else place


def impose(values: Mapping[str, str]) -> None:
    """Put settings into this process's environment, before all others; the processes it starts inherit them.

    values: by name without `PAYWHARF_`. For the demo, which decides for itself whatever the shell says.
    """
    os.environ.update({PREFIX + name: value for name, value in values.items()})


def name_figures_folder(variable: str, folder: Path) -> None:
    """Make the folder that this machine's processes share their counts in, and name it where their library looks."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ[variable] = str(folder)


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
    network = _network(env)
    key_file = Path(env.str("MASTER_KEY_FILE", str(data_dir / "master.key")))
    return Settings(
        base_url=_base_url(env),
        database_url=_database_url(env, data_dir),
        network=network,
        master_keys=_master_keys(env, key_file),
        master_key_file=None if env.str("MASTER_KEYS", "") else key_file,
        data_dir=data_dir,
        redis_url=env.str("REDIS_URL", "redis://127.0.0.1:6379/0"),
        executor=_one_of(env, "EXECUTOR", "embedded", ("embedded", "rq")),
        poll_interval_s=_positive(env, "POLL_INTERVAL_S", "3"),
        read_ahead=_at_most(env, "READ_AHEAD", 8, most=64),
        live_requests=_count(env, "LIVE_REQUESTS", 0 if network.name in OWN_NETWORKS else 60_000),
        second_opinion_units=_second_opinion(env, network),
        payment_window_s=_seconds(env, "PAYMENT_WINDOW_S", 30 * 60),
        late_window_s=_seconds(env, "LATE_WINDOW_S", 24 * 3600),
        egress_allow=_networks(env, "EGRESS_ALLOW"),
        egress_ports=tuple(env.list("EGRESS_PORTS", [], subcast=int)),
        dev_loopback_websites=env.bool("DEV_LOOPBACK_WEBSITES", False),
        trusted_proxies=env.int("TRUSTED_PROXIES", 0),
        api_rate_per_minute=_count(env, "API_RATE_PER_MINUTE", 600),
        address_rate_per_minute=_count(env, "ADDRESS_RATE_PER_MINUTE", 3_000),
        metrics_token=env.str("METRICS_TOKEN", ""),
        metrics_dir=Path(env.str("METRICS_DIR", str(data_dir / "metrics"))),
        plugins=_names(env, "PLUGINS"),
        rate_sources=_names(env, "RATE_SOURCES") or ("peg", "table"),
        rate_table=_rate_table(env),
        rate_every_s=_at_most(env, "RATE_EVERY_S", 60, most=3600),
        rate_max_age_s=_seconds(env, "RATE_MAX_AGE_S", 600),
        rate_max_deviation_percent=_percent(env, "RATE_MAX_DEVIATION_PERCENT", "2"),
        rate_min_sources=_at_most(env, "RATE_MIN_SOURCES", 1, most=9),
        wide_payment_ids=env.bool("WIDE_PAYMENT_IDS", False),
        log_level=_one_of(env, "LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
        log_format=_one_of(env, "LOG_FORMAT", "json", ("json", "text")),
    )


def _base_url(env: Env) -> str:
    url = env.str("BASE_URL", "http://127.0.0.1:8080").rstrip("/")
    if not url.startswith(("https://", "http://")):
        raise MisconfiguredHub(f"{PREFIX}BASE_URL must be the hub's public address, such as https://pay.example.com.")
    return url


def _database_url(env: Env, data_dir: Path) -> str:
    url = env.str("DATABASE_URL", f"sqlite:///{data_dir}/paywharf.db")
    if DATABASE_URL.match(url) is None:
        examples = "sqlite:////srv/paywharf/hub.db or postgresql+psycopg://user:password@host/name"
        raise MisconfiguredHub(f"{PREFIX}DATABASE_URL must look like {examples}.")
    return url


def _network(env: Env) -> NetworkSettings:
    """Take a named network and let single values be replaced: the nodes, the contract, the genesis id."""
    known = NETWORKS[_one_of(env, "NETWORK", "devnet", tuple(NETWORKS))]
    network = replace(
        known,
        usdt_contract=env.str("USDT_CONTRACT", known.usdt_contract),
        genesis_id=env.str("GENESIS_ID", known.genesis_id).lower(),
        nodes=(_node(env, "", known.nodes[0]), *_further_nodes(env)),
    )
    if not network.nodes[0].full_url:
        raise MisconfiguredHub(f"{PREFIX}NODE_URL is required with {PREFIX}NETWORK={network.name}.")
    if len({_one_spelling(node.full_url) for node in network.nodes}) < len(network.nodes):
        raise MisconfiguredHub(f"Two of {PREFIX}NODE_URL, {PREFIX}NODE_2_URL and so on are the same provider.")
    if network.name == "custom" and not network.genesis_id:
        raise MisconfiguredHub(f"{PREFIX}GENESIS_ID is required with {PREFIX}NETWORK=custom.")
    if network.genesis_id and BLOCK_ID.fullmatch(network.genesis_id) is None:
        raise MisconfiguredHub(f"{PREFIX}GENESIS_ID must be block 0's id, or the last 8 or more of its 64 hex digits.")
    if not network.usdt_contract and network.name == "devnet":
        return network  # a devnet makes its own contract; only the watcher needs to know it
    try:
        parse_address(network.usdt_contract)
    except GatewayError as err:
        raise MisconfiguredHub(f"{PREFIX}USDT_CONTRACT: {err.sentence}") from err
    return network


def _further_nodes(env: Env) -> Iterator[NodeSettings]:
    """Read NODE_2_URL and so on, without a gap; each may have what the first one has."""
    given = [number for number in range(2, MAX_NODES + 1) if env.str(f"NODE_{number}_URL", "")]
    for wanted, number in enumerate(given, start=2):
        if number != wanted:
            raise MisconfiguredHub(f"{PREFIX}NODE_{number}_URL is given, and {PREFIX}NODE_{wanted}_URL is not.")
        yield _node(env, f"{number}_", NodeSettings("", ""))


def _node(env: Env, number: str, known: NodeSettings) -> NodeSettings:
    name = f"NODE_{number}"
    full_url = _node_url(env, f"{name}URL", known.full_url)
    keys: list[str] = env.list(f"{name}API_KEY", [])
    return NodeSettings(
        full_url=full_url,
        solid_url=_node_url(env, f"SOLID_{name}URL", full_url),
        rpc_url=_node_url(env, f"{name}RPC_URL", known.rpc_url),
        api_keys=tuple(key.strip() for key in keys if key.strip()),
        qps=_positive(env, f"{name}QPS", str(known.qps)),
        daily_requests=_count(env, f"{name}DAILY_REQUESTS", known.daily_requests),
    )


def _node_url(env: Env, name: str, default: str) -> str:
    url = env.str(name, default)
    return base_url(url, called=f"{PREFIX}{name}") if url else ""


def _one_spelling(url: str) -> str:
    return f"{host_of(url)}{urlsplit(url).path.lower()}"


def _second_opinion(env: Env, network: NetworkSettings) -> int | None:
    text = env.str("SECOND_OPINION_ABOVE", "")
    if not text:
        return None
    if len(network.nodes) < 2:
        raise MisconfiguredHub(f"{PREFIX}SECOND_OPINION_ABOVE needs a second provider: {PREFIX}NODE_2_URL.")
    try:
        return parse_amount(text).due.units
    except GatewayError as err:
        raise MisconfiguredHub(f"{PREFIX}SECOND_OPINION_ABOVE must be an amount of USDT such as 1000.") from err


def _master_keys(env: Env, key_file: Path) -> tuple[tuple[str, bytes], ...]:
    given = env.str("MASTER_KEYS", "")
    if given:
        return parse_master_keys(given, where=f"{PREFIX}MASTER_KEYS")
    return load_or_make_master_key(key_file)


def _names(env: Env, name: str) -> tuple[str, ...]:
    given: list[str] = env.list(name, [])
    return tuple(each.strip() for each in given if each.strip())


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


def _count(env: Env, name: str, default: int) -> int:
    value = env.int(name, default)
    if value < 0:
        raise MisconfiguredHub(f"{PREFIX}{name} must be a whole number; 0 means no limit.")
    return value


def _at_most(env: Env, name: str, default: int, *, most: int) -> int:
    value = env.int(name, default)
    if not 1 <= value <= most:
        raise MisconfiguredHub(f"{PREFIX}{name} must be between 1 and {most}.")
    return value


def _seconds(env: Env, name: str, default: int) -> int:
    value = env.int(name, default)
    if not 60 <= value <= 365 * 24 * 3600:
        raise MisconfiguredHub(f"{PREFIX}{name} must be between 60 seconds and a year.")
    return value


def _percent(env: Env, name: str, default: str) -> Decimal:
    text = env.str(name, default)
    if not DECIMAL.fullmatch(text) or not 0 < Decimal(text) <= 100:
        raise MisconfiguredHub(f"{PREFIX}{name} must be a number of percent such as 2 or 0.5.")
    return Decimal(text)


def _rate_table(env: Env) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for pair in _names(env, "RATE_TABLE"):
        currency, _, text = pair.partition(":")
        if currency not in MINOR_UNITS or not DECIMAL.fullmatch(text) or not Decimal(text):
            raise MisconfiguredHub(f"{PREFIX}RATE_TABLE says what one USDT costs, such as EUR:0.92,JPY:155.2.")
        found[currency] = Decimal(text)
    return found


def _networks(env: Env, name: str) -> tuple[str, ...]:
    entries: list[str] = env.list(name, [])
    given = tuple(entry for entry in entries if entry)
    for text in given:
        try:
            ip_network(text)
        except ValueError as err:
            raise MisconfiguredHub(f"{PREFIX}{name}: {text!r} is not a network such as 10.1.2.0/24.") from err
    return given
