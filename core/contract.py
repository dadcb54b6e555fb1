"""What a plugin author may import: the hooks, the shape of an adapter, and the values that pass between the two sides.

A plugin is any module (or object) with functions named like the hooks and marked `@hookimpl`. It sees this module and
the ground (`core.errors`, `core.money`, `core.clock`, `core.ids`, `core.signing`), and nothing else of the house.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Protocol

import pluggy
from marshmallow import Schema, ValidationError, fields

from core.desk import Act, Desk, InboxEntry, Likely, Member, Notice, Period, RefundView, Role
from core.errors import BadPayload, InvalidSignature
from core.money import Usdt

__all__ = [
    "Act", "Adapter", "AdapterError", "Answer", "BadPayload", "ChannelView", "Desk", "Download", "Hooks", "Http",
    "InboundRequest", "InboxEntry", "InvalidSignature", "Likely", "Member", "Notice", "OrderCanceled", "OrderPlaced",
    "PaymentUpdate", "Period", "PlatformEvent", "PushResult", "Rate", "RateSource", "RefundView", "Role", "Secret",
    "Store", "hookimpl", "hookspec",
]

GROUP = "paywharf"  # of pluggy's marks and of the distributions' entry points

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class AdapterError(Exception):
    """A platform could not be told or asked.

    permanent: trying again cannot help.   retry_after_s: how long the platform asks to be left alone, if it said so.
    """

    def __init__(self, reason: str, *, permanent: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from a request: any status, the first 64 KiB of the body as sent, and how long it all took.

    headers: their names in lower case; the last one where a name is repeated.
    """

    status: int
    body: bytes
    elapsed_ms: int
    headers: Mapping[str, str] = field(default_factory=dict)


