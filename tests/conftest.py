"""Fixtures of the whole suite: a fresh database of each kind, a hub with test parts, a PostgreSQL and a browser."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from copy import copy
from functools import cache
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import create_engine, text

from core.app import create_app
from core.clock import ManualClock
from core.db import Base, Database, open_database
from core.hub import Hub
from core.migrations import head_revision, upgrade
from core.testing.hubs import START, make_hub
from core.web import put_hub

KINDS = ("sqlite", "postgresql")
CHROMIUM = "/usr/bin/chromium"
MEMORY = Path("/dev/shm")
ROOM = 2 << 30
ROOTS = "PYTEST_DEBUG_TEMPROOT"
LENGTHY = {"journey", "faults", "slow"}
OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


def pytest_configure() -> None:
    """Keep the run's files in memory where there is room: databases sync at each commit, and no test cuts the power."""
    if ROOTS not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ[ROOTS] = str(MEMORY)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let tests run elsewhere: the outbox's through RQ and Redis (`make test-redis`), the watcher's on any node."""
    parser.addoption("--executor", choices=("embedded", "rq"), default="embedded", help="who sends in tests/outbox")
    parser.addoption("--world", choices=("own", "node"), default="own", help="where tests/watcher is run")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a worker whole files, so that none sets up anew what another has; begin with what takes long."""
    for item in items:
        if "demo" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(300))  # whichever comes first also starts the demo: seven processes
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_share_of(item)))
    items.sort(key=lambda item: not LENGTHY & {mark.name for mark in item.iter_markers()})


def _share_of(item: pytest.Item) -> str:
    """Name what is run by one worker: a file's tests on one kind of database; all that the one demo serves."""
    if "demo" in getattr(item, "fixturenames", ()):
        return "demo"
    return f"{item.path.parent.name}-{item.path.stem}-{'postgresql' if 'postgresql' in item.name else 'other'}"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the schema in it, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = open_database(f"sqlite:///{path}")
    upgrade(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return path


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL cluster of this run's own, on a Unix socket in its own folder; gives the socket's folder."""
    bin_folder = _postgresql_bin()
    folder = Path(tempfile.mkdtemp(prefix="paywharf-pg-", dir=os.environ.get(ROOTS)))
    as_owner = _become_postgres(folder)
    cluster = folder / "cluster"
    subprocess.run(
        [*as_owner, bin_folder / "initdb", "-D", cluster, "-U", "paywharf", "-A", "trust", "-N", "-E", "UTF8",
         "--locale=C.UTF-8"],
        check=True, capture_output=True, cwd=folder,
    )
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off -c max_connections=200"
    subprocess.run(
        [*as_owner, bin_folder / "pg_ctl", "-D", cluster, "-w", "-l", folder / "log", "-o", options, "start"],
        check=True, capture_output=True, cwd=folder,
    )
    yield str(folder)
    subprocess.run(
        [*as_owner, bin_folder / "pg_ctl", "-D", cluster, "-w", "-m", "immediate", "stop"],
        check=True, capture_output=True, cwd=folder,
    )
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgresql_url(postgresql_server: str) -> str:
    """The URL of a PostgreSQL database with the schema in it."""
    url = _postgresql_url(postgresql_server, "postgres")
    database = open_database(url)
    upgrade(database)
    database.dispose()
    return url


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database with the schema in it and nothing else, once for each kind; a kind's is always the same."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        path = template.with_name("hub.db")
        for old in path.parent.glob("hub.db*"):
            old.unlink()
        shutil.copy(template, path)
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("postgresql_url")
    _empty(url)
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh database with the schema in it. Its engine is the one of the test before: it knows the statements."""
    opened = copy(_opened(database_url))  # a test may set traps on it
    opened.dispose()  # a thread that the test before left behind may have come back with a connection to its file
    yield opened
    opened.dispose()


@cache
def _opened(url: str) -> Database:
    return open_database(url)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that is moved by hand."""
    return ManualClock(START)


@pytest.fixture
def hub(database: Database, clock: ManualClock) -> Hub:
    """A hub with test parts on a fresh database."""
    return make_hub(database, clock=clock)


@pytest.fixture(scope="session")
def routes(sqlite_template: Path) -> Flask:
    """An app with nobody's hub: to build its routes takes longer than most tests."""
    return create_app(hub=make_hub(open_database(f"sqlite:///{sqlite_template}")), check=False)


@pytest.fixture
def app(routes: Flask, hub: Hub) -> Flask:
    """The app of this test's hub."""
    put_hub(routes, hub)
    return routes


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without any of its own errands on the network.

    Playwright keeps an event loop running in this thread: it ends with the module, for who runs loops of their own.
    """
    if not Path(CHROMIUM).exists():
        pytest.fail("Chromium is not installed: run `make setup-test`.")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield opened
        opened.close()


def _postgresql_bin() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.fail("PostgreSQL is not installed: run `make setup-test`.")
    return found[-1].parent


def _become_postgres(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: hand the folder to its own user and run it as that."""
    if os.geteuid() != 0:
        return []
    owner = pwd.getpwnam("postgres")
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _empty(url: str) -> None:
    """Leave nothing of the test before: emptying the few tables that hold something beats a database for each test."""
    tables = [table.name for table in Base.metadata.sorted_tables]
    filled = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in tables)
    engine = create_engine(url, connect_args={"options": "-c lock_timeout=10000 -c session_replication_role=replica"})
    with engine.begin() as connection:
        for name in connection.execute(text(filled)).scalars().all():
            connection.execute(text(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE"))
            connection.execute(text(f"DELETE FROM {name}"))
        connection.execute(text("SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'"))
        connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head_revision()})
    engine.dispose()


def _postgresql_url(server: str, name: str) -> str:
    return f"postgresql+psycopg://paywharf@/{name}?host={server}"


def fresh_postgresql(server: str, name: str) -> str:
    """Create an empty PostgreSQL database beside the usual one; gives its URL."""
    engine = create_engine(_postgresql_url(server, "postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return _postgresql_url(server, name)
