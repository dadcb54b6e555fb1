"""Connects, changes, pauses and disconnects channels: what commands and /api/v1 do to them.

Every function is handed a session and never commits, except `check_channel`, which asks a platform and so stands
outside any transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.sql.base import ExecutableOption

from core.alarms import AlarmKind, clear_alarm
from core.channels.adapters import (
    AdapterBroken, adapter_of, asked, load_settings, settings_of, settings_place, split_settings, view_of,
)
from core.channels.store import ChannelStore
from core.channels.trouble import PASSING, About, end_trouble, note_trouble
from core.contract import Adapter, AdapterError
from core.errors import ChannelNotFound, ChannelUnavailable, GatewayError, InvalidField, NotFound, ShopConnected
from core.hub import Hub
from core.models import Channel, ChannelCall, ChannelValue, Endpoint, Project
from core.models.channels import CALL_DUE
from core.outbox import endpoints
from core.outbox.events import OPTIONAL_TYPES
from core.outbox.history import DeliveryFilter, replay
from core.outbox.schedule import Schedule
from core.projects.keys import endpoint_place

CHANNEL_LIMIT = 10  # of one project: each event is owed to each of them
NAME_LIMIT = 100
PAUSED = "Its channel is paused."


def connect(
    session: Session, hub: Hub, project: Project, *, adapter: str, name: str, settings: Mapping[str, Any],
    site: str = "",
) -> Channel:
    """Connect a project to a platform; settings are judged by the adapter's schema and its secrets sealed.

    Raises InvalidField (unknown adapter, settings, too many), ShopConnected, EgressBlocked or EgressFailed (a webhook
    URL).
    """
    kind = adapter_class(hub, adapter)
    loaded = load_settings(kind, settings)
    session.execute(select(Project.id).where(Project.id == project.id).with_for_update())  # two who connect at once
    many = session.scalar(
        select(func.count()).where(Channel.project_id == project.id, Channel.disconnected_at.is_(None))
    )
    if (many or 0) >= CHANNEL_LIMIT:
        raise InvalidField(f"A project has at most {CHANNEL_LIMIT} channels.")
    _require_single(session, hub, project, kind, loaded)
    _require_one_shop(session, hub, project, kind)
    uid, now = hub.ids.channel_uid(), hub.clock.now()
    open_part, secret_part = split_settings(kind, settings)
    channel = Channel(
        uid=uid, project=project, adapter=adapter, name=_name(name), site=site,
        pushes=True, hears_all=kind.hears_all, settings=json.dumps(open_part), trouble="", check_says="",
        sealed=hub.vault.seal(json.dumps(secret_part), place=settings_place(uid)), poll_failures=0,
        is_traced=False, poll_at=now if kind.poll_every_s else None, created_at=now,
    )
    url = _webhook_url(hub, kind, channel, project, loaded)
    endpoint = _endpoint(hub, project, url=url or f"channel:{uid}")
    channel.endpoint, channel.pushes = endpoint, not url
    session.add(channel)
    session.flush()
    return channel


def adapter_class(hub: Hub, name: str) -> type[Adapter]:
    """Find the class of an adapter; raises InvalidField with the names there are."""
    kind = hub.registry.adapters.get(name)
    if kind is None:
        broken = ", ".join(one.name for one in hub.registry.broken)
        hint = f" Installed but left out, because broken (see paywharf plugins): {broken}." if broken else ""
        known = ", ".join(sorted(hub.registry.adapters)) or "(none is loaded)"
        raise InvalidField(f"adapter must be one of: {known}.{hint}")
    return kind


def get_channel(session: Session, uid: str, *, project_id: int | None = None) -> Channel:
    """Find a channel by its public id, with project and endpoint; of one project, where it is given.

    Raises ChannelNotFound.
    """
    wanted = select(Channel).where(Channel.uid == uid).options(*_surroundings())
    if project_id is not None:
        wanted = wanted.where(Channel.project_id == project_id)
    found = session.scalar(wanted)
    if found is None:
        raise ChannelNotFound
    return found


def list_channels(
    session: Session, *, project_id: int | None = None, with_disconnected: bool = False
) -> Sequence[Channel]:
    """List channels, the oldest first."""
    wanted = select(Channel).options(*_surroundings()).order_by(Channel.id)
    if project_id is not None:
        wanted = wanted.where(Channel.project_id == project_id)
    if not with_disconnected:
        wanted = wanted.where(Channel.disconnected_at.is_(None))
    return session.scalars(wanted).all()


def state_of(channel: Channel) -> str:
    """Say in one word how a channel stands; needs its endpoint."""
    if channel.disconnected_at is not None:
        return "disconnected"
    if channel.paused_at is not None:
        return "paused"
    return "connected" if channel.endpoint.enabled else "given_up"


def waiting_calls(session: Session, channel: Channel) -> tuple[int, int]:
    """Count the calls that wait to be read, and those that failed."""
    due = session.scalar(select(func.count()).where(ChannelCall.channel_id == channel.id, CALL_DUE))
    failed = session.scalar(
        select(func.count()).where(ChannelCall.channel_id == channel.id, ChannelCall.state == "failed")
    )
    return due or 0, failed or 0


def list_calls(session: Session, channel: Channel, *, states: Sequence[str], limit: int) -> Sequence[ChannelCall]:
    """List what a channel's platform told, the newest first."""
    wanted = select(ChannelCall).where(ChannelCall.channel_id == channel.id, ChannelCall.state.in_(states))
    return session.scalars(wanted.order_by(ChannelCall.id.desc()).limit(limit)).all()


