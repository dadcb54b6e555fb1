"""A Redis of a test's own on a Unix socket, which can be flushed, killed and started anew."""

from __future__ import annotations

import socket
import subprocess
import threading
from pathlib import Path

from redis import Redis


class RedisServer:
    """A Redis without a memory of its last life."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._path}"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        self._process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(self._path), "--save", "", "--dir",
             str(self._path.parent)],
            stdout=subprocess.DEVNULL,
        )
        for _ in range(500):
            if self._answers():
                return
            threading.Event().wait(0.02)
        raise RuntimeError("Redis did not start")

    def kill(self) -> None:
        """Kill it, as a machine that loses power does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def command(self, *words: object) -> object:
        """Send a command past everybody."""
        with Redis.from_url(self.url) as connection:
            return connection.execute_command(*words)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._path)) == 0
