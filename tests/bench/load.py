"""Loads a server with signed orders: prepared beforehand and sent by wrk, which costs the server's core nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import subprocess
from itertools import count
from pathlib import Path

from core.hub import Hub
from core.testing.factories import Shop
from tests.bench.servers import BARE_SECRET, Server

CONNECTIONS = 4
MOST_REQUESTS_A_SECOND = 2_500
SCRIPT = Path(__file__).with_name("load.lua")
_serial = count(1)
_half = re.compile(r"50%\s+([\d.]+)(us|ms|s)")
_figures = re.compile(r"(\d+) requests in ([\d.]+)(ms|s)")


def create_rate(server: Server, hub: Hub, shop: Shop | None, *, seconds: float) -> float:
    """Create payments as fast as the server can for some seconds; gives payments a second.

    shop: whose live key signs; None for the bare app. Raises RuntimeError when an answer was not 200.
    """
    found = _figures.search(_load(server, hub, shop, seconds=seconds))
    assert found is not None, "wrk says how many requests it made"
    elapsed_s = float(found[2]) / (1000 if found[3] == "ms" else 1)
    return int(found[1]) / elapsed_s


def create_p50_ms(server: Server, hub: Hub, shop: Shop, *, seconds: float) -> float:
    """Create payments as fast as the server can; gives the milliseconds that half of them took at most."""
    found = _half.search(_load(server, hub, shop, seconds=seconds))
    assert found is not None, "wrk says how long half of the requests took"
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]]


def _load(server: Server, hub: Hub, shop: Shop | None, *, seconds: float) -> str:
    file = hub.settings.data_dir.with_suffix(".requests")
    _write_requests(file, shop, wanted=int(seconds * MOST_REQUESTS_A_SECOND))
    how = ["--latency", "--threads", "1", "--connections", str(CONNECTIONS)]
    how += ["--duration", f"{seconds:.0f}s", "--timeout", "20s"]
    command: list[str | Path] = ["wrk", *how, "--script", SCRIPT, f"http://127.0.0.1:{server.port}", "--", file]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    if _figures.search(run.stdout) is None or "Non-2xx" in run.stdout:
        raise RuntimeError(f"the load was refused: {run.stdout}{run.stderr}")
    return run.stdout


def _write_requests(file: Path, shop: Shop | None, *, wanted: int) -> None:
    key = shop.keys["live"].public_key if shop else "none"
    secret = shop.keys["live"].secret.encode() if shop else BARE_SECRET
    with file.open("w", encoding="ascii") as lines:
        for number in (next(_serial) for _ in range(wanted)):
            amount = f"{10 + number * 7919 % 99_000 // 100}.{number * 7919 % 100:02d}"
            body = json.dumps({"order_id": f"LOAD-{number}", "amount": amount, "description": "Two mugs"})
            signature = hmac.new(secret, body.encode(), hashlib.sha256).hexdigest()
            lines.write(f"{key}\t{signature}\t{body}\n")
