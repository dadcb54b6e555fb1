"""The world around hubs that die: one program that forks them, a devnet, a buyer who pays once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.clock import SystemClock
from core.devnet.ledger import Chain
from core.devnet.server import DevnetServer
from tests.faults.flight import Bill
from tests.faults.hub_process import Job

ROOT = Path(__file__).parent.parent.parent
FEW_WITNESSES = 5  # solid 3 blocks behind instead of 18: a head of four blocks has every kind of step in it


@dataclass(slots=True)
class Buyer:
    """Pays the first bill that is shown, once, whatever becomes of the hub; then the chain goes on."""

    chain: Chain
    bill: Bill | None = None

    def pay(self, bill: Bill) -> None:
        """Sign and send the transfer, and mine it."""
        if self.bill is None:
            self.bill = bill
            self.chain.pay(bill.address, bill.units)
            self.chain.advance(1, step_ms=1)

    def wait(self) -> None:
        """Let the transfer become solid, and one block more."""
        self.chain.advance(self.chain.solid_lag + 1, step_ms=1)


@dataclass(slots=True)
class Nursery:
    """The program that forks hubs, as its parent sees it."""

    process: subprocess.Popen[str]

    def run(self, job: Job, buyer: Buyer) -> tuple[int, list[str]]:
        """Let one hub live, and do what the world does meanwhile; gives its exit code and the points it passed."""
        passed: list[str] = []
        self._tell(json.dumps(asdict(job)))
        while True:
            word, what = self._said()
            if word == "ended":
                return what, passed
            if word == "passed":
                passed = what
                continue
            if word == "bill":
                buyer.pay(Bill(**what))
            else:
                buyer.wait()
            self._tell("go on")

    def _tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _said(self) -> tuple[str, Any]:
        assert self.process.stdout is not None
        word, what = json.loads(self.process.stdout.readline())
        return word, what


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Run the program until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.hub_process"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    with process:
        started = Nursery(process)
        try:
            assert started._said()[0] == "ready"
            yield started
        finally:
            if process.stdin is not None:
                process.stdin.close()


@contextmanager
def devnet(witnesses: int = FEW_WITNESSES) -> Iterator[DevnetServer]:
    """Run a young devnet that is mined by hand until the block ends."""
    chain = Chain.open(None, clock=SystemClock(), witnesses=witnesses)
    chain.advance(chain.solid_lag + 2, step_ms=1)
    server = DevnetServer(chain).start()
    try:
        yield server
    finally:
        server.stop()
        chain.close()
