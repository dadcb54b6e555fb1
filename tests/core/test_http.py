"""The outbound door: what it refuses to connect to, and that neither time nor size can be stretched by the other end.

No test connects to anything but loopback: where the door would go elsewhere, resolver and connector are handed in.
"""

import gzip
import os
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import ManualClock, SystemClock
from core.errors import EgressBlocked, EgressFailed
from core.http import ANSWER_LIMIT, MAX_LOOKUPS, Answer, GuardedHttp, resolve
from tests.core.loopback import OK, Authority, answering, over_tls, raw_server, read_request
from tests.core.test_egress import DENIED, LITERALS, REFUSED_FORMS

PUBLIC, OTHER_PUBLIC = "93.184.216.34", "1.1.1.1"
LOOPBACK = (ip_network("127.0.0.1/32"),)
TOTAL_S = 0.25


class Names:
    """A resolver with answers of its own; each look-up takes the next, the last one repeats."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def __call__(self, host, port):
        self.asked.append((host, port))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Connections:
    """A connector that goes nowhere and remembers where it should have gone."""

    def __init__(self, clock=None):
        self.clock = clock
        self.asked = []

    def __call__(self, address, port, timeout_s):
        self.asked.append((address, port, round(timeout_s, 3)))
        if self.clock is not None:
            self.clock.advance(seconds=timeout_s)
            raise TimeoutError
        raise ConnectionRefusedError


class Silent:
    """A resolver or connector that fails the test when it is called."""

    def __call__(self, *args):
        raise AssertionError(f"went out to {args}")


def guard(*answers, **changes):
    names = Names(*answers) if answers else Silent()
    return GuardedHttp(**{"clock": SystemClock(), "resolver": names, "connector": Silent()} | changes)


def to_loopback(**changes):
    """A guard whose every name leads to 127.0.0.1, allowed there."""
    return GuardedHttp(**{"clock": SystemClock(), "allow": LOOPBACK, "resolver": Names(["127.0.0.1"])} | changes)


def hasty(**changes):
    """The same with a short deadline, for what never ends."""
    return to_loopback(total_timeout_s=TOTAL_S, **changes)


def post(door, url, body=b"{}", **headers):
    return door.post(url, body=body, headers=headers)


@contextmanager
def fails_after(seconds, words=""):
    began = time.monotonic()
    with pytest.raises(EgressFailed, match=words):
        yield
    assert seconds <= time.monotonic() - began < seconds + 0.75  # too late would be 5 s and more


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def identity(authority):
    return authority.serve_as("shop.example")


@pytest.fixture
def ways(authority, identity):
    """Both ways of answering: plainly and over TLS, as (scheme, wrap a behaviour)."""
    return {"http": lambda behave: behave, "https": lambda behave: over_tls(identity, behave)}


@pytest.mark.parametrize("host", LITERALS.values(), ids=LITERALS.keys())
def test_an_address_in_the_url_is_blocked_before_anything_is_asked(host):
    door = guard()
    with pytest.raises(EgressBlocked):
        door.check(f"https://{host}/")
    with pytest.raises(EgressBlocked):
        post(door, f"https://{host}/")


@pytest.mark.parametrize("url", REFUSED_FORMS.values(), ids=REFUSED_FORMS.keys())
def test_a_doubtful_url_is_blocked_before_anything_is_asked(url):
    door = guard(allow=(ip_network("0.0.0.0/0"), ip_network("::/0")))
    with pytest.raises(EgressBlocked):
        door.check(url)
    with pytest.raises(EgressBlocked):
        post(door, url)


@pytest.mark.parametrize("url", [
    "http://example.com/", "https://example.com:22/", "https://127.0.0.1#@example.com/",
], ids=["S29", "S32", "S37"])
def test_scheme_port_and_hidden_literals_are_blocked_before_anything_is_asked(url):
    door = guard()
    with pytest.raises(EgressBlocked):
        door.check(url)
    with pytest.raises(EgressBlocked):
        post(door, url)


@pytest.mark.parametrize("address", DENIED.values(), ids=DENIED.keys())
def test_a_name_that_leads_to_a_denied_address_is_blocked(address):
    door = guard([address])
    with pytest.raises(EgressBlocked):
        door.check("https://shop.example/")
    with pytest.raises(EgressBlocked):
        post(door, "https://shop.example/")


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "127.0.0.1", "[::1]"],
                         ids=["S2", "S3", "S4", "S5", "S6", "S1", "S8"])
def test_the_systems_own_reading_of_a_literal_is_judged_where_an_allowance_exists(host):
    """getaddrinfo turns these into loopback without asking anybody; another network's allowance does not help them."""
    door = guard(resolver=resolve, allow=(ip_network("10.9.9.0/24"),))

    with pytest.raises(EgressBlocked):
        post(door, f"https://{host}/")


