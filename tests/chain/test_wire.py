"""The wire to a node: what is kept open, what is given up, and what is never taken for an answer."""

import gzip
import json
import zlib
from select import select

import pytest

from core.chain import wire as room
from core.chain.failures import FailureKind as Kind
from core.chain.failures import NodeFailure
from core.chain.node import HttpNode
from core.chain.wire import Wire
from core.clock import SystemClock
from core.errors import MisconfiguredHub
from tests.core.loopback import Authority, answering, over_tls, raw_server, read_request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"


@pytest.fixture
def wire_to():
    made = []

    def make(url):
        made.append(Wire(url, clock=SystemClock(), timeout=(0.5, 0.5)))
        return made[-1]

    yield make
    for wire in made:
        wire.close()


def failure_of(wire):
    with pytest.raises(NodeFailure) as failure:
        wire.post("/wallet/getblock", b"{}", key="")
    return failure.value.kind


def packed(body, encoding="gzip"):
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def keeping(*answers):
    """Give one answer to each request of a connection, then wait for its end."""
    def behave(sock, server):
        for answer in answers:
            read_request(sock, server)
            sock.sendall(answer)
        sock.recv(1)
    return behave


@pytest.mark.parametrize("pieces", [
    [OK[:-2], *[b" "] * 20],
    [b"HTTP/1.1 200 OK\r\n", *[b"X-Slow: 1\r\n"] * 20],
], ids=["body", "headers"])
def test_an_answer_that_drips_is_given_up_though_each_piece_is_in_time(wire_to, monkeypatch, pieces):
    monkeypatch.setattr(room, "CALL_LIMIT_S", 0.2)
    pieces[0] = pieces[0].replace(b"Length: 2", b"Length: 99")

    with raw_server(answering(*pieces, pause_s=0.05)) as server:
        assert failure_of(wire_to(f"http://127.0.0.1:{server.port}")) is Kind.TIMEOUT


@pytest.mark.parametrize(("answer", "kind"), [
    (b"", Kind.CONNECTION),
    (b"SSH-2.0-OpenSSH\r\n", Kind.CONNECTION),
    (b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n", Kind.CONNECTION),
    (b"HTTP/1.1 200 OK\r\nX: " + b"1" * 70_000, Kind.CONNECTION),
    (OK[:-1], Kind.TRUNCATED),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n[]\r\n", Kind.TRUNCATED),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n[]\r\n", Kind.TRUNCATED),
    (packed(gzip.compress(b"[]")[:-9]), Kind.TRUNCATED),
    (packed(gzip.compress(b"[]") + b"and more"), Kind.TRUNCATED),
], ids=["nothing", "no HTTP", "200 headers", "an endless header", "cut", "no chunk size", "negative chunk size",
        "gzip cut", "gzip and more"])
def test_what_is_no_whole_answer_is_a_failure(wire_to, answer, kind):
    with raw_server(answering(answer)) as server:
        assert failure_of(wire_to(f"http://127.0.0.1:{server.port}")) is kind


@pytest.mark.parametrize("body", [
    packed(gzip.compress(b"[1,") + gzip.compress(b"2]")), packed(zlib.compress(b"[1,2]"), "deflate"),
    b"HTTP/1.0 200 OK\r\n\r\n[1,2]", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[1,2]",
], ids=["two gzip members", "deflate", "until the end", "after a continue"])
def test_an_answer_is_read_however_it_is_sent(wire_to, body):
    with raw_server(answering(body)) as server:
        reply = wire_to(f"http://127.0.0.1:{server.port}").post("/wallet/getblock", b"{}", key="")

    assert (reply.status, reply.body) == (200, b"[1,2]")


def test_a_large_packed_answer_is_read_whole(wire_to):
    whole = json.dumps([{"id": f"{number:064x}"} for number in range(20_000)]).encode()
    with raw_server(answering(packed(gzip.compress(whole)))) as server:
        assert wire_to(f"http://127.0.0.1:{server.port}").post("/wallet/getblock", b"{}", key="").body == whole


@pytest.mark.parametrize(("first", "connections"), [
    (OK, 1),
    (OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), 2),
    (OK.replace(b"HTTP/1.1", b"HTTP/1.0"), 2),
    (OK + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[9]" + b" " * room.BUFFER, 2),
], ids=["kept", "closed by a header", "of HTTP/1.0", "with an answer nobody asked for"])
def test_a_connection_is_used_again_only_while_nothing_speaks_against_it(wire_to, first, connections):
    with raw_server(keeping(first, OK)) as server:
        wire = wire_to(f"http://127.0.0.1:{server.port}")
        bodies = [wire.post("/wallet/getblock", b"{}", key="").body for _ in range(2)]
        wire.close()

    assert (bodies[1], server.accepted) == (b"[]", connections)


def test_a_connection_that_the_node_closed_meanwhile_costs_no_failure(wire_to):
    with raw_server(answering(OK)) as server:
        wire = wire_to(f"http://127.0.0.1:{server.port}")
        for _ in range(3):
            assert wire.post("/wallet/getblock", b"{}", key="").body == b"[]"
            select(wire._idle, [], [], 5)  # the end of the connection has arrived

    assert server.accepted == 3


def test_a_closed_wire_still_answers_and_keeps_nothing_open(wire_to):
    with raw_server(keeping(OK)) as server:
        wire = wire_to(f"http://127.0.0.1:{server.port}")
        wire.close()

        assert wire.post("/wallet/getblock", b"{}", key="").body == b"[]"
        assert wire._idle == []


@pytest.mark.parametrize(("name", "kind"), [("localhost", None), ("other.example", Kind.CONNECTION)])
def test_a_certificate_must_be_of_the_host_and_of_a_known_authority(wire_to, monkeypatch, tmp_path, name, kind):
    authority = Authority(tmp_path)
    with raw_server(over_tls(authority.serve_as(name), answering(OK))) as server:
        url = f"https://localhost:{server.port}"
        assert failure_of(wire_to(url)) is Kind.CONNECTION  # nobody in certifi's list has signed it

        monkeypatch.setattr(room, "_trust", authority.trust)
        if kind is not None:
            assert failure_of(wire_to(url)) is kind
            assert server.requests == []
        else:
            assert wire_to(url).post("/wallet/getblock", b"{}", key="").body == b"[]"


def test_credentials_of_the_url_and_the_key_travel_as_headers(wire_to):
    with raw_server(answering(OK)) as server:
        wire_to(f"http://user:secret@127.0.0.1:{server.port}/v1").post("/wallet/getblock", b'{"num":7}', key="k-1")

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.splitlines()[:2] == [b"POST /v1/wallet/getblock HTTP/1.1", b"Host: 127.0.0.1:%d" % server.port]
    assert {b"authorization: Basic dXNlcjpzZWNyZXQ=", b"TRON-PRO-API-KEY: k-1"} < set(head.splitlines())
    assert body == b'{"num":7}'


@pytest.mark.parametrize("key", ["two words", "a\r\nHost: other", "schlüssel"])
def test_a_key_that_cannot_travel_in_a_header_is_a_configuration_error(key):
    with pytest.raises(MisconfiguredHub, match="API key"):
        HttpNode("http://127.0.0.1:1", api_keys=[key], clock=SystemClock())