def get_call(session: Session, channel: Channel, call_id: int) -> ChannelCall:
    """Find a call of a channel by its number. Raises NotFound."""
    call = session.scalar(
        select(ChannelCall).where(ChannelCall.channel_id == channel.id, ChannelCall.id == call_id).with_for_update()
    )
    if call is None:
        raise NotFound(f"Channel {channel.uid} has no call {call_id}; calls are kept for 90 days.")
    return call


def change_settings(session: Session, hub: Hub, channel: Channel, changes: Mapping[str, Any]) -> None:
    """Change some settings and keep the others; null takes one away. Raises as `connect` does."""
    require_connected(channel)
    kind = adapter_class(hub, channel.adapter)
    wanted = {key: value for key, value in (settings_of(hub, channel) | dict(changes)).items() if value is not None}
    loaded = load_settings(kind, wanted)
    _require_single(session, hub, channel.project, kind, loaded, apart_from=channel.uid)
    open_part, secret_part = split_settings(kind, wanted)
    channel.settings = json.dumps(open_part)
    channel.sealed = hub.vault.seal(json.dumps(secret_part), place=settings_place(channel.uid))
    url = _webhook_url(hub, kind, channel, channel.project, loaded)
    channel.endpoint.url, channel.pushes = url or f"channel:{channel.uid}", not url
    session.flush()


def pause(session: Session, hub: Hub, channel: Channel) -> None:
    """Tell the platform nothing and read none of its calls until `resume`; what happens meanwhile is kept."""
    require_connected(channel)
    if channel.paused_at is None:
        channel.paused_at = hub.clock.now()
        endpoints.disable_endpoint(session, hub, channel.endpoint, why=PAUSED)
        _clear(session, hub, channel)


def resume(session: Session, hub: Hub, channel: Channel) -> int:
    """Go on after a pause, or after the hub gave the platform up; returns how many kept updates are sent now."""
    require_connected(channel)
    now = hub.clock.now()
    since = channel.paused_at
    channel.paused_at, channel.poll_failures = None, 0
    endpoints.enable_endpoint(session, hub, channel.endpoint)
    _clear(session, hub, channel)
    if channel.poll_at is not None:
        channel.poll_at = now
    wanted = DeliveryFilter(endpoint_id=channel.endpoint_id, state="canceled")
    return replay(session, wanted, now=now) if since is not None else 0


def disconnect(session: Session, hub: Hub, channel: Channel) -> None:
    """End a connection for good: nothing is sent or read any more, and its secrets are wiped."""
    if channel.disconnected_at is not None:
        return
    now = hub.clock.now()
    endpoints.disable_endpoint(session, hub, channel.endpoint, why="Its channel was disconnected.")
    channel.disconnected_at, channel.poll_at, channel.check_at = now, None, None
    channel.sealed = hub.vault.seal("{}", place=settings_place(channel.uid))
    session.execute(delete(ChannelValue).where(ChannelValue.channel_id == channel.id))
    session.execute(
        update(ChannelCall)
        .where(ChannelCall.channel_id == channel.id, CALL_DUE)
        .values(state="failed", reason="The channel was disconnected.", done_at=now)
    )
    _clear(session, hub, channel)
    end_trouble(session, hub, channel, About.LOST)
    session.flush()


def trace(channel: Channel, *, on: bool) -> None:
    """Say in the log what the adapter asks of its platform, or no longer."""
    channel.is_traced = on


def ask_for_check(channel: Channel, hub: Hub) -> None:
    """Have a worker check the connection; the answer stands in `check_says`."""
    require_connected(channel)
    channel.check_at = hub.clock.now()


