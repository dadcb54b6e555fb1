"""Reads an update of the Bot API into a wish: pure, and blind to whatever it does not know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
PAYLOAD = re.compile(r"[A-Za-z0-9_-]{1,64}")  # of a deep link (Bot API, deep linking)
AMOUNT = re.compile(r"([0-9]{1,9})(?:[.,]([0-9]{1,6}))?")
COMMAND = re.compile(r"/([A-Za-z]{1,32})(?:@(\w+))?(?:\s+(.*))?", re.DOTALL | re.ASCII)
HOUR = re.compile(r"off|[01]?[0-9]|2[0-3]")
INVITE = re.compile(r"owner-(cc_[A-Za-z0-9_-]{0,55})")  # in a deep link; a mangled one is answered as a used one is
# verb, whether it is the second tap, transfer, payment, and the entry's mark when the button was made
OWNERS = re.compile(r"o:([a-z])(!?):([0-9]{1,19}):([0-9]{1,16}):([0-9a-f]{8})")
PRESSED = re.compile(r"([bcx]):([A-Za-z0-9_-]{1,61})")


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants, and where they are answered."""

    chat: int
    user: int
    language: str


@dataclass(frozen=True, slots=True)
class Talk(Wish):
    """To see what there is."""


@dataclass(frozen=True, slots=True)
class Usage(Wish):
    """To pay, but not how much."""


@dataclass(frozen=True, slots=True)
class Buy(Wish):
    """An item by its code, or to pay an amount. query: of the button that was pressed, empty for a command."""

    order_id: str
    item: str = ""
    amount: str = ""
    query: str = ""


@dataclass(frozen=True, slots=True)
class Check(Wish):
    """To know how a payment stands."""

    payment_id: int
    query: str


@dataclass(frozen=True, slots=True)
class Cancel(Wish):
    """To cancel a payment."""

    payment_id: int
    query: str


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody has blocked the bot, or opened it again."""

    chat: int
    is_gone: bool


@dataclass(frozen=True, slots=True)
class Join(Wish):
    """To become one of those who run the shop. name: as the person calls themselves."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class ListInbox(Wish):
    """To see what waits, from beyond a transfer."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class Refund(Wish):
    """To give an order's money back, or see how far that is.   is_whole: also what has paid it, all of it."""

    order_id: str
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class DigestAt(Wish):
    """To have the digest at an hour, or `off`; empty: to know."""

    hour: str


@dataclass(frozen=True, slots=True)
class Tap(Wish):
    """A button of the inbox. is_sure: the second tap.   mark: of the entry when the button was made."""

    verb: str
    is_sure: bool
    transfer_id: int
    payment_id: int
    mark: str
    query: str
    message: int


OwnerWish = Join | ListInbox | Refund | DigestAt | Tap


def read_update(update: Json, *, bot: str = "") -> Wish | Left | None:
    """Read one update; None for what is of no concern. bot: its name, where that is known: others are not obeyed."""
    try:
        if "message" in update:
            return _message(update["message"], bot)
        if "callback_query" in update:
            return _press(update["callback_query"])
        if "my_chat_member" in update:
            change = update["my_chat_member"]
            gone = change["new_chat_member"]["status"] in ("kicked", "left")
            return Left(int(change["chat"]["id"]), gone)
    except (KeyError, TypeError, ValueError):
        return None  # a kind of message that we do not know: a photo, a service message
    return None


def read_amount(text: str) -> str:
    """Read an amount such as `10` or `9,50`; empty for anything else, zero included."""
    match = AMOUNT.fullmatch(text.strip())
    if match is None or not (match[1] + (match[2] or "")).strip("0"):
        return ""
    whole = match[1].lstrip("0") or "0"
    return f"{whole}.{match[2]}" if match[2] else whole


def _message(message: Json, bot: str) -> Wish | None:
    match = COMMAND.fullmatch(message["text"].strip())
    who = (int(message["chat"]["id"]), int(message["from"]["id"]), str(message["from"].get("language_code", "en"))[:8])
    is_private = message["chat"]["type"] == "private"
    if match is None:
        return Talk(*who) if is_private else None
    command, named, rest = match[1].lower(), match[2] or "", (match[3] or "").strip()
    if bot and named and named.lower() != bot.lower():
        return None
    order_id = f"tg.{who[0]}.{int(message['message_id'])}"
    if command == "pay":
        amount = read_amount(rest)
        return Buy(*who, order_id, amount=amount) if amount else Usage(*who)
    if command == "start" and is_private and (invited := INVITE.fullmatch(rest)):
        return Join(*who, invited[1], str(message["from"].get("first_name", "")))
    if command in ("inbox", "refund", "digest"):
        return _owner_command(who, command, rest)
    if command == "start":
        return Buy(*who, order_id, item=rest) if PAYLOAD.fullmatch(rest) else Talk(*who)
    return Talk(*who) if is_private else None


def _owner_command(who: tuple[int, int, str], command: str, rest: str) -> Wish:
    if command == "inbox":
        return ListInbox(*who)
    if command == "refund":
        order_id, _, what = rest.rpartition(" ")
        is_whole = bool(order_id) and what.lower() == "all"
        return Refund(*who, (order_id.strip() if is_whole else rest)[:64], is_whole)
    return DigestAt(*who, rest if HOUR.fullmatch(rest) else "")


def _press(query: Json) -> Wish | None:
    """Read a pressed button. Pressing one thing of one message twice is one order."""
    message, sender = query["message"], query["from"]
    who = (int(message["chat"]["id"]), int(sender["id"]), str(sender.get("language_code", "en"))[:8])
    number = str(query["id"])
    if owners := OWNERS.fullmatch(query["data"]):
        verb, sure, transfer_id, payment_id, mark = owners.groups()
        place = (number, int(message["message_id"]))
        return Tap(*who, verb, bool(sure), int(transfer_id), int(payment_id), mark, *place)
    match = PRESSED.fullmatch(query["data"])
    if match is None:
        return None
    if match[1] == "b":
        order_id = f"tg.{who[0]}.{int(message['message_id'])}.{match[2]}"[:64]
        return Buy(*who, order_id, item=match[2], query=number)
    kind = Check if match[1] == "c" else Cancel
    return kind(*who, int(match[2]), number)
