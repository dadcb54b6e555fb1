"""Key pairs and webhook secrets: issuing, opening, rotating with two valid secrets for a day."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.ids import Ids, Mode
from core.models import Credential, Endpoint
from core.projects.vault import Vault, fingerprint

ROTATION_OVERLAP = timedelta(hours=24)  # long enough to deploy a new secret without losing a request (A12)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key pair as shown once, at the moment it is made."""

    mode: str
    public_key: str
    secret: str = field(repr=False)


def new_credential(*, mode: Mode, ids: Ids, vault: Vault, now: datetime) -> tuple[Credential, IssuedKey]:
    """Make a key pair; the secret leaves here once and is stored sealed."""
    public_key, secret = ids.public_key(mode), ids.secret_key(mode)
    credential = Credential(
        mode=mode.value,
        public_key=public_key,
        secret=vault.seal(secret, place=credential_place(public_key)),
        secret_last4=secret[-4:],
        secret_fingerprint=fingerprint(secret),
        created_at=now,
    )
    return credential, IssuedKey(mode.value, public_key, secret)


def rotate_credential(credential: Credential, *, ids: Ids, vault: Vault, now: datetime) -> IssuedKey:
    """Give a key pair a new secret; the old one stays valid inbound, and signs outbound, for 24 hours."""
    place = credential_place(credential.public_key)
    secret = ids.secret_key(Mode(credential.mode))
    credential.old_secret = credential.secret
    credential.old_valid_until = now + ROTATION_OVERLAP
    credential.old_signs = True
    credential.secret = vault.seal(secret, place=place)
    credential.secret_last4 = secret[-4:]
    credential.secret_fingerprint = fingerprint(secret)
    return IssuedKey(credential.mode, credential.public_key, secret)


def inbound_secrets(credential: Credential, vault: Vault, *, now: datetime) -> list[str]:
    """Open the secrets that a request may be signed with, the newest first."""
    return _open_both(credential, vault, place=credential_place(credential.public_key), now=now)


def outbound_secret(credential: Credential, vault: Vault, *, now: datetime) -> str:
    """Open the secret that signs `X-Signature`: the old one until it is promoted away or its day ends."""
    secrets = inbound_secrets(credential, vault, now=now)
    return secrets[-1] if credential.old_signs else secrets[0]


def webhook_secrets(endpoint: Endpoint, vault: Vault, *, now: datetime) -> list[str]:
    """Open the endpoint's Standard Webhooks secrets, the newest first; both sign during a rotation."""
    return _open_both(endpoint, vault, place=endpoint_place(endpoint.uid), now=now)


def credential_place(public_key: str) -> str:
    """Name the place a credential's secret is sealed for."""
    return f"credential:{public_key}:secret"


def endpoint_place(uid: str) -> str:
    """Name the place an endpoint's secret is sealed for."""
    return f"endpoint:{uid}:secret"


def _open_both(row: Credential | Endpoint, vault: Vault, *, place: str, now: datetime) -> list[str]:
    secrets = [vault.open(row.secret, place=place)]
    if row.old_secret is not None and row.old_valid_until is not None and now < row.old_valid_until:
        secrets.append(vault.open(row.old_secret, place=place))
    return secrets
