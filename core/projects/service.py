"""Accounts and projects: what the command line, the dashboard and the demo set-up do to them.

Every function is handed a session and never commits. Secrets are returned once, by the call that makes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from core.errors import InvalidField, NotFound, WebsiteTaken
from core.hub import Hub
from core.ids import Mode
from core.models import Credential, Endpoint, Merchant, Project
from core.models.outbox import IS_PRIMARY
from core.projects.keys import ROTATION_OVERLAP, IssuedKey, endpoint_place, new_credential, rotate_credential
from core.projects.website import parse_website

NAME_LIMIT = 100


@dataclass(frozen=True, slots=True)
class NewProject:
    """A project as shown once, with its key pairs and, if it has a webhook URL, that endpoint's secret."""

    project: Project
    keys: dict[str, IssuedKey]
    webhook_secret: str | None = field(default=None, repr=False)


def create_merchant(session: Session, hub: Hub, *, name: str) -> Merchant:
    """Open a merchant account."""
    merchant = Merchant(name=_name(name), created_at=hub.clock.now())
    session.add(merchant)
    session.flush()
    return merchant


def create_project(
    session: Session,
    hub: Hub,
    *,
    merchant_id: int,
    name: str,
    website: str | None = None,
    webhook_url: str | None = None,
) -> NewProject:
    """Create a project in Test mode with a test and a live key pair.

    Raises NotFound (merchant), InvalidWebsite, WebsiteTaken, InvalidUrl or EgressBlocked (webhook URL).
    """
    if session.get(Merchant, merchant_id) is None:
        raise NotFound(f"There is no merchant {merchant_id}.")
    now = hub.clock.now()
    project = Project(
        merchant_id=merchant_id,
        name=_name(name),
        window_s=hub.settings.payment_window_s,
        late_window_s=hub.settings.late_window_s,
        created_at=now,
    )
    if website is not None:
        set_website(session, hub, project, website)
    session.add(project)
    session.flush()
    keys = {}
    for mode in Mode:
        credential, issued = new_credential(mode=mode, ids=hub.ids, vault=hub.vault, now=now)
        credential.project_id = project.id
        session.add(credential)
        keys[mode.value] = issued
    secret = set_webhook(session, hub, project, webhook_url) if webhook_url is not None else None
    session.flush()
    return NewProject(project, keys, secret)


def get_project(session: Session, project_id: int) -> Project:
    """Find a project; raises NotFound."""
    project = session.get(Project, project_id)
    if project is None:
        raise NotFound(f"There is no project {project_id}.")
    return project


def set_website(session: Session, hub: Hub, project: Project, url: str) -> None:
    """Bind a project to a website; raises InvalidWebsite, or WebsiteTaken when any other project has it."""
    website = parse_website(url, allow_loopback=hub.settings.dev_loopback_websites)
    with session.no_autoflush:
        taken = session.scalar(
            select(exists().where(Project.website_host == website.host, Project.id != (project.id or 0)))
        )
    if taken:
        raise WebsiteTaken
    project.website_url, project.website_host = website.url, website.host


def set_webhook(session: Session, hub: Hub, project: Project, url: str) -> str | None:
    """Set where a project's webhooks go; returns the new endpoint's secret, None when it keeps the one it has.

    Raises InvalidUrl, EgressBlocked. The name is resolved here, and again at each sending.
    """
    hub.http.check(url)
    endpoint = session.scalar(_primary(project))
    if endpoint is not None:
        endpoint.url = url
        return None
    uid, secret = hub.ids.endpoint_uid(), hub.ids.webhook_secret()
    session.add(
        Endpoint(
            project_id=project.id,
            uid=uid,
            is_primary=True,
            url=url,
            secret=hub.vault.seal(secret, place=endpoint_place(uid)),
            created_at=hub.clock.now(),
        )
    )
    session.flush()
    return secret


def rotate_webhook_secret(session: Session, hub: Hub, project: Project) -> str:
    """Give a project's endpoint a new secret; both sign for 24 hours. Raises NotFound without an endpoint."""
    endpoint = session.scalar(_primary(project))
    if endpoint is None:
        raise NotFound(f"Project {project.id} has no webhook URL.")
    secret = hub.ids.webhook_secret()
    endpoint.old_secret = endpoint.secret
    endpoint.old_valid_until = hub.clock.now() + ROTATION_OVERLAP
    endpoint.secret = hub.vault.seal(secret, place=endpoint_place(endpoint.uid))
    return secret


def set_mode(project: Project, mode: Mode) -> None:
    """Switch a project between Test and Live mode; open payments go on as they are."""
    project.mode = mode.value


def disable(project: Project, hub: Hub) -> None:
    """Refuse new payments; those already open can still be paid and read."""
    project.disabled_at = project.disabled_at or hub.clock.now()


def enable(project: Project) -> None:
    """Take new payments again."""
    project.disabled_at = None


def rotate_key(session: Session, hub: Hub, project: Project, mode: Mode) -> IssuedKey:
    """Give one of a project's key pairs a new secret; the old one stays valid for 24 hours."""
    return rotate_credential(
        credential_of(session, project, mode), ids=hub.ids, vault=hub.vault, now=hub.clock.now()
    )


def promote_key(session: Session, project: Project, mode: Mode) -> None:
    """Sign outbound with the new secret from now on, without waiting for the old one's day to end."""
    credential_of(session, project, mode).old_signs = False


def credential_of(session: Session, project: Project, mode: Mode) -> Credential:
    """Find a project's key pair of one mode; every project has both."""
    return session.scalars(
        select(Credential).where(Credential.project_id == project.id, Credential.mode == mode.value)
    ).one()


def _primary(project: Project) -> Select[Endpoint]:
    """Select the endpoint that is the project's webhook URL."""
    return select(Endpoint).where(Endpoint.project_id == project.id, IS_PRIMARY)


def _name(name: str) -> str:
    cleaned = " ".join(name.split())
    if not 0 < len(cleaned) <= NAME_LIMIT or not cleaned.isprintable():
        raise InvalidField(f"A name has 1 to {NAME_LIMIT} printable characters.")
    return cleaned
