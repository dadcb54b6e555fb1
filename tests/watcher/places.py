"""Where the watcher is shown: a node given by URL, or a devnet in a process of its own that takes its place.

`NODE` is the node's URL, `SOLID` its solid URL where that is another port, `USDT` the contract, `KEY` a funded
account's private key in hex, `QPS` the requests a second that it bears (8 by default; more for a node of one's own);
`make test-node` hands them over.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from core.chain.node import HttpNode
from core.clock import SystemClock
from core.demo.probe import is_up
from core.settings import NodeSettings
from tests.demo.test_demo import free_ports, wait_for

BLOCK_S = 0.1
DOCUMENTED = frozenset({  # what the official reference of a full node lists, and nothing else
    "wallet/broadcasttransaction", "wallet/getaccount", "wallet/getblock", "wallet/getblockbynum", "wallet/getcontract",
    "wallet/getcontractinfo", "wallet/getnodeinfo", "wallet/getnowblock", "wallet/getsignweight",
    "wallet/gettransactioninfobyblocknum", "wallet/gettransactioninfobyid", "wallet/triggerconstantcontract",
    "walletsolidity/getblock", "walletsolidity/getblockbynum", "walletsolidity/getnowblock",
    "walletsolidity/gettransactioninfobyblocknum", "walletsolidity/gettransactioninfobyid",
    "walletsolidity/triggerconstantcontract", "jsonrpc",
})


@dataclass(frozen=True)
class Place:
    """A node's URLs, the contract, a funded account's key in hex, and how fast to ask.

    devnet_url: where a devnet of the tests' own tells what it was asked; empty for any other node.
    """

    url: str
    solid_url: str
    usdt: str
    key: str = field(repr=False)
    poll_s: float
    qps: float
    devnet_url: str = ""

    def settings(self) -> NodeSettings:
        """Describe the node as an operator would."""
        return NodeSettings(self.url, self.solid_url, qps=self.qps, daily_requests=0)

    def client(self) -> HttpNode:
        """Give the product's own client of it."""
        return HttpNode(self.url, self.solid_url, clock=SystemClock(), qps=self.qps, daily_requests=None)

    def undocumented(self) -> list[str]:
        """List what the devnet was asked that no full node documents; its views' names are left out."""
        with urlopen(f"{self.devnet_url}/devnet/requests", timeout=5) as answer:
            asked = {path.removeprefix("bare/") for path in json.load(answer)} - {"ok"}
        return sorted(asked - DOCUMENTED)


@contextmanager
def a_place(folder: Path) -> Iterator[Place]:
    """Give the node that the environment names, else start a devnet with a full and a solid URL."""
    full_url = os.environ.get("NODE", "").rstrip("/")
    if not full_url:
        with _devnet(folder) as place:
            yield place
        return
    for name in ("USDT", "KEY"):
        assert os.environ.get(name), f"make test-node with NODE also needs {name}=…"
    solid_url = os.environ.get("SOLID") or full_url
    qps = float(os.environ.get("QPS") or 8)
    yield Place(full_url, solid_url, os.environ["USDT"], os.environ["KEY"], poll_s=1.0, qps=qps)


@contextmanager
def _devnet(folder: Path) -> Iterator[Place]:
    port = free_ports(tried=9000)
    command = [sys.executable, "-P", "-m", "core.cli", "devnet", "--port", str(port), "--block-interval", str(BLOCK_S)]
    environment = {"PATH": os.environ["PATH"], "PAYWHARF_DATA_DIR": str(folder)}
    log = folder / "log"
    with log.open("w") as output:
        devnet = subprocess.Popen(command, env=environment, cwd=folder, stderr=output)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: is_up(f"{url}/devnet/status") or devnet.poll() is not None, within_s=60)
            assert devnet.poll() is None, log.read_text()
            _tell(url, "views", name="bare", has_solid_root=False)
            yield Place(
                f"{url}/bare", url, _ask(url, "status")["usdt_contract"], _ask(url, "wallet")["private_key"],
                poll_s=BLOCK_S / 2, qps=1000.0, devnet_url=url,
            )
        finally:
            devnet.terminate()
            devnet.wait(20)


def _tell(url: str, call: str, **body: object) -> None:
    with urlopen(Request(f"{url}/devnet/{call}", json.dumps(body).encode()), timeout=5):
        pass


def _ask(url: str, call: str) -> Any:
    with urlopen(f"{url}/devnet/{call}", timeout=5) as answer:
        return json.load(answer)