def test_s7_localhost_is_blocked():
    for answer in (["127.0.0.1", "::1"], ["::1"]):
        with pytest.raises(EgressBlocked):
            post(guard(answer), "https://localhost/")


@pytest.mark.parametrize("answer", [[PUBLIC, "10.0.0.1"], ["10.0.0.1", PUBLIC]])
def test_s39_one_private_answer_among_public_ones_blocks(answer):
    with pytest.raises(EgressBlocked):
        post(guard(answer), "https://shop.example/")


def test_s40_a_name_is_resolved_exactly_once_per_send_and_that_answer_is_connected():
    names, connections = Names([PUBLIC], ["127.0.0.1"]), Connections()
    door = GuardedHttp(clock=SystemClock(), resolver=names, connector=connections)

    with pytest.raises(EgressFailed, match="refused"):
        post(door, "https://shop.example/")

    assert names.asked == [("shop.example", 443)]
    assert [address for address, *_ in connections.asked] == [PUBLIC]


def test_s41_a_name_that_was_public_when_saved_is_judged_again_when_sent():
    door = guard([PUBLIC], ["192.168.1.1"])
    door.check("https://shop.example/")

    with pytest.raises(EgressBlocked):
        post(door, "https://shop.example/")


def test_check_accepts_a_public_name_without_connecting():
    guard([PUBLIC, "2606:4700::1111"]).check("https://shop.example/hook?x=1")


def test_a_further_port_is_open_by_setting():
    guard([PUBLIC], extra_ports=frozenset({8443})).check("https://shop.example:8443/")


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), OSError("no network"), UnicodeError("label")])
def test_a_name_that_cannot_be_found_is_a_failure_with_a_sentence(error):
    with pytest.raises(EgressFailed, match="host name of the URL could not be found"):
        guard(error).check("https://shop.example/")


def test_a_name_without_addresses_is_blocked():
    with pytest.raises(EgressBlocked):
        guard([]).check("https://shop.example/")


def test_the_peer_is_judged_again_after_connecting():
    def elsewhere(address, port, timeout_s):
        return socket.create_connection(("127.0.0.1", server.port), timeout_s)

    with raw_server(answering(OK)) as server:
        with pytest.raises(EgressBlocked):
            post(guard([PUBLIC], connector=elsewhere), "https://shop.example/")

    assert server.requests == []


@pytest.mark.parametrize("location", ["http://127.0.0.1/", "http://169.254.169.254/latest", "/elsewhere"])
def test_s42_a_redirect_is_an_answer_and_is_not_followed(location):
    moved = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    with raw_server(answering(moved)) as server:
        answer = post(to_loopback(), f"http://shop.example:{server.port}/")

    assert (answer.status, server.accepted) == (302, 1)


def test_an_answer_carries_status_body_and_time():
    with raw_server(answering(b"HTTP/1.1 418 Teapot\r\nContent-Length: 5\r\n\r\nshort")) as server:
        answer = post(to_loopback(), f"http://shop.example:{server.port}/hook?a=b", b'{"a":1}', **{"X-Signature": "ab"})

    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (418, b"short")
    assert 0 <= answer.elapsed_ms < 5000


def test_the_request_is_sent_as_given_with_the_transports_own_headers():
    with raw_server(answering(OK)) as server:
        post(to_loopback(), f"http://shop.example:{server.port}/hook?a=b", b'{"a":1}', **{"X-Signature": "ab"})

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook?a=b HTTP/1.1"
    assert sorted(lines[1:]) == [
        "Accept-Encoding: identity", "Connection: close", "Content-Length: 7", f"Host: shop.example:{server.port}",
        "User-Agent: Paywharf", "X-Signature: ab",
    ]
    assert body == b'{"a":1}'


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Connection", "Accept-Encoding"])
def test_a_caller_cannot_set_the_transports_headers(name):
    with pytest.raises(ValueError, match="transport"):
        post(guard(), "https://shop.example/", **{name: "x"})


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb"])
def test_a_header_cannot_carry_a_second_one(value):
    with raw_server(answering(OK)) as server, pytest.raises(ValueError, match="header"):
        post(to_loopback(), f"http://shop.example:{server.port}/", **{"X-Signature": value})


