"""Keep-alive POSTs to one node over http.client, each bounded in time and size; what an answer means is `node`'s.

It refuses redirects, proxies, cookies and retries. urllib3 did no more for a node's few calls and took three times the
processor's time for it, which was a third of all that catching up costs.
"""

from __future__ import annotations

import io
import socket
import ssl
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from select import POLLIN, poll
from threading import Lock
from typing import Any, cast
from weakref import finalize

from certifi import where
from urllib3.util import make_headers, parse_url

from core.chain.failures import FailureKind, NodeFailure
from core.clock import Clock

ANSWER_LIMIT = 16 * 1024 * 1024  # a block's infos reach 1.3 MB at peak, 5 MB in pathological blocks
CALL_LIMIT_S = 30.0  # for one answer that drips, each piece within the read timeout
CHUNK = 256 * 1024
BUFFER = 64 * 1024  # what one receive may bring while the headers are read
MOST_IDLE = 64  # connections kept open: more than are ever in flight
PACKINGS = ("gzip", "x-gzip", "deflate")
PACKED_CHUNK = 8 * 1024  # unpacked at once; deflate packs at most 1,032 bytes into one, so that a bomb brings 8 MiB
EITHER_PACKING = zlib.MAX_WBITS | 32  # zlib tells gzip's header from its own


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, whole and unpacked; `retry_after` is the header as sent."""

    status: int
    body: bytes
    retry_after: str | None


class Wire:
    """The connections to one base URL, as many as are in use at once; safe to share between threads.

    timeout: connect (and the TLS handshake), then each receive, in seconds.
    """

    def __init__(self, base_url: str, *, clock: Clock, timeout: tuple[float, float]) -> None:
        url = parse_url(base_url)
        self._is_tls = url.scheme == "https"
        self._host = (url.host or "").strip("[]")
        self._port = url.port or (443 if self._is_tls else 80)
        self._path = url.path or ""
        self._usual = _usual_headers(url.netloc or "", url.auth)
        self._clock = clock
        self._connect_s, self._read_s = timeout
        self._idle: list[socket.socket] = []
        self._keeps = True
        self._lock = Lock()
        finalize(self, _close_all, self._idle)

    def post(self, path: str, question: bytes, *, key: str) -> Reply:
        """Send a JSON question and read the whole answer, whatever its status.

        key: of the provider's API, "" for none.
        Raises NodeFailure: CONNECTION, TIMEOUT, TRUNCATED (also what cannot be unpacked), OVERSIZED.
        """
        sock = self._idle_one() or self._connected()
        try:
            response = self._asked(sock, self._head(path, key, len(question)) + question)
            with closing(response):
                body = _body(response)
        except BaseException:
            sock.close()
            raise
        self._put_back(sock, is_over=response.will_close)
        return Reply(response.status, body, response.headers.get("Retry-After"))

    def close(self) -> None:
        """Close idle connections; calls under way finish, and later ones open connections for themselves alone."""
        with self._lock:
            self._keeps = False
            _close_all(self._idle)

    def _head(self, path: str, key: str, size: int) -> bytes:
        key_line = f"TRON-PRO-API-KEY: {key}\r\n" if key else ""
        lines = f"POST {self._path}{path} HTTP/1.1\r\n{self._usual}{key_line}Content-Length: {size}\r\n\r\n"
        return lines.encode("ascii")

    def _idle_one(self) -> socket.socket | None:
        """Take the connection used last, leaving out those that the node has closed meanwhile."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                sock = self._idle.pop()
            if not _has_news(sock):
                return sock
            sock.close()

    def _put_back(self, sock: socket.socket, *, is_over: bool) -> None:
        with self._lock:
            if self._keeps and not is_over and len(self._idle) < MOST_IDLE:
                self._idle.append(sock)
                return
        sock.close()

    def _connected(self) -> socket.socket:
        if self._is_tls:
            connection: HTTPConnection = HTTPSConnection(
                self._host, self._port, timeout=self._connect_s, context=_trust()
            )
        else:
            connection = HTTPConnection(self._host, self._port, timeout=self._connect_s)
        try:
            connection.connect()
        except (OSError, UnicodeError) as err:  # UnicodeError: a name that no look-up can hold
            connection.close()
            raise _failure(err, otherwise=FailureKind.CONNECTION) from err
        sock = cast(socket.socket, connection.sock)
        sock.settimeout(self._read_s)
        return sock

    def _asked(self, sock: socket.socket, request: bytes) -> HTTPResponse:
        receiving = _Receiving(sock, self._clock, self._clock.monotonic() + CALL_LIMIT_S)
        response = HTTPResponse(cast(socket.socket, receiving), method="POST")
        try:
            sock.sendall(request)
            response.begin()
        except (OSError, HTTPException) as err:
            response.close()
            raise _failure(err, otherwise=FailureKind.CONNECTION) from err
        return response


