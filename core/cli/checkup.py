"""The checks of `paywharf doctor`: each looks at one thing and yields findings; none of them changes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from core.alarms import AlarmKind, standing_alarms
from core.channels import service
from core.cli.answers import database_trouble
from core.cli.findings import Finding, ok, problem, warning
from core.cli.providers import check_providers
from core.cli.roof import Roof
from core.cli.surroundings import (
    check_deliveries, check_disk, check_key, check_logs, check_redis, check_size, check_watching,
)
from core.config import ENV_FILE
from core.db import check_engine
from core.errors import GatewayError
from core.migrations import check_schema
from core.models import Address, ScanCount, Transfer
from core.models.chain import in_inbox
from core.payments.rates import all_judged, last_asked, missing_sources
from core.settings import Settings

Check = Callable[[Roof], Iterator[Finding]]


def examine(roof: Roof, *, only: Sequence[str] = ()) -> list[Finding]:
    """Run every check, or only those named; a check that cannot go on says why, and the others still run."""
    try:
        settings = roof.settings
    except GatewayError as err:
        return [Finding("settings", "problem", err.sentence)]
    findings = [ok("settings", f"Network {settings.network.name}, data folder {settings.data_dir}.")]
    for name, check in CHECKS.items():
        if only and name not in only:
            continue
        try:
            findings += check(roof)
        except GatewayError as err:
            findings.append(problem(name, err.sentence))
        except Exception as err:  # an edge: doctor must outlive what it looks at
            if isinstance(err, SQLAlchemyError) and _is_database_unfit(findings):
                continue  # what is wrong with the database has been said
            why = str(err.orig).splitlines()[0] if isinstance(err, DBAPIError) else type(err).__name__
            findings.append(problem(name, f"This could not be checked: {why.rstrip('.')}."))
    return findings


def check_files(roof: Roof) -> Iterator[Finding]:
    """Look at who may read the files that hold secrets."""
    key_file = roof.settings.master_key_file
    for path in (*((key_file,) if key_file else ()), roof.settings.data_dir / ENV_FILE):
        if not path.exists():
            continue
        if _is_private(path):
            yield ok("secret files", f"{path.name} is readable by its owner only.")
        else:
            yield problem("secret files", f"Others may read {path}: run chmod 600 on it.")


def check_database(roof: Roof) -> Iterator[Finding]:
    """Look at the database: reachable, its schema ours, writable, its vital settings as wanted."""
    database = roof.bare_hub.database
    try:
        check_schema(database)
        check_engine(database)
        with database.transaction() as session:
            session.execute(select(1))
    except DBAPIError as err:
        raise database_trouble(err) from err
    yield ok("database", f"{'SQLite' if database.is_sqlite else 'PostgreSQL'}, writable, schema up to date.")


def check_addresses(roof: Roof) -> Iterator[Finding]:
    """Look whether live payments can be made at all."""
    with roof.bare_hub.database.snapshot() as session:
        count = session.scalar(select(func.count()).where(Address.retired_at.is_(None)))
    if count:
        yield ok("addresses", f"{count} receiving address{'es' if count > 1 else ''} watched.")
    else:
        yield warning("addresses", "No receiving address: live payments are refused until `paywharf address add`.")


def check_transfers(roof: Roof) -> Iterator[Finding]:
    """Say what came in, what waits for a human, and what was rightly ignored."""
    with roof.bare_hub.database.snapshot() as session:
        recorded = session.scalar(select(func.count(Transfer.id)))
        waiting = session.scalar(select(func.count(Transfer.id)).where(in_inbox()))
        ignored = session.execute(select(ScanCount.kind, ScanCount.seen).order_by(ScanCount.kind)).all()
    kinds = ", ".join(f"{seen} {kind.replace('_', ' ')}" for kind, seen in ignored) or "none"
    yield ok("transfers", f"{recorded} recorded, {waiting} of them in the inbox. Ignored: {kinds}.")


def check_rates(roof: Roof) -> Iterator[Finding]:
    """Look whether prices in fiat can be quoted, and which chosen source is no help."""
    hub = roof.bare_hub
    with hub.database.snapshot() as session:
        believed, asked = all_judged(session, hub), last_asked(session)
    for name in missing_sources(hub):
        yield problem("rates", f"No plugin brings the rate source {name!r} (PAYWHARF_RATE_SOURCES).")
    for name, row in asked.items():
        if row.error and name in hub.settings.rate_sources:
            yield warning("rates", f"The rate source {name} was no help: {row.error}")
    known = [one.currency for one in believed if one.rate is not None]
    doubtful = [one for one in believed if one.rate is None]
    if doubtful:
        more = f" And so for {len(doubtful) - 1} more." if len(doubtful) > 1 else ""
        yield warning("rates", f"{doubtful[0].reason}{more} See `paywharf rates`.")
    if known:
        shown = ", ".join(known[:6]) + (f" and {len(known) - 6} more" if len(known) > 6 else "")
        yield ok("rates", f"Prices can be quoted in {shown}, by {', '.join(hub.settings.rate_sources)}.")
    elif not doubtful:
        yield warning("rates", "None is known yet: prices in fiat are refused until `paywharf work` has run.")


def check_development(roof: Roof) -> Iterator[Finding]:
    """Name the settings that a hub for real money does not have."""
    settings = roof.settings
    for is_on, sentence in _development_settings(settings):
        if is_on:
            yield warning("development", sentence)


def check_alarms(roof: Roof) -> Iterator[Finding]:
    """Repeat what needs a human; a question about a first payment is no trouble of the hub's."""
    with roof.bare_hub.database.snapshot() as session:
        standing = standing_alarms(session)
    for alarm in standing:
        make = warning if alarm.kind == AlarmKind.FIRST_PAYMENT else problem
        yield make("alarm", alarm.sentence)
    if not standing:
        yield ok("alarms", "None stands.")


