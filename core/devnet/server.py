"""Serves a chain over HTTP and mines it: one port for /wallet, /walletsolidity and /devnet; it knows no contents."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from core.clock import Clock
from core.devnet import control, jsonrpc, node_api, trongrid
from core.devnet.control import Control
from core.devnet.execution import Rejected
from core.devnet.faults import Rule, faulty_answer
from core.devnet.fields import Refused
from core.devnet.keys import WITNESSES
from core.devnet.ledger import Chain
from core.devnet.lies import Outlook
from core.devnet.stage import Stage
from core.devnet.wire import Json

CHAIN_FILE = "devnet.sqlite3"
MAX_BODY_BYTES = 4 * 1024 * 1024  # the real node's limit
IDLE_S = 120
DRAIN_S = 2
log = logging.getLogger(__name__)


class DevnetServer:
    """An HTTP server on a chain, and the miner if wanted; the chain stays the caller's to close.

    views: further base paths, each showing the chain as it was so many blocks ago: `{"b": 5}` serves `/b/wallet/…`.
    has_solid_root: False for a bare full node's port, which answers 404 under /walletsolidity.
    """

    def __init__(
        self, chain: Chain, host: str = "127.0.0.1", port: int = 0, *, mine: bool = False,
        views: Mapping[str, int] | None = None, has_solid_root: bool = True,
    ) -> None:
        self.chain = chain
        self._http = _Http((host, port), chain, views or {}, has_solid_root)
        self.faults = self._http.stage.faults
        self._threads = [threading.Thread(target=self._http.serve_forever, args=(0.05,), name="devnet-http")]
        self._stop = threading.Event()
        if mine:
            self._threads.append(threading.Thread(target=self._mine, name="devnet-miner"))

    @property
    def url(self) -> str:
        """Return the base URL, without a trailing slash."""
        host, port = self._http.server_address[:2]
        return f"http://{str(host)}:{port}"

    def start(self) -> DevnetServer:
        """Start answering, and mining if wanted."""
        for thread in self._threads:
            thread.daemon = True
            thread.start()
        return self

    def stop(self) -> None:
        """Stop mining and answering, and drop open connections."""
        self._stop.set()
        self._http.over.set()
        if self._threads[0].is_alive():
            self._http.shutdown()
        self._http.server_close()
        self._http.drop_connections()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _mine(self) -> None:
        """Mine one block an interval; after a stall go on from now instead of catching up."""
        clock, interval_s = self.chain.clock, self.chain.interval_ms / 1000
        due = clock.monotonic() + interval_s
        while not self._stop.wait(max(0.001, due - clock.monotonic())):
            try:
                self.chain.tick()
            except Exception:
                log.exception("mining failed at height %s", self.chain.head_height + 1)
            due = max(due, clock.monotonic() - interval_s) + interval_s


def serve(
    *,
    data_dir: Path,
    host: str,
    port: int,
    block_interval_s: float,
    witnesses: int = WITNESSES,
    clock: Clock,
    stop: threading.Event,
) -> None:
    """Run a persisted devnet until `stop` is set. Raises ChainInUse, OSError if the port is taken."""
    data_dir.mkdir(parents=True, exist_ok=True)
    chain = Chain.open(
        data_dir / CHAIN_FILE, clock=clock, block_interval_s=block_interval_s, witnesses=witnesses
    )
    try:
        server = DevnetServer(chain, host, port, mine=True).start()
        log.info("devnet at %s, genesis block %s", server.url, chain.genesis_id)
        stop.wait()
        server.stop()
    finally:
        chain.close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], chain: Chain, views: Mapping[str, int], has_solid_root: bool
    ) -> None:
        self.chain = chain
        self.control = Control(chain)
        self.stage = Stage(chain, views)
        self.has_solid_root = has_solid_root
        self.over = threading.Event()
        self._open: set[socket.socket] = set()
        self._closing = threading.Condition()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without the reverse name look-up of the base class."""
        self.allow_reuse_address = True
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), port

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection while it is served."""
        with self._closing:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        super().shutdown_request(request)
        with self._closing:
            self._open.discard(request)
            self._closing.notify_all()

    def drop_connections(self) -> None:
        """Wake the threads that wait for another request on a kept connection, and wait for their end."""
        with self._closing:
            for connection in self._open:
                with suppress(OSError):  # the other end was faster
                    connection.shutdown(socket.SHUT_RDWR)
            self._closing.wait_for(lambda: not self._open, DRAIN_S)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client hangs up; log anything else."""
        log.debug("connection from %s ended", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "devnet"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 1 << 16  # headers and body leave in one packet
    timeout = IDLE_S
    server: _Http

    def do_GET(self) -> None:
        """Answer a call whose parameters are in the query."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a call whose parameters are a JSON object."""
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep request lines out of the console."""
        log.debug(format, *args)

    def _answer(self) -> None:
        url = urlsplit(self.path)
        root, _, name = url.path.strip("/").partition("/")
        raw = self._body()
        if raw is None:
            return
        if root == "devnet":
            self._send(*self._control(name, raw))
            return
        stage = self.server.stage
        view, root, name = stage.split(root, name)
        path = f"{root}/{name}" if name else root
        rule = stage.faults.choose(path=path, view=view)
        if rule is not None and rule.keeps_from(path):
            self._fail(rule, path, 200, {})
            return
        outlook = stage.outlook(view, rule)
        if root == "v1":
            status, answer = self._trongrid(name, url.path, url.query, outlook)
        else:
            status, answer = self._honest(root, name, raw, url.query, outlook)
        self._send(status, answer) if rule is None else self._fail(rule, path, status, answer)

    def _honest(self, root: str, name: str, raw: bytes, query: str, outlook: Outlook) -> tuple[int, Any]:
        if root == "jsonrpc" and not name:
            try:
                return 200, jsonrpc.answer(self.server.chain, json.loads(raw), outlook=outlook)
            except ValueError:
                return 200, {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "parse error"}}
        if root == "walletsolidity" and not (self.server.has_solid_root and outlook.has_solid_root):
            return 404, {"Error": "this API is unavailable due to config"}
        return self._node(root, name, raw, query, outlook)

    def _trongrid(self, name: str, path: str, query: str, outlook: Outlook) -> tuple[int, Any]:
        url = f"http://{self.headers.get('Host', '')}{path}"
        params = dict(parse_qsl(query))
        return trongrid.answer(self.server.chain, name=name, params=params, url=url, outlook=outlook)

    def _fail(self, rule: Rule, path: str, status: int, answer: Any) -> None:
        """Fail as the rule says; what hangs goes on when the server stops."""
        if rule.kind in ("hang", "slow", "accept_then_hang"):
            self.server.over.wait(rule.seconds)
        if rule.kind in ("hang", "accept_then_hang"):
            self.close_connection = True
            return
        honest = json.dumps(answer, separators=(",", ":")).encode()
        if rule.kind in ("slow", "lag", "refused"):
            self._write(status, honest, {})
            return
        if rule.kind in ("cut", "stuck"):
            self.close_connection = True
            self._write(200, honest, {}, sent=len(honest) // 2)
            if rule.kind == "stuck":
                self.wfile.flush()
                self.server.over.wait(rule.seconds)
            return
        self._write(*faulty_answer(rule, honest, path=path))

    def _body(self) -> bytes | None:
        """Read the body, or refuse it and close."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isascii() or not length.isdigit():
            self.close_connection = True
            self._send(411, {"ok": False, "code": "length_required", "error": "send a Content-Length"})
            return None
        if int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._send(413, {"ok": False, "code": "body_too_large", "error": "the body is too large"})
            return None
        return self.rfile.read(int(length))

    def _node(self, root: str, name: str, raw: bytes, query: str, outlook: Outlook) -> tuple[int, Any]:
        """Answer as the real node would: a body it cannot read, or a bug, is 200 with {"Error"}."""
        try:
            params = dict(parse_qsl(query)) | (_object(raw) if raw else {})
            answer = node_api.answer(self.server.chain, root=root, name=name, params=params, outlook=outlook)
        except Exception as err:
            if not isinstance(err, ValueError | RecursionError):
                log.exception("%s/%s failed", root, name)
            return 200, {"Error": f"class java.lang.RuntimeException : {type(err).__name__}"}
        return (404, {"Error": f"there is no /{root}/{name}"}) if answer is None else (200, answer)

    def _control(self, name: str, raw: bytes) -> tuple[int, Json]:
        try:
            control.check_caller(host=self.headers.get("Host", ""), origin=self.headers.get("Origin"))
            body = _object(raw) if raw else {}
            if name in self.server.stage.calls:
                return 200, self.server.stage.answer(method=self.command, name=name, body=body)
            return 200, self.server.control.answer(method=self.command, name=name, body=body)
        except Refused as refused:
            return refused.http_status, {"ok": False, "error": refused.sentence, "code": refused.code}
        except Rejected as rejected:
            return 400, {"ok": False, "error": rejected.sentence, "code": rejected.code.lower()}
        except (ValueError, RecursionError):
            return 400, {"ok": False, "error": "the body must be a JSON object", "code": "malformed_json"}

    def _send(self, status: int, answer: Any) -> None:
        self._write(status, json.dumps(answer, separators=(",", ":")).encode(), {})

    def _write(self, status: int, payload: bytes, headers: dict[str, str], *, sent: int | None = None) -> None:
        """Write an answer, or only its first `sent` bytes."""
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(payload[:sent])


def _object(raw: bytes) -> Json:
    """Read a JSON object; raises ValueError."""
    document = json.loads(raw)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document
