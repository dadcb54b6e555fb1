"""Builds the adapter of a channel: its view of the channel, its door to the outside, its memory.

A plugin's code runs in this room through `asked` alone, which waits for it only so long and turns whatever it raises
into one of our errors. No transaction may be open around it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from marshmallow import Schema, ValidationError

from core.channels.desk import ChannelDesk
from core.channels.store import ChannelStore
from core.contract import Adapter, AdapterError, Answer, ChannelView, Http, Secret
from core.errors import ChannelUnavailable, GatewayError, InvalidField
from core.hub import Hub
from core.ids import Mode
from core.models import Channel, Project
from core.patience import Overrun, Resting

log = logging.getLogger(__name__)
trace_log = logging.getLogger("paywharf.channels.trace")

Got = TypeVar("Got")
SHOWN = 300  # characters of an answer in a trace
REASON_LIMIT = 300

LIMIT_S = 45.0  # three requests of 15 s, within a lease of 60 s
LIMITS_S = {"poll": 75.0, "verify": 10.0, "answers_inline": 10.0, "webhook_url": 10.0, "__init__": 10.0}
MISSING_OF_CHANNEL = 3  # of one hook, that have not come back: the channel's other calls go on until then
MISSING_OF_ADAPTER = 64  # so many threads a plugin's bug may cost a process, whatever it is connected to
REST = "It is not asked again until it answers or the hub is restarted: mend it, or pause the channel, then restart."


class AdapterBroken(AdapterError):
    """A plugin's own bug: what it raised is none of what its contract allows."""


class AdapterHangs(AdapterBroken):
    """A plugin did not answer in time, or is not asked because it has not answered before."""


def adapter_of(hub: Hub, channel: Channel, project: Project) -> Adapter:
    """Build a channel's adapter; raises ChannelUnavailable where its plugin is not there or refuses the settings."""
    kind = hub.registry.adapters.get(channel.adapter)
    if kind is None:
        raise ChannelUnavailable(f"No plugin here brings the adapter {channel.adapter!r}: see paywharf plugins.")
    try:
        settings = load_settings(kind, settings_of(hub, channel))
        _, secret = split_settings(kind, settings)
        door = Traced(hub.http, channel.uid, hidden=_texts(secret)) if channel.is_traced else hub.http
        view = view_of(hub, channel, project, settings)
        adapter = asked(hub, channel, "__init__", lambda: kind(view, door, ChannelStore(hub, channel)))
        adapter.desk = ChannelDesk(hub, channel, project)
        return adapter
    except GatewayError as err:
        raise ChannelUnavailable(f"Channel {channel.uid} has settings that do not fit: {err.sentence}") from err
    except AdapterError as err:
        raise ChannelUnavailable(err.reason) from err
    except Exception as err:  # an edge: a plugin's code
        log.exception("adapter %s could not be built", channel.adapter)
        raise ChannelUnavailable(f"The adapter {channel.adapter} failed: {reason_of(err)}") from err


def view_of(hub: Hub, channel: Channel, project: Project, settings: Mapping[str, Any]) -> ChannelView:
    """Show an adapter its channel."""
    return ChannelView(
        channel_id=channel.uid,
        name=channel.name,
        adapter=channel.adapter,
        settings=settings,
        inbound_url=inbound_url(hub, channel.uid),
        is_test=project.mode == Mode.TEST,
        website=project.website_url or "",
    )


def inbound_url(hub: Hub, uid: str) -> str:
    """Give the address below which a channel's platform may call."""
    return f"{hub.settings.base_url}/channels/{uid}"


