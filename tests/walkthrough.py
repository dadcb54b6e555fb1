"""Record the README's terminal walk-through of `listen` and `trigger` from the commands themselves.

`python -m tests.walkthrough` writes it anew; `tests/listen/test_walkthrough.py` compares it with a fresh recording.
What differs from run to run (ids, keys, times, ports, amounts' tags) is written as a placeholder.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner
from werkzeug.serving import WSGIRequestHandler, make_server

from core.app import create_app
from core.cli import main
from core.cli.roof import Roof
from core.clock import SystemClock
from core.db import open_database
from core.hub import Hub
from core.migrations import upgrade
from core.outbox import stream
from core.testing.factories import make_shop
from core.testing.hubs import START, make_hub

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- recorded: python -m tests.walkthrough -->\n", "<!-- end of the recording -->\n"
TRIGGERS = ("trigger over --project 1", "trigger webhook-500 --project 1")
HEARD = 3 + 2  # events of the two: created, paid, overpaid; created, paid
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
PLACEHOLDERS = (
    (r"evt_[0-9A-Za-z]{26}", "evt_…"),
    (r"pk_test_[0-9A-Za-z]{24}", "pk_test_…"),
    (r"test_[0-9a-f]{32}", "test_5e0c…"),
    (r"test_[0-9a-f]{12}", "test_3f0c9a1b2d4e"),
    (r"http://127\.0\.0\.1:\d+/paywharf", "http://127.0.0.1:3000/paywharf"),
    (r"http://127\.0\.0\.1:\d+(?!\d|/paywharf)", "http://127.0.0.1:8080"),
    (r"(?m)^(payment id +)\d+", r"\g<1>1290403873"),
    (r"(?m)^(pay amount +10\.)\d{6}", r"\g<1>013400"),
    (r"(/pay/\?id=)\d+(&t=)\S+", r"\g<1>1290403873\g<2>…"),
    (r"T[1-9A-HJ-NP-Za-km-z]{33}", "T…"),
)


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing."""


def record(hub: Hub) -> str:
    """Run both terminals against a hub of its own and write down what they show; the hub lives by the real clock."""
    shop = make_shop(hub)
    begun, newest = Event(), stream.newest
    app = create_app(hub=hub, check=False)

    def tell(*arguments: Any) -> int:
        place = newest(*arguments)
        begun.set()
        return place

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    with _serving(server), _serving(receiver):
        base_url = f"http://127.0.0.1:{server.server_port}"
        forward_to = f"http://127.0.0.1:{receiver.server_port}/paywharf"
        keys = shop.keys["test"]
        listen = f"listen --hub {base_url} --key {keys.public_key} --forward-to {forward_to}"
        with patch.object(stream, "newest", tell), _listening(listen, keys.secret) as listener:
            begun.wait(30)  # it follows what happens from now on
            shown = [f"$ paywharf {command}\n{_run(hub, command)}" for command in TRIGGERS]
            assert listener.stdout is not None
            heard = "".join(listener.stdout.readline() for _ in range(HEARD))
    first = f"$ export PAYWHARF_LISTEN_SECRET=sk_test_…\n$ paywharf {listen}\n{heard}"
    return _page(_placed(first), "\n".join(_placed(one) for one in shown))


def written() -> str:
    """Give what the README shows now."""
    return (ROOT / "README.md").read_text().split(BEGIN, 1)[1].split(END, 1)[0]


def _page(first: str, second: str) -> str:
    return (
        f"In one terminal:\n\n```console\n{first}```\n\n"
        f"In another, on the hub's machine:\n\n```console\n{second}```\n\n"
    )


def _placed(text: str) -> str:
    text = _timed(text)
    for pattern, shown in PLACEHOLDERS:
        text = re.sub(pattern, shown, text)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _timed(text: str) -> str:
    """Tell times from 18:00 on, by half minutes after the first one: a slow machine shows the same."""
    first = MOMENT.search(text)
    if first is None:
        return text
    began = datetime.fromisoformat(first[0])

    def placed(found: re.Match[str]) -> str:
        halves = round((datetime.fromisoformat(found[0]) - began) / timedelta(seconds=30))
        return (START + halves * timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    return MOMENT.sub(placed, text)


def _run(hub: Hub, command: str) -> str:
    roof = Roof()
    roof.__dict__.update(settings=hub.settings, bare_hub=hub)
    result = CliRunner().invoke(main, command.split(), obj=roof)
    if result.exit_code:
        raise RuntimeError(result.output)
    return result.output


@contextmanager
def _serving(server: Any) -> Iterator[None]:
    thread = Thread(target=server.serve_forever, args=(0.02,) if isinstance(server, ThreadingHTTPServer) else ())
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def _listening(command: str, secret: str) -> Iterator[subprocess.Popen[str]]:
    environment = {"PATH": os.environ["PATH"], "PAYWHARF_LISTEN_SECRET": secret, "no_proxy": "*"}
    listener = subprocess.Popen(
        [sys.executable, "-P", "-m", "core.cli", *command.split()], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE,
    )
    try:
        yield listener
    finally:
        listener.kill()  # a stop by signal would wait for the answer that the hub holds back
        listener.communicate(timeout=30)


def rewrite() -> None:
    """Record anew and put it into the README."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/hub.db")
        upgrade(database)
        recording = record(make_hub(database, clock=SystemClock()))
        database.dispose()
    path = ROOT / "README.md"
    before, rest = path.read_text().split(BEGIN, 1)
    path.write_text(before + BEGIN + recording + END + rest.split(END, 1)[1])


if __name__ == "__main__":
    rewrite()
