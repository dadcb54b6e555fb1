"""A bot that the hub runs for somebody without code: it sells by command, link and catalogue, and reports to its owner.

One message shows a payment and is edited as it goes on; a new one says that it is paid, because edits ring no bell.
Everything it does is repeatable: what was shown of each payment is kept in the channel's store under its number.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, ClassVar

from core.contract import (
    Adapter, AdapterError, BadPayload, ChannelView, Http, InboundRequest, InvalidSignature, Notice, OrderCanceled,
    OrderPlaced, PaymentUpdate, Period, PlatformEvent, PushResult, Store,
)
from plugins.telegram.bot_api import BotApi, Json, Refused
from plugins.telegram.conversation import Buy, Cancel, Check, Left, OwnerWish, Usage, Wish, read_update
from plugins.telegram.owner import OwnerSide
from plugins.telegram.settings import BOT_API, TelegramSettings, has_places_of
from plugins.telegram.words import (
    catalogue_buttons, payment_buttons, payment_text, refund_message, standing_of, usage_text, word,
)

SECRET_HEADER = "x-telegram-bot-api-secret-token"
KINDS = ["message", "callback_query", "my_chat_member"]
COMMANDS = {"start": "What is for sale", "pay": "Pay an amount: /pay 10"}
CAME = ("underpaid", "overpaid", "late", "paid")  # standings of payments that have had money
PAGE = 50  # updates of one poll: handled within the lease


@dataclass(frozen=True, slots=True)
class Shown:
    """What a buyer has been shown of a payment. number: of the last update that was.   returned: of the last refund."""

    chat: int
    user: int
    language: str
    order_id: str
    message: int | None = None
    number: int = 0
    told: bool = False
    standing: str = "pending"
    returned: int = 0


class Telegram(Adapter):
    """A managed bot."""

    name = "telegram"
    settings_schema = TelegramSettings
    poll_every_s: ClassVar[int | None] = 2
    order_space = "telegram"  # they name chat and message: another bot of the same people may have the same
    single = "token"  # two channels would take each other's updates
    shows_created = True
    tells_people = True

    def __init__(self, channel: ChannelView, http: Http, store: Store) -> None:
        super().__init__(channel, http, store)
        self._settings: Mapping[str, Any] = channel.settings
        self._token = str(channel.settings["token"])
        self._api = BotApi(http, store, base_url=str(channel.settings["bot_api_url"]), token=self._token)

    @property
    def _owner(self) -> OwnerSide:
        return OwnerSide(self._api, self.store, self.desk, self._settings)

    @property
    def webhook_secret(self) -> str:
        """Give this bot's own secret token: 64 hex digits, made of its token, so that it is stored nowhere."""
        return hmac.digest(self._token.encode(), f"webhook:{self.channel.channel_id}".encode(), "sha256").hex()

    def webhook_url(self) -> str:
        """Give none, the hub writes to the Bot API itself; refuses updates that Telegram cannot deliver."""
        is_hooked = self._settings["updates"] == "webhook" and self._settings["bot_api_url"] == BOT_API
        if is_hooked and not self.channel.inbound_url.startswith("https:"):
            raise AdapterError("updates: webhook needs a hub whose PAYWHARF_BASE_URL is https; poll works without.")
        return ""

    def verify(self, request: InboundRequest) -> str | None:
        """Compare the secret token; the delivery id is the update's number, once for each bot."""
        given = request.headers.get(SECRET_HEADER, "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self.webhook_secret.encode()):
            raise InvalidSignature
        return f"update:{_update(request.body)['update_id']}"

    def parse(self, request: InboundRequest) -> list[PlatformEvent]:
        """Do what one update says."""
        return self._take(_update(request.body))

    def poll(self, cursor: str | None) -> tuple[list[PlatformEvent], str | None]:
        """Set the bot up where that is still to be done; ask for updates where it has no webhook."""
        self._set_up()
        if self._settings["updates"] == "webhook":
            return [], cursor
        offset = int(cursor or 0)
        found = self._ask("getUpdates", offset=offset, limit=PAGE, timeout=0, allowed_updates=KINDS)
        again = json.loads(self.store.get("heard") or "[]")  # a poll whose orders could not be taken is done anew
        events: list[PlatformEvent] = []
        for update in found:
            events += self._take(update, is_new=update["update_id"] not in again)
            offset = int(update["update_id"]) + 1
        if found:
            self.store.put("heard", json.dumps([update["update_id"] for update in found]))
        return events, str(offset)

    def push(self, update: PaymentUpdate) -> PushResult:
        """Show how a payment stands; repeatable, and an older update than one already shown is ignored."""
        shown = self._shown(update)
        if shown is None:
            return PushResult.ALREADY
        is_open = not self.store.get(f"blocked:{shown.chat}")
        if is_open:
            self._send_links(update, shown)
        if update.number < shown.number:
            return PushResult.ALREADY
        shown = self._note(update, shown, number=update.number, standing=standing_of(update))
        if is_open:
            self._write(update, shown)
        return PushResult.DONE

    def notify(self, notices: Sequence[Notice], number: str) -> None:
        """Tell those who run the shop."""
        try:
            self._owner.notify(notices, number)
        except Refused as err:
            raise AdapterError(f"The Bot API refused a message: {err.words}", permanent=True) from err

    def has_audience(self) -> bool:
        """Tell whether there is a chat to tell anything in."""
        return self._owner.has_audience()

    def digest_due(self, now: datetime) -> Period | None:
        """Give the day that a digest is due for."""
        return self._owner.digest_due(now)

    def invite_link(self, code: str) -> str:
        """Write the deep link that makes somebody one of the shop's people."""
        return f"https://t.me/{self._ask('getMe')['username']}?start=owner-{code}"

    def check(self) -> str:
        """Ask who the bot is, and set it up."""
        me = self._ask("getMe")
        self.store.put("set up", "")
        self._set_up()
        how = "sends updates to this hub" if self._settings["updates"] == "webhook" else "is asked for updates"
        return f"@{me['username']} answers and {how}."

    def _set_up(self) -> None:
        """Register or remove the webhook, and the commands, once for these settings."""
        is_hooked = self._settings["updates"] == "webhook"
        wanted = f"{self.webhook_secret[:16]} {self.channel.inbound_url if is_hooked else 'poll'}"
        if self.store.get("set up") == wanted:
            return
        self.store.put("username", self._ask("getMe")["username"])
        if is_hooked:
            self._ask(
                "setWebhook", url=self.channel.inbound_url, secret_token=self.webhook_secret, allowed_updates=KINDS
            )
        else:
            self._ask("deleteWebhook")
        self._ask("setMyCommands", commands=[{"command": c, "description": d} for c, d in COMMANDS.items()])
        self.store.put("set up", wanted)

    def _ask(self, method: str, **given: object) -> Any:
        try:
            return self._api.call(method, **given)
        except Refused as err:
            raise AdapterError(f"{method}: {err.words}", permanent=True) from err

    def _take(self, update: Json, *, is_new: bool = True) -> list[PlatformEvent]:
        wish = read_update(update, bot=self.store.get("username") or "")
        query = update.get("callback_query")
        if wish is None and isinstance(query, dict) and "id" in query:  # a button of another version: end the waiting
            self._quietly("answerCallbackQuery", callback_query_id=str(query["id"]))
        if isinstance(wish, Left):
            self._mark(wish.chat, is_blocked=wish.is_gone)
            return []
        if isinstance(wish, Buy):
            return self._buy(wish)
        if isinstance(wish, Check | Cancel):
            return self._press(wish)
        if wish is not None and is_new:
            self._mark(wish.chat, is_blocked=False)
            self._talk(wish)
        return []

    def _talk(self, wish: Wish) -> None:
        """Answer one of the shop's people, and everybody else as a buyer."""
        try:
            if isinstance(wish, OwnerWish) and self._owner.take(wish):
                return
        except Refused as err:
            self._refused(wish.chat, err)
            return
        if wish.chat == wish.user or not isinstance(wish, OwnerWish):
            self._answer(wish)

    def _buy(self, wish: Buy) -> list[PlatformEvent]:
        """Place an order, named after the message that asked for it: the same message again is the same order."""
        self._mark(wish.chat, is_blocked=False)
        item = next((one for one in self._settings["catalogue"] if one["code"] == wish.item), None)
        amount = item["price"] if item else wish.amount if self._settings["free_amounts"] else ""
        if wish.query:
            self._quietly("answerCallbackQuery", callback_query_id=wish.query)
        currency = str(self._settings["currency"])
        if not amount or not has_places_of(currency, amount):
            self._answer(Usage(wish.chat, wish.user, wish.language) if wish.amount else wish)
            return []
        details = {
            "chat": str(wish.chat), "user": str(wish.user), "language": wish.language,
            "title": item["title"] if item else "", "price": f"{amount} {currency}",
        }
        return [OrderPlaced(wish.order_id, amount, currency, details=details)]

    def _press(self, wish: Check | Cancel) -> list[PlatformEvent]:
        shown = self._kept(wish.payment_id)
        if shown is None or shown.user != wish.user:
            says, told = word("not_yours", wish.language), []
        else:
            says = word(shown.standing, wish.language)
            is_over = isinstance(wish, Cancel) and shown.standing not in CAME  # else the seller decides
            told = [OrderCanceled(shown.order_id, "by the buyer")] if is_over else []
        self._quietly("answerCallbackQuery", callback_query_id=wish.query, text=says[:200])
        return [*told]

    def _answer(self, wish: Wish) -> None:
        """Say what there is; to a buyer who asked for what there is not, too."""
        items = list(self._settings["catalogue"])
        key = "catalogue" if items else "usage" if self._settings["free_amounts"] else "nothing"
        if isinstance(wish, Usage) and self._settings["free_amounts"]:
            key = "usage"
        currency = str(self._settings["currency"])
        rows = catalogue_buttons(items, currency) if key == "catalogue" else []
        try:
            says = usage_text(currency, wish.language) if key == "usage" else word(key, wish.language)
            self._api.send(wish.chat, says, rows)
        except Refused as err:
            self._refused(wish.chat, err)

    def _write(self, update: PaymentUpdate, shown: Shown) -> None:
        text, rows = payment_text(update, shown.language), payment_buttons(update, shown.language)
        try:
            if shown.message is None or not self._api.edit(shown.chat, shown.message, text, rows):
                shown = self._note(update, shown, message=self._api.send(shown.chat, text, rows))
            if update.type == "paid" and not shown.told:
                self._api.send(shown.chat, payment_text(update, shown.language))
                self._note(update, shown, told=True)
            if update.type == "refund.verified" and shown.returned < update.number:
                self._api.send(shown.chat, word("returned", shown.language))
                self._note(update, shown, returned=update.number)
        except Refused as err:
            self._refused(shown.chat, err)

    def _send_links(self, update: PaymentUpdate, shown: Shown) -> None:
        """Send the payer the links of refunds that were begun; a crash sends one again, and it is the same link."""
        key = f"refund:{update.payment_id}"
        kept = self.store.get(key)
        if kept is None:
            return
        try:
            for link, amount in json.loads(kept):
                self._api.send(shown.chat, *refund_message(link, amount, shown.language))
        except Refused as err:
            self._refused(shown.chat, err)
            return
        self.store.swap(key, kept, None)

    def _refused(self, chat: int, err: Refused) -> None:
        """Mark a chat that is closed to us; any other refusal is a fault of ours that repeating does not mend."""
        if err.is_shut:
            self._mark(chat, is_blocked=True)
            return
        raise AdapterError(f"The Bot API refused a message: {err.words}", permanent=True) from err

    def _mark(self, chat: int, *, is_blocked: bool) -> None:
        """Remember whether a chat is closed to us; the owner is told when it becomes so."""
        key = f"blocked:{chat}"
        if is_blocked and self.store.swap(key, None, "1"):
            self.desk.remark("blocked", f"blocked:{chat}", chat=str(chat))
        elif not is_blocked:
            self.store.swap(key, "1", None)

    def _quietly(self, method: str, **given: object) -> None:
        try:
            self._api.call(method, **given)
        except Refused:
            return  # the query is too old: nobody waits for its answer

    def _shown(self, update: PaymentUpdate) -> Shown | None:
        """Find what was shown of a payment; None for one that no chat asked for."""
        kept = self._kept(update.payment_id)
        if kept is not None:
            return kept
        told = update.details
        if "chat" not in told:
            return None
        return Shown(int(told["chat"]), int(told["user"]), told.get("language", "en"), update.order_id)

    def _kept(self, payment_id: int) -> Shown | None:
        kept = json.loads(self.store.get(f"payment:{payment_id}") or "{}")
        known = {field.name for field in fields(Shown)}  # what an earlier version kept beside them is over
        return Shown(**{name: value for name, value in kept.items() if name in known}) if kept else None

    def _note(self, update: PaymentUpdate, shown: Shown, **changes: object) -> Shown:
        fresh = Shown(**asdict(shown) | changes)
        self.store.put(f"payment:{update.payment_id}", json.dumps(asdict(fresh)))
        return fresh


def _update(body: bytes) -> Json:
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if not isinstance(told, dict) or not isinstance(told.get("update_id"), int):
        raise BadPayload("This is no update of the Bot API.")
    return told