def test_a_large_body_arrives_whole():
    body = b"x" * 300_000
    with raw_server(answering(OK)) as server:
        assert post(to_loopback(), f"http://shop.example:{server.port}/", body).status == 200

    assert server.requests[0].endswith(body)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_s43_a_dripping_body_ends_at_the_total(ways, authority, scheme):
    drip = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 100, pause_s=0.05)
    with raw_server(ways[scheme](drip)) as server, fails_after(TOTAL_S, "in time"):
        post(hasty(tls=authority.trust()), f"{scheme}://shop.example:{server.port}/")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_s44_dripping_headers_end_at_the_total_and_are_no_answer(ways, authority, scheme):
    drip = answering(b"HTTP/1.1 200 OK\r\n", *[b"X-Drip: 1\r\n"] * 100, pause_s=0.05)
    with raw_server(ways[scheme](drip)) as server, fails_after(TOTAL_S, "in time"):
        post(hasty(tls=authority.trust()), f"{scheme}://shop.example:{server.port}/")


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b""],
                         ids=["body without end", "only Continue", "nothing at all"])
def test_s44_an_answer_that_never_ends_is_a_timeout_not_a_success(answer):
    def hang(sock, server):
        read_request(sock, server)
        sock.sendall(answer)
        server.over.wait(5)

    with raw_server(hang) as server, fails_after(TOTAL_S, "in time"):
        post(hasty(), f"http://shop.example:{server.port}/")


def test_s43_a_dripping_tls_record_ends_at_the_total(authority, identity):
    """Each byte of one record arrives in time; only the whole operation's limit can end it."""
    def drip(sock, server):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = identity.wrap_bio(incoming, outgoing, server_side=True)
        _by_memory(tls.do_handshake, sock, incoming, outgoing)
        _by_memory(lambda: tls.read(65536), sock, incoming, outgoing)
        tls.write(OK * 100)
        for byte in outgoing.read():
            sock.sendall(bytes([byte]))
            if server.over.wait(0.02):
                return

    with raw_server(drip) as server, fails_after(TOTAL_S, "in time"):
        post(hasty(tls=authority.trust()), f"https://shop.example:{server.port}/")


@pytest.mark.parametrize("piece", [b"", b"\x16\x03\x03"], ids=["silence", "begin of a record, dripping"])
def test_s45_a_handshake_without_end_ends_at_the_total_not_at_the_connect_limit(authority, piece):
    def hang(sock, server):
        while not server.over.wait(0.05):
            sock.sendall(piece)

    with raw_server(hang) as server, fails_after(TOTAL_S, "in time"):
        post(hasty(tls=authority.trust(), connect_timeout_s=0.1), f"https://shop.example:{server.port}/")


def test_a_receiver_that_does_not_read_ends_at_the_total():
    def deaf(sock, server):
        server.over.wait(5)

    with raw_server(deaf) as server, fails_after(TOTAL_S, "in time"):
        post(hasty(), f"http://shop.example:{server.port}/", b"x" * 20_000_000)


def test_s46_a_resolver_that_hangs_is_left_at_the_total():
    over = threading.Event()
    door = guard(resolver=lambda *_: over.wait(5), total_timeout_s=0.2)

    with fails_after(0.2, "could not be looked up in time"):
        post(door, "https://shop.example/")
    over.set()


def test_s46_hanging_lookups_are_bounded_and_free_their_places():
    over, running = threading.Event(), []

    def hang(host, port):
        running.append(host)
        over.wait(5)
        return [PUBLIC]

    door = guard(resolver=hang, total_timeout_s=0.02)
    for number in range(MAX_LOOKUPS + 3):
        with pytest.raises(EgressFailed, match="in time"):
            door.check(f"https://shop{number}.example/")
    assert len(running) == MAX_LOOKUPS

    over.set()
    patient = time.monotonic() + 2
    while time.monotonic() < patient:
        try:
            return door.check("https://shop.example/")
        except EgressFailed:
            continue
    pytest.fail("the places were not freed")


def test_a_thread_that_has_looked_up_stays_for_the_next_question():
    asked_by = []
    door = to_loopback(resolver=lambda host, port: asked_by.append(threading.get_ident()) or ["127.0.0.1"])

    for _ in range(5):
        door.check("http://shop.example/")

    assert asked_by == asked_by[:1] * 5


def test_a_forked_process_looks_up_with_threads_of_its_own():
    door = hasty()
    door.check("http://shop.example/")

    child = os.fork()
    if child == 0:  # nothing of the test may go on here
        try:
            door.check("http://shop.example/")
            os._exit(0)
        finally:
            os._exit(1)

    assert os.waitpid(child, 0)[1] == 0


