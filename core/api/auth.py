"""Who is calling: key, then HMAC over the exact bytes, before anything in them is read.

An unknown key costs the same work as a known one with a wrong signature. Headers are compared as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Request
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session, joinedload

from core.errors import BodyTooLarge, InvalidApiKey, InvalidSignature
from core.hub import Hub
from core.models import Credential, Project
from core.projects.keys import inbound_secrets
from core.signing import matches_hex

BODY_LIMIT = 64 * 1024
BY_KEY = (  # built once: every call asks it
    select(Credential)
    .where(Credential.public_key == bindparam("public_key"))
    .options(joinedload(Credential.project))
)
DUMMY_SECRET = "sk_live_" + "0" * 40  # an unknown key must not answer faster than a wrong signature (A1)


@dataclass(frozen=True, slots=True)
class Caller:
    """A merchant's program that proved to hold a secret."""

    credential: Credential
    project: Project


def authenticate(session: Session, hub: Hub, request: Request, body: bytes) -> Caller:
    """Find the caller of a signed request; raises InvalidApiKey, InvalidSignature."""
    header = single_header(request, "X-Signature")
    credential = find_credential(session, single_header(request, "X-API-Key"))
    if credential is None:
        matches_hex(header, DUMMY_SECRET, body)
        raise InvalidApiKey
    secrets = inbound_secrets(credential, hub.vault, now=hub.clock.now())
    if not any([matches_hex(header, secret, body) for secret in secrets]):  # a list: every secret is tried
        raise InvalidSignature
    return Caller(credential, credential.project)


def read_body(request: Request) -> bytes:
    """Read the exact bytes of a request; raises BodyTooLarge past 64 KiB, announced or not."""
    if request.content_length is not None and request.content_length > BODY_LIMIT:
        raise BodyTooLarge
    body = request.stream.read(BODY_LIMIT + 1)
    if len(body) > BODY_LIMIT:
        raise BodyTooLarge
    return body


def single_header(request: Request, name: str) -> str | None:
    """Read a header that is given exactly once; None otherwise."""
    values = request.headers.getlist(name)
    return values[0] if len(values) == 1 else None


def find_credential(session: Session, public_key: str | None) -> Credential | None:
    """Find a key pair with its project; None for a key nobody has."""
    if not public_key or not public_key.isascii() or not public_key.isprintable():
        return None
    return session.scalar(BY_KEY, {"public_key": public_key})
