"""The demo's merchant, address and project: made once, found again at every later start.

The database and demo.json can get out of step: a crash between the two, a deleted file. Stored secrets cannot be
shown again, so what the file does not know is given a new secret.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.chain.addresses import address_of
from core.cli.demo_files import DemoUrls
from core.devnet import keys as devnet_keys
from core.errors import WrongNetwork
from core.hub import Hub
from core.ids import Mode, random_bytes
from core.models import Address, Cursor, Endpoint, Merchant, Project
from core.models.outbox import IS_PRIMARY
from core.projects import receiving, service
from core.projects.keys import IssuedKey, webhook_secrets
from core.projects.vault import fingerprint

MERCHANT, PROJECT = "Demo merchant", "Demo shop"
Secrets = dict[str, Any]


def require_same_chain(hub: Hub, genesis_id: str) -> None:
    """Refuse a devnet that is not the one this database has watched; raises WrongNetwork."""
    with hub.database.snapshot() as session:
        known = session.scalar(select(Cursor.genesis_id).where(Cursor.network == hub.settings.network.name))
    if known not in (None, genesis_id):
        raise WrongNetwork(
            "The database in this folder belongs to another devnet chain: "
            "delete the whole folder, or start in another one with --data-dir."
        )


def ensure_demo_project(hub: Hub, urls: DemoUrls, *, known: Secrets) -> Secrets:
    """Find or make the demo's project at these URLs; gives its part of demo.json. known: the former demo.json."""
    with hub.database.transaction() as session:
        project = session.scalar(
            select(Project)
            .join(Merchant, Merchant.id == Project.merchant_id)
            .where(Merchant.name == MERCHANT, Project.name == PROJECT)
            .order_by(Project.id)
        )
        secrets = _made(session, hub, urls) if project is None else _found(session, hub, urls, project, known)
    return secrets


def _made(session: Session, hub: Hub, urls: DemoUrls) -> Secrets:
    """Make it all in one transaction: a crash leaves all of it or nothing."""
    merchant = service.create_merchant(session, hub, name=MERCHANT)
    fresh = address_of(devnet_keys.address_of(random_bytes(32))[1:])  # watch-only: nobody needs this key
    receiving.add_address(session, hub, merchant_id=merchant.id, address=fresh.base58, label="demo")
    made = service.create_project(
        session, hub, merchant_id=merchant.id, name=PROJECT, website=urls.shop, webhook_url=urls.webhook
    )
    service.set_mode(made.project, Mode.LIVE)
    return _document(session, made.project, made.webhook_secret or "", {
        mode: _pair(issued) for mode, issued in made.keys.items()
    })


def _found(session: Session, hub: Hub, urls: DemoUrls, project: Project, known: Secrets) -> Secrets:
    """Move the project to these URLs, and renew the secrets that the file does not know."""
    if project.website_url != urls.shop:
        service.set_website(session, hub, project, urls.shop)
    fresh_secret = service.set_webhook(session, hub, project, urls.webhook)
    secret = fresh_secret or _webhook_secret(session, hub, project, known)
    pairs = {mode.value: _key_pair(session, hub, project, mode, known) for mode in Mode}
    return _document(session, project, secret, pairs)


def _webhook_secret(session: Session, hub: Hub, project: Project, known: Secrets) -> str:
    endpoint = session.scalars(select(Endpoint).where(Endpoint.project_id == project.id, IS_PRIMARY)).one()
    current = webhook_secrets(endpoint, hub.vault, now=hub.clock.now())[0]
    if known.get("webhook_secret") == current:
        return current
    return service.rotate_webhook_secret(session, hub, project)


def _key_pair(session: Session, hub: Hub, project: Project, mode: Mode, known: Secrets) -> dict[str, str]:
    credential = service.credential_of(session, project, mode)
    pair = known.get(mode.value)
    if isinstance(pair, dict) and pair.get("key") == credential.public_key:
        if fingerprint(str(pair.get("secret"))) == credential.secret_fingerprint:
            return {"key": credential.public_key, "secret": str(pair["secret"])}
    issued = service.rotate_key(session, hub, project, mode)
    service.promote_key(session, project, mode)  # nobody has the old secret
    return _pair(issued)


def _document(session: Session, project: Project, webhook_secret: str, pairs: dict[str, dict[str, str]]) -> Secrets:
    address = session.scalar(
        select(Address.base58).where(Address.merchant_id == project.merchant_id).order_by(Address.id).limit(1)
    )
    return {
        "project_id": project.id,
        "website": project.website_url,
        "webhook_secret": webhook_secret,
        **pairs,
        "receiving_address": address,
    }


def _pair(issued: IssuedKey) -> dict[str, str]:
    return {"key": issued.public_key, "secret": issued.secret}
