"""The checks of `paywharf doctor`: each looks at one thing and yields findings; none of them changes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from core.alarms import AlarmKind, standing_alarms
from core.app import build_node
from core.chain.addresses import parse_address
from core.chain.node import HttpNode
from core.cli.roof import Roof
from core.clock import SystemClock, from_millis
from core.config import ENV_FILE
from core.db import check_engine
from core.errors import DatabaseUnavailable, GatewayError
from core.hub import Hub
from core.migrations import check_schema
from core.models import Address, Cursor, ScanCount, Transfer
from core.models.chain import in_inbox
from core.settings import Settings

MAX_LAG_BLOCKS = 20  # a minute of blocks: a healthy watcher is at most a few behind the node's solid height
MAX_SKEW = timedelta(seconds=30)  # of the newest block against our clock (B8)
KEY_FILE = "master.key"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw; `state` is ok, warning or problem."""

    check: str
    state: str
    sentence: str


Check = Callable[[Roof], Iterator[Finding]]


def examine(roof: Roof) -> list[Finding]:
    """Run every check; a check that cannot go on says why, and the others still run."""
    try:
        settings = roof.settings
    except GatewayError as err:
        return [Finding("settings", "problem", err.sentence)]
    findings = [_ok("settings", f"Network {settings.network.name}, data folder {settings.data_dir}.")]
    for name, check in CHECKS.items():
        try:
            findings += check(roof)
        except GatewayError as err:
            findings.append(_problem(name, err.sentence))
        except Exception as err:  # an edge: doctor must outlive what it looks at
            findings.append(_problem(name, f"This could not be checked: {type(err).__name__}."))
    return findings


def check_files(roof: Roof) -> Iterator[Finding]:
    """Look at who may read the files that hold secrets."""
    for name in (KEY_FILE, ENV_FILE):
        path = roof.settings.data_dir / name
        if not path.exists():
            continue
        if _is_private(path):
            yield _ok("secret files", f"{name} is readable by its owner only.")
        else:
            yield _problem("secret files", f"Others may read {path}: run chmod 600 on it.")


def check_database(roof: Roof) -> Iterator[Finding]:
    """Look at the database: reachable, its schema ours, writable, its vital settings as wanted."""
    database = roof.bare_hub.database
    try:
        check_schema(database)
        check_engine(database)
        with database.transaction() as session:
            session.execute(select(1))
    except GatewayError:
        raise
    except Exception as err:
        raise DatabaseUnavailable(f"The database cannot be used: {type(err).__name__}.") from err
    yield _ok("database", f"{'SQLite' if database.is_sqlite else 'PostgreSQL'}, writable, schema up to date.")


def check_node(roof: Roof) -> Iterator[Finding]:
    """Look at the TRON node: reachable, on our network, in step with our clock; then how far the watcher is behind."""
    network = roof.settings.network
    node = build_node(network.nodes[0], SystemClock())
    try:
        genesis_id, heights = node.genesis_id(), node.heights()
        if not genesis_id.endswith(network.genesis_id):
            yield _problem("node", f"The node is not on {network.name}: its genesis block is {genesis_id}.")
            return
        yield _ok("node", f"Reachable, on {network.name}, head {heights.head}, solid {heights.solid}.")
        if not network.usdt_contract:
            yield _problem("contract", "PAYWHARF_USDT_CONTRACT is not set: no transfer can be recognised.")
        elif not node.contract_exists(parse_address(network.usdt_contract)):
            yield _problem("contract", f"The node knows no contract {network.usdt_contract}.")
        yield from _clock_findings(roof, node, heights.head)
        yield from _watcher_findings(roof.bare_hub, genesis_id, solid_height=heights.solid)
    finally:
        node.close()


def check_addresses(roof: Roof) -> Iterator[Finding]:
    """Look whether live payments can be made at all."""
    with roof.bare_hub.database.snapshot() as session:
        count = session.scalar(select(func.count()).where(Address.retired_at.is_(None)))
    if count:
        yield _ok("addresses", f"{count} receiving address{'es' if count > 1 else ''} watched.")
    else:
        yield _warning("addresses", "No receiving address: live payments are refused until `paywharf address add`.")