class _Receiving(io.RawIOBase):
    """The receiving side of a socket as http.client wants one, for one answer: it gives up when time is over."""

    def __init__(self, sock: socket.socket, clock: Clock, ends_at_s: float) -> None:
        self._sock = sock
        self._clock = clock
        self._ends_at_s = ends_at_s

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(self, BUFFER)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._clock.monotonic() > self._ends_at_s:
            raise TimeoutError
        return self._sock.recv_into(buffer)


def _body(response: HTTPResponse) -> bytes:
    """Read an answer piece by piece, so that neither a large nor a dripping one holds the caller."""
    pieces: list[bytes] = []
    room = ANSWER_LIMIT
    is_packed = (response.headers.get("Content-Encoding") or "").strip().lower() in PACKINGS
    try:
        for piece in _unpacked(response) if is_packed else _pieces(response, CHUNK):
            room -= len(piece)
            if room < 0:
                raise NodeFailure(FailureKind.OVERSIZED)
            pieces.append(piece)
    except (OSError, HTTPException, zlib.error) as err:
        raise _failure(err, otherwise=FailureKind.TRUNCATED) from err
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _pieces(response: HTTPResponse, size: int) -> Iterator[bytes]:
    while piece := response.read1(size):
        yield piece
    if response.length:
        raise NodeFailure(FailureKind.TRUNCATED)


def _unpacked(response: HTTPResponse) -> Iterator[bytes]:
    """Unpack gzip, also of several members, and zlib."""
    unpacker = zlib.decompressobj(EITHER_PACKING)
    for piece in _pieces(response, PACKED_CHUNK):
        while piece:
            if unpacker.eof:
                unpacker = zlib.decompressobj(EITHER_PACKING)
            yield unpacker.decompress(piece)
            piece = unpacker.unused_data
    if not unpacker.eof:
        raise NodeFailure(FailureKind.TRUNCATED)


def _failure(err: Exception, *, otherwise: FailureKind) -> NodeFailure:
    if isinstance(err, TimeoutError):
        return NodeFailure(FailureKind.TIMEOUT)
    return NodeFailure(otherwise, detail=type(err).__name__)


def _close_all(idle: list[socket.socket]) -> None:
    while idle:
        idle.pop().close()


def _has_news(sock: socket.socket) -> bool:
    """Tell whether something waits to be read where nothing was asked: the end of the connection, nearly always."""
    poller = poll()
    poller.register(sock, POLLIN)
    return bool(poller.poll(0))


def _usual_headers(host: str, auth: str | None) -> str:
    """Write the headers of every call; a user name and password in the URL become credentials."""
    headers = {"Host": host, "Content-Type": "application/json", "Accept": "application/json"}
    headers |= make_headers(accept_encoding="gzip, deflate", user_agent="Paywharf", basic_auth=auth)
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


@cache
def _trust() -> ssl.SSLContext:
    """Trust certifi's authorities; read once, for they take as long as a hundred calls."""
    return ssl.create_default_context(cafile=where())
