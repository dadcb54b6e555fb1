"""The only outbound door for merchant-chosen URLs: every address judged, one deadline for all of it, nothing followed.

It refuses redirects, proxies, netrc, retries, content decoding and answers over 64 KiB. Built on http.client over a
socket of our own rather than on requests and urllib3: there is nothing to switch off, and every single read, write
and the TLS handshake is given exactly the time that is left, so the deadline holds over TLS without a second thread.
(A watchdog that closes the socket after TLS has wrapped it closes nothing, and http.client takes a forced close for
the end of the answer; a timeout raised inside the read can be neither missed nor mistaken.)
"""

from __future__ import annotations

import io
import os
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException, IncompleteRead
from queue import SimpleQueue
from threading import BoundedSemaphore, Lock, Thread
from typing import Any, Protocol, cast

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from core.clock import Clock
from core.contract import Answer, Http
from core.egress import (
    Address, Network, Target, addresses_of, are_allowed, parse_target, require_public, require_public_form,
)
from core.errors import EgressBlocked, EgressFailed

ANSWER_LIMIT = 64 * 1024
RECEIVED_LIMIT = 4 * ANSWER_LIMIT  # headers and chunk marks included: no honest receiver needs more to say "OK"
WRITE_SIZE = 16 * 1024  # one TLS record
MAX_ADDRESSES = 4  # of one name are tried in turn; all of them are judged
MAX_LOOKUPS = 16  # at once; a resolver that hangs holds its thread for half a minute (resolv.conf's default)
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})

Resolver = Callable[[str, int], Iterable[str]]
Connector = Callable[[str, int, float], socket.socket]


class HttpSender(Http, Protocol):
    """The door as the rooms see it; tests and simulations hand in another one."""

    def check(self, url: str) -> None: ...

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer: ...


def resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver for every address of a name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def connect(address: str, port: int, timeout_s: float) -> socket.socket:
    """Connect to an address, never to a name, within a time."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


class GuardedHttp:
    """Sends to merchant-chosen URLs, to the public internet alone; safe to share between threads.

    allow: networks of the operator's own; a URL whose every address lies in them is spared the rules of scheme, port,
    literal and address.   extra_ports: https ports beside 443.   tls: another trust than system's and certifi's.
    connect_timeout_s: for all addresses of a name together.   total_timeout_s: for everything, the look-up included.
    """

    def __init__(
        self, *, clock: Clock, allow: tuple[Network, ...] = (), extra_ports: frozenset[int] = frozenset(),
        resolver: Resolver = resolve, connector: Connector = connect, connect_timeout_s: float = 10.0,
        total_timeout_s: float = 15.0, tls: ssl.SSLContext | None = None,
    ) -> None:
        self._clock = clock
        self._allow = allow
        self._extra_ports = extra_ports
        self._lookups = _Lookups(resolver)
        self._connector = connector
        self._connect_timeout_s = connect_timeout_s
        self._total_timeout_s = total_timeout_s
        self._tls = tls or _usual_trust()

    def check(self, url: str) -> None:
        """Judge a URL when it is saved: its text and what its name resolves to now. Nothing is connected.

        Raises EgressBlocked with the reason, or EgressFailed where the name cannot be looked up.
        """
        self._judge(parse_target(url), _Deadline(self._clock, self._total_timeout_s))

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one POST: see `send`."""
        return self.send("POST", url, body=body, headers=headers)

    def send(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request to the judged address of a URL and return whatever status comes back, redirects included.

        method: one of METHODS.   headers: not those of the transport (OWN_HEADERS), which are a ValueError.
        Raises EgressBlocked, or EgressFailed for all that kept an answer from coming in time; whether the other end
        has acted on a failed request is unknown.
        """
        headers = headers or {}
        if method not in METHODS or OWN_HEADERS & {name.lower() for name in headers}:
            raise ValueError(f"headers or a method of the transport: {method}, {sorted(headers)}")
        began = self._clock.monotonic()
        target = parse_target(url)
        deadline = _Deadline(self._clock, self._total_timeout_s)
        addresses = self._judge(target, deadline)
        try:
            with closing(self._open(target, addresses, deadline)) as sock:
                timed = _TimedSocket(sock, deadline)
                status, answer, answered = _exchange(timed, method, target, body=body, headers=headers)
            deadline.remaining_s()
        except (OSError, HTTPException) as err:
            raise EgressFailed(self._reason(err)) from err
        elapsed_ms = int((self._clock.monotonic() - began) * 1000)
        return Answer(status=status, body=answer, elapsed_ms=elapsed_ms, headers=answered)

    def _judge(self, target: Target, deadline: _Deadline) -> list[Address]:
        """Return the addresses that may be connected to; looks the name up exactly once."""
        if not self._allow:
            require_public_form(target, extra_ports=self._extra_ports)
        try:
            addresses = addresses_of(self._lookups.find(target.host, target.port, deadline))
        except TimeoutError as err:
            raise EgressFailed("The host name of the URL could not be looked up in time.") from err
        except (OSError, UnicodeError) as err:
            raise EgressFailed("The host name of the URL could not be found.") from err
        if not are_allowed(addresses, self._allow):
            require_public_form(target, extra_ports=self._extra_ports)
            require_public(addresses)
        return addresses

    def _open(self, target: Target, addresses: list[Address], deadline: _Deadline) -> socket.socket:
        sock, address = self._connect(target.port, addresses[:MAX_ADDRESSES], deadline)
        try:
            _require_peer(sock, address)
            return _secured(sock, self._tls, target.host, deadline) if target.scheme == "https" else sock
        except BaseException:
            sock.close()
            raise

    def _connect(self, port: int, addresses: list[Address], deadline: _Deadline) -> tuple[socket.socket, Address]:
        """Try addresses in turn, each with a fair share of the time that is left to connect."""
        connecting = _Deadline(self._clock, min(self._connect_timeout_s, deadline.remaining_s()))
        failure: OSError = TimeoutError()
        for position, address in enumerate(addresses):
            share_s = connecting.remaining_s() / (len(addresses) - position)
            try:
                return self._connector(str(address), port, share_s), address
            except OSError as err:
                failure = err
        raise failure

    def _reason(self, err: Exception) -> str:
        """Say what went wrong in words for a merchant; addresses and library texts stay inside."""
        if isinstance(err, TimeoutError):
            return f"The remote end did not answer in time ({self._total_timeout_s:g} seconds at most)."
        if isinstance(err, ssl.SSLCertVerificationError):
            return f"The certificate of the remote end was not accepted: {err.verify_message.rstrip('.')}."
        if isinstance(err, ssl.SSLError):
            return "No secure connection could be made to the remote end."
        if isinstance(err, ConnectionRefusedError):
            return "The remote end refused the connection."
        if isinstance(err, HTTPException) and not isinstance(err, (ConnectionError, IncompleteRead)):
            return "The remote end did not answer in HTTP."
        return "The connection to the remote end failed."


class _Deadline:
    """A moment after which nothing may go on."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._ends_at = clock.monotonic() + seconds

    def remaining_s(self) -> float:
        """Return the seconds left, always more than 0. Raises TimeoutError when there are none."""
        left_s = self._ends_at - self._clock.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s


@dataclass(frozen=True, slots=True)
class _Question:
    """A name to look up, and where its addresses are put."""

    host: str
    port: int
    found: Future[list[str]]


class _Lookups:
    """Runs look-ups beside the caller, who can leave one that hangs; at most MAX_LOOKUPS hang at once.

    Its threads are daemons: a look-up cannot be broken off, and must not hold up the end of the process either. They
    stay for the next look-up: starting one costs more than all the rest of a request does.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._begin()

    def find(self, host: str, port: int, deadline: _Deadline) -> list[str]:
        """Return every address of a name. Raises TimeoutError, or what the resolver raises."""
        if self._process != os.getpid():  # a fork: the threads are the parent's
            self._begin()
        if not self._free.acquire(timeout=deadline.remaining_s()):
            raise TimeoutError
        question = _Question(host, port, Future())
        self._hand_over(question)
        return question.found.result(timeout=deadline.remaining_s())

    def _begin(self) -> None:
        self._process = os.getpid()
        self._free = BoundedSemaphore(MAX_LOOKUPS)
        self._asked: SimpleQueue[_Question] = SimpleQueue()
        self._lock, self._idle = Lock(), 0

    def _hand_over(self, question: _Question) -> None:
        with self._lock:
            if self._idle:
                self._idle -= 1
                self._asked.put(question)
                return
        try:
            Thread(target=self._serve, args=(question,), name="lookup", daemon=True).start()
        except RuntimeError as err:
            self._free.release()
            raise OSError("no thread is left for a look-up") from err

    def _serve(self, question: _Question) -> None:
        while True:
            answer: list[str] = []
            failure: BaseException | None = None
            try:
                answer = list(self._resolver(question.host, question.port))
            except BaseException as err:  # handed to the caller, who alone can judge it
                failure = err
            with self._lock:  # idle before it tells, so that whoever asks next finds it
                self._idle += 1
            self._free.release()
            if failure is None:
                question.found.set_result(answer)
            else:
                question.found.set_exception(failure)
            question = self._asked.get()


class _TimedSocket:
    """A connected socket as http.client wants one, each of whose operations has the time that is left.

    CPython counts a socket's timeout over the whole of one TLS operation, however many pieces arrive for it (3.5).
    """

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._sock.settimeout(self._deadline.remaining_s())
            view = view[self._sock.send(view[:WRITE_SIZE]):]

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._deadline))

    def close(self) -> None:
        """Leave it open: http.client closes before the body is read; the guard closes the socket at the end."""


class _TimedReader(io.RawIOBase):
    """The receiving side of a timed socket; gives up on a sender who goes on for ever."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self._left = RECEIVED_LIMIT

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._deadline.remaining_s())
        received = self._sock.recv_into(buffer)
        self._left -= received
        if self._left < 0:
            raise HTTPException("the answer's headers do not end")
        return received


