"""A merchant's webhook endpoint: checks both signatures, ships goods once per webhook-id, keeps every delivery.

Written from the contract, with nothing of the house's own signing code.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from core.clock import Clock, SystemClock


@dataclass(frozen=True, slots=True)
class Delivered:
    """One delivery as it arrived."""

    webhook_id: str
    body: bytes
    is_signed: bool
    at_s: float


@dataclass(slots=True)
class Mailbox:
    """Where deliveries arrive; `shipped` is the effect: order ids, one for each webhook-id that was new."""

    secret: str = field(default="", repr=False)
    webhook_secret: str = field(default="", repr=False)
    deliveries: list[Delivered] = field(default_factory=list)
    shipped: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=SystemClock)
    on_delivery: Callable[[], None] = field(default=lambda: None)
    arrival: threading.Condition = field(default_factory=threading.Condition)

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        """Take a delivery in and give the HTTP status to answer with."""
        given = {name.lower(): text for name, text in headers.items()}
        came = Delivered(given["webhook-id"], body, self._is_signed(given, body), self.clock.monotonic())
        with self.arrival:
            is_new = came.webhook_id not in {known.webhook_id for known in self.deliveries}
            self.deliveries.append(came)
            if came.is_signed and is_new:
                self.shipped.append(json.loads(body)["order_id"])
            self.arrival.notify_all()
        self.on_delivery()
        return 200 if came.is_signed else 400

    def wait_for_shipped(self, n: int, *, within_s: float) -> bool:
        """Wait until n orders are shipped; False when the time is over."""
        with self.arrival:
            return self.arrival.wait_for(lambda: len(self.shipped) >= n, within_s)

    def _is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        contract = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(self.webhook_secret.removeprefix("whsec_"))
        standard = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return headers["x-signature"] == contract and standard in headers["webhook-signature"].split()


@dataclass(slots=True)
class Receiver:
    """An HTTP server on loopback in front of a mailbox, which may be changed between two runs."""

    url: str
    mailbox: Mailbox


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a receiver until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802  the name http.server looks for
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = running.mailbox.take(dict(self.headers.items()), body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Keep request lines out of the console."""

    server = _QuietServer(("127.0.0.1", 0), Handler)
    running = Receiver(f"http://127.0.0.1:{server.server_port}/hook", Mailbox())
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A hub that was killed hangs up: expected here."""
