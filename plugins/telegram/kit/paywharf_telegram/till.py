"""What a bot does about payments, whatever library it is written with: one message an order that lives, and `on_paid`.

An order is noted in the store before anything is asked of hub or messenger, and a step of the event stream is noted
after it is done: killed at any point and begun anew, the till repeats the step it was at and loses none.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol
from weakref import WeakValueDictionary

from paywharf_telegram.hub import Event, Hub, HubAway, HubError, Invoice
from paywharf_telegram.stores import Store
from paywharf_telegram.words import message_text, standing_of, word

PLACE = "place"
PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
DATA = "pw:"  # before callback data of this kit; with a payment's number it stays far below the Bot API's 64 bytes
OWED_LIMIT = 200  # payments whose `on_paid` failed and is called again; more than that is no passing trouble
CREATED, PAID = "payment.created", "payment.paid"

log = logging.getLogger("paywharf_telegram")


class Blocked(Exception):
    """The buyer has blocked the bot or is gone: there is nobody to write to."""


class TooFast(Exception):
    """The messenger asks for a pause (429)."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"retry after {retry_after_s} s")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Button:
    """A button below a message: it opens `url` in the browser, or sends `data` to the bot."""

    text: str
    url: str | None = None
    data: str | None = None


class Messenger(Protocol):
    """How a bot library writes. Both raise Blocked or TooFast; an edit that changes nothing is no error."""

    async def send(self, chat_id: int, text: str, buttons: Sequence[Sequence[Button]]) -> int:
        """Write a message in HTML; gives its number."""

    async def edit(self, chat_id: int, message_id: int, text: str, buttons: Sequence[Sequence[Button]]) -> None:
        """Change a message."""


@dataclass(frozen=True, slots=True)
class Order:
    """Whose an order is, and which message shows it. payload: yours, given back on payment; it stays with the bot."""

    order_id: str
    chat_id: int
    user_id: int
    language: str | None = None
    title: str = ""
    payload: str = ""
    message_id: int | None = None
    told: str = ""  # the key of the payment the buyer was told of by a message of its own


@dataclass(frozen=True, slots=True)
class Paid:
    """An order is paid, finally. key: the same each time this is told, so that it can be taken once."""

    key: str
    order_id: str
    payload: str
    chat_id: int
    user_id: int
    invoice: Invoice


@dataclass(slots=True)
class Place:
    """How far the stream of events was followed: its cursor, what is done of the page after it, what is owed."""

    cursor: str | None = None
    done: list[str] = field(default_factory=list)
    owed: list[str] = field(default_factory=list)


OnPaid = Callable[[Paid], Awaitable[str | None]]


