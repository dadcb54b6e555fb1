"""The HTTP side: one port, GET and POST, kept connections, and never a 500."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from core.clock import SystemClock
from core.devnet.ledger import Chain
from core.devnet.server import DevnetServer
from tests.devnet.conftest import BUYER


@pytest.fixture
def server(chain: Chain) -> Iterator[DevnetServer]:
    """Serve the chain without mining."""
    server = DevnetServer(chain).start()
    yield server
    server.stop()


class Client:
    """One kept connection."""

    def __init__(self, server: DevnetServer) -> None:
        url = urlsplit(server.url)
        self.http = http.client.HTTPConnection(str(url.hostname), url.port, timeout=10)

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Make one call and read its JSON."""
        self.http.request(method, path, body, headers or {})
        response = self.http.getresponse()
        return response.status, json.loads(response.read())

    def post(self, path: str, **body: Any) -> tuple[int, Any]:
        """Post a JSON object."""
        return self.send("POST", path, json.dumps(body).encode())


@pytest.fixture
def client(server: DevnetServer) -> Iterator[Client]:
    """Give a client with one connection."""
    client = Client(server)
    yield client
    client.http.close()


def test_get_and_post_answer_the_same_d1(client: Client) -> None:
    posted = client.post("/wallet/getblockbynum", num=1, visible=True)

    assert posted[0] == 200
    assert client.send("GET", "/wallet/getblockbynum?num=1&visible=true") == posted
    assert client.send("POST", "/wallet/getnowblock") == client.send("GET", "/wallet/getnowblock")


def test_one_connection_serves_many_calls_without_delay(client: Client) -> None:
    client.post("/wallet/getnowblock")
    connection = client.http.sock
    start = time.monotonic()

    for _ in range(50):
        client.post("/wallet/getnodeinfo")

    assert client.http.sock is connection
    assert time.monotonic() - start < 1.0  # a delayed ACK alone would cost 50 x 40 ms


@pytest.mark.parametrize("body", [b"{", b"[]", b"5", b"\xff\xfe", b"[" * 30_000, b'{"num": NaN}', b'{"num": 1e400}'])
def test_unreadable_body_is_an_error_object_with_200(client: Client, body: bytes) -> None:
    status, answer = client.send("POST", "/wallet/getblockbynum", body)

    assert (status, list(answer)) == (200, ["Error"])


def test_unknown_paths_are_404(client: Client) -> None:
    for path in ("/", "/wallet", "/wallet/", "/wallet/nothing", "/walletsolidity/broadcasthex", "/v1/x"):
        assert client.post(path)[0] == 404


def test_too_large_and_unmeasured_bodies_are_refused(server: DevnetServer) -> None:
    for headers, status in (({"Content-Length": str(5 * 2**20)}, 413), ({"Transfer-Encoding": "chunked"}, 411),
                            ({"Content-Length": "-1"}, 411), ({"Content-Length": "²"}, 411)):
        client = Client(server)
        client.http.putrequest("POST", "/wallet/getnowblock")
        for name, value in headers.items():
            client.http.putheader(name, value.encode("latin-1"))
        client.http.endheaders()
        response = client.http.getresponse()
        response.read()
        assert (response.status, response.will_close) == (status, True)
        client.http.close()


def test_a_fault_inside_is_no_500(client: Client, chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chain, "view", lambda self, **_: 1 / 0)

    status, answer = client.post("/wallet/getnowblock")

    assert (status, answer) == (200, {"Error": "class java.lang.RuntimeException : ZeroDivisionError"})


def test_stop_frees_the_port_and_drops_kept_connections(chain: Chain) -> None:
    server = DevnetServer(chain).start()
    client = Client(server)
    client.post("/wallet/getnowblock")
    port = urlsplit(server.url).port

    server.stop()

    assert client.http.sock.recv(1) == b""
    client.http.close()
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port or 0))


def test_a_server_never_started_can_be_stopped(chain: Chain) -> None:
    DevnetServer(chain).stop()


def test_miner_makes_a_block_an_interval_even_when_empty() -> None:
    chain = Chain.open(None, clock=SystemClock(), block_interval_s=0.02)
    server = DevnetServer(chain, mine=True).start()
    mined = threading.Event()
    for _ in range(500):
        if chain.head_height >= 5 or mined.wait(0.01):
            break
    server.stop()

    headers = [chain.view(solid=False).header(height) for height in range(6)]
    times = [header.timestamp_ms for header in headers if header]
    assert len(times) == 6
    assert times == sorted(set(times))
    chain.close()


def test_many_clients_at_once_get_whole_answers(server: DevnetServer, chain: Chain) -> None:
    failures: list[object] = []

    def hammer() -> None:
        client = Client(server)
        for _ in range(20):
            status, answer = client.post("/devnet/pay", to=BUYER, units=1)
            if status != 200 or not answer["ok"]:
                failures.append(answer)
        client.http.close()

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        chain.advance(1)
    for thread in threads:
        thread.join()
    chain.advance(1)

    assert failures == []
    assert chain.balance_of(BUYER) == 80
