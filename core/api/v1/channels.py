"""Channels: connect platforms, check them, pause them, part from them.

A channel takes orders in its project's mode, so the test key sees it only while the project is in Test mode: to the
test key of a live project its channels are not there, and none can be connected; it may ping one, since a shop in test
mode has its webhooks signed with that key. A connect code hands over both key pairs, so it takes the live key in either
mode.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.api.v1.door import Call, Reply, operation
from core.api.v1.schemas.channels import (
    ChannelAnswer, ChannelList, ChannelSettingsSchema, CodeAnswer, NewChannelSchema, NewCodeSchema, PingAnswer,
    TraceSchema,
)
from core.channels import connecting, service
from core.channels.adapters import inbound_url
from core.errors import (
    ChannelNotFound, EgressBlocked, EgressFailed, EndpointDisabled, InvalidUrl, LiveKeyRequired, ShopConnected,
)
from core.ids import Mode
from core.models import Channel
from core.outbox import endpoints

REACHING = (InvalidUrl, EgressBlocked, EgressFailed)


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A channel as it is shown."""

    channel_id: str
    adapter: str
    name: str
    state: str
    inbound_url: str
    settings: dict[str, Any]
    is_traced: bool
    trouble: str
    calls_waiting: int
    calls_failed: int
    heard_at: datetime | None
    checked_at: datetime | None
    check_says: str
    created_at: datetime


@operation("GET", "/channels", answer=ChannelList)
def list_channels(call: Call) -> Reply:
    """List the project's channels, the oldest first; those that were disconnected are left out."""
    found = service.list_channels(call.session, project_id=call.caller.project.id) if _is_ours(call) else []
    return Reply({"channels": [_view(call, one) for one in found]})


@operation(
    "POST", "/channels", body=NewChannelSchema, answer=ChannelAnswer,
    errors=(LiveKeyRequired, ShopConnected, *REACHING), statuses=(201,),
)
def connect_channel(call: Call) -> Reply:
    """Connect the project to a platform; secrets in the settings are encrypted and never shown again."""
    if not _is_ours(call):
        raise LiveKeyRequired("This project takes live orders: its live key connects its channels.")
    made = service.connect(
        call.session, call.hub, call.caller.project, adapter=call.body["adapter"], name=call.body["name"],
        settings=call.body["settings"],
    )
    service.ask_for_check(made, call.hub)
    return Reply({"channel": _view(call, made)}, 201)


@operation(
    "POST", "/channels/codes", body=NewCodeSchema, answer=CodeAnswer, errors=(LiveKeyRequired,), statuses=(201,)
)
def make_connect_code(call: Call) -> Reply:
    """Make a one-time code, good for a quarter of an hour, by which a shop's plugin connects itself: the live key's."""
    if call.is_test:
        raise LiveKeyRequired("A connect code hands over the live keys too: the live key makes it.")
    code = connecting.make_code(call.session, call.hub, call.caller.project, adapter=call.body["adapter"])
    link = connecting.connect_link(call.hub, code)
    return Reply({"code": code, "link": link, "expires_at": call.hub.clock.now() + connecting.LIFE}, 201)


@operation("GET", "/channels/<channel_id>", answer=ChannelAnswer, errors=(ChannelNotFound,))
def get_channel(call: Call) -> Reply:
    """Read a channel: whether it works, what waits, what the last check said."""
    return Reply({"channel": _view(call, _find(call))})


@operation(
    "POST", "/channels/<channel_id>/settings", body=ChannelSettingsSchema, answer=ChannelAnswer,
    errors=(ChannelNotFound, *REACHING),
)
def change_channel_settings(call: Call) -> Reply:
    """Change some of a channel's settings."""
    channel = _find(call)
    service.change_settings(call.session, call.hub, channel, call.body["settings"])
    return Reply({"channel": _view(call, channel)})


@operation("POST", "/channels/<channel_id>/check", answer=ChannelAnswer, errors=(ChannelNotFound,))
def check_channel(call: Call) -> Reply:
    """Ask for a check of the connection; a worker does it in a moment, and `check_says` tells how it went."""
    channel = _find(call)
    service.ask_for_check(channel, call.hub)
    return Reply({"channel": _view(call, channel)})


@operation("POST", "/channels/<channel_id>/pause", answer=ChannelAnswer, errors=(ChannelNotFound,))
def pause_channel(call: Call) -> Reply:
    """Tell the platform nothing and read none of its calls; what happens meanwhile is kept."""
    channel = _find(call)
    service.pause(call.session, call.hub, channel)
    return Reply({"channel": _view(call, channel)})


@operation("POST", "/channels/<channel_id>/resume", answer=ChannelAnswer, errors=(ChannelNotFound,))
def resume_channel(call: Call) -> Reply:
    """Go on after a pause: what was kept is sent and read now."""
    channel = _find(call)
    service.resume(call.session, call.hub, channel)
    return Reply({"channel": _view(call, channel)})


@operation(
    "POST", "/channels/<channel_id>/trace", body=TraceSchema, answer=ChannelAnswer, errors=(ChannelNotFound,)
)
def trace_channel(call: Call) -> Reply:
    """Say in the hub's log what is asked of the platform, or no longer."""
    channel = _find(call)
    service.trace(channel, on=call.body["on"])
    return Reply({"channel": _view(call, channel)})


@operation(
    "POST", "/channels/<channel_id>/ping", answer=PingAnswer, errors=(ChannelNotFound, EndpointDisabled)
)
def ping_channel(call: Call) -> Reply:
    """Send the platform a test message, signed like every webhook with the key of this call; it names no payment."""
    channel = service.get_channel(call.session, call.path["channel_id"], project_id=call.caller.project.id)
    sent = endpoints.ping(call.session, call.hub, channel.endpoint, credential=call.caller.credential)
    return Reply({"delivery_id": sent.id})


@operation("POST", "/channels/<channel_id>/disconnect", answer=ChannelAnswer, errors=(ChannelNotFound,))
def disconnect_channel(call: Call) -> Reply:
    """Part from a platform for good: its secrets are wiped, its payments stay. Again: changes nothing."""
    channel = _find(call)
    service.disconnect(call.session, call.hub, channel)
    return Reply({"channel": _view(call, channel)})


def _is_ours(call: Call) -> bool:
    """Tell whether the key may see what the project's channels take: live orders are not a test key's."""
    return not call.is_test or call.caller.project.mode == Mode.TEST


def _find(call: Call) -> Channel:
    if not _is_ours(call):
        raise ChannelNotFound
    return service.get_channel(call.session, call.path["channel_id"], project_id=call.caller.project.id)


def _view(call: Call, channel: Channel) -> ChannelView:
    waiting, failed = service.waiting_calls(call.session, channel)
    return ChannelView(
        channel_id=channel.uid,
        adapter=channel.adapter,
        name=channel.name,
        state=service.state_of(channel),
        inbound_url=inbound_url(call.hub, channel.uid),
        settings=json.loads(channel.settings),
        is_traced=channel.is_traced,
        trouble=channel.trouble,
        calls_waiting=waiting,
        calls_failed=failed,
        heard_at=channel.heard_at,
        checked_at=channel.checked_at,
        check_says=channel.check_says,
        created_at=channel.created_at,
    )