def check_plugins(roof: Roof) -> Iterator[Finding]:
    """Name the plugins that were left out, each with its reason."""
    registry = roof.bare_hub.registry
    for broken in registry.broken:
        yield problem("plugins", f"The plugin {broken.name} was left out: {broken.reason}.")
    if not registry.broken:
        names = ", ".join(one.name for one in registry.plugins)
        yield ok("plugins", f"Loaded: {names}." if names else "None is loaded.")


def check_channels(roof: Roof) -> Iterator[Finding]:
    """Look at the connections to platforms: each has its plugin, is spoken to, and has no trouble."""
    hub = roof.bare_hub
    with hub.database.snapshot() as session:
        found = service.list_channels(session)
    well = 0
    for one in found:
        state, name = service.state_of(one), f"Channel {one.uid} ({one.adapter})"
        if one.adapter not in hub.registry.adapters:
            yield problem("channels", f"{name} has no plugin: nothing brings the adapter {one.adapter}.")
        elif state == "given_up":
            why = one.endpoint.disabled_why
            yield problem("channels", f"{name} was given up: {why} Run channels resume {one.uid}.")
        elif one.trouble:
            yield warning("channels", f"{name}: {one.trouble}")
        elif state == "paused":
            yield warning("channels", f"{name} is paused.")
        else:
            well += 1
    if well or not found:
        said = f"{well} connected, without trouble." if found else "No project is connected to a platform."
        yield ok("channels", said)


CHECKS: dict[str, Check] = {
    "secret files": check_files,
    "database": check_database,
    "key": check_key,
    "size": check_size,
    "disk": check_disk,
    "logs": check_logs,
    "redis": check_redis,
    "watching": check_watching,
    "deliveries": check_deliveries,
    "addresses": check_addresses,
    "node": check_providers,
    "transfers": check_transfers,
    "plugins": check_plugins,
    "channels": check_channels,
    "rates": check_rates,
    "alarms": check_alarms,
    "development": check_development,
}


def _development_settings(settings: Settings) -> list[tuple[bool, str]]:
    allowed = ", ".join(settings.egress_allow)
    is_public = settings.base_url.startswith("https:")
    return [
        (settings.network.name == "devnet", "The network is a simulation: its money is play money."),
        (settings.dev_loopback_websites, "Loopback websites are admitted (PAYWHARF_DEV_LOOPBACK_WEBSITES)."),
        (bool(allowed), f"Webhooks may reach these networks of your own: {allowed} (PAYWHARF_EGRESS_ALLOW)."),
        (not is_public, f"Payment pages are served without https: {settings.base_url} (PAYWHARF_BASE_URL)."),
    ]


def _is_database_unfit(findings: list[Finding]) -> bool:
    return any((one.check, one.state) == ("database", "problem") for one in findings)


def _is_private(path: Path) -> bool:
    return path.stat().st_mode & 0o077 == 0
