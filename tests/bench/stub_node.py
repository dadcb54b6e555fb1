"""A node that knows busy blocks: `python -m tests.bench.stub_node <port> <solid> <transactions> <delay in ms>`.

Half of a block's transactions are USDT transfers between strangers, as on mainnet. The answers are made beforehand,
but for the block's number and time, so that the node costs as little as it can.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from core.chain.addresses import parse_address
from core.chain.decode import TRANSFER_TOPIC
from core.testing.hubs import TEST_CONTRACT
from tests.bench.servers import free_port, wait_for

TRANSACTIONS, TRANSFERS = 380, 170
GENESIS_ID = "0" * 16 + "be" * 24
START_MS, BLOCK_MS = 1_780_000_000_000, 3_000
NUMBER, TIME_MS = b"777000777", b"777000777000"  # what stands for them in the prepared answer
PARTIES = b"deadbeef77700077"  # within every account: no two blocks have one in common, which costs the most to look up


class Handler(BaseHTTPRequestHandler):
    """Answers the calls of a scan."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    infos: bytes
    solid: int
    delay_s = 0.0

    def do_POST(self) -> None:
        """Answer one call."""
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(self.delay_s)
        self._send(self._answer(self.path.rpartition("/")[2], question))

    def do_GET(self) -> None:
        """Say that the node is up."""
        self._send(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, call: str, question: dict[str, object]) -> bytes:
        if call == "gettransactioninfobyblocknum":
            height = int(str(question["num"]))
            infos = self.infos.replace(TIME_MS, b"%d" % time_ms(height)).replace(NUMBER, b"%d" % height)
            return infos.replace(PARTIES, b"%016x" % (height * 0x9E3779B97F4A7C15 % 2**64))
        if call == "getcontract":
            return json.dumps({"contract_address": parse_address(TEST_CONTRACT).hex41}).encode()
        return json.dumps(header(int(str(question.get("num", question.get("id_or_num", self.solid)))))).encode()


def time_ms(height: int) -> int:
    """Give a block's time."""
    return START_MS + BLOCK_MS * height


def header(height: int) -> dict[str, object]:
    """Write a block without its transactions."""
    block_id = GENESIS_ID if height == 0 else f"{height:016x}" + "be" * 24
    raw = {"number": height, "timestamp": time_ms(height), "txTrieRoot": "be" * 32, "parentHash": "be" * 32}
    return {"blockID": block_id, "block_header": {"raw_data": raw, "witness_signature": "be" * 65}}


def prepared_infos(transactions: int) -> bytes:
    """Write a block's infos: transfers of USDT, other contracts' events, and transactions without any."""
    usdt20 = parse_address(TEST_CONTRACT).raw20.hex()
    return json.dumps([_info(number, usdt20, transactions) for number in range(transactions)]).encode()


@contextmanager
def stub_node(*, solid: int, transactions: int = TRANSACTIONS, delay_ms: int = 0) -> Iterator[str]:
    """Run the node in a process of its own; gives its URL."""
    port = free_port()
    numbers = [str(number) for number in (port, solid, transactions, delay_ms)]
    command = [sys.executable, "-m", "tests.bench.stub_node", *numbers]
    process = subprocess.Popen(command, cwd=Path.cwd(), env=os.environ)
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _info(number: int, usdt20: str, transactions: int) -> dict[str, object]:
    transfers = transactions * TRANSFERS // TRANSACTIONS
    found: dict[str, object] = {
        "id": f"{number:064x}",
        "fee": 27_255_900,
        "blockNumber": int(NUMBER),
        "blockTimeStamp": int(TIME_MS),
        "contractResult": ["" if number % 3 else "0" * 64],
        "receipt": {"net_fee": 345_000, "energy_usage_total": 64_285, "result": "SUCCESS"},
    }
    if number < transfers:
        topics = [TRANSFER_TOPIC, *(f"{PARTIES.decode():>040}{party:024x}" for party in (number, number + 500_000))]
        return found | {"contract_address": f"41{usdt20}", "log": [_log(usdt20, topics, 1_000_000 + number)]}
    if number < transfers + 60:
        return found | {"contract_address": "41" + "cd" * 20, "log": [_log("cd" * 20, ["ef" * 32, "00" * 32], number)]}
    return found | {"receipt": {"net_usage": 268}}


def _log(contract20: str, topics: list[str], units: int) -> dict[str, object]:
    return {"address": contract20, "topics": topics, "data": f"{units:064x}"}


if __name__ == "__main__":
    Handler.infos, Handler.solid = prepared_infos(int(sys.argv[3])), int(sys.argv[2])
    Handler.delay_s = int(sys.argv[4]) / 1000
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
