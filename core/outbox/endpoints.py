"""Where a project's webhooks go: endpoints with their events, schedules and secrets; the test ping.

Every function is handed a session and never commits. Secrets are returned once, by the call that makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.alarms import AlarmKind, clear_alarm
from core.errors import EndpointDisabled, InvalidField, NotFound
from core.hub import Hub
from core.ids import Mode
from core.models import Credential, Delivery, Endpoint, Project
from core.outbox import health
from core.outbox.bodies import ping_body
from core.outbox.events import OPTIONAL_TYPES, TEST_PING, EventType
from core.outbox.schedule import Schedule
from core.projects.keys import ROTATION_OVERLAP, endpoint_place

ENDPOINT_LIMIT = 10  # of one project: each event costs a row and a POST for each
PINGS_EVERY = timedelta(seconds=10)  # a ping is a POST to wherever the URL leads, at the push of a button
EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint as shown once, with its secret."""

    endpoint: Endpoint
    secret: str = field(repr=False)


def create_endpoint(
    session: Session,
    hub: Hub,
    project: Project,
    *,
    url: str,
    event_types: Sequence[str] = (EventType.PAID,),
    schedule: str = Schedule.STANDARD,
) -> NewEndpoint:
    """Add an endpoint beside the project's webhook URL, which `core.projects.service.set_webhook` sets.

    event_types: words of OPTIONAL_TYPES, or `*` for all that exist now.   schedule: a word of Schedule.
    Raises InvalidUrl, EgressBlocked or EgressFailed (URL); InvalidField for a word nobody knows or one too many.
    """
    hub.http.check(url)
    many = session.scalar(select(func.count()).where(Endpoint.project_id == project.id)) or 0
    if many >= ENDPOINT_LIMIT:
        raise InvalidField(f"A project has at most {ENDPOINT_LIMIT} endpoints.")
    uid, secret = hub.ids.endpoint_uid(), hub.ids.webhook_secret()
    endpoint = Endpoint(
        project_id=project.id,
        uid=uid,
        is_primary=False,
        url=url,
        event_types=_types(event_types),
        schedule=_schedule(schedule),
        secret=hub.vault.seal(secret, place=endpoint_place(uid)),
        enabled=True,
        disabled_why="",
        created_at=hub.clock.now(),
    )
    session.add(endpoint)
    session.flush()
    return NewEndpoint(endpoint, secret)


def update_endpoint(
    session: Session,
    hub: Hub,
    endpoint: Endpoint,
    *,
    url: str | None = None,
    event_types: Sequence[str] | None = None,
    schedule: str | None = None,
) -> None:
    """Change what is given and leave the rest; it holds from the next event on. Raises as `create_endpoint` does."""
    if url is not None:
        hub.http.check(url)
        endpoint.url = url
    if event_types is not None:
        endpoint.event_types = _types(event_types)
    if schedule is not None:
        endpoint.schedule = _schedule(schedule)
    session.flush()


def get_endpoint(session: Session, uid: str, *, project_id: int | None = None) -> Endpoint:
    """Find an endpoint by its public id `ep_…`; of one project, where it is given. Raises NotFound."""
    wanted = select(Endpoint).where(Endpoint.uid == uid)
    if project_id is not None:
        wanted = wanted.where(Endpoint.project_id == project_id)
    found = session.scalar(wanted)
    if found is None:
        raise NotFound(f"There is no endpoint {uid[:40]}.")
    return found


def list_endpoints(session: Session, *, project_id: int | None = None) -> Sequence[Endpoint]:
    """List endpoints, the project's webhook URL first."""
    wanted = select(Endpoint).order_by(Endpoint.project_id, Endpoint.is_primary.desc(), Endpoint.id)
    if project_id is not None:
        wanted = wanted.where(Endpoint.project_id == project_id)
    return session.scalars(wanted).all()


def disable_endpoint(session: Session, hub: Hub, endpoint: Endpoint, *, why: str = "Its owner did.") -> int:
    """Send an endpoint nothing more until it is enabled; returns how many deliveries were canceled."""
    return health.disable(session, endpoint, why=why, now=hub.clock.now()) if endpoint.enabled else 0


def enable_endpoint(session: Session, hub: Hub, endpoint: Endpoint) -> None:
    """Send to an endpoint again; what was canceled meanwhile waits for a replay."""
    endpoint.enabled, endpoint.disabled_why, endpoint.failing_since = True, "", None
    for kind in (AlarmKind.ENDPOINT_DISABLED, AlarmKind.ENDPOINT_FAILING):
        clear_alarm(session, kind=kind, subject=endpoint.uid, now=hub.clock.now())
    session.flush()


def rotate_secret(session: Session, hub: Hub, endpoint: Endpoint) -> str:
    """Give an endpoint a new secret and return it, this once; both sign for 24 hours."""
    secret = hub.ids.webhook_secret()
    endpoint.old_secret = endpoint.secret
    endpoint.old_valid_until = hub.clock.now() + ROTATION_OVERLAP
    endpoint.secret = hub.vault.seal(secret, place=endpoint_place(endpoint.uid))
    session.flush()
    return secret


def ping(session: Session, hub: Hub, endpoint: Endpoint, *, credential: Credential | None = None) -> Delivery:
    """Owe an endpoint a test ping, signed with the given key, else the project's test key; the worker sends it.

    Raises EndpointDisabled, or InvalidField where another was asked for less than PINGS_EVERY ago.
    """
    now = hub.clock.now()
    if not endpoint.enabled:
        raise EndpointDisabled
    newest = session.scalars(
        select(Delivery).where(Delivery.endpoint_id == endpoint.id).order_by(Delivery.id.desc()).limit(1)
    ).one_or_none()
    if newest is not None and newest.type == TEST_PING and newest.created_at > now - PINGS_EVERY:
        raise InvalidField(f"A ping was sent just now; wait {PINGS_EVERY.seconds} seconds.")
    credential = credential or session.scalars(
        select(Credential).where(Credential.project_id == endpoint.project_id, Credential.mode == Mode.TEST.value)
    ).one()
    delivery = Delivery(
        event_id=None,
        endpoint_id=endpoint.id,
        credential_id=credential.id,
        message_id=hub.ids.event_id(),
        type=TEST_PING,
        body=ping_body(endpoint, sent_at=now, is_test=credential.mode == Mode.TEST),
        next_attempt_at=now,
        created_at=now,
    )
    session.add(delivery)
    session.flush()
    return delivery


def _types(words: Sequence[str]) -> str:
    """Write event types as they are stored: each once, in the catalogue's order. Raises InvalidField."""
    wanted = set(OPTIONAL_TYPES) if list(words) == [EVERYTHING] else set(words)
    unknown = sorted(wanted - set(OPTIONAL_TYPES))
    if unknown or not wanted:
        known = ", ".join(OPTIONAL_TYPES)
        raise InvalidField(f"event_types must name at least one of: {known}; or be * alone.")
    return " ".join(word for word in OPTIONAL_TYPES if word in wanted)


def _schedule(word: str) -> str:
    try:
        return Schedule(word).value
    except ValueError as err:
        raise InvalidField("schedule must be standard or extended.") from err
