"""The demo wallet: asks a devnet that runs to pay, and says one clear error when it will not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from core.chain.demo_wallet import pay_from_demo_wallet
from core.clock import SystemClock
from core.devnet.ledger import Chain
from core.devnet.server import DevnetServer
from core.errors import NodeUnavailable
from core.money import Usdt
from core.settings import NetworkSettings, NodeSettings

BUYER_PAYS_TO = "TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBf"


def network_at(url: str) -> NetworkSettings:
    return NetworkSettings(name="devnet", usdt_contract="", genesis_id="", nodes=(NodeSettings(url, url),))


@pytest.fixture
def devnet() -> Iterator[DevnetServer]:
    chain = Chain.open(None, clock=SystemClock(), block_interval_s=1)
    server = DevnetServer(chain).start()
    yield server
    server.stop()
    chain.close()


@pytest.fixture
def answers() -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
    """A server that answers every POST with the last of the given (status, body) pairs."""
    wanted: list[tuple[int, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = wanted[-1]
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", wanted
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_exact_amount_arrives(devnet: DevnetServer):
    amount = Usdt(50_013_400)

    txid = pay_from_demo_wallet(network_at(devnet.url), to=BUYER_PAYS_TO, amount=amount)

    devnet.chain.advance(1)
    assert len(txid) == 64
    assert devnet.chain.balance_of(BUYER_PAYS_TO) == amount.units


def test_more_than_the_wallet_holds_is_refused(devnet: DevnetServer):
    with pytest.raises(NodeUnavailable, match="refused"):
        pay_from_demo_wallet(network_at(devnet.url), to=BUYER_PAYS_TO, amount=Usdt(10**15))


def test_a_devnet_that_is_away_is_said(devnet: DevnetServer):
    devnet.stop()

    with pytest.raises(NodeUnavailable, match="did not answer"):
        pay_from_demo_wallet(network_at(devnet.url), to=BUYER_PAYS_TO, amount=Usdt(1))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"not json"), (200, b"[]"), (200, b"{}"), (200, b'{"txid": 5}'), (200, b'{"txid": "abc"}'),
        (302, json.dumps({"txid": "a" * 64}).encode()), (500, json.dumps({"txid": "a" * 64}).encode()), (200, b""),
    ],
)
def test_every_other_answer_is_one_clear_error(
    answers: tuple[str, list[tuple[int, bytes]]], status: int, body: bytes
):
    url, wanted = answers
    wanted.append((status, body))

    with pytest.raises(NodeUnavailable):
        pay_from_demo_wallet(network_at(url), to=BUYER_PAYS_TO, amount=Usdt(1))
