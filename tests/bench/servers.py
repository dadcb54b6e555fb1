"""Web servers to measure: the product's own command, and a bare Flask app behind the same gunicorn settings.

`python -m tests.bench.servers <port>` is the bare one: HMAC over the body, one INSERT, one commit, one JSON answer.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.error import URLError

from flask import Flask, Response, jsonify, request
from sqlalchemy import text

from core.config import load_settings
from core.db import Database, open_database
from core.hub import Hub
from core.testing.hubs import TEST_KEYS
from workers.web import WebServer

BARE_SECRET = b"sk_live_bare"
START_LIMIT_S = 120  # a crowded machine takes half a minute; a server that dies is noticed at once
BARE_TABLE = "CREATE TABLE bare_order (id INTEGER PRIMARY KEY {serial}, order_id TEXT, amount TEXT, created_at BIGINT)"
BARE_INSERT = "INSERT INTO bare_order (order_id, amount, created_at) VALUES (:order_id, :amount, :created_at)"
BARE_SELECT = "SELECT order_id, status, pay_units, txid FROM payment WHERE payment_id = :payment_id"


@dataclass(frozen=True, slots=True)
class Server:
    """A web server that runs, with one worker process; `first_answer_s` after its start."""

    port: int
    pid: int
    first_answer_s: float


def make_bare_table(hub: Hub) -> None:
    """Give the bare app its table, in the same database."""
    serial = "AUTOINCREMENT" if hub.database.is_sqlite else "GENERATED ALWAYS AS IDENTITY"
    with hub.database.transaction() as session:
        session.execute(text(BARE_TABLE.format(serial=serial)))


def bare_app(database: Database) -> Flask:
    """Build the least an order needs: no key look-up, no checks, no reservation, no event."""
    app = Flask("bare")

    @app.post("/api/create-payment.php")
    def create() -> Response:
        body = request.get_data()
        if not hmac.compare_digest(hmac.digest(BARE_SECRET, body, "sha256").hex(), request.headers["X-Signature"]):
            raise ValueError("a wrong signature")
        given = json.loads(body)
        values = {"order_id": given["order_id"], "amount": given["amount"], "created_at": time.time_ns()}
        with database.turn, database.engine.begin() as connection:
            connection.execute(text(BARE_INSERT), values)
        return jsonify({"ok": True, "payment": values})

    @app.get("/api/payment-status.php")
    def status() -> Response:
        if not hmac.compare_digest(hmac.digest(BARE_SECRET, b"", "sha256").hex(), request.headers["X-Signature"]):
            raise ValueError("a wrong signature")
        with database.glance() as connection:
            found = connection.execute(text(BARE_SELECT), {"payment_id": int(request.args["payment_id"])}).one()
        return jsonify({"ok": True, "payment": found._asdict()})

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    return app


class BareServer(WebServer):
    """The product's gunicorn with the bare app in it."""

    def load(self) -> Any:
        """Build the app in the worker, as the product does."""
        return bare_app(open_database(self._settings.database_url))


@contextmanager
def full_server(hub: Hub, **variables: str) -> Iterator[Server]:
    """Run `paywharf web` on a hub's database, with environment variables beside its settings."""
    command = ["-m", "core.cli", "web", "--workers", "1", "--port"]
    with _running(hub, lambda port: [*command, str(port)], variables) as server:
        yield server


@contextmanager
def bare_server(hub: Hub) -> Iterator[Server]:
    """Run the bare app on a hub's database."""
    with _running(hub, lambda port: ["-m", "tests.bench.servers", str(port)]) as server:
        yield server


def environment(hub: Hub) -> dict[str, str]:
    """Write a hub's settings as environment variables."""
    key_id, key = TEST_KEYS[0]
    return os.environ | {
        "PAYWHARF_DATABASE_URL": hub.settings.database_url,
        "PAYWHARF_DATA_DIR": str(hub.settings.data_dir),
        "PAYWHARF_MASTER_KEYS": f"{key_id}:{base64.b64encode(key).decode()}",
        "PAYWHARF_LOG_LEVEL": "WARNING",
    }


def free_port() -> int:
    """Find a loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server that was just started answers 200 on /healthz."""
    began = time.perf_counter()
    while not _answers(port):
        if process.poll() is not None or time.perf_counter() - began > START_LIMIT_S:
            raise RuntimeError(f"nothing answers on port {port}")


@contextmanager
def _running(hub: Hub, arguments: Any, variables: Mapping[str, str] = MappingProxyType({})) -> Iterator[Server]:
    port, began = free_port(), time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments(port)], env=environment(hub) | variables,
                               cwd=Path.cwd(), stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield Server(port, process.pid, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(15)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        time.sleep(0.005)
        return False


if __name__ == "__main__":
    BareServer(load_settings(), host="127.0.0.1", port=int(sys.argv[1]), workers=1).run()
