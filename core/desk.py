"""The desk of those who run a shop from a channel: what they are told, what waits for them, and what they may decide.

Part of the contract, as `core.contract` is: an adapter whose platform has people hands the desk what they do, and the
hub judges it by their role. Nothing here knows a platform or a database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from core.money import Usdt


class Role(StrEnum):
    """What somebody may: look; also decide about money that waits; also give money back."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    OWNER = "owner"


class Act(StrEnum):
    """What can be decided about money that waits; REFUNDED is an owner's alone."""

    ACCEPT = "accept"
    ATTACH = "attach"
    REFUNDED = "refunded"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who runs a shop from a channel. person: as the platform names them."""

    person: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a channel's people should know, once, with others of its kind.

    kind: "paid", "refund.addressed" and other events' words; "inbox"; "webhook", "watcher", "address", "channel" of
    alarms; "digest"; or what an adapter's own `remark` said.   count: how many there were.   lines: the first of them,
    each texts by name.   sums: of all of them.
    """

    kind: str
    count: int
    lines: Sequence[Mapping[str, str]]
    sums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Period:
    """What a digest tells of: from `since` until before `until`."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Likely:
    """A payment that money may have been meant for. off: what came, less what was asked.   late_s: after its window."""

    payment_id: int
    order_id: str
    status: str
    off: Usdt
    late_s: int
    is_same_sender: bool


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """Money that waits for a decision, or waited.

    open_amount: what of it nobody has been credited with.   bucket: why it waits.   order_id, status: of the payment it
    is counted for, if any.   resolution, by: what was decided, and by whom; empty while it waits.   refund: the state
    of its refund while that is on: then nothing else can be decided.   mark: other whenever the entry is.
    """

    transfer_id: int
    bucket: str
    amount: Usdt
    open_amount: Usdt
    address: str
    txid: str
    block_time: datetime
    waits: bool
    resolution: str
    by: str
    refund: str
    mark: str
    payment_id: int | None = None
    order_id: str = ""
    status: str = ""
    due: Usdt = Usdt(0)
    likely: Sequence[Likely] = ()


@dataclass(frozen=True, slots=True)
class RefundView:
    """A refund. link: where its payer leaves an address, when it has just begun.   recipient: once the payer has."""

    refund_id: int
    payment_id: int
    order_id: str
    amount: Usdt
    state: str
    recipient: str = ""
    txid: str = ""
    link: str = field(default="", repr=False)


class Desk(Protocol):
    """A channel's desk. Each call is a transaction of its own; person: whoever acts, as the platform names them.

    Whatever is decided is kept with `<adapter>:<person>` as its actor.
    """

    def members(self) -> Sequence[Member]:
        """List the channel's people, those who joined first before the others."""

    def role_of(self, person: str) -> Role | None:
        """Give somebody's role; None for a stranger."""

    def join(self, code: str, *, person: str, name: str) -> Role:
        """Take an invitation, once; who is a member already has its role from then on. Raises InvalidInvite."""

    def waiting(self, *, after: int = 0, limit: int = 5) -> Sequence[InboxEntry]:
        """List what waits, the oldest first, from beyond the transfer id `after`."""

    def count_waiting(self, *, after: int = 0) -> int:
        """Count what waits beyond the transfer id `after`; at most 1,000."""

    def entry(self, transfer_id: int) -> InboxEntry:
        """Read one entry, waiting or not. Raises NotFound."""

    def decide(
        self, transfer_id: int, act: Act, *, person: str, mark: str, payment_id: int | None = None
    ) -> InboxEntry:
        """Decide about an entry as it was when its mark was read; gives it as it is then.

        payment_id: with ATTACH.   Raises NotAllowed, NotFound, NotInInbox, EntryChanged, and what the inbox refuses
        (NotAttachable, OrderTaken, RefundUnderway).
        """

    def refund(self, order_id: str, *, person: str) -> RefundView:
        """Promise an order's waiting money back, or show the refund that it has; an owner's act.

        A new link is also kept in the channel's store, sealed, as JSON under `refund:<payment_id>`: a list of
        `[link, amount]`, for the push of `refund.requested`. Raises NotAllowed, NotFound, NotInInbox.
        """

    def refund_paid(self, order_id: str, *, person: str) -> RefundView:
        """Promise back all that is left of what has paid an order, or show its last refund where nothing is.

        Asked twice, it begins one. The order stays paid. Raises NotAllowed, NotFound, NotInInbox.
        """

    def remark(self, kind: str, key: str, **facts: str) -> None:
        """Have the channel's people told of something that only the adapter can know; each key once for ever."""
