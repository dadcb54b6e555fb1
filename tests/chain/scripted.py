"""A node on loopback that answers what the test wrote down, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Reply:
    """One answer: its status, body and headers; `cut` closes the connection that many bytes before the end."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    hang_s: float = 0.0
    chunked: bool = False


@dataclass
class Asked:
    """One request as it arrived."""

    path: str
    question: object
    headers: dict[str, str]
    peer_port: int


class ScriptedNode:
    """Answers each path from its own list; the last answer of a list repeats."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.script: dict[str, list[Reply]] = {}
        self.url = ""
        self.over = threading.Event()

    def answer(self, path: str, *replies: Reply | bytes | dict | list) -> None:
        self.script[path] = [_reply(reply) for reply in replies]

    def next_reply(self, path: str) -> Reply:
        replies = self.script.get(path, [Reply(b'{"Error":"not in the script"}', 404)])
        return replies.pop(0) if len(replies) > 1 else replies[0]

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


@contextmanager
def scripted_node() -> Iterator[ScriptedNode]:
    node = ScriptedNode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            question = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            node.asked.append(Asked(self.path, json.loads(question), dict(self.headers), self.client_address[1]))
            _send(self, node.next_reply(self.path), node.over)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Stay silent: clients that give up early are what these tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    node.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield node
    finally:
        node.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> int:
    """Find a loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _send(handler: BaseHTTPRequestHandler, reply: Reply, over: threading.Event) -> None:
    if reply.hang_s:
        over.wait(reply.hang_s)
    handler.send_response(reply.status)
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    handler.send_header(*(("Transfer-Encoding", "chunked") if reply.chunked else ("Content-Length", len(reply.body))))
    handler.end_headers()
    sent = reply.body[:len(reply.body) - reply.cut] if reply.cut else reply.body
    handler.wfile.write(b"%x\r\n%b\r\n" % (len(reply.body), sent) if reply.chunked else sent)
    if reply.chunked and not reply.cut:
        handler.wfile.write(b"0\r\n\r\n")
    handler.close_connection = bool(reply.cut) or handler.close_connection


def _reply(reply: Reply | bytes | dict | list) -> Reply:
    if isinstance(reply, Reply):
        return reply
    return Reply(reply if isinstance(reply, bytes) else json.dumps(reply).encode())
