"""Who is calling: key, then HMAC over the exact bytes, before anything in them is read.

An unknown key costs the same work as a known one with a wrong signature. Headers are compared as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Request
from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from core.db import detached
from core.errors import BodyTooLarge, InvalidApiKey, InvalidSignature
from core.hub import Hub
from core.models import Credential, Project
from core.prepared import Prepared
from core.projects.keys import inbound_secrets
from core.signing import matches_hex

BODY_LIMIT = 64 * 1024
CREDENTIAL, PROJECT = Credential.__table__.columns, Project.__table__.columns
BY_KEY = Prepared(  # every call asks it
    lambda _: select(*CREDENTIAL, *PROJECT)
    .join_from(Credential, Project)
    .where(Credential.public_key == bindparam("public_key"))
)
DUMMY_SECRET = "sk_live_" + "0" * 40  # an unknown key must not answer faster than a wrong signature (A1)


@dataclass(frozen=True, slots=True)
class Caller:
    """A merchant's program that proved to hold a secret."""

    credential: Credential
    project: Project


def authenticate(connection: Connection, hub: Hub, request: Request, body: bytes) -> Caller:
    """Find the caller of a signed request; raises InvalidApiKey, InvalidSignature."""
    header = single_header(request, "X-Signature")
    caller = find_caller(connection, single_header(request, "X-API-Key"))
    if caller is None:
        matches_hex(header, DUMMY_SECRET, body)
        raise InvalidApiKey
    secrets = inbound_secrets(caller.credential, hub.vault, now=hub.clock.now())
    if not any([matches_hex(header, secret, body) for secret in secrets]):  # a list: every secret is tried
        raise InvalidSignature
    return caller


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


def find_caller(connection: Connection, public_key: str | None) -> Caller | None:
    """Find a key pair with its project, both as they stand and in no session; None for a key nobody has."""
    if not public_key or not public_key.isascii() or not public_key.isprintable():
        return None
    found = BY_KEY.row(connection, {"public_key": public_key})
    if found is None:
        return None
    own, of_project = found[:len(CREDENTIAL)], found[len(CREDENTIAL):]
    return Caller(
        detached(Credential, dict(zip(CREDENTIAL.keys(), own, strict=True))),
        detached(Project, dict(zip(PROJECT.keys(), of_project, strict=True))),
    )