def check_channel(hub: Hub, uid: str) -> tuple[bool, str]:
    """Ask the platform whether the connection works, and write down what it said. No transaction may be open."""
    with hub.database.snapshot() as session:
        channel = get_channel(session, uid)
    require_connected(channel)
    about, said = _check(hub, channel)
    with hub.database.transaction() as session:
        row = session.get_one(Channel, channel.id)
        row.checked_at, row.check_says, row.check_at = hub.clock.now(), said, None
        end_trouble(session, hub, row, About.CHECK, About.PLUGIN)
        if about is not None:
            note_trouble(session, hub, row, said, about)
    return about is None, said


def require_connected(channel: Channel) -> None:
    """Raise ChannelNotFound for a channel that was disconnected."""
    if channel.disconnected_at is not None:
        raise ChannelNotFound("This channel was disconnected: connect a new one.")


def _check(hub: Hub, channel: Channel) -> tuple[About | None, str]:
    """Give what the platform said, and what is wrong if anything is."""
    try:
        adapter = adapter_of(hub, channel, channel.project)
        return None, asked(hub, channel, "check", adapter.check, key="it")
    except AdapterError as err:
        return About.CHECK, err.reason or "The platform did not answer."
    except ChannelUnavailable as err:
        return About.PLUGIN, err.sentence
    except GatewayError as err:
        return About.CHECK, err.sentence


def _clear(session: Session, hub: Hub, channel: Channel) -> None:
    """An owner's own pause or farewell is no alarm."""
    now = hub.clock.now()
    end_trouble(session, hub, channel, *PASSING)
    for kind in (AlarmKind.ENDPOINT_DISABLED, AlarmKind.ENDPOINT_FAILING):
        clear_alarm(session, kind=kind, subject=channel.endpoint.uid, now=now)


def _require_single(
    session: Session, hub: Hub, project: Project, kind: type[Adapter], loaded: Mapping[str, Any], *,
    apart_from: str = "",
) -> None:
    """Refuse what another connected channel of this hub is connected to already. Raises InvalidField."""
    if not kind.single:
        return
    wanted = str(loaded[kind.single]).encode()
    others = session.scalars(
        select(Channel).where(
            Channel.adapter == kind.name, Channel.disconnected_at.is_(None), Channel.uid != apart_from
        )
    )
    for other in others:
        if compare_digest(str(settings_of(hub, other).get(kind.single, "")).encode(), wanted):
            where = other.uid if other.project_id == project.id else "in another project of this hub"
            raise InvalidField(f"This {kind.single} is connected already: {where}.")


def _require_one_shop(session: Session, hub: Hub, project: Project, kind: type[Adapter]) -> None:
    """Refuse a second channel whose orders are numbered like those of one that is connected. Raises ShopConnected."""
    if not kind.order_space:
        return
    for other in list_channels(session, project_id=project.id):
        theirs = hub.registry.adapters.get(other.adapter)
        if theirs is None or theirs.order_space == kind.order_space:  # a plugin that is away may bring any
            raise ShopConnected(
                f"The orders of this project come from channel {other.uid} ({other.adapter}): make another project for "
                "another shop, or disconnect that channel first."
            )


def _webhook_url(hub: Hub, kind: type[Adapter], channel: Channel, project: Project, loaded: Mapping[str, Any]) -> str:
    """Ask an adapter where its platform takes webhooks, and judge the URL."""
    view = view_of(hub, channel, project, loaded)
    try:
        adapter = asked(hub, channel, "__init__", lambda: kind(view, hub.http, ChannelStore(hub, channel)))
        url = asked(hub, channel, "webhook_url", adapter.webhook_url)
    except AdapterBroken:
        raise
    except AdapterError as err:
        raise InvalidField(f"settings: {err.reason}") from err
    if url:
        hub.http.check(url)
    return url


def _endpoint(hub: Hub, project: Project, *, url: str) -> Endpoint:
    uid = hub.ids.endpoint_uid()
    return Endpoint(
        project_id=project.id, uid=uid, is_primary=False, url=url, event_types=" ".join(OPTIONAL_TYPES),
        schedule=Schedule.EXTENDED.value, enabled=True, disabled_why="", created_at=hub.clock.now(),
        secret=hub.vault.seal(hub.ids.webhook_secret(), place=endpoint_place(uid)),
    )


def _name(name: str) -> str:
    cleaned = " ".join(name.split())
    if not 0 < len(cleaned) <= NAME_LIMIT or not cleaned.isprintable():
        raise InvalidField(f"A name has 1 to {NAME_LIMIT} printable characters.")
    return cleaned


def _surroundings() -> tuple[ExecutableOption, ExecutableOption]:
    return joinedload(Channel.project), joinedload(Channel.endpoint)
