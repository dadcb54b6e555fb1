"""`paywharf signature`: why a request's signature was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import click

from core.cli.answers import Answer, answering
from core.cli.roof import Roof

if TYPE_CHECKING:
    from core.api.signature_help import Secret


@click.group()
def signature() -> None:
    """Signatures of requests: what is wrong with one."""


@signature.command("explain")
@click.option("--key", required=True, help="The X-API-Key that was sent.")
@click.option("--signature", "given", required=True, help="The X-Signature that was sent.")
@click.option("--body", "body_file", type=click.File("rb"), help="File with the exact body; - reads it from stdin.")
@click.option("--method", default="POST", show_default=True, help="The method, for /api/v1.")
@click.option("--target", default="", help="Path and query as sent, for /api/v1.")
@click.option("--timestamp", default="", help="The X-Timestamp that was sent, for /api/v1.")
@click.option("--nonce", default="", help="The X-Nonce that was sent, for /api/v1.")
@answering
def explain_signature(
    roof: Roof, key: str, given: str, body_file: BinaryIO | None, method: str, target: str, timestamp: str, nonce: str
) -> Answer:
    """Say which mistake gives this signature: a body written anew, another secret, a missing line, a wrong clock.

    No secret is asked for or shown: the hub knows them. Without --timestamp the compatible API is meant.
    Exit code 1 when the signature is wrong.
    """
    from core.api.signature_help import RIGHT, Sent, explain

    sent = Sent(given, body_file.read() if body_file else b"", method, target, timestamp, nonce, roof.settings.base_url)
    sentences = explain(sent, _secrets(roof, key), now=roof.hub.clock.now())
    is_right = sentences == [RIGHT]
    return Answer({"is_right": is_right, "findings": sentences}, "\n".join(sentences), exit_code=0 if is_right else 1)


def _secrets(roof: Roof, key: str) -> list[Secret]:
    """Open what may have been signed with: the key's own secrets, then its project's others."""
    from sqlalchemy import select

    from core.api.auth import find_caller
    from core.api.signature_help import Secret
    from core.errors import InvalidApiKey
    from core.models import Credential, Endpoint
    from core.projects.keys import inbound_secrets, webhook_secrets

    hub = roof.hub
    now = hub.clock.now()
    with roof.snapshot() as session:
        caller = find_caller(session.connection(), key)
        if caller is None:
            raise InvalidApiKey
        credential = caller.credential
        of_project = Credential.project_id == credential.project_id
        others = session.scalars(select(Credential).where(of_project, Credential.id != credential.id)).all()
        endpoints = session.scalars(select(Endpoint).where(Endpoint.project_id == credential.project_id)).all()
        found = [Secret("its secret", one, True) for one in inbound_secrets(credential, hub.vault, now=now)]
        found.append(Secret("the public key", key))
        for other in others:
            found += [
                Secret(f"the {other.mode} secret, though the key is {credential.mode}", one)
                for one in inbound_secrets(other, hub.vault, now=now)
            ]
        for endpoint in endpoints:
            found += [Secret("a webhook secret", one) for one in webhook_secrets(endpoint, hub.vault, now=now)]
    return found
