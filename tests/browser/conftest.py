"""Apps served to the browser on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from core.clock import ManualClock
from core.db import Database, open_database
from core.hub import Hub
from core.testing.hubs import START, make_hub

Serve = Callable[[Flask], str]


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing: addresses carry page tokens."""


@pytest.fixture
def page_database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """A fresh SQLite database: what a browser sees does not depend on the database's kind."""
    path = tmp_path / "hub.db"
    shutil.copy(sqlite_template, path)
    opened = open_database(f"sqlite:///{path}")
    yield opened
    opened.dispose()


@pytest.fixture
def page_hub(page_database: Database) -> Hub:
    """A hub with a manual clock."""
    return make_hub(page_database, clock=ManualClock(START))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve apps on free loopback ports until the test ends; gives each one's base URL."""
    running = []

    def start(app: Flask) -> str:
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()
