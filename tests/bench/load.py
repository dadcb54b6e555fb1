"""Loads a server with signed requests: prepared beforehand and sent by wrk, which costs the server's core nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from core.hub import Hub
from core.testing.factories import Shop
from tests.bench.servers import BARE_SECRET, Server

CONNECTIONS = 4
MOST_REQUESTS_A_SECOND = 2_500
SCRIPT = Path(__file__).with_name("load.lua")
MILLIS = {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}
_serial = count(1)
_figures = re.compile(r"(\d+) requests in ([\d.]+)(us|ms|s|m)\b")
_half = re.compile(r"50%\s+([\d.]+)(us|ms|s|m)\b")
_nearly_all = re.compile(r"99%\s+([\d.]+)(us|ms|s|m)\b")


@dataclass(frozen=True, slots=True)
class Load:
    """What a server did: requests a second; milliseconds that half, and 99 in 100, of them took at most."""

    rate: float
    p50_ms: float
    p99_ms: float


def create_load(server: Server, hub: Hub, shop: Shop | None, *, seconds: float) -> Load:
    """Create payments as fast as the server can for some seconds.

    shop: whose live key signs; None for the bare app. Raises RuntimeError when an answer was not 200.
    """
    return _load(server, hub, _creates(shop, wanted=int(seconds * MOST_REQUESTS_A_SECOND)), seconds=seconds)


def status_load(server: Server, hub: Hub, shop: Shop | None, payment_ids: Sequence[int], *, seconds: float) -> Load:
    """Ask how payments stand, as fast as the server can answer; None for the bare app, which looks up one row."""
    return _load(server, hub, _questions(shop, payment_ids), seconds=seconds)


def _load(server: Server, hub: Hub, lines: Iterator[str], *, seconds: float) -> Load:
    file = hub.settings.data_dir.with_suffix(".requests")
    with file.open("w", encoding="ascii") as requests:
        requests.writelines(lines)
    how = ["--latency", "--threads", "1", "--connections", str(CONNECTIONS)]
    how += ["--duration", f"{seconds:.0f}s", "--timeout", "20s"]
    command: list[str | Path] = ["wrk", *how, "--script", SCRIPT, f"http://127.0.0.1:{server.port}", "--", file]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    found = [pattern.search(run.stdout) for pattern in (_figures, _half, _nearly_all)]
    if None in found or "Non-2xx" in run.stdout:
        raise RuntimeError(f"the load was refused: {run.stdout}{run.stderr}")
    many, half, nearly_all = (match for match in found if match)
    elapsed_s = float(many[2]) * MILLIS[many[3]] / 1000
    return Load(int(many[1]) / elapsed_s, *(float(one[1]) * MILLIS[one[2]] for one in (half, nearly_all)))


def _creates(shop: Shop | None, *, wanted: int) -> Iterator[str]:
    for number in (next(_serial) for _ in range(wanted)):
        amount = f"{10 + number * 7919 % 99_000 // 100}.{number * 7919 % 100:02d}"
        body = json.dumps({"order_id": f"LOAD-{number}", "amount": amount, "description": "Two mugs"})
        yield _line("POST", "/api/create-payment.php", shop, body)


def _questions(shop: Shop | None, payment_ids: Sequence[int]) -> Iterator[str]:
    for payment_id in payment_ids:
        yield _line("GET", f"/api/payment-status.php?payment_id={payment_id}", shop, "")


def _line(method: str, path: str, shop: Shop | None, body: str) -> str:
    key = shop.keys["live"].public_key if shop else "none"
    secret = shop.keys["live"].secret.encode() if shop else BARE_SECRET
    signature = hmac.new(secret, body.encode(), hashlib.sha256).hexdigest()
    return f"{method}\t{path}\t{key}\t{signature}\t{body}\n"