def test_s46_the_time_of_the_lookup_counts_against_the_total():
    clock = ManualClock(datetime(2026, 11, 22, tzinfo=UTC))
    connections = Connections(clock)

    def slow(host, port):
        clock.advance(seconds=12)
        return [PUBLIC]

    with pytest.raises(EgressFailed, match="in time"):
        post(guard(resolver=slow, clock=clock, connector=connections), "https://shop.example/")

    assert connections.asked == [(PUBLIC, 443, 3.0)]


def test_s47_black_holed_addresses_share_one_limit():
    clock = ManualClock(datetime(2026, 11, 22, tzinfo=UTC))
    connections = Connections(clock)
    answers = [PUBLIC, OTHER_PUBLIC, "8.8.8.8"]

    with pytest.raises(EgressFailed, match="in time"):
        post(guard(answers, clock=clock, connector=connections), "https://shop.example/")

    assert [address for address, *_ in connections.asked] == answers
    assert clock.monotonic() == pytest.approx(10.0)


def test_a_second_address_is_tried_when_the_first_refuses():
    def first_refuses(address, port, timeout_s):
        if address == "127.0.0.2":
            raise ConnectionRefusedError
        return socket.create_connection((address, port), timeout_s)

    door = to_loopback(
        allow=(ip_network("127.0.0.0/8"),), resolver=Names(["127.0.0.2", "127.0.0.1"]), connector=first_refuses,
    )
    with raw_server(answering(OK)) as server:
        assert post(door, f"http://shop.example:{server.port}/").status == 200


def test_s48_of_a_large_answer_64_kib_are_read():
    sent = []

    def flood(sock, server):
        read_request(sock, server)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\n")
        for _ in range(4000):
            sock.sendall(b"x" * 10_000)
            sent.append(10_000)

    with raw_server(flood) as server:
        answer = post(to_loopback(), f"http://shop.example:{server.port}/")

    assert (answer.status, len(answer.body)) == (200, ANSWER_LIMIT)
    assert sum(sent) < 40_000_000


@pytest.mark.parametrize("piece", [b"X-More: " + b"a" * 60_000 + b"\r\n", b"a" * 100_000],
                         ids=["many long headers", "one endless line"])
def test_headers_without_end_are_given_up(piece):
    def flood(sock, server):
        read_request(sock, server)
        sock.sendall(b"HTTP/1.1 200 OK\r\n")
        for _ in range(50):
            sock.sendall(piece)

    with raw_server(flood) as server, pytest.raises(EgressFailed, match="did not answer in HTTP|connection"):
        post(to_loopback(), f"http://shop.example:{server.port}/")