def _exchange(
    timed: _TimedSocket, method: str, target: Target, *, body: bytes, headers: Mapping[str, str],
) -> tuple[int, bytes, dict[str, str]]:
    """Send the request and read status, body and headers; the rest of a longer body is left unread."""
    connection = HTTPConnection(target.host, target.port)
    connection.auto_open = 0
    connection.sock = cast(socket.socket, timed)
    own = {"Host": target.host_header, "Accept-Encoding": "identity", "Connection": "close"}
    connection.request(method, target.path, body=body or None, headers={"User-Agent": "Paywharf", **headers, **own})
    with connection.getresponse() as response:
        try:
            answer = response.read(ANSWER_LIMIT)[:ANSWER_LIMIT]
        except ValueError as err:  # http.client takes a negative chunk size for a length
            raise HTTPException("a chunk without a size") from err
        if len(answer) < ANSWER_LIMIT and response.length:
            raise ConnectionError("the answer was cut short")
        return response.status, answer, {name.lower(): value for name, value in response.getheaders()}


def _require_peer(sock: socket.socket, address: Address) -> None:
    """Require that the socket is connected to the address that was judged, whatever the connector did."""
    if addresses_of([sock.getpeername()[0]]) != [address]:
        raise EgressBlocked()


def _secured(sock: socket.socket, tls: ssl.SSLContext, host: str, deadline: _Deadline) -> ssl.SSLSocket:
    """Begin TLS with the host's name, though an address is connected: it is sent, and the certificate must fit it."""
    sock.settimeout(deadline.remaining_s())
    return tls.wrap_socket(sock, server_hostname=host)


@cache
def _usual_trust() -> ssl.SSLContext:
    """Trust the system's authorities, so that an operator can add one, and certifi's, so that a bare machine works."""
    context = ssl.create_default_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context
