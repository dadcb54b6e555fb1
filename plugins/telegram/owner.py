"""The side of a managed bot that its shop's people see: alerts, money that waits, refunds, the day's figures.

Who somebody is and what they may is the desk's to say, at each tap anew. A tap on what has changed meanwhile, a second
tap and a stranger's are answered, and nothing is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from core.contract import Act, Desk, InboxEntry, Notice, Period, RefundView, Role, Store
from core.errors import EntryChanged, GatewayError, InvalidInvite, NotAllowed, NotFound, NotInInbox
from plugins.telegram.bot_api import BotApi, Refused
from plugins.telegram.conversation import DigestAt, Join, ListInbox, OwnerWish, Refund, Tap
from plugins.telegram.owner_texts import (
    ACTS, confirm_rows, entry_rows, entry_text, next_rows, notices_text, question, refund_text, summary_text,
)
from plugins.telegram.owner_words import say

Json = dict[str, Any]
EACH = 3  # entries that have messages of their own in one telling; more of them are summed up
PAGE = 3
KEPT_MESSAGES = 10  # of one entry, which change when it does
REFUSALS = {NotInInbox: "gone", NotFound: "gone", EntryChanged: "changed", NotAllowed: "not_allowed"}
NO_REFUND = {NotAllowed: "not_allowed", NotFound: "no_order", NotInInbox: "no_money"}
DIGEST_REACH = timedelta(hours=6)  # a hub that was off at the hour sends the digest later, but not at night


class OwnerSide:
    """One bot's side for those who run the shop."""

    def __init__(self, api: BotApi, store: Store, desk: Desk, settings: Mapping[str, Any]) -> None:
        self._api, self._store, self._desk = api, store, desk
        self._settings = settings
        self._language = str(settings["language"])
        self._zone = ZoneInfo(str(settings["time_zone"]))

    def has_audience(self) -> bool:
        """Tell whether there is a chat to tell anything in."""
        return self._settings["owner_chat_id"] is not None or bool(self._desk.members())

    def digest_due(self, now: datetime) -> Period | None:
        """Give the day that ended at the digest's last hour, unless that is long ago."""
        hour = self._digest_hour()
        if hour is None:
            return None
        local = now.astimezone(self._zone)
        until = local.replace(hour=hour, minute=0, second=0, microsecond=0, fold=0)
        if until.astimezone(UTC) > now:
            until -= timedelta(days=1)
        if now - until.astimezone(UTC) > DIGEST_REACH:
            return None
        return Period((until - timedelta(days=1)).astimezone(UTC), until.astimezone(UTC))

    def notify(self, notices: Sequence[Notice], number: str) -> None:
        """Tell every chat; what was told of this telling already is passed over when it is tried again."""
        text = notices_text(notices, self._language, self._zone)
        money = next((one for one in notices if one.kind == "inbox"), None)
        for chat, role in self._audience().items():
            if self._store.get(f"blocked:{chat}"):
                continue
            try:
                if text:
                    self._once(number, f"{chat}:text", partial(self._api.send, chat, text))
                if money:
                    self._tell_money(money, number, chat, role)
            except Refused as err:
                if not err.is_shut:
                    raise
                self._store.swap(f"blocked:{chat}", None, "1")

    def take(self, wish: OwnerWish) -> bool:
        """Do what somebody of the shop's people wants; False for what a stranger cannot want here."""
        if isinstance(wish, Join):
            self._join(wish)
            return True
        role = self._desk.role_of(str(wish.user))
        if isinstance(wish, Tap):
            self._tap(wish, role)
            return True
        if role is None:
            return False
        if isinstance(wish, ListInbox):
            self._list(wish.chat, wish.after, role)
        elif isinstance(wish, Refund):
            self._refund(wish)
        else:
            self._digest(wish, role)
        return True

    def _tell_money(self, money: Notice, number: str, chat: int, role: Role | None) -> None:
        ids = [int(line["transfer_id"]) for line in money.lines]
        if money.count > EACH:
            rows = next_rows(min(ids) - 1, "show", self._language) if role is not Role.VIEWER else []
            words = summary_text(money, self._language)
            self._once(number, f"{chat}:inbox", partial(self._api.send, chat, words, rows))
            return
        for transfer_id in ids:
            entry = self._desk.entry(transfer_id)
            if entry.waits:
                self._once(number, f"{chat}:{transfer_id}", partial(self._show, chat, entry, role))

    def _once(self, number: str, what: str, do: Callable[[], object]) -> None:
        """Do one part of a telling, unless it was done at an earlier try; a crash in between does it again."""
        kept = json.loads(self._store.get("telling") or "{}")
        done = kept["done"] if kept.get("number") == number else []
        if what not in done:
            do()
            self._store.put("telling", json.dumps({"number": number, "done": [*done, what]}))

    def _audience(self) -> dict[int, Role | None]:
        """Name the chats that are told: of each member, and the channel's own, which may be a group."""
        told: dict[int, Role | None] = {int(one.person): one.role for one in self._desk.members()}
        own = self._settings["owner_chat_id"]
        return told if own is None or int(own) in told else told | {int(own): None}

    def _show(self, chat: int, entry: InboxEntry, role: Role | None) -> None:
        """Write an entry's message, and remember it, so that it can change with the entry."""
        text, rows = entry_text(entry, self._language), entry_rows(entry, self._language, role)
        message = self._api.send(chat, text, rows)
        key = f"inbox:{entry.transfer_id}"
        kept = json.loads(self._store.get(key) or "[]")
        self._store.put(key, json.dumps([*kept, [chat, message]][-KEPT_MESSAGES:]))

    def _join(self, wish: Join) -> None:
        try:
            role = self._desk.join(wish.code, person=str(wish.user), name=wish.name)
        except InvalidInvite:
            known = self._desk.role_of(str(wish.user))  # the same message, read again
            if known is None:
                self._api.send(wish.chat, say("no_invite", self._language))
                return
            role = known
        words = say("joined", self._language, role=say(role, self._language))
        more = f"\n{say('owner_help', self._language)}" if role is Role.OWNER else ""
        self._api.send(wish.chat, words + more)

    def _list(self, chat: int, after: int, role: Role | None) -> None:
        """Show what waits, a few at a time."""
        found = self._desk.waiting(after=after, limit=PAGE + 1)
        if not found:
            self._api.send(chat, say("empty", self._language))
        for entry in found[:PAGE]:
            self._show(chat, entry, role if chat > 0 else None)
        if len(found) > PAGE:
            last = found[PAGE - 1].transfer_id
            left = self._desk.count_waiting(after=last)
            self._api.send(chat, say("more", self._language, count=left), next_rows(last, "next", self._language))

    def _tap(self, tap: Tap, role: Role | None) -> None:
        """Answer a button of an entry: look again, ask, or decide."""
        is_looking = tap.verb == "n"
        if role is None or (role is Role.VIEWER and not is_looking):
            self._say(tap, "not_allowed")
            return
        if is_looking:
            self._say(tap, "")
            self._list(tap.chat, tap.transfer_id, role)
            return
        try:
            entry = self._desk.entry(tap.transfer_id)
        except NotFound:
            self._say(tap, "gone")
            return
        if tap.is_sure:
            self._decide(tap)
        elif not entry.waits or entry.mark != tap.mark:
            self._say(tap, "changed" if entry.waits else "gone")
            self._redraw(entry)
        elif tap.verb == "b":
            self._say(tap, "")
            self._edit(tap.chat, tap.message, entry, self._rows(tap.chat, entry))
        else:
            self._ask(tap, entry, role)

    def _ask(self, tap: Tap, entry: InboxEntry, role: Role) -> None:
        """Put the question whose answer moves money; who may not answer it is told so at once."""
        act = ACTS[tap.verb]
        if act is Act.REFUNDED and role is not Role.OWNER:
            self._say(tap, "not_allowed")
            return
        self._say(tap, "")
        order = next((one.order_id for one in entry.likely if one.payment_id == tap.payment_id), entry.order_id)
        asked = question(entry, act, order, self._language)
        text = entry_text(entry, self._language, ask=asked)
        self._api.edit(tap.chat, tap.message, text, confirm_rows(entry, act, tap.payment_id, self._language))

    def _decide(self, tap: Tap) -> None:
        words, why = "done", ""
        try:
            entry = self._desk.decide(
                tap.transfer_id, ACTS[tap.verb], person=str(tap.user), mark=tap.mark,
                payment_id=tap.payment_id or None,
            )
        except GatewayError as err:
            if err.http_status >= 500:
                raise
            words, why = REFUSALS.get(type(err), "refused"), err.sentence
            entry = self._desk.entry(tap.transfer_id)
        self._say(tap, words, why=why)
        self._redraw(entry, also=(tap.chat, tap.message))

    def _redraw(self, entry: InboxEntry, *, also: tuple[int, int] | None = None) -> None:
        """Show an entry as it is now wherever it was shown."""
        kept = [tuple(one) for one in json.loads(self._store.get(f"inbox:{entry.transfer_id}") or "[]")]
        for chat, message in dict.fromkeys([*([also] if also else []), *kept]):
            self._edit(chat, message, entry, self._rows(chat, entry))

    def _rows(self, chat: int, entry: InboxEntry) -> list[list[Json]]:
        return entry_rows(entry, self._language, self._audience().get(chat, Role.VIEWER))

    def _edit(self, chat: int, message: int, entry: InboxEntry, rows: list[list[Json]]) -> None:
        try:
            self._api.edit(chat, message, entry_text(entry, self._language), rows)
        except Refused as err:
            if not err.is_shut:
                raise

    def _refund(self, wish: Refund) -> None:
        """Begin a refund, or show it; its link never stands in a group."""
        if wish.chat != wish.user:
            self._api.send(wish.chat, say("in_private", self._language))
            return
        if not wish.order_id:
            self._api.send(wish.chat, say("refund_usage", self._language))
            return
        try:
            begin = self._desk.refund_paid if wish.is_whole else self._desk.refund
            view = begin(wish.order_id, person=str(wish.user))
        except (NotAllowed, NotFound, NotInInbox) as err:
            self._api.send(wish.chat, say(NO_REFUND[type(err)], self._language))
            return
        self._api.send(wish.chat, refund_text(view, self._language) + self._who_is_told(view))

    def _who_is_told(self, view: RefundView) -> str:
        """Say that the payer is told; where they are not in the bot, give the links for whoever can reach them."""
        if view.state != "requested":
            return ""
        if self._store.get(f"payment:{view.payment_id}"):
            return f"\n{say('refund_to_payer', self._language)}"
        links = [link for link, _ in json.loads(self._store.get(f"refund:{view.payment_id}") or "[]")]
        return "\n".join(["", say("refund_by_you", self._language), *links]) if links else ""

    def _digest(self, wish: DigestAt, role: Role) -> None:
        """Set the digest's hour, or say it."""
        if wish.hour and role is not Role.OWNER:
            self._api.send(wish.chat, say("not_allowed", self._language))
            return
        if wish.hour:
            self._store.put("digest hour", wish.hour)
        hour = self._digest_hour()
        words = "digest_off" if hour is None else "digest_at"
        now = say(words, self._language, hour=hour, zone=self._zone.key)
        self._api.send(wish.chat, now if wish.hour else f"{now}\n{say('digest_usage', self._language)}")

    def _digest_hour(self) -> int | None:
        """Give the hour that was set in the chat, else the channel's; None: no digest."""
        kept = self._store.get("digest hour")
        if kept:
            return None if kept == "off" else int(kept)
        hour = self._settings["digest_hour"]
        return None if hour is None else int(hour)

    def _say(self, tap: Tap, key: str, *, why: str = "") -> None:
        """Answer a tap; an empty key only ends the waiting."""
        text = say(key, self._language, why=why)[:200] if key else ""
        try:
            self._api.call("answerCallbackQuery", callback_query_id=tap.query, text=text)
        except Refused:
            return  # the query is too old: nobody waits for its answer
