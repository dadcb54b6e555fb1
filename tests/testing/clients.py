"""Three independent Bot API clients behind one small face, so that each can play the same script against the fake.

Each is imported when it is first used: aiogram alone takes seconds, which no other test should pay for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

PAY = {"text": "Pay", "url": "https://hub.example/pay/?id=1"}
CHECK = {"text": "Check", "callback_data": "check:1"}
KEYBOARD = {"inline_keyboard": [[PAY], [CHECK]]}


class Refused(Exception):
    """What a client made of a refusal: its words, and the seconds to wait where it understood any."""

    def __init__(self, words: str, retry_after_s: int | None = None) -> None:
        super().__init__(words)
        self.words, self.retry_after_s = words, retry_after_s


class Aiogram:
    """aiogram 3: forms over aiohttp."""

    def __init__(self, url: str, token: str) -> None:
        self._runner = asyncio.Runner()
        self._bot = self._runner.run(self._make(url, token))

    async def _make(self, url: str, token: str) -> Any:
        from aiogram import Bot as AiogramBot
        from aiogram.client.session.aiohttp import AiohttpSession
        from aiogram.client.telegram import TelegramAPIServer

        return AiogramBot(token, session=AiohttpSession(api=TelegramAPIServer.from_base(url)))

    def call(self, method: str, **given: Any) -> Any:
        return self._runner.run(self._call(method, given))

    def close(self) -> None:
        self._runner.run(self._bot.session.close())
        self._runner.close()

    async def _call(self, method: str, given: dict[str, Any]) -> Any:
        from aiogram.exceptions import TelegramAPIError, TelegramRetryAfter
        from aiogram.types import BotCommand as AiogramCommand
        from aiogram.types import InlineKeyboardMarkup as AiogramKeyboard

        if "reply_markup" in given:
            given["reply_markup"] = AiogramKeyboard.model_validate(given["reply_markup"])
        if "commands" in given:
            given["commands"] = [AiogramCommand(**one) for one in given["commands"]]
        try:
            return plain(await getattr(self._bot, method)(**given))
        except TelegramRetryAfter as err:
            raise Refused(err.message, err.retry_after) from err
        except TelegramAPIError as err:
            raise Refused(err.message) from err


class Ptb:
    """python-telegram-bot: forms over httpx, and getMe before anything else."""

    def __init__(self, url: str, token: str) -> None:
        from telegram import Bot as PtbBot

        self._runner = asyncio.Runner()
        self._bot = PtbBot(token, base_url=f"{url}/bot")

    def call(self, method: str, **given: Any) -> Any:
        return self._runner.run(self._call(method, given))

    def close(self) -> None:
        self._runner.run(self._bot.shutdown())
        self._runner.close()

    async def _call(self, method: str, given: dict[str, Any]) -> Any:
        from telegram import BotCommand as PtbCommand
        from telegram import InlineKeyboardMarkup as PtbKeyboard
        from telegram.error import RetryAfter, TelegramError

        if "reply_markup" in given:
            given["reply_markup"] = PtbKeyboard.de_json(given["reply_markup"])
        if "commands" in given:
            given["commands"] = [PtbCommand(**one) for one in given["commands"]]
        try:
            await self._bot.initialize()
            return plain(await getattr(self._bot, method)(**given))
        except RetryAfter as err:
            raise Refused(str(err), int(err._retry_after.total_seconds())) from err  # the public name warns as of 22.2
        except TelegramError as err:
            raise Refused(err.message) from err


class Telebot:
    """pyTelegramBotAPI: query strings and forms over requests, one thread."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token

    def close(self) -> None:
        from telebot import apihelper

        apihelper._get_req_session().close()
        apihelper._get_req_session(reset=True).close()

    def call(self, method: str, **given: Any) -> Any:
        import telebot
        from telebot import apihelper

        apihelper.API_URL = self.url + "/bot{0}/{1}"
        if "reply_markup" in given:
            given["reply_markup"] = telebot.types.InlineKeyboardMarkup.de_json(given["reply_markup"])
        if "commands" in given:
            given["commands"] = [telebot.types.BotCommand(**one) for one in given["commands"]]
        if method == "get_updates":
            given["long_polling_timeout"] = given.pop("timeout", 0)  # its own `timeout` is the connection's
        bot = telebot.TeleBot(self.token, threaded=False)
        try:
            return plain(getattr(bot, method)(**given))
        except apihelper.ApiTelegramException as err:
            wait = (err.result_json.get("parameters") or {}).get("retry_after")
            raise Refused(err.description, wait) from err


CLIENTS: list[Callable[[str, str], Aiogram | Ptb | Telebot]] = [Aiogram, Ptb, Telebot]


def plain(result: Any) -> Any:
    """Turn a client's objects into what they stand for: users by name, messages by text, updates by content."""
    if isinstance(result, list | tuple):
        return [plain(one) for one in result]
    if getattr(result, "update_id", None) is not None:
        query = result.callback_query
        return (result.update_id, query.data if query else result.message.text, query.id if query else None)
    if getattr(result, "message_id", None) is not None:
        keyboard = result.reply_markup.inline_keyboard if result.reply_markup else []
        buttons = [(one.text, one.url or one.callback_data) for row in keyboard for one in row]
        entities = [(getattr(one.type, "value", one.type), one.offset, one.length) for one in result.entities or ()]
        return {"id": result.message_id, "text": result.text, "buttons": buttons, "entities": entities}
    return result
