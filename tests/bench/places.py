"""Databases to measure on: SQLite in a file, and a PostgreSQL cluster of our own with its durable settings."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path

from core.clock import SystemClock
from core.db import open_database
from core.hub import Hub
from core.migrations import upgrade
from core.models import Cursor
from core.testing.hubs import make_hub, make_settings
from tests.conftest import _become_postgres, _postgresql_bin, _postgresql_url, fresh_postgresql

KINDS = ("SQLite", "PostgreSQL")


@dataclass(slots=True)
class Places:
    """Makes fresh databases of each kind, with the schema in them, and removes them at the end."""

    folder: Path
    cluster: str
    stack: ExitStack = field(default_factory=ExitStack)
    serial: Iterator[int] = field(default_factory=lambda: count(1))

    def hub(self, kind: str) -> Hub:
        """Give a hub on a fresh database, with the system's clock."""
        number = next(self.serial)
        if kind == "SQLite":
            url = f"sqlite:///{self.folder}/hub{number}.db"
        else:
            fresh_postgresql(self.cluster, f"hub{number}")
            url = _postgresql_url(self.cluster, f"hub{number}")
        database = open_database(url)
        self.stack.callback(database.dispose)
        upgrade(database)
        settings = make_settings(url, data_dir=self.folder / f"var{number}")
        return make_hub(database, settings=settings, clock=SystemClock())


@contextmanager
def places() -> Iterator[Places]:
    """Open the places for one run of the bench."""
    folder = Path(tempfile.mkdtemp(prefix="paywharf-bench-"))
    try:
        with _cluster() as cluster, ExitStack() as stack:
            yield Places(folder, cluster, stack)
    finally:
        shutil.rmtree(folder)


def add_cursor(hub: Hub, *, genesis_id: str, block_time: datetime) -> None:
    """Let the solid scan stand at height 1."""
    where = Cursor(
        genesis_id=genesis_id, network="devnet", height=1, block_time=block_time, updated_at=hub.clock.now()
    )
    with hub.database.transaction() as session:
        session.add(where)


@contextmanager
def _cluster() -> Iterator[str]:
    """Unlike the tests' cluster this one waits for its disk, as a merchant's does."""
    folder = Path(tempfile.mkdtemp(prefix="paywharf-pg-"))
    as_owner, tools, data = _become_postgres(folder), _postgresql_bin(), folder / "cluster"
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c shared_buffers=512MB -c max_wal_size=4GB"

    def run(tool: str, *arguments: str | Path) -> None:
        command = [*as_owner, tools / tool, "-D", data, *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)

    run("initdb", "-U", "paywharf", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
    run("pg_ctl", "-w", "-l", folder / "log", "-o", options, "start")
    try:
        yield str(folder)
    finally:
        run("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)
