"""The till for python-telegram-bot: `install` gives an Application `/pay`, its buttons and the events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions, Update
from telegram.error import BadRequest, Forbidden, RetryAfter
from telegram.ext import Application, CallbackQueryHandler, CommandHandler, ContextTypes

from paywharf_telegram.amounts import order_id_of, read_amount
from paywharf_telegram.hub import Hub, HubError
from paywharf_telegram.stores import Store
from paywharf_telegram.till import DATA, Blocked, Button, OnPaid, Order, Till, TooFast
from paywharf_telegram.words import word

NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
Context = ContextTypes.DEFAULT_TYPE


class PtbMessenger:
    """Writes with a python-telegram-bot bot."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    async def send(self, chat_id: int, text: str, buttons: Sequence[Sequence[Button]]) -> int:
        """Write a message; gives its number. Raises Blocked, TooFast."""
        try:
            sent = await self._bot.send_message(
                chat_id, text, parse_mode="HTML", reply_markup=_markup(buttons), link_preview_options=NO_PREVIEW
            )
        except Forbidden as err:
            raise Blocked from err
        except RetryAfter as err:
            raise TooFast(_seconds(err)) from err
        return sent.message_id

    async def edit(self, chat_id: int, message_id: int, text: str, buttons: Sequence[Sequence[Button]]) -> None:
        """Change a message; one that is gone or already so is left. Raises Blocked, TooFast."""
        try:
            await self._bot.edit_message_text(
                text, chat_id=chat_id, message_id=message_id, parse_mode="HTML", reply_markup=_markup(buttons),
                link_preview_options=NO_PREVIEW,
            )
        except Forbidden as err:
            raise Blocked from err
        except RetryAfter as err:
            raise TooFast(_seconds(err)) from err
        except BadRequest as err:
            if "not modified" not in err.message.lower() and "not found" not in err.message.lower():
                raise


class Payments:
    """The handlers, and the task that follows the hub's events.

    `till` is there for commands of your own: `await payments.till.open(PtbMessenger(bot), Order(…), "9.50")`.
    """

    def __init__(
        self, hub: Hub, store: Store, on_paid: OnPaid, *, payload: str = "", title: str = "", currency: str = "USDT",
    ) -> None:
        self.till = Till(hub, store, on_paid)
        self._payload, self._title, self._currency = payload, title, currency
        self._following: asyncio.Task[None] | None = None

    def install(self, application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        """Add the handlers, and follow events while `run_polling` or `run_webhook` runs; what was set there stays."""
        application.add_handler(CommandHandler("pay", self.pay))
        application.add_handler(CallbackQueryHandler(self.press, pattern=f"^{DATA}"))
        before, after = application.post_init, application.post_stop

        async def start(running: Application[Any, Any, Any, Any, Any, Any]) -> None:
            if before is not None:
                await before(running)
            await self.start(running.bot)

        async def stop(running: Application[Any, Any, Any, Any, Any, Any]) -> None:
            await self.stop()
            if after is not None:
                await after(running)

        application.post_init, application.post_stop = start, stop

    async def pay(self, update: Update, context: Context) -> None:
        """Answer `/pay 10`: the same message taken twice shows the same payment."""
        message, buyer = update.effective_message, update.effective_user
        if message is None or buyer is None:
            return
        amount = read_amount(" ".join(context.args or ()))
        if amount is None:
            await message.reply_text(word("usage", buyer.language_code))
            return
        order = Order(
            order_id_of(message.chat_id, message.message_id), message.chat_id, buyer.id, buyer.language_code,
            title=self._title, payload=self._payload,
        )
        try:
            await self.till.open(PtbMessenger(context.bot), order, amount, currency=self._currency)
        except HubError as err:
            await message.reply_text(word("away", buyer.language_code) if err.code == "away" else err.sentence)

    async def press(self, update: Update, context: Context) -> None:
        """Answer a pressed button, once."""
        query = update.callback_query
        if query is None:
            return
        language = query.from_user.language_code
        words = await self.till.press(
            PtbMessenger(context.bot), query.data or "", user_id=query.from_user.id, language=language
        )
        with suppress(BadRequest):  # too old: the person no longer waits for it
            await query.answer(words or "")

    async def start(self, bot: Bot) -> None:
        """Begin to follow the hub's events; `install` calls this."""
        self._following = asyncio.create_task(self.till.follow(PtbMessenger(bot)))

    async def stop(self) -> None:
        """End following, and close the hub's connections; `install` calls this."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
        await self.till.hub.close()


def _markup(buttons: Sequence[Sequence[Button]]) -> InlineKeyboardMarkup | None:
    rows = [[InlineKeyboardButton(one.text, url=one.url, callback_data=one.data) for one in row] for row in buttons]
    return InlineKeyboardMarkup(rows) if rows else None


def _seconds(err: RetryAfter) -> float:
    wait = err._retry_after  # the public attribute changes its type and warns of that (22.2)
    return wait.total_seconds()
