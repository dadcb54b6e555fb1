"""The words of a refund: how far it is, and why a transaction does not prove it."""

from __future__ import annotations

from enum import StrEnum

from core.outbox.events import EventType


class State(StrEnum):
    """How far a refund is."""

    REQUESTED = "requested"
    ADDRESSED = "addressed"
    VERIFYING = "verifying"
    VERIFIED = "verified"
    FAILED = "failed"
    CANCELED = "canceled"


class Why(StrEnum):
    """Why the named transaction proves nothing yet, or nothing at all."""

    NONE = ""
    NOT_FOUND = "not_found"
    NOT_FINAL = "not_final"
    NOT_SCANNED = "not_scanned"
    GIVEN_UP = "given_up"
    FAILED = "failed"
    OTHER_TOKEN = "other_token"
    OTHER_ADDRESS = "other_address"
    TOO_LITTLE = "too_little"
    OLDER = "older"
    USED = "used"


WAITS = (Why.NOT_FOUND, Why.NOT_FINAL, Why.NOT_SCANNED)
SENTENCES = {
    Why.NONE: "",
    Why.NOT_FOUND: "The transaction was not found yet.",
    Why.NOT_FINAL: "The transaction is in a block that is not final yet.",
    Why.NOT_SCANNED: "The transaction is final and about to be counted.",
    Why.GIVEN_UP: "The transaction was not found on the TRON network within an hour.",
    Why.FAILED: "The transaction failed: no USDT has moved.",
    Why.OTHER_TOKEN: "The transaction moved no USDT.",
    Why.OTHER_ADDRESS: "The transaction sent no USDT to the refund's address.",
    Why.TOO_LITTLE: "The transaction sent less than is to be refunded.",
    Why.OLDER: "The transaction is older than the money it should refund.",
    Why.USED: "The transaction has proven another refund.",
}
EVENTS = {
    State.REQUESTED: EventType.REFUND_REQUESTED,
    State.ADDRESSED: EventType.REFUND_ADDRESSED,
    State.VERIFYING: EventType.REFUND_SENT,
    State.VERIFIED: EventType.REFUND_VERIFIED,
    State.FAILED: EventType.REFUND_FAILED,
    State.CANCELED: EventType.REFUND_CANCELED,
}
