"""What the halves for aiogram and python-telegram-bot share: `/pay` on its way to the till, and following events."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from paywharf_telegram.amounts import order_id_of, read_amount
from paywharf_telegram.hub import Hub, HubAway, HubRefused
from paywharf_telegram.stores import Store
from paywharf_telegram.till import Messenger, OnPaid, Order, Till
from paywharf_telegram.words import word

log = logging.getLogger("paywharf_telegram")


class Front:
    """A till behind the command `/pay`. payload, title, currency: of the payments it asks for."""

    def __init__(
        self, hub: Hub, store: Store, on_paid: OnPaid, *, payload: str = "", title: str = "", currency: str = "USDT",
    ) -> None:
        self.till = Till(hub, store, on_paid)
        self._payload, self._title, self._currency = payload, title, currency
        self._following: asyncio.Task[None] | None = None

    async def pay(
        self, messenger: Messenger, typed: str | None, *, chat_id: int, message_id: int, user_id: int,
        language: str | None,
    ) -> str | None:
        """Answer what was typed after `/pay`; gives plain words to say where no payment is shown.

        message_id: of the command; the same message taken twice shows the same payment.
        """
        amount = read_amount(typed)
        if amount is None:
            return word("usage", language)
        order = Order(
            order_id_of(chat_id, message_id), chat_id, user_id, language, title=self._title, payload=self._payload
        )
        try:
            await self.till.open(messenger, order, amount, currency=self._currency)
        except HubAway as err:
            log.warning("%s cannot be paid now: %s", order.order_id, err.sentence)
            return word("away", language)
        except HubRefused as err:
            return err.sentence
        return None

    def begin(self, messenger: Messenger) -> None:
        """Begin to follow the hub's events."""
        self._following = asyncio.create_task(self.till.follow(messenger))

    async def end(self) -> None:
        """End following, and close the hub's connections."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
        await self.till.hub.close()
