"""The web server: gunicorn with our settings, strict as it comes, quiet about URLs because they carry tokens."""

from __future__ import annotations

import errno
import json
import os
import socket
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.http.errors import LimitRequestLine
from gunicorn.workers.gthread import TConn, ThreadWorker

from core.app import create_app, share_figures
from core.clock import Clock, SystemClock
from core.cli.logs import logging_config, secrets_in
from core.errors import GatewayError, UrlTooLong
from core.ids import Ids
from core.settings import Settings
from core.web import the_hub_of
from workers.supervisor import die_with

THREADS = 8  # of a worker, so that a slow client holds up nobody
REQUEST_LIMIT_S = 30  # twice the longest wait for SQLite's write lock
READ_WITHIN_S = 10  # headers and body; a proxy in front should hand requests over whole
FINISH_WITHIN_S = 5  # a request under way when told to stop


class QuietLogger(Logger):  # type: ignore[misc]
    """gunicorn's logger without its access log, which it writes as soon as logging is configured at all."""

    def access(self, *_: object) -> None:
        """Write nothing: the URLs of payment pages carry their tokens."""


class HurriedSocket:
    """A client's socket on which each request must have come in whole by its deadline."""

    def __init__(self, wrapped: socket.socket, clock: Clock) -> None:
        self._wrapped, self._clock = wrapped, clock
        self._until: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)

    def start(self) -> None:
        """Let the next request's time begin with its first byte."""
        self._until = None

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Wait for bytes as long as there is time; raises ConnectionResetError then."""
        now = self._clock.monotonic()
        if self._until is None:
            self._until = now + READ_WITHIN_S
        try:
            if now >= self._until:
                raise TimeoutError
            self._wrapped.settimeout(self._until - now)
            return self._wrapped.recv(size, flags)
        except TimeoutError as err:
            raise ConnectionResetError(errno.ECONNRESET, "The request took too long to come in.") from err
        finally:
            self._wrapped.settimeout(None)


class WebWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threads, with a limit on how long a client may take to send its request."""

    def handle(self, conn: TConn) -> Any:
        """Serve the next request of a connection."""
        if not isinstance(conn.sock, HurriedSocket):
            conn.sock = HurriedSocket(conn.sock, SystemClock())
        conn.sock.start()
        return super().handle(conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Refuse a URL that is too long the contract's way; gunicorn says whatever else it refuses in HTML."""
        if not isinstance(exc, LimitRequestLine):
            super().handle_error(req, client, addr, exc)
            return
        with suppress(OSError):
            client.sendall(_refused(UrlTooLong(), Ids().request_id()))


class WebServer(BaseApplication):  # type: ignore[misc]
    """Serves the hub's app until told to stop."""

    def __init__(self, settings: Settings, *, host: str, port: int, workers: int) -> None:
        self._settings = settings
        self._options = web_options(settings, host=host, port=port, workers=workers)
        super().__init__(prog="paywharf web")

    def load_config(self) -> None:
        """Hand our options to gunicorn; neither its command line nor its environment variable is read."""
        for name, chosen in self._options.items():
            self.cfg.set(name, chosen)

    def load(self) -> Any:
        """Build the app, in each worker for itself: no connection is shared across a fork."""
        app = create_app(self._settings)
        share_figures(the_hub_of(app))
        return app


def web_options(settings: Settings, *, host: str, port: int, workers: int) -> dict[str, Any]:
    """Choose gunicorn's options for these settings."""
    return {
        "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "workers": workers,
        "worker_class": WebWorker,
        "threads": THREADS,
        "timeout": REQUEST_LIMIT_S,
        "graceful_timeout": FINISH_WITHIN_S,
        "forwarded_allow_ips": "",  # whom to believe is PAYWHARF_TRUSTED_PROXIES' business alone
        "forwarder_headers": "",  # no header of a request becomes SCRIPT_NAME or PATH_INFO
        "control_socket_disable": True,  # one more way in that nobody asked for
        "logger_class": QuietLogger,
        "logconfig_dict": logging_config(
            level=settings.log_level, log_format=settings.log_format, secrets=secrets_in(settings)
        ),
        "post_fork": _tie_to_master,
    }


def _refused(error: GatewayError, request_id: str) -> bytes:
    """Write the answer to a request that no app has seen."""
    body = json.dumps({"ok": False, "error": error.sentence, "code": error.code}) + "\n"
    head = (
        f"HTTP/1.1 {error.http_status} {HTTPStatus(error.http_status).phrase}", "Connection: close",
        "Content-Type: application/json", f"Content-Length: {len(body)}", "Cache-Control: no-store",
        f"X-Request-Id: {request_id}",
    )
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode("ascii")


def _tie_to_master(server: Any, _worker: Any) -> None:
    """Let a worker end with its master, which holds the same port."""
    die_with(server.pid if server.pid else os.getppid())
