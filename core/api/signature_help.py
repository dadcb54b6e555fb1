"""Why did a signature fail? Tries the mistakes people make and names the one that gives what was sent; pure.

It is given the secrets and never says one. `core.cli` is its door: an operator asks for a merchant, on the hub itself.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from core.api.v1.auth import TOLERANCE_S
from core.signing import request_text

RIGHT = "The signature is right."
DIGESTS = ("sha256", "sha512", "sha1", "md5")


@dataclass(frozen=True, slots=True)
class Sent:
    """What a program sent. Without a timestamp it is a request to the compatible API.   hub: the hub's base URL."""

    signature: str
    body: bytes = b""
    method: str = "POST"
    target: str = ""
    timestamp: str = ""
    nonce: str = ""
    hub: str = ""

    @property
    def is_v1(self) -> bool:
        """Tell which of the two APIs it was meant for."""
        return bool(self.timestamp)


@dataclass(frozen=True, slots=True)
class Secret:
    """A key to try; what: how to say which one it is. is_right: signing with it is no mistake."""

    what: str
    key: str = field(repr=False)
    is_right: bool = False


def explain(sent: Sent, secrets: Sequence[Secret], *, now: datetime) -> list[str]:
    """Say what is wrong with a signature, the likeliest first; one sentence when it is right."""
    given = sent.signature.strip().encode("latin-1", "replace")
    for said, wanted in _attempts(sent, secrets):
        if hmac.compare_digest(wanted, given) or hmac.compare_digest(wanted.lower(), given.lower()):
            return _found(said, sent, now)
    return [
        "None of the usual mistakes gives this signature: compare what is signed, byte by byte, with the text below.",
        f"To be signed: {_text(sent)!r}",
        *_skew(sent, now),
    ]


def _found(said: tuple[str, ...], sent: Sent, now: datetime) -> list[str]:
    wrong = [sentence for sentence in said if sentence]
    return [*wrong, *_skew(sent, now)] or [RIGHT]


def _skew(sent: Sent, now: datetime) -> list[str]:
    if not sent.is_v1:
        return []
    if not sent.timestamp.isdecimal() or len(sent.timestamp) != 10:
        return ["X-Timestamp is not Unix seconds: ten digits, no milliseconds."]
    off_s = int(sent.timestamp) - int(now.timestamp())
    if abs(off_s) <= TOLERANCE_S:
        return []
    side = "ahead" if off_s > 0 else "behind"
    return [f"X-Timestamp is {abs(off_s)} s {side}: at most {TOLERANCE_S} s are accepted."]


def _attempts(sent: Sent, secrets: Sequence[Secret]) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """Make every signature worth a look, with what would be wrong with it, the smallest mistakes first."""
    right_digest = "sha512" if sent.is_v1 else "sha256"
    for secret in secrets:
        whose = "" if secret.is_right else f"It was signed with {secret.what}."
        for what, text in _texts(sent):
            for digest in DIGESTS:
                is_right = digest == right_digest
                how = "" if is_right else f"It was made with HMAC-{digest.upper()}, not {right_digest.upper()}."
                made = hmac.digest(secret.key.encode(), text, digest)
                for shape, shown in _shapes(made, sent):
                    yield (whose, what, how, shape), shown


def _shapes(made: bytes, sent: Sent) -> Iterator[tuple[str, bytes]]:
    hexadecimal, in_base64 = made.hex().encode(), base64.b64encode(made)
    if sent.is_v1:
        yield "", b"v1=" + hexadecimal
        yield "X-Signature must begin with v1= here.", hexadecimal
    else:
        yield "", hexadecimal
        yield "", b"sha256=" + hexadecimal
        yield "X-Signature must not begin with v1= here.", b"v1=" + hexadecimal
    yield "It was written in base64, not in hexadecimal.", in_base64
    yield "It was written in base64, not in hexadecimal.", b"v1=" + in_base64


def _text(sent: Sent) -> bytes:
    if not sent.is_v1:
        return sent.body
    return request_text(
        timestamp=sent.timestamp, nonce=sent.nonce, method=sent.method, target=sent.target, body=sent.body
    )


def _texts(sent: Sent) -> Iterator[tuple[str, bytes]]:
    """Give what may have been signed, the right text first."""
    for what, body in _bodies(sent.body):
        if not sent.is_v1:
            yield what, body
            continue
        lines = ("v1", sent.timestamp, sent.nonce, sent.method, sent.target)
        yield what, _joined(lines, body)
        if what:
            continue
        path, url = sent.target.partition("?")[0], sent.hub + sent.target
        yield "The query was left out of what is signed.", _joined((*lines[:4], path), body)
        yield "The whole URL was signed: sign path and query alone.", _joined((*lines[:4], url), body)
        yield "The method was signed in small letters.", _joined((*lines[:3], sent.method.lower(), sent.target), body)
        yield "The first line, v1, was left out.", _joined(lines[1:], body)
        yield "The nonce was left out of what is signed.", _joined((*lines[:2], *lines[3:]), body)
        yield "The line feed before the body is missing.", _joined(lines, body)[: -len(body) - 1] + body
        yield "Lines were ended with CR LF.", _joined(lines, b"").replace(b"\n", b"\r\n") + body
        yield "Only the body was signed, as for the compatible API.", body


def _joined(lines: Sequence[str], body: bytes) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("latin-1", "replace") + body


def _bodies(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Give the body, and what programs sign in its place."""
    yield "", body
    yield "A line feed was signed that is not in the body.", body + b"\n"
    yield "White space at the body's ends was not signed.", body.strip()
    if body:
        yield "Nothing was signed, though there is a body.", b""
    with suppress(ValueError):
        document = json.loads(body)
        for written in _rewritten(document):
            yield "The body was written anew after signing: sign the very bytes that are sent.", written


def _rewritten(document: object) -> Iterator[bytes]:
    for separators in ((",", ":"), (", ", ": ")):
        for is_ascii in (True, False):
            for is_sorted in (False, True):
                text = json.dumps(document, separators=separators, ensure_ascii=is_ascii, sort_keys=is_sorted)
                yield text.encode("utf-8", "replace")
                yield text.replace("/", "\\/").encode("utf-8", "replace")  # as PHP writes it
    yield json.dumps(document, indent=4).encode()
