"""The shipped demo as its user starts it: real processes, free ports, a data folder of its own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo: its demo.json, and its command line."""

    config: dict[str, Any]
    data_dir: Path

    def cli(self, *arguments: str) -> Any:
        """Run a `paywharf` command as the operator would; gives its JSON answer."""
        run = subprocess.run(
            [sys.executable, "-m", "core.cli", *arguments, "--json"],
            cwd=ROOT, env={"PATH": "/usr/bin:/bin", "PAYWHARF_DATA_DIR": str(self.data_dir)},
            capture_output=True, text=True, timeout=60,
        )
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)


def free_port() -> int:
    """Find a port with three free ones after it."""
    while True:
        with socket.socket() as first, socket.socket() as second, socket.socket() as third, socket.socket() as fourth:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
                third.bind(("127.0.0.1", port + 2))
                fourth.bind(("127.0.0.1", port + 3))
            except (OSError, OverflowError):
                continue
            return port


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo, up; told to stop at the end, and expected to leave with 0."""
    data_dir = tmp_path_factory.mktemp("demo")
    log = (data_dir / "log.txt").open("w+")
    process = subprocess.Popen(
        [sys.executable, "-m", "core.cli", "demo", "--port", str(free_port()), "--data-dir", str(data_dir)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True,
    )
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if "Ctrl-C" in line:
            break
    if process.poll() is not None:
        log.seek(0)
        pytest.fail("the demo did not start:\n" + "".join(said) + log.read())
    yield Demo(json.loads((data_dir / "demo.json").read_text()), data_dir)
    process.send_signal(signal.SIGTERM)
    process.stdout.close()
    assert process.wait(60) == 0  # it asks its children, and kills after 10 s who does not answer
    log.close()