def load_settings(kind: type[Adapter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Read settings by the adapter's schema; raises InvalidField with what the schema says, never with a value."""
    try:
        loaded: dict[str, Any] = _schema(kind).load(dict(given))
    except ValidationError as err:
        said = "; ".join(f"{name}: {_first(words)}" for name, words in sorted(_said(err).items()))
        raise InvalidField(f"settings: {said}"[:REASON_LIMIT]) from None
    return loaded


def split_settings(kind: type[Adapter], given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part what may be shown from what is secret."""
    secret = {name for name, field in _schema(kind).fields.items() if isinstance(field, Secret)}
    return (
        {name: value for name, value in given.items() if name not in secret},
        {name: value for name, value in given.items() if name in secret},
    )


def settings_of(hub: Hub, channel: Channel) -> dict[str, Any]:
    """Read a channel's settings as they were given, secrets in clear."""
    sealed = hub.vault.open(channel.sealed, place=settings_place(channel.uid))
    return dict(json.loads(channel.settings)) | dict(json.loads(sealed))


def settings_place(uid: str) -> str:
    """Name the place a channel's secrets are sealed for."""
    return f"channel:{uid}:settings"


def asked(
    hub: Hub, channel: Channel, what: str, call: Callable[[], Got], *, key: str = "", within_s: float | None = None
) -> Got:
    """Let a plugin work; what it raises beyond its contract becomes AdapterBroken, logged once.

    key: what it works on; while that has not come back, it is not begun again.   within_s: instead of its usual limit.
    Raises AdapterHangs.
    """
    limit_s = within_s or LIMITS_S.get(what, LIMIT_S)
    mine = f"{what} {channel.uid} {key}"
    limits = _limits(channel, what) | ({mine: 1} if key else {})
    try:
        return hub.patience.wait(call, within_s=limit_s, limits=limits)
    except Overrun as err:
        reason = f"The adapter {channel.adapter} did not answer within {limit_s:g} s in {what}."
        log.error("%s (channel %s)", reason, channel.uid)
        raise AdapterHangs(f"{reason} {REST}" if is_resting(hub, channel, what) else reason) from err
    except Resting as err:
        again = f"did not answer in {what} when it was asked before, and is still at it."
        why = again if err.name == mine else f"hangs in {what}. {REST}"
        raise AdapterHangs(f"The adapter {channel.adapter} {why}") from err
    except (AdapterError, GatewayError):
        raise
    except Exception as err:  # an edge: a plugin's code
        log.exception("adapter %s failed in %s (channel %s)", channel.adapter, what, channel.uid)
        raise AdapterBroken(f"The adapter {channel.adapter} failed in {what}: {reason_of(err)}") from err


def is_resting(hub: Hub, channel: Channel, *hooks: str) -> bool:
    """Tell whether one of the hooks has been waited for too often, here in this process, to be asked again."""
    limits = [limit for what in hooks for limit in _limits(channel, what).items()]
    return any(hub.patience.missing(name) >= limit for name, limit in limits)


def resting(hub: Hub, what: str) -> tuple[list[str], list[str]]:
    """Give the channels, by uid, and the adapters, by name, whose hook is not asked here in this process."""
    missing, hook, adapter = hub.patience.all_missing(), f"hook {what} ", "adapter "
    return (
        [name[len(hook):] for name, n in missing.items() if name.startswith(hook) and n >= MISSING_OF_CHANNEL],
        [name[len(adapter):] for name, n in missing.items() if name.startswith(adapter) and n >= MISSING_OF_ADAPTER],
    )


def _limits(channel: Channel, what: str) -> dict[str, int]:
    return {f"hook {what} {channel.uid}": MISSING_OF_CHANNEL, f"adapter {channel.adapter}": MISSING_OF_ADAPTER}


def reason_of(err: BaseException) -> str:
    """Say in one line what was raised."""
    return f"{type(err).__name__}: {' '.join(str(err).split())}"[:REASON_LIMIT]


class Traced:
    """The door of a channel that is traced: logs what was asked and answered, no header, query or body of ours.

    hidden: what is blacked out wherever it stands; Telegram has a bot's token in the path.
    """

    def __init__(self, http: Http, uid: str, *, hidden: Sequence[str] = ()) -> None:
        self._http = http
        self._uid = uid
        self._hidden = hidden

    def send(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send through the real door."""
        where = self._clean(url.split("?", 1)[0])
        try:
            answer = self._http.send(method, url, body=body, headers=headers)
        except GatewayError as err:
            trace_log.info("%s %s %s: %s", self._uid, method, where, err.sentence)
            raise
        shown = self._clean(answer.body.decode("utf-8", "replace"))[:SHOWN]
        trace_log.info(
            "%s %s %s, %d bytes: HTTP %d in %d ms: %r", self._uid, method, where, len(body), answer.status,
            answer.elapsed_ms, shown,
        )
        return answer

    def _clean(self, text: str) -> str:
        for secret in self._hidden:
            text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
        return text


def _texts(secret: Mapping[str, Any]) -> list[str]:
    """Give what must not be shown, the longest first."""
    return sorted((str(value) for value in secret.values() if value), key=len, reverse=True)


def _schema(kind: type[Adapter]) -> Schema:
    return kind.settings_schema()


def _said(err: ValidationError) -> dict[str, Any]:
    return err.messages if isinstance(err.messages, dict) else {"_schema": err.messages}


def _first(words: Any) -> str:
    while isinstance(words, (list, dict)) and words:
        words = words[0] if isinstance(words, list) else next(iter(words.values()))
    return str(words)