def check_transfers(roof: Roof) -> Iterator[Finding]:
    """Say what came in, what waits for a human, and what was rightly ignored."""
    with roof.bare_hub.database.snapshot() as session:
        recorded = session.scalar(select(func.count(Transfer.id)))
        waiting = session.scalar(select(func.count(Transfer.id)).where(in_inbox()))
        ignored = session.execute(select(ScanCount.kind, ScanCount.seen).order_by(ScanCount.kind)).all()
    kinds = ", ".join(f"{seen} {kind.replace('_', ' ')}" for kind, seen in ignored) or "none"
    yield _ok("transfers", f"{recorded} recorded, {waiting} of them in the inbox. Ignored: {kinds}.")


def check_development(roof: Roof) -> Iterator[Finding]:
    """Name the settings that a hub for real money does not have."""
    settings = roof.settings
    for is_on, sentence in _development_settings(settings):
        if is_on:
            yield _warning("development", sentence)


def check_alarms(roof: Roof) -> Iterator[Finding]:
    """Repeat what needs a human; a question about a first payment is no trouble of the hub's."""
    with roof.bare_hub.database.snapshot() as session:
        standing = standing_alarms(session)
    for alarm in standing:
        make = _warning if alarm.kind == AlarmKind.FIRST_PAYMENT else _problem
        yield make("alarm", alarm.sentence)
    if not standing:
        yield _ok("alarms", "None stands.")


CHECKS: dict[str, Check] = {
    "secret files": check_files,
    "database": check_database,
    "addresses": check_addresses,
    "node": check_node,
    "transfers": check_transfers,
    "alarms": check_alarms,
    "development": check_development,
}


def _clock_findings(roof: Roof, node: HttpNode, head: int) -> Iterator[Finding]:
    header = node.head_header(head)
    if header is None:
        return
    skew = abs(roof.bare_hub.clock.now() - from_millis(header.time_ms))
    if skew > MAX_SKEW:
        apart = f"{round(skew.total_seconds())} s apart"
        yield _problem("clock", f"The newest block and this machine's clock are {apart}: one of them stands or is off.")
    else:
        yield _ok("clock", "In step with the newest block.")


def _watcher_findings(hub: Hub, genesis_id: str, *, solid_height: int) -> Iterator[Finding]:
    with hub.database.snapshot() as session:
        cursor = session.scalar(select(Cursor).where(Cursor.network == hub.settings.network.name))
    if cursor is None:
        yield _warning("watcher", "It has not run yet: start `paywharf serve` or `paywharf watch`.")
    elif cursor.genesis_id != genesis_id:
        yield _problem("watcher", f"This hub has watched a chain with genesis block {cursor.genesis_id}, not this one.")
    elif solid_height - cursor.height > MAX_LAG_BLOCKS:
        yield _problem("watcher", f"It is {solid_height - cursor.height} blocks behind the node: is it running?")
    else:
        yield _ok("watcher", f"At solid block {cursor.height}, {max(0, solid_height - cursor.height)} behind the node.")


def _development_settings(settings: Settings) -> list[tuple[bool, str]]:
    allowed = ", ".join(settings.egress_allow)
    is_public = settings.base_url.startswith("https:")
    return [
        (settings.network.name == "devnet", "The network is a simulation: its money is play money."),
        (settings.dev_loopback_websites, "Loopback websites are admitted (PAYWHARF_DEV_LOOPBACK_WEBSITES)."),
        (bool(allowed), f"Webhooks may reach these networks of your own: {allowed} (PAYWHARF_EGRESS_ALLOW)."),
        (not is_public, f"Payment pages are served without https: {settings.base_url} (PAYWHARF_BASE_URL)."),
    ]


def _is_private(path: Path) -> bool:
    return path.stat().st_mode & 0o077 == 0


def _ok(check: str, sentence: str) -> Finding:
    return Finding(check, "ok", sentence)


def _warning(check: str, sentence: str) -> Finding:
    return Finding(check, "warning", sentence)


def _problem(check: str, sentence: str) -> Finding:
    return Finding(check, "problem", sentence)
