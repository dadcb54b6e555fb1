"""The till for python-telegram-bot: `install` gives an Application `/pay`, its buttons and the events."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions, Update
from telegram.error import BadRequest, Forbidden, RetryAfter
from telegram.ext import Application, CallbackQueryHandler, CommandHandler, ContextTypes

from paywharf_telegram.front import Front
from paywharf_telegram.hub import Hub
from paywharf_telegram.stores import Store
from paywharf_telegram.till import DATA, Blocked, Button, OnPaid, TooFast

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
        self._front = Front(hub, store, on_paid, payload=payload, title=title, currency=currency)
        self.till = self._front.till

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
        words = await self._front.pay(
            PtbMessenger(context.bot), " ".join(context.args or ()), chat_id=message.chat_id,
            message_id=message.message_id, user_id=buyer.id, language=buyer.language_code,
        )
        if words:
            await message.reply_text(words)

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
        self._front.begin(PtbMessenger(bot))

    async def stop(self) -> None:
        """End following, and close the hub's connections; `install` calls this."""
        await self._front.end()


def _markup(buttons: Sequence[Sequence[Button]]) -> InlineKeyboardMarkup | None:
    rows = [[InlineKeyboardButton(one.text, url=one.url, callback_data=one.data) for one in row] for row in buttons]
    return InlineKeyboardMarkup(rows) if rows else None


def _seconds(err: RetryAfter) -> float:
    wait = err._retry_after  # the public attribute changes its type and warns of that (22.2)
    return wait.total_seconds()