def test_s49_a_packed_bomb_is_not_unpacked():
    bomb = gzip.compress(b"\0" * 50_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    with raw_server(answering(head, bomb)) as server:
        answer = post(to_loopback(), f"http://shop.example:{server.port}/")

    assert answer.body == bomb[:ANSWER_LIMIT]
    assert b"Accept-Encoding: identity" in server.requests[0]


def test_s50_credentials_of_a_netrc_are_not_sent(monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine shop.example login a password b\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with raw_server(answering(OK)) as server:
        post(to_loopback(), f"http://shop.example:{server.port}/")

    assert b"authorization" not in server.requests[0].lower()


def test_s51_proxies_of_the_environment_are_ignored(monkeypatch):
    with raw_server(answering(OK)) as proxy, raw_server(answering(OK)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")

        post(to_loopback(), f"http://shop.example:{server.port}/")

    assert (proxy.accepted, server.accepted) == (0, 1)


def test_tls_names_and_verifies_the_host_though_an_address_is_connected(authority, identity):
    named = []
    context = authority.serve_as("pinned.example")
    context.sni_callback = lambda sock, name, context: named.append(name)
    with raw_server(over_tls(context, answering(OK))) as server:
        answer = post(to_loopback(tls=authority.trust()), f"https://pinned.example:{server.port}/")

    assert (answer.status, named) == (200, ["pinned.example"])
    assert f"Host: pinned.example:{server.port}".encode() in server.requests[0]


def test_s52_a_certificate_of_another_host_is_refused(authority, identity):
    with raw_server(over_tls(identity, answering(OK))) as server, pytest.raises(EgressFailed, match="certificate"):
        post(to_loopback(tls=authority.trust()), f"https://other.example:{server.port}/")

    assert server.requests == []


def test_a_certificate_of_an_unknown_authority_is_refused(identity):
    with raw_server(over_tls(identity, answering(OK))) as server, pytest.raises(EgressFailed, match="certificate"):
        post(to_loopback(), f"https://shop.example:{server.port}/")


def test_a_plain_answer_to_a_handshake_is_a_failure(authority):
    with raw_server(lambda sock, server: sock.sendall(OK)) as server, pytest.raises(EgressFailed, match="secure"):
        post(to_loopback(tls=authority.trust()), f"https://shop.example:{server.port}/")


def test_s53_the_allowance_is_for_the_listed_address_only():
    door = GuardedHttp(clock=SystemClock(), allow=(ip_network("127.0.0.2/32"),))
    with raw_server(answering(OK), host="127.0.0.2") as listed, raw_server(answering(OK)) as unlisted:
        assert post(door, f"http://127.0.0.2:{listed.port}/").status == 200
        with pytest.raises(EgressBlocked):
            post(door, f"http://127.0.0.1:{unlisted.port}/")
        with pytest.raises(EgressBlocked):
            door.check(f"http://127.0.0.1:{unlisted.port}/")

    assert (listed.accepted, unlisted.accepted) == (1, 0)


def test_s53_the_allowance_leaves_the_public_rules_for_all_other_urls():
    door = guard([PUBLIC], allow=LOOPBACK)
    door.check("https://shop.example/")
    for url in ("http://shop.example/", "https://shop.example:22/", f"https://{PUBLIC}/"):
        with pytest.raises(EgressBlocked):
            door.check(url)


def test_s53_a_name_with_one_unlisted_address_is_not_allowed():
    for answer in (["127.0.0.1", "127.0.0.3"], ["127.0.0.1", PUBLIC]):
        with pytest.raises(EgressBlocked):
            post(guard(answer, allow=LOOPBACK), "https://shop.example/")


def test_a_refused_connection_is_a_failure_with_a_sentence():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(EgressFailed, match="refused the connection"):
            post(to_loopback(), f"http://shop.example:{closed.getsockname()[1]}/")


@pytest.mark.parametrize(("answer", "words"), [
    (b"", "connection"), (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "connection"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "connection"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n", "in HTTP"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "connection"), (b"SSH-2.0-OpenSSH\r\n", "in HTTP"),
    (b"HTTP/1.1 abc\r\n\r\n", "in HTTP"), (b"HTTP/1.1 20000 OK\r\n\r\n", "in HTTP"), (b"\0" * 100, "in HTTP"),
], ids=["closed", "cut", "cut chunk", "negative chunk", "no chunk", "SSH", "no status", "long status", "zeros"])
def test_anything_that_is_no_whole_answer_is_a_failure(answer, words):
    with raw_server(answering(answer)) as server, pytest.raises(EgressFailed, match=words):
        post(to_loopback(), f"http://shop.example:{server.port}/")


@pytest.mark.parametrize("answer", [
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
], ids=["1.0", "204", "after a Continue", "chunked"])
def test_every_honest_form_of_an_answer_is_read(answer):
    with raw_server(answering(answer)) as server:
        assert post(to_loopback(), f"http://shop.example:{server.port}/").status in (200, 204)


_fuzz = [b"HTTP/1.1 200 OK\r\n\r\n"]


@pytest.fixture(scope="module")
def fuzzed():
    def send(sock, server):
        read_request(sock, server)
        sock.sendall(_fuzz[0])

    with raw_server(send) as server:
        yield server


@given(st.lists(st.sampled_from([
    b"HTTP/1.1 ", b"200", b" OK", b"\r\n", b"\r\n\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked", b"-1", b"5",
    b"99999999999999999999", b"abcde", b":", b"\0", b"\xff", b"ffffffff", b"0",
]) | st.binary(max_size=8), max_size=14).map(b"".join))
@settings(max_examples=60, deadline=None)
def test_z3_no_answer_raises_anything_but_a_failure(fuzzed, answer):
    _fuzz[0] = answer
    try:
        post(to_loopback(), f"http://shop.example:{fuzzed.port}/")
    except EgressFailed as failure:
        assert failure.sentence.endswith((".", ")."))


def _by_memory(step, sock, incoming, outgoing):
    """Run one TLS step over memory, carrying its bytes to and from the socket."""
    while True:
        try:
            done = step()
        except ssl.SSLWantReadError:
            done = None
        sock.sendall(outgoing.read())
        if done is not None or step.__name__ == "do_handshake" and _is_done(step):
            return
        incoming.write(sock.recv(65536))


def _is_done(handshake):
    try:
        handshake()
    except ssl.SSLWantReadError:
        return False
    return True