class Till:
    """Takes orders, shows them, and tells `on_paid` of each payment at least once.

    on_paid: gives the text (HTML) of the message the buyer gets, or None for a plain thank-you. It may be called again
    for the same payment after a crash: take each `key` once, for instance with `SqliteStore.once`.
    """

    def __init__(self, hub: Hub, store: Store, on_paid: OnPaid, *, pause_s: float = PAUSE_S) -> None:
        self.hub, self.store, self.on_paid = hub, store, on_paid
        self._pause_s = pause_s
        self._retry_in_s = pause_s
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def open(self, messenger: Messenger, order: Order, amount: str, *, currency: str = "USDT") -> Invoice:
        """Ask for money and show it; the same order again shows the same payment. Raises HubError."""
        async with self._lock(order.order_id):
            known = self._order(order.order_id)
            if known is None:
                self._note(order)
            invoice = await self.hub.create_invoice(
                amount, order_id=order.order_id, currency=currency, description=order.title
            )
            await self._patiently_show(messenger, known or order, invoice)
            return invoice

    async def press(self, messenger: Messenger, data: str, *, user_id: int, language: str | None) -> str | None:
        """Do what a pressed button says; gives the words to answer it with, None where it is not one of ours."""
        if not data.startswith(DATA) or not data[len(DATA) + 2:].isdecimal():
            return None
        act, payment_id = data[len(DATA)], int(data[len(DATA) + 2:])
        try:
            invoice = await self.hub.get(payment_id)
            order = self._order(invoice.order_id)
            if order is None or order.user_id != user_id:
                return word("not_yours", language)
            if act == "x" and standing_of(invoice) == "pending":
                invoice = await self.hub.cancel(payment_id)
            await self._show(messenger, order, invoice)
        except TooFast:
            pass  # the words below say it; the message follows with the next event
        except HubError as err:
            log.warning("payment %s: %s", payment_id, err.sentence)
            return word("away", language)
        return word(standing_of(invoice), language)

    async def follow(self, messenger: Messenger) -> None:
        """Follow the hub's events until canceled, through its absences and the bot's own failures."""
        while True:
            try:
                pause_s = await self.step(messenger)
                self._retry_in_s = self._pause_s
            except TooFast as err:
                pause_s = err.retry_after_s
            except HubError as err:
                pause_s = max(self._retry_in_s, getattr(err, "retry_after_s", None) or 0.0)
                self._retry_in_s = min(2 * self._retry_in_s, LONGEST_PAUSE_S)
                level = logging.INFO if isinstance(err, HubAway) else logging.ERROR
                log.log(level, "%s Trying again in %.0f s.", err.sentence, pause_s)
            except Exception:  # an edge: a bot goes on whatever one message met
                pause_s = self._retry_in_s
                self._retry_in_s = min(2 * self._retry_in_s, LONGEST_PAUSE_S)
                log.exception("A step failed and is done again in %.0f s.", pause_s)
            await asyncio.sleep(pause_s)

    async def step(self, messenger: Messenger, *, wait_s: int | None = None) -> float:
        """Take the next events, each noted once it is done; gives the seconds to wait before the next step.

        Raises HubError, TooFast; the step is then done again from where it stood.
        """
        place = self._place()
        await self._pay_debts(messenger, place)
        wait_s = (1 if place.owed else 20) if wait_s is None else wait_s
        page = await self.hub.events(place.cursor, wait_s=wait_s)
        for event in page.events:
            if event.event_id in place.done:
                continue
            if not await self._take(messenger, event):
                if len(place.owed) >= OWED_LIMIT:
                    return self._pause_s  # nothing is passed over: this event waits until a debt is paid
                place.owed.append(event.event_id)
            place.done.append(event.event_id)
            self._note_place(place)
        if page.cursor != place.cursor:
            self._note_place(Place(page.cursor, [], place.owed))
        return page.next_in_s

    async def _pay_debts(self, messenger: Messenger, place: Place) -> None:
        for event_id in list(place.owed):
            if await self._take(messenger, await self.hub.event(event_id)):
                place.owed.remove(event_id)
                self._note_place(place)

    async def _take(self, messenger: Messenger, event: Event) -> bool:
        """Show an order as it stands now; False: `on_paid` failed and is owed."""
        async with self._lock(event.invoice.order_id):  # `open` may just be showing it
            order = self._order(event.invoice.order_id)
            if order is None:
                return True  # made by something else than this till
            if event.type != CREATED or order.message_id is None:
                await self._patiently_show(messenger, order, event.invoice)
        if event.type != PAID:
            return True
        paid = Paid(event.event_id, order.order_id, order.payload, order.chat_id, order.user_id, event.invoice)
        try:
            text = await self.on_paid(paid)
        except Exception:  # an edge: the developer's own code
            log.exception("on_paid failed for %s and is called again", event.event_id)
            return False
        await self._tell(messenger, self._order(order.order_id) or order, paid, text)
        return True

    async def _tell(self, messenger: Messenger, order: Order, paid: Paid, text: str | None) -> None:
        """Write one new message: editing an old one rings no bell."""
        if order.told == paid.key:
            return
        try:
            # Waited for here: a step done again edits the message first, and so uses up the chat's turn each time.
            await _patiently(lambda: messenger.send(order.chat_id, text or word("paid", order.language), ()))
        except Blocked:
            log.warning("order %s is paid, but its buyer has blocked the bot", order.order_id)
        self._note(replace(order, told=paid.key))

    async def _patiently_show(self, messenger: Messenger, order: Order, invoice: Invoice) -> None:
        await _patiently(lambda: self._show(messenger, order, invoice))

    async def _show(self, messenger: Messenger, order: Order, invoice: Invoice) -> None:
        text = message_text(invoice, title=order.title, language=order.language)
        buttons = _buttons(invoice, order.language)
        try:
            if order.message_id is None:
                self._note(replace(order, message_id=await messenger.send(order.chat_id, text, buttons)))
            else:
                await messenger.edit(order.chat_id, order.message_id, text, buttons)
        except Blocked:
            log.warning("the buyer of order %s has blocked the bot", order.order_id)

    def _lock(self, order_id: str) -> asyncio.Lock:
        return self._locks.setdefault(order_id, asyncio.Lock())

    def _order(self, order_id: str) -> Order | None:
        found = self.store.get(f"order:{order_id}")
        return Order(**json.loads(found)) if found else None

    def _note(self, order: Order) -> None:
        self.store.put(f"order:{order.order_id}", json.dumps(asdict(order)))

    def _place(self) -> Place:
        found = self.store.get(PLACE)
        return Place(**json.loads(found)) if found else Place()

    def _note_place(self, place: Place) -> None:
        self.store.put(PLACE, json.dumps(asdict(place)))


async def _patiently(act: Callable[[], Awaitable[object]]) -> None:
    """Do something again after each pause that the messenger asks for."""
    while True:
        try:
            await act()
            return
        except TooFast as err:
            await asyncio.sleep(err.retry_after_s)


def _buttons(invoice: Invoice, language: str | None) -> list[list[Button]]:
    """Give the buttons of an open payment: a plain link and two callbacks, never a Mini App.

    Once money has come, nothing is to be paid or canceled.
    """
    if invoice.state not in ("pending", "confirming"):
        return []
    first = [Button(word("pay", language), url=invoice.pay_url)]
    second = [Button(word("check", language), data=f"{DATA}c:{invoice.payment_id}")]
    if standing_of(invoice) == "underpaid":
        return [second]
    if invoice.is_open:
        second.append(Button(word("cancel", language), data=f"{DATA}x:{invoice.payment_id}"))
    return [first, second]
