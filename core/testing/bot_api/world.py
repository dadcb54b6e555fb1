"""The imitated messenger's state: bots, people, chats, messages and the updates that wait for each bot.

Everything is in memory and under one lock. Numbers begin at the present time, so that a fake that is begun anew repeats
none: programs keep update and message ids for good.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from core.clock import Clock, SystemClock, to_millis

Json = dict[str, Any]
TOKEN = re.compile(r"[1-9][0-9]{3,15}:[A-Za-z0-9_-]{20,64}")
QUERY_LIVES_S = 30  # a callback query that is answered later is "too old"; Telegram does not publish its figure
KEPT_UPDATES = 1_000


class BotApiError(Exception):
    """A refusal as the Bot API words it.

    code: 400, 401, 403, 404, 409 or 429.   retry_after_s: with 429, whole seconds.
    """

    def __init__(self, code: int, description: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Limits:
    """How many messages in how many seconds; None: as many as one likes.

    The defaults are what the documentation advises; Telegram does not publish its true limits (Bots FAQ).
    """

    chat: tuple[int, int] | None = (1, 1)
    group: tuple[int, int] | None = (20, 60)
    overall: tuple[int, int] | None = (30, 1)


NO_LIMITS = Limits(None, None, None)


@dataclass(slots=True)
class Webhook:
    """Where a bot's updates are sent."""

    url: str
    secret_token: str = field(default="", repr=False)
    max_connections: int = 40
    last_error: str = ""


@dataclass(slots=True)
class Bot:
    """A bot and the updates that wait for it, the oldest first."""

    token: str = field(repr=False)
    id: int
    username: str
    name: str
    webhook: Webhook | None = None
    allowed_updates: tuple[str, ...] = ()
    updates: deque[Json] = field(default_factory=lambda: deque(maxlen=KEPT_UPDATES))
    commands: list[Json] = field(default_factory=list)
    polls: int = 0

    @property
    def user(self) -> Json:
        """Show the bot as the Bot API does."""
        return {"id": self.id, "is_bot": True, "first_name": self.name, "username": self.username}


@dataclass(slots=True)
class Chat:
    """A private chat (its id is the person's) or a group (a negative id), with its messages by number."""

    id: int
    kind: str
    title: str
    bots: set[int] = field(default_factory=set)
    shut_to: set[int] = field(default_factory=set)
    messages: dict[int, Json] = field(default_factory=dict)
    changes: list[tuple[int, int]] = field(default_factory=list)

    def shown(self, people: dict[int, Json]) -> Json:
        """Show the chat as the Bot API does."""
        if self.kind == "private":
            person = people[self.id]
            return {"id": self.id, "type": self.kind, "first_name": person["first_name"]}
        return {"id": self.id, "type": self.kind, "title": self.title}


@dataclass(slots=True)
class Query:
    """A button that was pressed."""

    bot_id: int
    asked_at_s: float
    answers: list[str] = field(default_factory=list)


