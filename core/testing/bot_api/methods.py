"""The Bot API's methods that a payment bot needs, by their names in lower case; any other is 404 as at Telegram."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from core.testing.bot_api.markup import read_keyboard, read_text
from core.testing.bot_api.world import QUERY_LIVES_S, Bot, BotApiError, Chat, Webhook, World

Json = dict[str, Any]
Given = Mapping[str, Any]
LONGEST_POLL_S = 50
SECRET_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,256}")
TRUE = (True, "true", "True", "1", 1)
# Exactly the same content: the Bot API's sentence, which programs compare.
NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a "
    "current content and reply markup of the message"
)
POLLING_WITH_WEBHOOK = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
TWO_POLLERS = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"


def call(world: World, token: str, method: str, given: Given) -> Any:
    """Call a method as a bot; gives its result. Raises BotApiError."""
    bot = world.bot_of(token)
    act = METHODS.get(method.lower())
    if act is None:
        raise BotApiError(404, "Not Found: method not found")
    with world.lock:
        world.requests.append((bot.username, method, dict(given)))
    return act(world, bot, given)


def get_me(world: World, bot: Bot, given: Given) -> Json:
    """Show the bot itself."""
    return bot.user | {
        "can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False,
    }


def get_updates(world: World, bot: Bot, given: Given) -> list[Json]:
    """Give waiting updates, at the latest after `timeout` seconds; a greater `offset` takes those before it away."""
    offset, timeout_s = _whole(given, "offset", 0), min(_whole(given, "timeout", 0), LONGEST_POLL_S)
    limit = max(1, min(_whole(given, "limit", 100), 100))
    with world.news:
        if bot.webhook is not None:
            raise BotApiError(409, POLLING_WITH_WEBHOOK)
        _allow(bot, given)
        bot.polls += 1
        this_poll = bot.polls
        _confirm(bot, offset)
        world.news.notify_all()
        world.news.wait_for(lambda: bot.updates or bot.polls != this_poll or bot.webhook, timeout_s)
        if bot.polls != this_poll:
            raise BotApiError(409, TWO_POLLERS)
        return list(bot.updates)[:limit]


def set_webhook(world: World, bot: Bot, given: Given) -> bool:
    """Send updates to a URL from now on. Only loopback may do without https: the real one never does."""
    url, secret = str(given.get("url", "")), str(given.get("secret_token") or "")
    if not url:
        return delete_webhook(world, bot, given)
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1"):
        raise BotApiError(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
    if secret and not SECRET_TOKEN.fullmatch(secret):
        raise BotApiError(400, "Bad Request: secret token contains unallowed characters")
    with world.news:
        _allow(bot, given)
        bot.webhook = Webhook(url, secret, _whole(given, "max_connections", 40))
        _drop_if_asked(bot, given)
        world.news.notify_all()
    return True


def delete_webhook(world: World, bot: Bot, given: Given) -> bool:
    """Go back to polling."""
    with world.news:
        bot.webhook = None
        _drop_if_asked(bot, given)
        world.news.notify_all()
    return True


def get_webhook_info(world: World, bot: Bot, given: Given) -> Json:
    """Show where updates go and how many wait."""
    hook = bot.webhook
    shown: Json = {
        "url": hook.url if hook else "", "has_custom_certificate": False, "pending_update_count": len(bot.updates),
    }
    if hook and hook.last_error:
        shown |= {"last_error_date": world.now_s(), "last_error_message": hook.last_error}
    return shown


def send_message(world: World, bot: Bot, given: Given) -> Json:
    """Write a message."""
    with world.lock:
        chat = world.chat_for(bot, _chat_id(given))
        text, entities = read_text(given.get("text"), given.get("parse_mode"))
        keyboard = read_keyboard(given.get("reply_markup"))
        world.pace(bot, chat)
        message: Json = {
            "message_id": world.next_id(), "from": bot.user, "chat": chat.shown(world.people), "date": world.now_s(),
        }
        message = _filled(message, text, entities, keyboard)
        world.put_message(chat, message)
        return message


def edit_message_text(world: World, bot: Bot, given: Given) -> Json:
    """Change a message of the bot's own."""
    with world.lock:
        chat = world.chat_for(bot, _chat_id(given))
        old = _own_message(chat, bot, given)
        text, entities = read_text(given.get("text"), given.get("parse_mode"))
        keyboard = read_keyboard(given.get("reply_markup"))
        world.pace(bot, chat)
        message = {name: old[name] for name in ("message_id", "from", "chat", "date")}
        message = _filled(message, text, entities, keyboard)
        if message == {name: value for name, value in old.items() if name != "edit_date"}:
            raise BotApiError(400, NOT_MODIFIED)
        message["edit_date"] = world.now_s()
        world.put_message(chat, message)
        return message


