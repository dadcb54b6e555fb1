"""One measurement in a process of its own, so that its memory is its own: prints seconds and MiB as JSON.

`python -m tests.bench.probe scan <database url> <node url> <blocks>` applies blocks as the watcher does;
`… tronpy - <node url> <blocks>` reads and parses the same blocks the usual way, and keeps nothing;
`… day:<usdt contract> <database url> <node url> <blocks>` applies all that a devnet has, these blocks at least.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

WARM_UP = 20  # blocks: connections, compiled statements


def scan(database_url: str, node_url: str, blocks: int) -> float:
    """Scan blocks with everything that belongs to it: proof, matching, expiry, release, cursor, commit."""
    from core.chain import scanner
    from core.testing.hubs import TEST_CONTRACT

    watching = _scanner(database_url, node_url, TEST_CONTRACT)
    try:
        return _timed(scanner, watching, blocks)
    finally:
        watching.close()  # or the next process would have to wait for the lease's end


def day(database_url: str, node_url: str, blocks: int, contract: str) -> float:
    """Scan all that a devnet has, at least so many blocks, from the first one on."""
    watching = _scanner(database_url, node_url, contract)
    began, applied = time.perf_counter(), 0
    while True:
        progress = watching.scan_once()
        applied += progress.applied
        if not progress.is_behind:
            break
    seconds = time.perf_counter() - began
    watching.close()
    if applied < blocks:
        raise RuntimeError(f"{applied} blocks applied instead of {blocks}")
    return seconds


def tronpy(_database_url: str, node_url: str, blocks: int) -> float:
    """Fetch blocks one after the other with tronpy and pick the transfers out."""
    from tronpy.providers import HTTPProvider

    provider = HTTPProvider(node_url)
    began = 0.0
    for height in range(1, blocks + WARM_UP + 1):
        if height == WARM_UP + 1:
            began = time.perf_counter()
        _transfers(provider.make_request("walletsolidity/gettransactioninfobyblocknum", {"num": height}))
    return time.perf_counter() - began


def _scanner(database_url: str, node_url: str, contract: str) -> Any:
    from core.app import build_fleet, build_hub
    from core.chain import scanner
    from core.db import open_database
    from core.testing.hubs import make_settings, with_network

    settings = with_network(make_settings(database_url), urls=[node_url], usdt_contract=contract)
    hub = build_hub(settings, open_database(database_url))
    return scanner.Scanner(hub, build_fleet(settings.network), holder="stub")


def resident_mib() -> float:
    """Tell this process's resident memory."""
    status = Path("/proc/self/status").read_text()
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kib) / 1024


def _timed(scanner: Any, watching: Any, blocks: int) -> float:
    scanner.MAX_BLOCKS_A_STEP = WARM_UP
    watching.scan_once()
    scanner.MAX_BLOCKS_A_STEP = blocks
    began = time.perf_counter()
    progress = watching.scan_once()
    if progress.applied != blocks:
        raise RuntimeError(f"{progress.applied} blocks applied instead of {blocks}")
    return time.perf_counter() - began


def _transfers(infos: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    from core.chain.decode import TRANSFER_TOPIC

    return [
        (info["id"], log["topics"][2][24:], int(log["data"], 16))
        for info in infos
        if info["receipt"].get("result") == "SUCCESS"
        for log in info.get("log", ())
        if log["topics"][0] == TRANSFER_TOPIC
    ]


if __name__ == "__main__":
    name, _, contract = sys.argv[1].partition(":")
    ways: dict[str, Callable[[str, str, int], float]] = {
        "scan": scan, "tronpy": tronpy, "day": partial(day, contract=contract),
    }
    seconds = ways[name](sys.argv[2], sys.argv[3], int(sys.argv[4]))
    print(json.dumps({"seconds": seconds, "mib": resident_mib()}))
