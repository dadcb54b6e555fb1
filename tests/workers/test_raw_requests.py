"""What the shipped web server makes of raw bytes that two readers could read in two ways (V1 to V11, P51 to P55)."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from core.clock import ManualClock, SystemClock
from core.db import open_database
from core.errors import UrlTooLong
from core.migrations import upgrade
from core.signing import hmac_hex
from core.testing.factories import Shop, make_shop
from core.testing.hubs import START, make_hub, make_settings
from tests.bench.servers import full_server
from workers.web import READ_WITHIN_S, HurriedSocket

pytestmark = pytest.mark.slow

BODY = b'{"order_id": "RAW", "amount": "5.00"}'
TEST = "test"


class Raw(NamedTuple):
    """A running server and a shop that may ask it."""

    port: int
    shop: Shop

    def signature(self, body: bytes = BODY) -> bytes:
        """Sign a body with the shop's test secret."""
        return hmac_hex(self.shop.keys[TEST].secret, body).encode()

    def headers(self, *, signature: bytes | None = None, length: int | None = len(BODY)) -> list[bytes]:
        """Give the lines of an honest request."""
        lines = [
            b"POST /api/create-payment.php HTTP/1.1", b"Host: hub.example", b"Content-Type: application/json",
            b"X-API-Key: " + self.shop.keys[TEST].public_key.encode(), b"Connection: close",
        ]
        lines += [b"Content-Length: %d" % length] if length is not None else []
        return lines + ([b"X-Signature: " + (self.signature() if signature is None else signature)])

    def status(self, lines: list[bytes], body: bytes = BODY, *, end: bytes = b"\r\n") -> tuple[int, bytes]:
        """Send these very bytes; gives the answer's status and body."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as sock:
            sock.sendall(end.join([*lines, b"", b""]) + body)
            answer = b""
            while piece := sock.recv(65_536):
                answer += piece
        head, _, said = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), said


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raw]:
    folder: Path = tmp_path_factory.mktemp("raw")
    url = f"sqlite:///{folder}/hub.db"
    database = open_database(url)
    upgrade(database)
    hub = make_hub(database, settings=make_settings(url, data_dir=folder), clock=SystemClock())
    shop = make_shop(hub)
    with full_server(hub) as server:
        yield Raw(server.port, shop)
    database.dispose()


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def test_v1_p52_a_chunked_body_is_read(raw: Raw) -> None:
    assert raw.status([*raw.headers(length=None), b"Transfer-Encoding: chunked"], chunked(BODY))[0] == 200


@pytest.mark.parametrize(("lines", "body", "statuses"), [
    pytest.param([b"Transfer-Encoding: chunked"], chunked(BODY), {400}, id="V2 length and chunks"),
    pytest.param([b"Content-Length: 5"], BODY, {400}, id="V3 two lengths"),
    pytest.param([b"Transfer-Encoding: xchunked"], chunked(BODY), {400, 501}, id="V4 an unknown encoding"),
    pytest.param([b"X-Signature: 00"], BODY, {401}, id="V6 P53 two signatures"),
    pytest.param([b"X-Long: " + b"x" * 100_000], BODY, {400, 431}, id="V9 a header of 100 KB"),
    pytest.param([b"X-Odd : 1"], BODY, {400}, id="V11 a space before the colon"),
])
def test_a_request_with_one_line_too_many_is_refused(
    raw: Raw, lines: list[bytes], body: bytes, statuses: set[int]
) -> None:
    length = None if lines == [b"Transfer-Encoding: xchunked"] else len(BODY)
    assert raw.status([*raw.headers(length=length), *lines], body)[0] in statuses


def test_v5_p55_a_header_with_an_underscore_is_no_signature(raw: Raw) -> None:
    lines = [line.replace(b"X-Signature", b"X_Signature") for line in raw.headers()]

    assert raw.status(lines)[0] == 401


def test_v7_p54_a_signature_of_other_bytes_than_ascii_is_refused(raw: Raw) -> None:
    assert raw.status(raw.headers(signature=b"\xe9" * 64))[0] == 401


def test_v8_p51_a_body_too_large_is_refused_in_json(raw: Raw) -> None:
    body = b" " * (64 * 1024 + 1)

    status, said = raw.status(raw.headers(signature=raw.signature(body), length=len(body)), body)

    assert (status, json.loads(said)["code"]) == (413, "body_too_large")


def test_a_url_that_is_too_long_is_refused_in_json(raw: Raw) -> None:
    status, said = raw.status([b"GET /api/v1/events?cursor=" + b"x" * 5_000 + b" HTTP/1.1", b"Host: x"], b"")

    assert (status, json.loads(said)) == (414, {"ok": False, "error": UrlTooLong.sentence, "code": "url_too_long"})


def test_v10_bare_line_ends_are_refused(raw: Raw) -> None:
    assert raw.status(raw.headers(), end=b"\n")[0] == 400


def test_clients_that_send_half_a_request_hold_up_nobody(raw: Raw) -> None:
    """Two of them would be all the threads of plain workers, for half a minute."""
    half = b"\r\n".join([*raw.headers(), b"", b""]) + BODY[:4]
    with ExitStack() as held:
        for sent in (half, half[:60], half, half[:60]):
            sock = held.enter_context(socket.create_connection(("127.0.0.1", raw.port), timeout=20))
            sock.sendall(sent)
        before = time.monotonic()

        assert raw.status(raw.headers())[0] == 200

        assert time.monotonic() - before < READ_WITHIN_S


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, HurriedSocket, ManualClock]]:
    clock = ManualClock(START)
    theirs, ours = socket.socketpair()
    with theirs, ours:
        yield theirs, HurriedSocket(ours, clock), clock


def test_a_request_that_comes_in_drop_by_drop_is_given_up(
    pair: tuple[socket.socket, HurriedSocket, ManualClock]
) -> None:
    theirs, ours, clock = pair
    theirs.sendall(b"xyz")
    assert ours.recv(1) == b"x"
    clock.advance(seconds=READ_WITHIN_S - 1)
    assert ours.recv(1) == b"y"
    clock.advance(seconds=1)
    with pytest.raises(ConnectionResetError):
        ours.recv(1)


def test_each_request_of_a_connection_has_its_own_time(
    pair: tuple[socket.socket, HurriedSocket, ManualClock]
) -> None:
    theirs, ours, clock = pair
    theirs.sendall(b"xy")
    assert ours.recv(1) == b"x"
    clock.advance(seconds=READ_WITHIN_S)
    ours.start()
    assert ours.recv(1) == b"y"
