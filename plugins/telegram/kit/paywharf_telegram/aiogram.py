"""The till as an aiogram 3 Router: `/pay 10`, its buttons, and the events followed while the dispatcher runs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from aiogram import Bot, Router
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError, TelegramRetryAfter
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions, Message

from paywharf_telegram.front import Front
from paywharf_telegram.hub import Hub
from paywharf_telegram.stores import Store
from paywharf_telegram.till import DATA, Blocked, Button, OnPaid, TooFast

NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


class AiogramMessenger:
    """Writes with an aiogram bot."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    async def send(self, chat_id: int, text: str, buttons: Sequence[Sequence[Button]]) -> int:
        """Write a message; gives its number. Raises Blocked, TooFast."""
        try:
            sent = await self._bot.send_message(
                chat_id, text, parse_mode="HTML", reply_markup=_markup(buttons), link_preview_options=NO_PREVIEW
            )
        except TelegramForbiddenError as err:
            raise Blocked from err
        except TelegramRetryAfter as err:
            raise TooFast(err.retry_after) from err
        return sent.message_id

    async def edit(self, chat_id: int, message_id: int, text: str, buttons: Sequence[Sequence[Button]]) -> None:
        """Change a message; one that is gone or already so is left. Raises Blocked, TooFast."""
        try:
            await self._bot.edit_message_text(
                text, chat_id=chat_id, message_id=message_id, parse_mode="HTML", reply_markup=_markup(buttons),
                link_preview_options=NO_PREVIEW,
            )
        except TelegramForbiddenError as err:
            raise Blocked from err
        except TelegramRetryAfter as err:
            raise TooFast(err.retry_after) from err
        except TelegramBadRequest as err:
            if "not modified" not in err.message and "not found" not in err.message:
                raise


class PaymentsRouter(Router):
    """Handles `/pay` and the kit's buttons, and follows the hub's events from start-up to shutdown.

    `till` is there for commands of your own: `await router.till.open(AiogramMessenger(bot), Order(…), "9.50")`.
    """

    def __init__(
        self, hub: Hub, store: Store, on_paid: OnPaid, *, payload: str = "", title: str = "", currency: str = "USDT",
    ) -> None:
        super().__init__(name="paywharf")
        self._front = Front(hub, store, on_paid, payload=payload, title=title, currency=currency)
        self.till = self._front.till
        self.message.register(self.pay, Command("pay", ignore_case=True))
        self.callback_query.register(self.press, lambda query: (query.data or "").startswith(DATA))
        self.startup.register(self.start)
        self.shutdown.register(self.stop)

    async def pay(self, message: Message, command: CommandObject, bot: Bot) -> None:
        """Answer `/pay 10`: the same message taken twice shows the same payment."""
        buyer = message.from_user
        if buyer is None:
            return
        words = await self._front.pay(
            AiogramMessenger(bot), command.args, chat_id=message.chat.id, message_id=message.message_id,
            user_id=buyer.id, language=buyer.language_code,
        )
        if words:
            await message.answer(words, parse_mode=None)

    async def press(self, query: CallbackQuery, bot: Bot) -> None:
        """Answer a pressed button, once."""
        language = query.from_user.language_code
        words = await self.till.press(
            AiogramMessenger(bot), query.data or "", user_id=query.from_user.id, language=language
        )
        with suppress(TelegramBadRequest):  # too old: the person no longer waits for it
            await query.answer(words or "")

    async def start(self, bot: Bot) -> None:
        """Begin to follow the hub's events."""
        self._front.begin(AiogramMessenger(bot))

    async def stop(self) -> None:
        """End following, and close the hub's connections."""
        await self._front.end()


def _markup(buttons: Sequence[Sequence[Button]]) -> InlineKeyboardMarkup | None:
    rows = [[InlineKeyboardButton(text=one.text, url=one.url, callback_data=one.data) for one in row]
            for row in buttons]
    return InlineKeyboardMarkup(inline_keyboard=rows) if rows else None
