"""`paywharf demo` from start to end: the README's own commands, a stop, a restart, a kill; all of it real."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from core.clock import SystemClock

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8", "no_proxy": "*"}
pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(300)]


class Demo:
    """One run of the demo in a folder that looks like a checkout: `.venv/bin/paywharf`, `var/`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.process = subprocess.Popen(
            [".venv/bin/paywharf", "demo", "--port", str(port), "--json"],
            cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        assert self.process.stdout is not None
        self.document: dict[str, Any] = json.loads("".join(iter(self.process.stdout.readline, "}\n")) + "}")

    @property
    def ports(self) -> tuple[int, ...]:
        """Hub, devnet, shop, imitated messenger."""
        return tuple(range(self.port, self.port + 4))

    def descendants(self) -> list[int]:
        """List the processes that this demo has started, and theirs."""
        return descendants(self.process.pid)

    def stop(self, number: signal.Signals) -> int:
        """End the demo by a signal; gives its exit code."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=30)
        assert errors == ""
        return self.process.returncode


def descendants(pid: int) -> list[int]:
    """List a process's children and theirs."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = children.get(pid, [])
    return found + [other for child in found for other in descendants(child)]


def is_alive(pid: int) -> bool:
    """Tell whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def wait_for(is_true: Callable[[], bool], *, within_s: float) -> None:
    """Look ten times a second until something is true."""
    clock = SystemClock()
    deadline_s = clock.monotonic() + within_s
    while not is_true():
        assert clock.monotonic() < deadline_s, "it did not happen in time"
        Event().wait(0.1)


def free_ports(tried: int = 0) -> int:
    """Find four free ports in a row below the range that the system hands out; each test process looks elsewhere."""
    start = 20_000 + os.getpid() % 2_000 * 4 + tried
    return start if all(is_free(port) for port in range(start, start + 4)) else free_ports(tried + 4)


Start = Callable[[int], Demo]


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start demos; whatever a failing test leaves running is ended."""
    started: list[Demo] = []

    def start_demo(port: int) -> Demo:
        started.append(Demo(folder, port))
        return started[-1]

    yield start_demo
    for demo in started:
        if demo.process.poll() is None:
            demo.stop(signal.SIGTERM)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that looks like a checkout with an installed environment."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    script = tmp_path / ".venv" / "bin" / "paywharf"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} -P -m core.cli \"$@\"\n")
    script.chmod(0o755)
    yield tmp_path
    shutil.rmtree(tmp_path / "var", ignore_errors=True)


def readme_shell() -> str:
    """Join the README's shell examples, as one reader would type them one after the other."""
    return "\n".join(re.findall(r"^```bash\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE))


def run_readme(folder: Path) -> list[dict[str, Any]]:
    """Type the README's examples; gives the JSON objects they print."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", readme_shell()],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=150,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return _objects(done.stdout) + [{"text": done.stdout}]


def test_the_demo_does_what_the_readme_says_and_leaves_nothing_behind(folder: Path, start: Start) -> None:
    demo = start(free_ports())

    created, completed, sent, paid, text = run_readme(folder)

    assert created["payment"]["status"] == "pending"
    assert (completed["payment"]["status"], completed["payment"]["is_test"]) == ("paid", True)
    assert (paid["payment"]["status"], paid["payment"]["txid"]) == ("paid", sent["txid"])
    wait_for(lambda: _deliveries(folder) == ["done", "done"], within_s=10)
    assert "payment.paid" in text["text"]
    moved = _check_stop_and_restart(folder, demo, start)
    _check_kill(moved)


def _check_stop_and_restart(folder: Path, demo: Demo, start: Start) -> Demo:
    first, started = demo.document, demo.descendants()
    assert json.loads((folder / "var" / "demo.json").read_text()) == first

    assert demo.stop(signal.SIGTERM) == 0
    assert [pid for pid in started if is_alive(pid)] == []
    assert [port for port in demo.ports if not is_free(port)] == []

    moved = start(free_ports(tried=4000))
    same = ("project_id", "webhook_secret", "test", "live", "wallet", "usdt_contract", "receiving_address")
    assert {name: moved.document[name] for name in same} == {name: first[name] for name in same}
    assert moved.document["website"] == moved.document["shop_url"] == f"http://127.0.0.1:{moved.port + 2}"
    assert len(_ask(folder, "payment", "list")) == 2
    (bot,) = _ask(folder, "channels", "list")
    assert (bot["adapter"], bot["state"]) == ("telegram", "connected"), "made once, and moved with the ports"
    return moved


def _check_kill(demo: Demo) -> None:
    """kill -9 of the supervisor: the kernel tells the children, and the ports are free for the next start."""
    started = demo.descendants()
    assert len(started) >= 8  # devnet, web with two workers, watch, work, shop, chat

    assert demo.stop(signal.SIGKILL) == -signal.SIGKILL

    wait_for(lambda: not any(is_alive(pid) for pid in started), within_s=15)
    assert [port for port in demo.ports if not is_free(port)] == []


def test_a_port_in_use_is_said_in_a_sentence(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        done = subprocess.run(
            [".venv/bin/paywharf", "demo", "--port", str(min(port, 65_532))],
            cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=60,
        )

    assert done.returncode == 1
    assert done.stderr == f"Error: Port {port} of 127.0.0.1 is in use by another program: choose another with --port.\n"


def _objects(text: str) -> list[dict[str, Any]]:
    """Read every JSON object that starts a line, or follows another one in it."""
    found, reader = [], json.JSONDecoder()
    for line in text.splitlines():
        while line.startswith("{"):
            document, end = reader.raw_decode(line)
            found.append(document)
            line = line[end:]
    return found


def _ask(folder: Path, *arguments: str) -> Any:
    done = subprocess.run(
        [".venv/bin/paywharf", *arguments, "--json"], cwd=folder, env=ENVIRONMENT, capture_output=True, check=True
    )
    return json.loads(done.stdout)


def _deliveries(folder: Path) -> list[str]:
    return [row["state"] for row in _ask(folder, "delivery", "list")]