class World:
    """All of the imitated messenger. `lock` guards everything; `news` is told when an update is there."""

    def __init__(
        self, *, clock: Clock | None = None, limits: Limits = NO_LIMITS, admits_strangers: bool = False,
    ) -> None:
        """admits_strangers: a token that looks like one makes a bot of its own at its first call."""
        self._admits_strangers = admits_strangers
        self.clock = clock or SystemClock()
        self.limits = limits
        self.lock = threading.RLock()
        self.news = threading.Condition(self.lock)
        self.bots: dict[str, Bot] = {}
        self.people: dict[int, Json] = {}
        self.chats: dict[int, Chat] = {}
        self.queries: dict[str, Query] = {}
        self.requests: list[tuple[str, str, Json]] = []
        self.disobeyed: list[str] = []
        self._sent: dict[object, deque[float]] = {}
        self._shut_until_s: dict[object, float] = {}
        begin = self.begun_s = to_millis(self.clock.now()) // 1000
        self._next_id = begin % 1_000_000_000
        self._change = 0

    def add_bot(self, token: str, *, username: str = "demo_bot", name: str = "Demo bot") -> Bot:
        """Register a bot; its id stands before the colon of its token."""
        with self.lock:
            bot = Bot(token, int(token.partition(":")[0]), username, name)
            self.bots[token] = bot
            return bot

    def add_person(self, person_id: int, name: str = "Ann", *, language: str = "en") -> int:
        """Add a person; gives their id, which is also that of their private chats."""
        with self.lock:
            self.people[person_id] = {
                "id": person_id, "is_bot": False, "first_name": name, "language_code": language,
            }
            return person_id

    def add_group(self, group_id: int, title: str, *, bots: Iterable[Bot]) -> int:
        """Open a group with bots in it; group_id: negative."""
        with self.lock:
            self.chats[group_id] = Chat(group_id, "group", title, bots={bot.id for bot in bots})
            return group_id

    def bot_of(self, token: str) -> Bot:
        """Find a bot by its token; raises BotApiError 401."""
        with self.lock:
            if token in self.bots:
                return self.bots[token]
            number = token.partition(":")[0]
            is_taken = any(str(bot.id) == number for bot in self.bots.values())
            if is_taken or not self._admits_strangers or not TOKEN.fullmatch(token):
                raise BotApiError(401, "Unauthorized")
            return self.add_bot(token, username=f"bot_{number}", name=f"Bot {number}")

    def chat_for(self, bot: Bot, chat_id: int) -> Chat:
        """Find a chat a bot may write to; raises BotApiError 400 or 403."""
        chat = self.chats.get(chat_id)
        if chat is None or bot.id not in chat.bots | chat.shut_to:
            raise BotApiError(400, "Bad Request: chat not found")
        if bot.id in chat.shut_to:
            how = "was blocked by the user" if chat.kind == "private" else "was kicked from the group chat"
            raise BotApiError(403, f"Forbidden: bot {how}")
        return chat

    def next_id(self) -> int:
        """Give the next number, for messages and updates alike."""
        self._next_id += 1
        return self._next_id

    def now_s(self) -> int:
        """Give the present time in Unix seconds."""
        return to_millis(self.clock.now()) // 1000

    def put_message(self, chat: Chat, message: Json) -> None:
        """Keep a message, new or edited, and remember that it changed."""
        with self.news:
            chat.messages[message["message_id"]] = message
            self._change += 1
            chat.changes.append((self._change, message["message_id"]))
            self.news.notify_all()

    def put_update(self, bot: Bot, kind: str, content: Json, *, update_id: int | None = None) -> int:
        """Let an update wait for a bot, unless it did not ask for the kind; gives its number."""
        with self.news:
            number = self.next_id() if update_id is None else update_id
            if not bot.allowed_updates or kind in bot.allowed_updates:
                bot.updates.append({"update_id": number, kind: content})
                self.news.notify_all()
            return number

    def pace(self, bot: Bot, chat: Chat) -> None:
        """Count a message; raises BotApiError 429, and notes a bot that asks again before `retry_after` is over."""
        now_s = self.clock.monotonic()
        per_chat = self.limits.chat if chat.kind == "private" else self.limits.group
        for key, limit in (((bot.id, chat.id), per_chat), (bot.id, self.limits.overall)):
            if now_s < self._shut_until_s.get(key, 0.0):
                self.disobeyed.append(f"{key}")
                self._refuse_until(self._shut_until_s[key], now_s)
            sent = self._sent.setdefault(key, deque())
            while limit and sent and sent[0] <= now_s - limit[1]:
                sent.popleft()
            if limit and len(sent) >= limit[0]:
                self._shut_until_s[key] = sent[0] + limit[1]
                self._refuse_until(self._shut_until_s[key], now_s)
        self._sent[(bot.id, chat.id)].append(now_s)
        self._sent[bot.id].append(now_s)

    @staticmethod
    def _refuse_until(moment_s: float, now_s: float) -> None:
        wait_s = max(1, int(-(-(moment_s - now_s) // 1)))
        raise BotApiError(429, f"Too Many Requests: retry after {wait_s}", retry_after_s=wait_s)