class Http(Protocol):
    """The guarded door to the outside: one deadline of 15 seconds for all of it, redirects are not followed."""

    def send(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request; raises `core.errors.EgressBlocked` or `EgressFailed`."""


class Store(Protocol):
    """A channel's own small memory, kept in the database. Keys: up to 100 characters; values: up to 8 KiB."""

    def get(self, key: str) -> str | None:
        """Read a value."""

    def put(self, key: str, value: str, *, secret: bool = False) -> None:
        """Write a value; a secret one is encrypted at rest and never shown or logged."""

    def swap(self, key: str, expected: str | None, value: str | None) -> bool:
        """Write a value (None: remove it) only where the present one is as expected; tell whether it was."""


class Secret(fields.String):
    """A settings field that is encrypted at rest, never shown again, never logged, and never empty."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text or text.isspace():
            raise ValidationError("must not be empty")  # what is signed with an empty key, anybody can sign
        return text


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A project's connection to one platform, as its adapter sees it.

    channel_id: its public id.   settings: as the adapter's schema loaded them, secrets in clear.
    inbound_url: where the platform may call.   is_test: its payments are test payments.
    """

    channel_id: str
    name: str
    adapter: str
    settings: Mapping[str, Any] = field(repr=False)
    inbound_url: str
    is_test: bool
    website: str


@dataclass(frozen=True, slots=True)
class InboundRequest:
    """A platform's call, as it came. headers: their names in lower case.   path: what follows the channel's own URL."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: datetime


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    """A platform's order wants to be paid. amount: a decimal number in units of `currency`: "USDT", or ISO 4217."""

    order_id: str
    amount: str
    currency: str = "USDT"
    success_url: str = ""
    cancel_url: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrderCanceled:
    """A platform's order is not to be paid any more."""

    order_id: str
    reason: str = ""


PlatformEvent = OrderPlaced | OrderCanceled


@dataclass(frozen=True, slots=True)
class PaymentUpdate:
    """What happened to a payment, numbered: an update with a lower number than one already seen can be ignored.

    type: the event's, such as "paid".   status, anomaly: as the payment stands.   received: final money, all transfers.
    expires_at: until when it can be paid.   details: what the OrderPlaced carried.
    """

    event_id: str
    number: int
    type: str
    at: datetime
    payment_id: int
    order_id: str
    status: str
    anomaly: str
    due: Usdt
    pay_amount: Usdt
    received: Usdt
    txids: Sequence[str]
    address: str
    pay_url: str
    is_test: bool
    expires_at: datetime
    details: Mapping[str, str] = field(default_factory=dict)


class PushResult(StrEnum):
    """How a platform took an update: now, before already, or not at all, because its order says otherwise."""

    DONE = "done"
    ALREADY = "already"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Download:
    """A file that merchants install at their platform. build: gives the same bytes each time."""

    name: str
    version: str
    file_name: str
    about: str
    build: Callable[[], bytes] = field(repr=False)


class Adapter(ABC):
    """A platform's side of a channel: one object a call, without threads or state of its own.

    Everything here runs outside database transactions. `verify` and `parse` may be called again with the same call, and
    `push` with the same update, after a crash at any point.
    """

    name: ClassVar[str]  # "woocommerce": how channels name it
    settings_schema: ClassVar[type[Schema]]
    hears_all: ClassVar[bool] = False  # also payments that its shop opened with the project's keys
    poll_every_s: ClassVar[int | None] = None  # ask `poll` this often
    shows_created: ClassVar[bool] = False  # also push "created" of payments its own calls opened: it shows them itself
    order_space: ClassVar[str] = "shop"  # whose order ids: one channel of a project for each; "" for ids of its own
    single: ClassVar[str] = ""  # a setting that only one connected channel of a hub may have: a bot's token
    tells_people: ClassVar[bool] = False  # its platform has people who run the shop: see `notify` and `desk`
    desk: Desk  # set by the hub before anything is asked

    def __init__(self, channel: ChannelView, http: Http, store: Store) -> None:
        self.channel = channel
        self.http = http
        self.store = store

    @abstractmethod
    def verify(self, request: InboundRequest) -> str | None:
        """Authenticate the raw bytes; give the platform's delivery id, None where it has none.

        Raises InvalidSignature.
        """

    @abstractmethod
    def parse(self, request: InboundRequest) -> list[PlatformEvent]:
        """Read an authentic call; what is of no concern gives []. Raises BadPayload, AdapterError.

        The call comes without headers that carry a secret itself (Authorization, Cookie, names with "token" …).
        """

    @abstractmethod
    def push(self, update: PaymentUpdate) -> PushResult:
        """Tell the platform, repeatably. Raises AdapterError."""

    def poll(self, cursor: str | None) -> tuple[list[PlatformEvent], str | None]:
        """Ask a platform without webhooks what is new since `cursor`. Raises AdapterError."""
        return [], cursor

    def notify(self, notices: Sequence[Notice], number: str) -> None:
        """Tell the channel's people, repeatably; number: of this telling, the same on every try. Raises AdapterError.

        One telling is under way at a time, and the next comes after a while: what happens meanwhile is gathered.
        """

    def has_audience(self) -> bool:
        """Tell whether anybody would hear a telling; while nobody does, nothing counts as told."""
        return bool(self.desk.members())

    def digest_due(self, now: datetime) -> Period | None:
        """Say which period a digest is due for, if any; each period is told once."""
        return None

    def invite_link(self, code: str) -> str:
        """Write the link under which an invited person becomes a member; by default the code itself."""
        return code

    def check(self) -> str:
        """Ask the platform whether the settings work; gives one sentence about it. Raises AdapterError."""
        return "The settings are complete; this platform has no check of its own."

    def answers_inline(self, request: InboundRequest) -> bool:
        """Tell whether the answer to this call must carry the payment's URL: it is then parsed at once, in 3 seconds.

        A call with `Accept: text/html` is answered by a redirect to the payment's page, any other with JSON.
        """
        return False

    def webhook_url(self) -> str:
        """Give the URL where the platform takes the hub's own signed webhooks; the outbox then posts them itself.

        Empty: updates go through `push`. Raises AdapterError for settings that cannot work here: they are refused.
        """
        return ""

    @classmethod
    def settings_from(cls, told: Mapping[str, Any]) -> dict[str, Any]:
        """Make a channel's settings of what a shop's plugin says when it connects by a code. Raises BadPayload."""
        raise BadPayload("This platform cannot be connected by a code.")

    @classmethod
    def downloads(cls) -> Sequence[Download]:
        """Give what merchants install at their platform; served below `/plugins/`."""
        return ()


@dataclass(frozen=True, slots=True)
class Rate:
    """What one USDT costs. currency: ISO 4217, "EUR".   price: of one USDT in it, > 0.   at: as the source says."""

    currency: str
    price: Decimal
    at: datetime | None = None


class RateSource(ABC):
    """Somebody who knows what USDT costs; asked again and again by one loop."""

    name: ClassVar[str]

    @abstractmethod
    def fetch(self, http: Http) -> Sequence[Rate]:
        """Ask for all rates this source knows. Raises AdapterError, EgressFailed."""


class Hooks:
    """What the house asks its plugins; a plugin implements what it needs, with the arguments it needs."""

    @hookspec
    def register_adapters(self) -> Sequence[type[Adapter]]:
        """Give the adapters this plugin brings."""
        raise NotImplementedError

    @hookspec
    def register_rate_sources(self, rate_table: Mapping[str, Decimal]) -> Sequence[RateSource]:
        """Give the rate sources this plugin brings. rate_table: what one USDT costs, as the operator has decided."""
        raise NotImplementedError

    @hookspec
    def register_blueprints(self) -> Sequence[object]:
        """Give Flask blueprints; each is served below `/plugins/<its name>/`."""
        raise NotImplementedError

    @hookspec
    def register_commands(self, cli: object) -> None:
        """Add commands to the click group `cli`."""
