"""The devnet as a process: it goes on after kill -9 with the same chain."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.clock import SystemClock
from core.devnet.ledger import Chain
from core.devnet.server import CHAIN_FILE, serve
from tests.devnet.conftest import BUYER

PROGRAM = """
import logging, sys, threading
from pathlib import Path
from core.clock import SystemClock
from core.devnet.server import serve
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
serve(data_dir=Path(sys.argv[1]), host="127.0.0.1", port=0, block_interval_s=0.02, witnesses=5,
      clock=SystemClock(), stop=threading.Event())
"""


@contextmanager
def devnet_process(data_dir: Path) -> Iterator[str]:
    """Run a devnet until the block ends, then kill it hard; gives its URL."""
    command = [sys.executable, "-c", PROGRAM, str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[2].rstrip(",")
        finally:
            process.kill()


def call(url: str, path: str, **body: Any) -> Any:
    """Post to the devnet and read its answer."""
    data = json.dumps(body).encode()
    with urllib.request.urlopen(url + path, data, timeout=10) as response:
        return json.loads(response.read())


@pytest.mark.faults
def test_kill_keeps_genesis_balances_and_blocks(tmp_path: Path) -> None:
    with devnet_process(tmp_path) as url:
        txid = call(url, "/devnet/pay", to=BUYER, units=42)["txid"]
        call(url, "/devnet/advance", blocks=50, step_ms=1)
        before = call(url, "/devnet/status")

    chain = Chain.open(tmp_path / CHAIN_FILE, clock=SystemClock(), witnesses=5)

    assert chain.genesis_id == before["genesis_id"]
    assert chain.wallet_address == before["wallet"]["address"]
    assert chain.head_height >= before["head"]
    assert chain.balance_of(BUYER) == 42
    assert chain.view(solid=True).transaction(bytes.fromhex(txid)) is not None
    assert chain.mine().height == chain.head_height
    chain.close()


def test_serve_stops_when_told_and_leaves_the_chain(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()

    serve(data_dir=tmp_path / "new", host="127.0.0.1", port=0, block_interval_s=0.02, clock=SystemClock(), stop=stop)

    chain = Chain.open(tmp_path / "new" / CHAIN_FILE, clock=SystemClock())
    assert chain.balance_of(chain.wallet_address) == 10**12
    chain.close()
