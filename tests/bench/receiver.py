"""A merchant's endpoint that takes its time: `python -m tests.bench.receiver <port> <milliseconds>` answers 200."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.bench.servers import free_port, wait_for


class Handler(BaseHTTPRequestHandler):
    """Takes whatever is posted."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    pause_s = 0.0

    def do_POST(self) -> None:
        """Take a webhook, after a while."""
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.pause_s)
        self.do_GET()

    def do_GET(self) -> None:
        """Answer at once."""
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Takes as many connections at once as come."""

    daemon_threads = True
    request_queue_size = 128


@contextmanager
def receiver(*, pause_ms: int) -> Iterator[str]:
    """Run the endpoint in a process of its own; gives its URL."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.receiver", str(port), str(pause_ms)]
    process = subprocess.Popen(command, cwd=Path.cwd(), env=os.environ)
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}/hook"
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    Handler.pause_s = int(sys.argv[2]) / 1000
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
