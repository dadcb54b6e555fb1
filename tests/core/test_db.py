"""Rows made from columns at hand, and writers that stand in line."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from sqlalchemy import event, text

from core.db import open_database

PROGRAM = """
from core.db import detached
from core.models import Credential
print(detached(Credential, {"id": 7, "project_id": 7}).project_id)
"""


def test_a_process_may_begin_with_a_row_made_from_its_columns():
    """A web process that was asked for nothing before refused every payment."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("7\n", "")


def test_threads_that_write_to_sqlite_stand_in_line(tmp_path: Path):
    """Its own waiting let some of them wait for half a second where others passed; here nobody needs it."""
    database = open_database(f"sqlite:///{tmp_path / 'hub.db'}")
    event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=0"))
    together = Barrier(4)

    def write(_: int) -> None:
        together.wait()
        for _ in range(25):
            with database.transaction() as session:
                session.execute(text("INSERT INTO written VALUES (1)"))

    with database.transaction() as session:
        session.execute(text("CREATE TABLE written (one INTEGER)"))
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))

    with database.snapshot() as session:
        assert session.scalar(text("SELECT count(*) FROM written")) == 100
    database.dispose()
