"""Decide what a payment is, from facts alone: pure, total, the only place that decides.

Two axes: `Status` is what the shop should do with the goods, `Anomaly` what is odd about the money. `settle` is
level-triggered: it is given every fact known now and may be asked any number of times. It never looks at a clock,
a database or a chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What the shop should do with the goods."""

    PENDING = "pending"
    CONFIRMING = "confirming"
    PAID = "paid"
    EXPIRED = "expired"
    CANCELED = "canceled"


class Anomaly(StrEnum):
    """What is odd about the money."""

    NONE = "none"
    UNDERPAID = "underpaid"
    OVERPAID = "overpaid"
    LATE = "late"
    DUPLICATE = "duplicate"
    ACCEPTED = "accepted"


class Money(StrEnum):
    """What solid blocks brought, against what was asked."""

    NONE = "none"
    SHORT = "short"
    NEAR = "near"  # short by no more than was tolerated when the payment was opened
    EXACT = "exact"
    OVER = "over"


OPEN = frozenset({Status.PENDING, Status.CONFIRMING})
ENOUGH = frozenset({Money.NEAR, Money.EXACT, Money.OVER})
TAKES_ORDER = frozenset({Status.PENDING, Status.CONFIRMING, Status.PAID})

PUBLIC_WORDS = {
    Status.PENDING: "pending",
    Status.CONFIRMING: "pending",
    Status.PAID: "paid",
    Status.EXPIRED: "expired",
    Status.CANCELED: "failed",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A payment's place on both axes."""

    status: Status
    anomaly: Anomaly = Anomaly.NONE


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that decides a payment.

    money, timely: what solid blocks brought in all, and whether it was enough by a block inside the window.
    repeated: a further transfer came after the one that was enough, and nobody has dealt with it yet.
    seen: the head shows a transfer inside the window; advice only.
    canceled: someone asked to cancel.   closed: solid chain time has passed the window's end.
    order_taken: another payment of the same order is open or paid.
    accepted: a human takes what has come for enough, or the project's policy takes what came late.
    """

    money: Money = Money.NONE
    timely: bool = False
    repeated: bool = False
    seen: bool = False
    canceled: bool = False
    closed: bool = False
    order_taken: bool = False
    accepted: bool = False


def settle(standing: Standing, facts: Facts) -> Standing:
    """Give the standing that the facts demand; the first rule that fits wins.

    Paid is final. Money beats cancel and expiry, but never an order that another payment has taken. What is odd about
    a paid payment's money follows the facts: an extra transfer that was sent back is odd no longer.
    """
    is_enough = facts.money in ENOUGH
    pays = is_enough or (facts.accepted and facts.money is Money.SHORT)
    if standing.status is Status.PAID:
        return Standing(Status.PAID, _oddity(facts))
    if pays and facts.order_taken:
        return Standing(_ended(facts), Anomaly.DUPLICATE)
    if pays and (facts.timely or facts.accepted):
        return Standing(Status.PAID, _oddity(facts))
    if is_enough:
        return Standing(_ended(facts), Anomaly.LATE)
    anomaly = Anomaly.UNDERPAID if facts.money is Money.SHORT else Anomaly.NONE
    if facts.canceled or facts.closed or facts.order_taken:
        return Standing(_ended(facts), anomaly)
    return Standing(Status.CONFIRMING if facts.seen else Status.PENDING, anomaly)


def public_word(status: Status) -> str:
    """Say a status in one of the four words merchants know."""
    return PUBLIC_WORDS[status]


def _oddity(facts: Facts) -> Anomaly:
    """Name what is odd about the money of a paid payment."""
    if facts.repeated:
        return Anomaly.DUPLICATE
    if facts.accepted or facts.money in (Money.NEAR, Money.SHORT):
        return Anomaly.ACCEPTED
    return Anomaly.OVERPAID if facts.money is Money.OVER else Anomaly.NONE


def _ended(facts: Facts) -> Status:
    return Status.CANCELED if facts.canceled else Status.EXPIRED