def answer_callback_query(world: World, bot: Bot, given: Given) -> bool:
    """Stop a pressed button's waiting sign, and say something where there is a text."""
    with world.news:
        query = world.queries.get(str(given.get("callback_query_id")))
        if query is None or query.bot_id != bot.id or world.clock.monotonic() - query.asked_at_s > QUERY_LIVES_S:
            raise BotApiError(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        if len(str(given.get("text") or "")) > 200:
            raise BotApiError(400, "Bad Request: MESSAGE_TOO_LONG")
        query.answers.append(str(given.get("text") or ""))
        world.news.notify_all()
        return True


def set_my_commands(world: World, bot: Bot, given: Given) -> bool:
    """Show a menu of commands."""
    commands = given.get("commands") or []
    bot.commands = json.loads(commands) if isinstance(commands, str) else list(commands)
    for one in bot.commands:
        if not re.fullmatch(r"[a-z0-9_]{1,32}", str(one.get("command"))):
            raise BotApiError(400, "Bad Request: BOT_COMMAND_INVALID")
    return True


def get_my_commands(world: World, bot: Bot, given: Given) -> list[Json]:
    """Give that menu."""
    return bot.commands


METHODS: dict[str, Callable[[World, Bot, Given], Any]] = {
    "getme": get_me,
    "getupdates": get_updates,
    "setwebhook": set_webhook,
    "deletewebhook": delete_webhook,
    "getwebhookinfo": get_webhook_info,
    "sendmessage": send_message,
    "editmessagetext": edit_message_text,
    "answercallbackquery": answer_callback_query,
    "setmycommands": set_my_commands,
    "getmycommands": get_my_commands,
}


def _filled(message: Json, text: str, entities: list[Json], keyboard: Json | None) -> Json:
    filled = message | {"text": text}
    if entities:
        filled["entities"] = entities
    if keyboard:
        filled["reply_markup"] = keyboard
    return filled


def _own_message(chat: Chat, bot: Bot, given: Given) -> Json:
    found = chat.messages.get(_whole(given, "message_id", 0))
    if found is None:
        raise BotApiError(400, "Bad Request: message to edit not found")
    if found["from"]["id"] != bot.id:
        raise BotApiError(400, "Bad Request: message can't be edited")
    return found


def _chat_id(given: Given) -> int:
    if given.get("chat_id") in (None, ""):
        raise BotApiError(400, "Bad Request: chat_id is empty")
    try:
        return int(given["chat_id"])
    except (TypeError, ValueError):
        raise BotApiError(400, "Bad Request: chat not found") from None


def _whole(given: Given, name: str, default: int) -> int:
    try:
        return int(given.get(name) or default)
    except (TypeError, ValueError):
        raise BotApiError(400, f"Bad Request: invalid {name} specified") from None


def _allow(bot: Bot, given: Given) -> None:
    """Remember which kinds of updates a bot wants; without the parameter the former wish stays."""
    wanted = given.get("allowed_updates")
    if wanted is not None:
        bot.allowed_updates = tuple(json.loads(wanted) if isinstance(wanted, str) else wanted)


def _confirm(bot: Bot, offset: int) -> None:
    if offset < 0:
        kept = list(bot.updates)[offset:]
        bot.updates.clear()
        bot.updates.extend(kept)
    while bot.updates and bot.updates[0]["update_id"] < offset:
        bot.updates.popleft()


def _drop_if_asked(bot: Bot, given: Given) -> None:
    if given.get("drop_pending_updates") in TRUE:
        bot.updates.clear()
