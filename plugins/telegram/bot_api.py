"""The Bot API's few calls that a payment bot needs, as JSON over the hub's guarded door, at the pace it asks for.

Waits are short and inside a call; a longer one is handed to the outbox as `retry_after_s`. Slots and pauses are kept in
the channel's store, so that any number of workers keep one pace together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any

from core.clock import Clock, SystemClock, to_millis
from core.contract import AdapterError, Http, Store
from core.errors import GatewayError

Json = dict[str, Any]
# Telegram's own advice (Bots FAQ): a message a second in a chat, 20 a minute in a group, 30 a second in all.
CHAT_GAP_MS, GROUP_GAP_MS, OVERALL_GAP_MS = 1_000, 3_000, 34
PATIENCE_MS = 4_000  # waited for in the call itself: a worker has many places, and a retry comes 5 s later
SLOT_TRIES = 50
NOT_MODIFIED, GONE = "message is not modified", "message to edit not found"


class Refused(Exception):
    """The Bot API said no. code: as it says, 400 or 403."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words

    @property
    def is_shut(self) -> bool:
        """Tell whether the chat is closed to the bot: it was blocked, or nobody ever opened it."""
        return self.code == 403 or "chat not found" in self.words


class BotApi:
    """One bot."""

    def __init__(
        self, http: Http, store: Store, *, base_url: str, token: str, clock: Clock | None = None,
    ) -> None:
        self._http, self._store = http, store
        self._url = f"{base_url}/bot{token}"
        self._clock = clock or SystemClock()

    def call(self, method: str, **given: object) -> Any:
        """Call a method; gives its result. Raises Refused (400, 403), AdapterError for what may pass or is final."""
        body = json.dumps(given).encode()
        try:
            answer = self._http.send(
                "POST", f"{self._url}/{method}", body=body, headers={"Content-Type": "application/json"}
            )
        except GatewayError as err:
            raise AdapterError(f"The Bot API could not be reached: {err.sentence}") from err
        return self._result(answer.status, answer.body, answer.headers.get("retry-after", ""))

    def send(self, chat_id: int, text: str, rows: Sequence[Sequence[Json]] = ()) -> int:
        """Write a message in HTML; gives its number. Raises Refused, AdapterError."""
        self._take_slot(chat_id)
        sent = self._patiently("sendMessage", **_message(chat_id, text, rows))
        return int(sent["message_id"])

    def edit(self, chat_id: int, message_id: int, text: str, rows: Sequence[Sequence[Json]] = ()) -> bool:
        """Change a message, or leave it if it is so already; False where it is gone. Raises Refused, AdapterError."""
        self._take_slot(chat_id)
        try:
            self._patiently("editMessageText", message_id=message_id, **_message(chat_id, text, rows))
        except Refused as err:
            if GONE in err.words:
                return False
            if NOT_MODIFIED not in err.words:
                raise
        return True

    def _patiently(self, method: str, **given: object) -> Any:
        """Call, and once more after a short pause that is asked for; all other workers pause too."""
        try:
            return self.call(method, **given)
        except AdapterError as err:
            pause_ms = int((err.retry_after_s or 0) * 1000)
            if not 0 < pause_ms <= PATIENCE_MS:
                raise
        Event().wait(pause_ms / 1000)
        return self.call(method, **given)

    def _result(self, status: int, body: bytes, wait_s: str) -> Any:
        try:
            said = json.loads(body)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            pause_s = float(wait_s) if wait_s.isascii() and wait_s.isdecimal() else None  # of a proxy before it
            raise AdapterError(f"The Bot API answered HTTP {status} without JSON.", retry_after_s=pause_s)
        if said.get("ok") is True:
            return said.get("result")
        words = str(said.get("description", ""))[:200]
        if status == 429:
            pause = said.get("parameters", {}).get("retry_after", 1)
            self._pause("all", to_millis(self._clock.now()) + int(pause) * 1000)
            raise AdapterError(words or "Too Many Requests", retry_after_s=float(pause))
        if status in (401, 404):
            raise AdapterError(f"Telegram does not know this bot token: {words}", permanent=True)
        if status in (400, 403):
            raise Refused(status, words)
        raise AdapterError(f"The Bot API answered HTTP {status}: {words}")

    def _take_slot(self, chat_id: int) -> None:
        """Wait for a place in the chat and overall; raises AdapterError where that takes long."""
        gap_ms = CHAT_GAP_MS if chat_id > 0 else GROUP_GAP_MS
        now_ms = to_millis(self._clock.now())
        slot_ms = max(self._slot(f"chat:{chat_id}", gap_ms, now_ms), self._slot("all", OVERALL_GAP_MS, now_ms))
        wait_ms = slot_ms - now_ms
        if wait_ms > PATIENCE_MS:
            raise AdapterError("This bot is at its pace.", retry_after_s=wait_ms / 1000)
        if wait_ms > 0:
            Event().wait(wait_ms / 1000)

    def _slot(self, name: str, gap_ms: int, now_ms: int) -> int:
        """Take the next free moment of a queue, in milliseconds."""
        for _ in range(SLOT_TRIES):
            kept = self._store.get(f"pace:{name}")
            slot_ms = max(now_ms, int(kept or 0))
            if self._store.swap(f"pace:{name}", kept, str(slot_ms + gap_ms)):
                return slot_ms
        return now_ms + PATIENCE_MS

    def _pause(self, name: str, until_ms: int) -> None:
        for _ in range(SLOT_TRIES):
            kept = self._store.get(f"pace:{name}")
            if int(kept or 0) >= until_ms or self._store.swap(f"pace:{name}", kept, str(until_ms)):
                return


def _message(chat_id: int, text: str, rows: Sequence[Sequence[Json]]) -> Mapping[str, object]:
    message: Json = {"chat_id": chat_id, "text": text, "parse_mode": "HTML"}
    message["link_preview_options"] = {"is_disabled": True}
    if rows:
        message["reply_markup"] = {"inline_keyboard": [list(row) for row in rows]}
    return message
