"""Servers on loopback that misbehave on purpose, and certificates made on the spot."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class RawServer:
    """Hands each accepted connection to a behaviour; `over` is set when the test ends."""

    def __init__(self, behave: Callable[[socket.socket, "RawServer"], None], host: str = "127.0.0.1") -> None:
        self._behave = behave
        self.over = threading.Event()
        self.accepted = 0
        self.requests: list[bytes] = []
        self._listener = socket.create_server((host, 0))
        self._listener.settimeout(5)
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]

    def start(self) -> None:
        self._threads[0].start()

    def stop(self) -> None:
        self.over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(5)
        with sock, suppress(OSError):
            self._behave(sock, self)


@contextmanager
def raw_server(behave: Callable[[socket.socket, RawServer], None], host: str = "127.0.0.1") -> Iterator[RawServer]:
    server = RawServer(behave, host)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def read_request(sock: socket.socket, server: RawServer) -> bytes:
    """Read one request whole and remember it."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += _more(sock)
    head, _, body = request.partition(b"\r\n\r\n")
    sizes = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < int(sizes[0] if sizes else 0):
        body += _more(sock)
    server.requests.append(head + b"\r\n\r\n" + body)
    return request


def answering(*pieces: bytes, pause_s: float = 0.0) -> Callable[[socket.socket, RawServer], None]:
    """Read the request, then send the pieces with a pause before each but the first."""
    def behave(sock: socket.socket, server: RawServer) -> None:
        read_request(sock, server)
        for number, piece in enumerate(pieces):
            if number and pause_s and server.over.wait(pause_s):
                return
            sock.sendall(piece)
    return behave


def over_tls(
    context: ssl.SSLContext, behave: Callable[[socket.socket, RawServer], None],
) -> Callable[[socket.socket, RawServer], None]:
    """Wrap a behaviour in TLS."""
    def behave_secured(sock: socket.socket, server: RawServer) -> None:
        with context.wrap_socket(sock, server_side=True) as secured:
            behave(secured, server)
    return behave_secured


class Authority:
    """A certificate authority that lives as long as its tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Paywharf test authority")])
        self._certificate = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))

    def trust(self) -> ssl.SSLContext:
        """Make a client's trust in this authority and no other."""
        text = self._certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=text)

    def serve_as(self, host: str) -> ssl.SSLContext:
        """Make a server's identity for one host name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = self._sign(subject, key, x509.SubjectAlternativeName([x509.DNSName(host)]))
        path = self._folder / f"{host}.pem"
        path.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                              serialization.NoEncryption())
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1)).add_extension(extension, critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _more(sock: socket.socket) -> bytes:
    piece = sock.recv(65536)
    if not piece:
        raise ConnectionError("the client is gone")
    return piece
