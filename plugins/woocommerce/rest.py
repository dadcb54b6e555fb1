"""WooCommerce without a plugin: for shops that cannot install one, by WooCommerce's own REST API and webhooks.

The owner switches on a payment method that WooCommerce brings (cheque, say), calls it "USDT (TRC20)", and connects the
channel with an API key and a webhook. An order placed with that method gets a payment; its link goes into a customer
note, which WooCommerce mails. What becomes of the payment moves the order, by the table that the WordPress plugin
keeps too. Every call is read from the shop anew: a webhook only says where to look.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from datetime import datetime, timedelta
from html import unescape
from typing import Any, ClassVar
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError, fields, validate

from core.contract import (
    Adapter, AdapterError, BadPayload, InboundRequest, InvalidSignature, OrderCanceled, OrderPlaced,
    PaymentUpdate, PlatformEvent, PushResult, Secret,
)
from core.money import Usdt
from plugins.woocommerce.rest_shop import Shop

OPEN = ("pending", "on-hold", "failed")  # an order that may still be paid
OVER = ("cancelled", "refunded", "trash")
PAID = ("processing", "completed")
PING = re.compile(rb"webhook_id=[0-9]{1,10}")  # what WooCommerce posts, unsigned, when a webhook is saved
MOMENT = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]")
KEY = "must be {} and 40 hexadecimal digits, as WooCommerce shows it when the key is made."
TOPICS = ("order.created", "order.updated")
LONG_AGO = "2000-01-01T00:00:00"
OVERLAP = timedelta(minutes=2)  # a shop's clock, and an order that was saved while we asked


def _shop_url(text: str) -> None:
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise ValidationError("must be the shop's address, such as https://shop.example.")


class RestSettings(Schema):
    """What the owner copies from WooCommerce: Settings, Advanced, REST API and Webhooks."""

    shop_url = fields.String(required=True, validate=_shop_url)
    consumer_key = Secret(required=True, validate=validate.Regexp(r"ck_[0-9a-f]{40}\Z", error=KEY.format("ck_")))
    consumer_secret = Secret(required=True, validate=validate.Regexp(r"cs_[0-9a-f]{40}\Z", error=KEY.format("cs_")))
    webhook_secret = Secret(required=True, validate=validate.Length(min=16, error="must have 16 characters or more."))
    payment_method = fields.String(
        load_default="cheque",
        validate=validate.Regexp(r"[a-z0-9_-]{1,40}\Z", error="must be a payment method's id, such as cheque."),
    )
    paid_status = fields.String(load_default="processing", validate=validate.OneOf(PAID))
    reopen_canceled = fields.Boolean(load_default=False)
    cancel_expired = fields.Boolean(load_default=True)


class WooCommerceRest(Adapter):
    """A shop that is asked and told by its REST API (v3)."""

    name: ClassVar[str] = "woocommerce_rest"
    settings_schema: ClassVar[type[Schema]] = RestSettings
    shows_created: ClassVar[bool] = True
    poll_every_s: ClassVar[int | None] = 300  # WooCommerce gives a webhook up after five failures and tells nobody

    def verify(self, request: InboundRequest) -> str | None:
        """Hold the webhook's signature to the body; the unsigned ping of a saved webhook may pass, and does nothing."""
        if not request.headers.get("x-wc-webhook-signature") and PING.fullmatch(request.body):
            return "ping"
        try:
            given = b64decode(request.headers.get("x-wc-webhook-signature", ""), validate=True)
        except (NotBase64, ValueError):
            raise InvalidSignature from None
        wanted = hmac.digest(self.channel.settings["webhook_secret"].encode(), request.body, "sha256")
        if not hmac.compare_digest(wanted, given):
            raise InvalidSignature
        return request.headers.get("x-wc-webhook-delivery-id")

    def parse(self, request: InboundRequest) -> list[PlatformEvent]:
        """Read the order a webhook names, as it stands now."""
        if PING.fullmatch(request.body) or not request.headers.get("x-wc-webhook-topic", "").startswith("order."):
            return []
        try:
            told = json.loads(request.body)
            order_id = told["id"]
        except (ValueError, TypeError, KeyError):
            raise BadPayload("There is no order id in it.") from None
        if not isinstance(order_id, int) or order_id <= 0:
            raise BadPayload("The order's id is not a number.")
        order = self._shop.order(order_id)
        return [OrderCanceled(str(order_id), "deleted")] if order is None else self._events(order)

    def poll(self, cursor: str | None) -> tuple[list[PlatformEvent], str | None]:
        """Read the orders that changed since the newest one seen, whatever became of their webhooks.

        The first time nothing is read but where to begin: what was ordered before the shop was connected is not ours.
        """
        if cursor is None:
            begun = max((_saved_at(order) for order in self._shop.newest()), default=LONG_AGO)
            return [], f"{begun}/{begun}"
        begun, _, seen = cursor.partition("/")
        after = max(begun, (datetime.fromisoformat(seen) - OVERLAP).isoformat())
        orders = self._shop.changed_since(after)
        newest = max([seen, *map(_saved_at, orders)])
        return [event for order in orders for event in self._events(order)], f"{begun}/{newest}"

    def push(self, update: PaymentUpdate) -> PushResult:
        """Move the order and write it a note, by the order as it stands now."""
        seen = f"seen:{update.payment_id}"
        if int(self.store.get(seen) or 0) >= update.number:
            return PushResult.ALREADY
        result = self._told(update)
        self.store.put(seen, str(update.number))
        return result

    def _told(self, update: PaymentUpdate) -> PushResult:
        is_number = update.order_id.isascii() and update.order_id.isdigit()
        order = self._shop.order(int(update.order_id)) if is_number else None
        if order is None:
            return PushResult.CONFLICT
        act = getattr(self, f"_on_{update.type}", None)
        return PushResult.ALREADY if act is None else act(order, update)

    def check(self) -> str:
        """See that orders can be read and written and that the method is offered; say which webhooks are missing.

        A missing webhook is no error: `poll` finds the orders too, some minutes later.
        """
        self._shop.newest()
        self._shop.require_writing()
        method = self.channel.settings["payment_method"]
        title = self._shop.offered(method)
        if title is None:
            raise AdapterError(
                f"The shop offers no payment method {method!r}: switch it on under WooCommerce, Settings, Payments, or "
                "set payment_method to another one's id."
            )
        said = f"{self._shop.host} answers, the key may read and write its orders, and it offers {method} as {title!r}."
        return f"{said} {self._about_webhooks()}".strip()

    def _about_webhooks(self) -> str:
        here = f"{self.channel.inbound_url}/orders"
        hooks = [hook for hook in self._shop.webhooks() if hook.get("delivery_url") == here]
        active = {str(hook.get("topic")) for hook in hooks if hook.get("status") == "active"}
        missing = [topic for topic in TOPICS if topic not in active]
        if not missing:
            return ""
        off = " (one is there and switched off)" if len(hooks) > len(active) else ""
        return f"No active webhook for {' and '.join(missing)} leads to {here}{off}: orders are found within minutes."

    @property
    def _shop(self) -> Shop:
        return Shop(self.http, self.channel.settings)

    def _is_ours(self, order: Mapping[str, Any]) -> bool:
        return bool(order.get("payment_method") == self.channel.settings["payment_method"])

    def _events(self, order: Mapping[str, Any]) -> list[PlatformEvent]:
        order_id, status = str(order.get("id")), order.get("status")
        if status in OVER:
            return [OrderCanceled(order_id, str(status))]
        price = f"{order.get('total')} {order.get('currency')}"
        if status not in OPEN or not self._is_ours(order) or not _is_price(order.get("total")):
            return []
        if self.store.get(f"asked:{order_id}") == price:
            return []  # its payment has been asked for; our own notes and changes bring the order here again
        total, currency = str(order["total"]), str(order.get("currency"))
        if currency != "USDT" and "." in total:
            total = total.rstrip("0").rstrip(".")  # WooCommerce writes "500.00" for yen too
        return [OrderPlaced(order_id, total, currency, details={"price": price})]

    def _on_created(self, order: Mapping[str, Any], update: PaymentUpdate) -> PushResult:
        done = PushResult.CONFLICT
        if order.get("status") in OPEN and self._is_ours(order):
            amount = update.pay_amount.six_places()
            until = f"{update.expires_at:%Y-%m-%d %H:%M} UTC"
            asked = f"Please pay {amount} USDT (TRC20), exactly this amount, until {until}: {update.pay_url}"
            done = self._note(order, update, asked, mail=True)
        self.store.put(f"asked:{update.order_id}", update.details.get("price", ""))
        return done

    def _on_detected(self, order: Mapping[str, Any], update: PaymentUpdate) -> PushResult:
        if order.get("status") in ("pending", "failed") and self._is_ours(order):
            self._shop.change(order, {"status": "on-hold"})
        return self._note(order, update, "A payment is on its way; it is final in about a minute.")

    def _on_paid(self, order: Mapping[str, Any], update: PaymentUpdate) -> PushResult:
        """Complete the order; one that is paid, or was ended meanwhile, is left for its owner to decide."""
        txid, status = (update.txids or ("",))[0], order.get("status")  # the first never changes, whatever comes later
        if status in PAID:
            is_this = order.get("transaction_id") == txid
            said = "Paid" if is_this else "This order was paid already: a second payment came"
            self._note(order, update, f"{said}, {update.received.six_places()} USDT, transaction {txid}.")
            return PushResult.ALREADY if is_this else PushResult.CONFLICT
        ended = status == "refunded" or (status in OVER and not self.channel.settings["reopen_canceled"])
        if ended or not self._is_ours(order):
            if status == "cancelled":
                self._shop.change(order, {"status": "on-hold"})
            self._note(order, update, f"Paid after this order was ended or changed: decide. Transaction {txid}.")
            return PushResult.CONFLICT
        self._shop.change(order, {"status": self.channel.settings["paid_status"], "transaction_id": txid})
        return self._note(order, update, f"Paid, {update.received.six_places()} USDT, transaction {txid}.")

    def _on_underpaid(self, order: Mapping[str, Any], update: PaymentUpdate) -> PushResult:
        missing = Usdt(max(0, update.pay_amount.units - update.received.units)).six_places()
        self._hold(order)
        return self._note(order, update, f"Too little came: {missing} USDT are missing. Decide at the hub.")

    def _on_overpaid(self, order: Mapping[str, Any], update: PaymentUpdate) -> PushResult:
        surplus = Usdt(max(0, update.received.units - update.pay_amount.units)).six_places()
        return self._note(order, update, f"Too much came: {surplus} USDT more than asked for.")

    def _on_late(self, order: Mapping[str, Any], update: PaymentUpdate) -> PushResult:
        self._hold(order)
        return self._note(order, update, "Money came after the payment had expired: decide at the hub.")

    def _on_duplicate(self, order: Mapping[str, Any], update: PaymentUpdate) -> PushResult:
        return self._note(order, update, "Money came although this order is paid: decide at the hub.")

    def _on_expired(self, order: Mapping[str, Any], update: PaymentUpdate) -> PushResult:
        if update.received.units:
            return PushResult.ALREADY  # the underpayment has told its own story
        if self.channel.settings["cancel_expired"] and order.get("status") in OPEN and self._is_ours(order):
            self._shop.change(order, {"status": "cancelled"})
        return self._note(order, update, "The payment expired; nothing came.")

    def _on_canceled(self, order: Mapping[str, Any], update: PaymentUpdate) -> PushResult:
        return self._note(order, update, "The payment was canceled.")

    def _hold(self, order: Mapping[str, Any]) -> None:
        if order.get("status") in ("pending", "failed", "cancelled") and self._is_ours(order):
            self._shop.change(order, {"status": "on-hold"})

    def _note(
        self, order: Mapping[str, Any], update: PaymentUpdate, sentence: str, *, mail: bool = False
    ) -> PushResult:
        """Write a note, once for each event: by what is unlike in each, a repetition is known."""
        mark = update.pay_url if mail else f"[{update.event_id}]"
        if any(mark in unescape(str(note.get("note"))) for note in self._shop.notes(order)):
            return PushResult.ALREADY
        label = "Test payment. " if update.is_test else ""
        self._shop.add_note(order, label + (sentence if mail else f"{sentence} {mark}"), mail=mail)
        return PushResult.DONE


def _saved_at(order: Mapping[str, Any]) -> str:
    when = str(order.get("date_modified_gmt") or LONG_AGO)
    if not MOMENT.fullmatch(when):
        raise AdapterError("The shop gave a moment that is none.")
    return when


def _is_price(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,8})?", text) is not None and any(
        digit in text for digit in "123456789"
    )
