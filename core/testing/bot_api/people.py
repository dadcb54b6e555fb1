"""What people do in the imitated messenger: write, press buttons, follow deep links, block a bot."""

from __future__ import annotations

from typing import Any

from core.ids import random_bytes
from core.testing.bot_api.markup import utf16_length
from core.testing.bot_api.world import Bot, Chat, Query, World

Json = dict[str, Any]


def open_private(world: World, bot: Bot, person_id: int) -> Chat:
    """Open a person's chat with a bot, as pressing Start does; an open one is given back, a blocked bot unblocked."""
    with world.lock:
        chat = world.chats.setdefault(person_id, Chat(person_id, "private", ""))
        chat.shut_to.discard(bot.id)
        chat.bots.add(bot.id)
        return chat


def say(world: World, bot: Bot, person_id: int, text: str, *, chat_id: int | None = None) -> Json:
    """Write a text to a bot, in private or in a group; gives the message.

    In a group a bot hears commands only: privacy mode, which is on unless a bot's owner switches it off.
    """
    with world.lock:
        chat = open_private(world, bot, person_id) if chat_id is None else world.chats[chat_id]
        message: Json = {
            "message_id": world.next_id(),
            "from": dict(world.people[person_id]),
            "chat": chat.shown(world.people),
            "date": world.now_s(),
            "text": text,
        }
        if text.startswith("/"):
            command = text.split(maxsplit=1)[0]
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": utf16_length(command)}]
        world.put_message(chat, message)
        if chat.kind == "private" or text.startswith("/"):
            world.put_update(bot, "message", message)
        return message


def start(world: World, bot: Bot, person_id: int, payload: str = "") -> Json:
    """Follow `https://t.me/<bot>?start=<payload>` and press Start."""
    return say(world, bot, person_id, f"/start {payload}".rstrip())


def press(world: World, bot: Bot, person_id: int, message: Json, text: str) -> str:
    """Press the callback button whose text contains these words; gives the query's id. Raises LookupError."""
    with world.lock:
        button = find_button(message, text)
        if "callback_data" not in button:
            raise LookupError(f"{button['text']!r} is not a callback button")
        return press_data(world, bot, person_id, message, button["callback_data"])


def press_data(world: World, bot: Bot, person_id: int, message: Json, data: str) -> str:
    """Press a button by its data, also one that the message no longer has, as a slow phone may."""
    with world.lock:
        query_id = str(int.from_bytes(random_bytes(7)))
        world.queries[query_id] = Query(bot.id, world.clock.monotonic())
        world.put_update(bot, "callback_query", {
            "id": query_id,
            "from": dict(world.people[person_id]),
            "message": message,
            "chat_instance": str(message["chat"]["id"]),
            "data": data,
        })
        return query_id


def find_button(message: Json, text: str) -> Json:
    """Find a message's button by words of its text; raises LookupError."""
    for row in message.get("reply_markup", {}).get("inline_keyboard", []):
        for button in row:
            if text in button["text"]:
                found: Json = button
                return found
    raise LookupError(f"no button says {text!r}")


def block(world: World, bot: Bot, person_id: int) -> None:
    """Block a bot: it may not write any more, and is told so."""
    with world.lock:
        chat = open_private(world, bot, person_id)
        chat.bots.discard(bot.id)
        chat.shut_to.add(bot.id)
        before, after = ({"user": bot.user, "status": word} for word in ("member", "kicked"))
        world.put_update(bot, "my_chat_member", {
            "chat": chat.shown(world.people),
            "from": dict(world.people[person_id]),
            "date": world.now_s(),
            "old_chat_member": before,
            "new_chat_member": after | {"until_date": 0},
        })


def messages_from(world: World, bot: Bot, chat_id: int) -> list[Json]:
    """List what a bot has written in a chat, as it stands now, in the order it was written."""
    with world.lock:
        chat = world.chats.get(chat_id)
        shown = chat.messages.values() if chat else ()
        return [message for message in shown if message.get("from", {}).get("id") == bot.id]
