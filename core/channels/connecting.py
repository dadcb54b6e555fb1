"""Connecting by a one-time code: the shop's plugin shows the code and where it is, and is handed what it needs.

The code is the secret of that one call: 154 bits, a quarter of an hour, one use, only its digest kept. A refusal for
another reason than the code leaves it as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core.channels.adapters import load_settings
from core.channels.service import adapter_class, change_settings, connect
from core.contract import Adapter, AdapterError
from core.errors import BadPayload, GatewayError, InvalidConnectCode, InvalidField, WebsiteMismatch
from core.hub import Hub
from core.ids import Mode
from core.models import Channel, ConnectCode, Endpoint, Project
from core.outbox import endpoints
from core.projects.keys import inbound_secrets
from core.projects.service import credential_of, get_project, set_website
from core.projects.website import parse_website

LIFE = timedelta(minutes=15)  # to walk from one browser tab to the other
TEXT_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Connected:
    """What a shop's plugin needs from then on. keys: by mode, (public key, secret)."""

    channel: Channel
    project: Project
    keys: dict[str, tuple[str, str]] = field(repr=False)
    webhook_secret: str = field(repr=False)


def make_code(session: Session, hub: Hub, project: Project, *, adapter: str) -> str:
    """Make a code that connects one shop to a project, and return it, this once. Raises InvalidField."""
    if not _takes_codes(adapter_class(hub, adapter)):
        raise InvalidField(f"The adapter {adapter} is not connected by a code: give its settings to channels connect.")
    now = hub.clock.now()
    session.execute(delete(ConnectCode).where(ConnectCode.expires_at < now))
    code = hub.ids.connect_code()
    session.add(ConnectCode(
        digest=_digest(code), project_id=project.id, adapter=adapter, expires_at=now + LIFE, created_at=now
    ))
    session.flush()
    return code


def connect_link(hub: Hub, code: str) -> str:
    """Write what the owner pastes into the shop's plugin: the hub's address and the code, in one text."""
    return f"{hub.settings.base_url}/connect#{code}"


def connect_by_code(hub: Hub, told: Mapping[str, Any]) -> Connected:
    """Connect the shop that shows a code; the same shop again keeps its channel and gets a new webhook secret.

    told: `code`, `platform`, `website`, and what the adapter's `settings_from` reads. Raises InvalidConnectCode,
    WebsiteMismatch, InvalidWebsite, WebsiteTaken, BadPayload, InvalidField, EgressBlocked, EgressFailed.
    """
    digest, platform = _digest(_text(told, "code")), _text(told, "platform")
    with hub.database.snapshot() as session:
        found = _usable(session, hub, digest)
        if found is None or found.adapter != platform:
            raise InvalidConnectCode
    kind = adapter_class(hub, platform)
    settings = _settings(kind.settings_from, told)
    load_settings(kind, settings)
    with hub.database.transaction() as session:
        used = session.execute(
            update(ConnectCode)
            .where(ConnectCode.digest == digest, ConnectCode.used_at.is_(None))
            .values(used_at=hub.clock.now())
            .returning(ConnectCode.project_id)
        ).scalar_one_or_none()
        if used is None:
            raise InvalidConnectCode
        project = get_project(session, used)
        site = _site(session, hub, project, _text(told, "website"))
        channel = _channel(session, hub, project, platform, site, settings)
        secret = endpoints.rotate_secret(session, hub, session.get_one(Endpoint, channel.endpoint_id))
        return Connected(channel, project, _keys(session, hub, project), secret)


def _takes_codes(kind: type[Adapter]) -> bool:
    """Tell whether an adapter can make settings of what a shop says."""
    return any("settings_from" in vars(one) for one in kind.__mro__ if one is not Adapter)


def _channel(
    session: Session, hub: Hub, project: Project, platform: str, site: str, settings: Mapping[str, Any]
) -> Channel:
    """Connect, or point the shop's present channel at where it is now."""
    present = session.scalar(
        select(Channel).where(
            Channel.project_id == project.id, Channel.adapter == platform, Channel.site == site,
            Channel.disconnected_at.is_(None),
        )
    )
    if present is None:
        return connect(session, hub, project, adapter=platform, name=site[:100], settings=settings, site=site)
    present.project, present.endpoint = project, session.get_one(Endpoint, present.endpoint_id)
    change_settings(session, hub, present, settings)
    if not present.endpoint.enabled and present.paused_at is None:
        endpoints.enable_endpoint(session, hub, present.endpoint)
    return present


def _site(session: Session, hub: Hub, project: Project, website: str) -> str:
    """Name the shop by its website's host, which must be the project's; a project without one takes it."""
    if project.website_host is None:
        set_website(session, hub, project, website)
        return project.website_host or ""
    host = parse_website(website, allow_loopback=hub.settings.dev_loopback_websites).host
    if host != project.website_host:
        raise WebsiteMismatch(f"The shop is {host}, but the website of this project is {project.website_host}.")
    return host


def _keys(session: Session, hub: Hub, project: Project) -> dict[str, tuple[str, str]]:
    """Open the project's present key pairs: whoever else uses them goes on."""
    keys = {}
    for mode in Mode:
        credential = credential_of(session, project, mode)
        keys[mode.value] = (credential.public_key, inbound_secrets(credential, hub.vault, now=hub.clock.now())[0])
    return keys


def _usable(session: Session, hub: Hub, digest: str) -> ConnectCode | None:
    return session.scalar(
        select(ConnectCode).where(
            ConnectCode.digest == digest, ConnectCode.used_at.is_(None), ConnectCode.expires_at > hub.clock.now()
        )
    )


def _settings(make: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(make(told))
    except GatewayError:
        raise
    except AdapterError as err:
        raise BadPayload(err.reason) from err
    except Exception as err:  # an edge: a plugin's code
        raise BadPayload("What the shop said was not understood.") from err


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if type(value) is not str or not 0 < len(value) <= TEXT_LIMIT:  # a JSON number comes as a str of another type
        raise BadPayload(f"{name} is required: a text.")
    return value


def _digest(code: str) -> str:
    return sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
