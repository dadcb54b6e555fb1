"""`paywharf serve` on a real network: all three roles come up, come back, and end together."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.demo.probe import is_up
from core.devnet.ledger import Chain
from core.devnet.server import DevnetServer
from tests.demo.test_demo import descendants, free_ports, is_alive, is_free, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.faults]


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings of a hub on a devnet that mines ten blocks a second."""
    chain = Chain.open(None, clock=SystemClock(), block_interval_s=0.1)
    server = DevnetServer(chain, mine=True).start()
    yield {
        "PATH": os.environ["PATH"], "PAYWHARF_DATA_DIR": str(tmp_path), "PAYWHARF_NETWORK": "devnet",
        "PAYWHARF_NODE_URL": server.url, "PAYWHARF_USDT_CONTRACT": chain.usdt_address, "PAYWHARF_LOG_FORMAT": "text",
        "PAYWHARF_POLL_INTERVAL_S": "0.2",
    }
    server.stop()
    chain.close()


def paywharf(*arguments: str) -> list[str]:
    """Spell a command."""
    return [sys.executable, "-P", "-m", "core.cli", *arguments]


def test_serve_brings_dead_roles_back_and_ends_them_all(environment: dict[str, str], tmp_path: Path) -> None:
    port, log = free_ports(tried=6000), tmp_path / "log"
    with log.open("w") as output:
        hub = subprocess.Popen(paywharf("serve", "--port", str(port)), env=environment, cwd=tmp_path, stderr=output)
        try:
            wait_for(lambda: is_up(f"http://127.0.0.1:{port}/readyz"), within_s=30)
            first = {pid: role_of(pid) for pid in descendants(hub.pid)}
            assert {role for role in first.values() if role} == {"web", "watch", "work"}

            for pid in (pid for pid, role in first.items() if role):
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not any(is_alive(pid) for pid in first), within_s=15)
            wait_for(lambda: is_up(f"http://127.0.0.1:{port}/readyz"), within_s=30)
            wait_for(lambda: {role_of(pid) for pid in descendants(hub.pid)} >= {"web", "watch", "work"}, within_s=15)
            second = descendants(hub.pid)
        finally:
            hub.send_signal(signal.SIGTERM)
            code = hub.wait(20)

    assert code == 0
    assert [pid for pid in second if is_alive(pid)] == []
    assert is_free(port)
    assert re.search("web ended with code -9; starting it again in 0.5 s", log.read_text())


def test_a_watcher_without_a_contract_says_what_is_missing(environment: dict[str, str], tmp_path: Path) -> None:
    subprocess.run(paywharf("db", "upgrade"), env=environment, cwd=tmp_path, check=True, capture_output=True)

    done = subprocess.run(
        paywharf("watch"), env=environment | {"PAYWHARF_USDT_CONTRACT": ""}, cwd=tmp_path,
        capture_output=True, text=True,
    )

    assert (done.returncode, done.stderr) == (
        1, "Error: PAYWHARF_USDT_CONTRACT is required: the devnet shows its own at /devnet/status.\n"
    )


def test_a_wrong_network_ends_the_watcher_with_a_sentence(environment: dict[str, str], tmp_path: Path) -> None:
    """T1."""
    subprocess.run(paywharf("db", "upgrade"), env=environment, cwd=tmp_path, check=True, capture_output=True)

    done = subprocess.run(
        paywharf("watch", "--json"), env=environment | {"PAYWHARF_GENESIS_ID": "2b6653dc"}, cwd=tmp_path,
        capture_output=True, text=True,
    )

    assert done.returncode == 1
    assert '"code": "wrong_network"' in done.stdout
    assert done.stderr.startswith("Error: The TRON node is not on devnet:")


def role_of(pid: int) -> str:
    """Name the role a process was started for; a web server's own workers have none."""
    try:
        parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        here, above = (Path(f"/proc/{one}/cmdline").read_text().split("\0") for one in (pid, parent))
    except OSError:
        return ""
    return here[4] if len(here) > 4 and here != above else ""
