"""The checks of `paywharf doctor` that look around the hub: its key, disk, sizes, Redis, and what waits to be sent."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url

from core.cli.findings import Finding, ok, problem, warning
from core.cli.roof import Roof
from core.dashboard.vitals import read_vitals, read_watching, weaknesses
from core.errors import MisconfiguredHub
from core.models import Credential, Delivery, Endpoint, HubSecret
from core.payments import numbers
from core.projects.keys import credential_place, endpoint_place

MB, GB = 10**6, 10**9
DISK_PROBLEM, DISK_WARNING = 200 * MB, 2 * GB  # a write-ahead log alone can grow by some hundred megabytes
WAL_WARNING = 500 * MB  # SQLite empties it at every checkpoint; one this long has a reader that never ends
LOGS_WARNING = 1 * GB
LATE_S, VERY_LATE_S = 30, 120  # a due delivery is begun within a second, or half a minute after a lost wake-up
SECRETS_TRIED = 500
OLDEST_REDIS = (5, 0)  # RQ 3 needs it


def check_key(roof: Roof) -> Iterator[Finding]:
    """Look where the master key is kept, and whether it opens what is stored."""
    settings = roof.settings
    place = settings.master_key_file
    if place is None:
        yield ok("key", "The master key comes from PAYWHARF_MASTER_KEYS.")
    elif not place.exists():
        yield problem("key", f"{place} is gone: put its copy back before the hub's next start.")
    elif place.resolve().is_relative_to(settings.data_dir.resolve()) and settings.network.name == "mainnet":
        yield warning("key", "The master key lies in the data folder: who takes the folder has both. Move it elsewhere "
                             "(PAYWHARF_MASTER_KEY_FILE), and keep a copy apart.")
    else:
        yield ok("key", f"The master key is in {place}.")
    closed = _closed_secrets(roof)
    if closed:
        yield problem("key", f"The master key does not open {closed[0]}: put the key back that the hub was made with.")
    else:
        yield ok("key", "It opens the stored secrets.")


def check_size(roof: Roof) -> Iterator[Finding]:
    """Say how large the database is."""
    database = roof.bare_hub.database
    if not database.is_sqlite:
        with database.snapshot() as session:
            size = session.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        yield ok("size", f"The database has {_size(size)}.")
        return
    path = Path(make_url(roof.settings.database_url).database or "")
    wal = path.with_name(path.name + "-wal")
    wal_size = wal.stat().st_size if wal.exists() else 0
    yield ok("size", f"The database has {_size(path.stat().st_size)}.")
    if wal_size > WAL_WARNING:
        yield warning("size", f"Its write-ahead log has {_size(wal_size)}: some process reads without an end.")


def check_disk(roof: Roof) -> Iterator[Finding]:
    """Look at the room that the data folder has left."""
    free = shutil.disk_usage(roof.settings.data_dir).free
    make = problem if free < DISK_PROBLEM else warning if free < DISK_WARNING else ok
    yield make("disk", f"{_size(free)} are free for {roof.settings.data_dir}.")


def check_logs(roof: Roof) -> Iterator[Finding]:
    """Look at log files in the data folder; the hub itself logs to stderr, and its service manager keeps that."""
    size = sum(path.stat().st_size for path in roof.settings.data_dir.rglob("*.log"))
    if size > LOGS_WARNING:
        yield warning("logs", f"Log files in the data folder have {_size(size)}: rotate them.")
    else:
        yield ok("logs", f"Log files in the data folder have {_size(size)}.")


def check_redis(roof: Roof) -> Iterator[Finding]:
    """Look at Redis where it is used: version, what it drops when it is full, what it keeps, and who works."""
    if roof.settings.executor != "rq":
        yield ok("redis", "Not needed: webhooks are sent by the embedded executor.")
        return
    from workers import rq

    try:
        state = rq.look(roof.bare_hub)
    except rq.RedisError as err:  # type: ignore[attr-defined]
        yield problem("redis", f"It does not answer ({type(err).__name__}): the watcher sends meanwhile, more slowly.")
        return
    yield from _redis_findings(state)


def _redis_findings(state: object) -> Iterator[Finding]:
    from workers.rq import RedisState

    assert isinstance(state, RedisState)
    major_minor = tuple(int(part) for part in state.version.split(".")[:2] if part.isdigit())
    if major_minor < OLDEST_REDIS:
        yield problem("redis", f"Redis {state.version} is too old: RQ needs 5.0.")
    else:
        held = f"{_size(state.memory_used)}, keeps {state.keeps}"
        yield ok("redis", f"Redis {state.version}, {held}: needs to keep nothing.")
    if state.memory_limit and state.policy != "noeviction":
        yield warning("redis", f"maxmemory-policy is {state.policy}: it may drop wake-ups, which costs half a minute "
                               "each. Set noeviction.")
    if not state.is_saving_well:
        yield problem("redis", "It cannot save to its disk, and may refuse every write: see its log.")
    if not state.workers:
        yield warning("redis", "No worker is there: start `paywharf work`. The watcher sends meanwhile, more slowly.")
    else:
        yield ok("redis", f"Workers: {state.workers}. Wake-ups that wait: {state.waiting}.")


def check_watching(roof: Roof) -> Iterator[Finding]:
    """Look whether a watcher runs, from the database alone: no provider is asked."""
    with roof.bare_hub.database.snapshot() as session:
        watching = read_watching(session, roof.bare_hub)
    said = weaknesses(watching)
    for sentence in said if watching is not None else ():
        yield problem("watching", sentence)
    if watching is None:
        yield warning("watching", "No watcher has run yet: start `paywharf serve` or `paywharf watch`.")
    elif not said:
        yield ok("watching", f"A watcher runs, at block {watching.height}.")


def check_deliveries(roof: Roof) -> Iterator[Finding]:
    """Look at the webhooks that are due, those given up, and the endpoints that take nothing."""
    hub = roof.bare_hub
    with hub.database.snapshot() as session:
        vitals = read_vitals(session, hub)
        given_up = session.scalar(select(func.count(Delivery.id)).where(Delivery.state == "failed"))
    late_s = round(vitals.oldest_due_s)
    sentence = f"{vitals.outbox_due} due, the oldest for {late_s} s." if vitals.outbox_due else "None is due."
    make = problem if late_s > VERY_LATE_S else warning if late_s > LATE_S else ok
    yield make("deliveries", sentence + (" Is a worker running?" if late_s > LATE_S else ""))
    if given_up:
        yield warning("deliveries", f"{given_up} were given up: `paywharf delivery list --state failed`.")
    if vitals.endpoints_disabled:
        yield warning("deliveries", f"{vitals.endpoints_disabled} endpoints are disabled: `paywharf endpoint list`.")


def _closed_secrets(roof: Roof) -> list[str]:
    """Name the places whose secret does not open; looks at the hub's own, and at the newest of the others."""
    hub = roof.bare_hub
    with hub.database.snapshot() as session:
        own = session.scalar(select(HubSecret.value).where(HubSecret.name == numbers.SECRET_NAME))
        newest = select(Credential.public_key, Credential.secret).order_by(Credential.id.desc()).limit(SECRETS_TRIED)
        keys = session.execute(newest).all()
        last = select(Endpoint.uid, Endpoint.secret).order_by(Endpoint.id.desc()).limit(SECRETS_TRIED)
        endpoints = session.execute(last).all()
    sealed = [(numbers.PLACE, own)] if own is not None else []
    sealed += [(credential_place(key), secret) for key, secret in keys]
    sealed += [(endpoint_place(uid), secret) for uid, secret in endpoints]
    closed = []
    for place, envelope in sealed:
        try:
            hub.vault.open(envelope, place=place)
        except MisconfiguredHub:
            closed.append(place)
    return closed


def _size(size: int) -> str:
    return f"{size / GB:.1f} GB" if size >= GB else f"{size / MB:.1f} MB"
