"""What a managed bot says, in the reader's language; English where there is none of it. HTML of the Bot API's kind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from html import escape
from typing import Any

from core.contract import PaymentUpdate
from core.currencies import MINOR_UNITS
from core.money import Usdt

Json = dict[str, Any]
LANGUAGES = ("en", "de", "es", "fr", "ru")
WORDS: dict[str, tuple[str, str, str, str, str]] = {
    "catalogue": ("What would you like?", "Was darf es sein?", "¿Qué te gustaría?", "Que désirez-vous ?",
                  "Что желаете?"),
    "usage": ("Write /pay and an amount in {currency}, such as {examples}",
              "Schreibe /pay und einen Betrag in {currency}, etwa {examples}",
              "Escribe /pay y un importe en {currency}, como {examples}",
              "Écrivez /pay et un montant en {currency}, par exemple {examples}",
              "Напишите /pay и сумму в {currency}, например {examples}"),
    "or": ("or", "oder", "o", "ou", "или"),
    "until": ("Until {time} UTC.", "Bis {time} UTC.", "Hasta las {time} UTC.", "Jusqu’à {time} UTC.", "До {time} UTC."),
    "nothing": ("There is nothing for sale here.", "Hier gibt es nichts zu kaufen.", "Aquí no hay nada en venta.",
                "Il n’y a rien à vendre ici.", "Здесь ничего не продаётся."),
    "pay": ("Pay", "Bezahlen", "Pagar", "Payer", "Оплатить"),
    "check": ("I have paid", "Ich habe bezahlt", "Ya pagué", "J’ai payé", "Я оплатил"),
    "cancel": ("Cancel", "Abbrechen", "Cancelar", "Annuler", "Отменить"),
    "not_yours": ("This is not your payment.", "Das ist nicht deine Zahlung.", "Este no es tu pago.",
                  "Ce n’est pas votre paiement.", "Это не ваш платёж."),
    "send": ("Send exactly {amount} USDT (TRC20) to", "Sende genau {amount} USDT (TRC20) an",
             "Envía exactamente {amount} USDT (TRC20) a", "Envoyez exactement {amount} USDT (TRC20) à",
             "Отправьте ровно {amount} USDT (TRC20) на адрес"),
    "pending": ("⏳ Waiting for your transfer.", "⏳ Warte auf deine Überweisung.", "⏳ Esperando tu transferencia.",
                "⏳ En attente de votre virement.", "⏳ Ждём ваш перевод."),
    "confirming": ("👀 Transfer seen, being confirmed.", "👀 Überweisung gesehen, wird bestätigt.",
                   "👀 Transferencia vista, confirmándose.", "👀 Virement vu, en cours de confirmation.",
                   "👀 Перевод виден, подтверждается."),
    "paid": ("✅ Paid. Thank you!", "✅ Bezahlt. Danke!", "✅ Pagado. ¡Gracias!", "✅ Payé. Merci !",
             "✅ Оплачено. Спасибо!"),
    "expired": ("⌛ Expired. Do not pay this any more.", "⌛ Abgelaufen. Bitte nicht mehr bezahlen.",
                "⌛ Caducado. No lo pagues ya.", "⌛ Expiré. Ne payez plus.", "⌛ Срок истёк. Больше не платите."),
    "canceled": ("✖️ Canceled. Do not pay this.", "✖️ Abgebrochen. Bitte nicht bezahlen.",
                 "✖️ Cancelado. No lo pagues.", "✖️ Annulé. Ne payez pas.", "✖️ Отменено. Не платите."),
    "underpaid": (
        "⚠️ Less than the amount has arrived. Do not send again: the seller decides.",
        "⚠️ Es ist weniger als der Betrag angekommen. Sende nichts mehr: der Verkäufer entscheidet.",
        "⚠️ Ha llegado menos del importe. No envíes nada más: decide el vendedor.",
        "⚠️ Moins que le montant est arrivé. N’envoyez rien de plus : le vendeur décide.",
        "⚠️ Пришло меньше суммы. Больше не отправляйте: решает продавец.",
    ),
    "short": (
        "⚠️ {received} USDT arrived, {missing} USDT is missing. Do not send again: the seller decides.",
        "⚠️ {received} USDT sind da, {missing} USDT fehlen. Sende nichts mehr: der Verkäufer entscheidet.",
        "⚠️ Llegaron {received} USDT, faltan {missing} USDT. No envíes nada más: decide el vendedor.",
        "⚠️ {received} USDT sont arrivés, il manque {missing} USDT. N’envoyez rien de plus : le vendeur décide.",
        "⚠️ Пришло {received} USDT, не хватает {missing} USDT. Больше не отправляйте: решает продавец.",
    ),
    "late": ("⚠️ Your money came too late. The seller has been told.",
             "⚠️ Dein Geld kam zu spät. Der Verkäufer weiß Bescheid.",
             "⚠️ Tu dinero llegó tarde. El vendedor está avisado.",
             "⚠️ Votre argent est arrivé trop tard. Le vendeur est prévenu.",
             "⚠️ Деньги пришли слишком поздно. Продавец уведомлён."),
    "overpaid": ("✅ Paid, and more than that. The seller has been told.",
                 "✅ Bezahlt, und mehr als das. Der Verkäufer weiß Bescheid.",
                 "✅ Pagado, y de más. El vendedor está avisado.",
                 "✅ Payé, et plus que cela. Le vendeur est prévenu.",
                 "✅ Оплачено, и больше чем нужно. Продавец уведомлён."),
    "over": ("✅ Paid, and {over} USDT more than that. The seller has been told.",
             "✅ Bezahlt, und {over} USDT mehr als das. Der Verkäufer weiß Bescheid.",
             "✅ Pagado, y {over} USDT de más. El vendedor está avisado.",
             "✅ Payé, et {over} USDT de plus. Le vendeur est prévenu.",
             "✅ Оплачено, и на {over} USDT больше. Продавец уведомлён."),
    "refund": ("💸 {amount} USDT go back to you. Say where to send them.",
               "💸 {amount} USDT gehen an dich zurück. Sag, wohin.",
               "💸 Se te devuelven {amount} USDT. Di adónde enviarlos.",
               "💸 {amount} USDT vous sont rendus. Dites où les envoyer.",
               "💸 Вам возвращают {amount} USDT. Укажите, куда отправить."),
    "refund_link": ("Enter my address", "Adresse angeben", "Indicar mi dirección", "Indiquer mon adresse",
                    "Указать адрес"),
    "returned": ("💸 Your money was sent back.", "💸 Dein Geld wurde zurückgeschickt.", "💸 Se te devolvió el dinero.",
                 "💸 Votre argent vous a été renvoyé.", "💸 Деньги отправлены вам обратно."),
}


def word(key: str, language: str | None) -> str:
    """Give a text in a language: an IETF tag as Telegram sends it."""
    short = (language or "en").partition("-")[0].lower()
    return WORDS[key][LANGUAGES.index(short) if short in LANGUAGES else 0]


def usage_text(currency: str, language: str | None) -> str:
    """Say how an amount is written, with as many decimals as the currency has."""
    examples = ["/pay 10"]
    if MINOR_UNITS.get(currency, 2):
        examples.append("/pay 9.50")
    return word("usage", language).format(currency=currency, examples=f" {word('or', language)} ".join(examples))


def standing_of(update: PaymentUpdate) -> str:
    """Say in one of our words how a payment stands."""
    if update.anomaly in ("late", "duplicate") and update.status != "paid":
        return "late"
    if update.anomaly in ("underpaid", "overpaid"):
        return update.anomaly
    if update.status == "paid" and update.received.units > update.pay_amount.units:
        return "overpaid"
    return update.status


def payment_text(update: PaymentUpdate, language: str | None) -> str:
    """Write the message that lives."""
    title = update.details.get("title", "")
    head = f"<b>{escape(title)}</b>\n" if title else ""
    standing = standing_of(update)
    says = _says(update, standing, language)
    if standing != "pending":
        return f"{head}{_price(update)}\n{says}"
    quote = f"{_price(update)}\n" if _is_quoted(update) else ""
    send = word("send", language).format(amount=f"<code>{update.pay_amount.six_places()}</code>")
    until = word("until", language).format(time=f"{update.expires_at.astimezone(UTC):%H:%M}")
    return f"{head}{quote}{send}\n<code>{update.address}</code>\n{until}\n{says}"


def _says(update: PaymentUpdate, standing: str, language: str | None) -> str:
    """Say how a payment stands, with what arrived where that is not what was asked; a test payment's money is none."""
    received, asked = update.received.units, update.pay_amount.units
    if standing == "underpaid" and 0 < received < asked:
        missing = Usdt(asked - received)
        return word("short", language).format(received=update.received.six_places(), missing=missing.six_places())
    if standing == "overpaid" and received > asked:
        return word("over", language).format(over=Usdt(received - asked).six_places())
    return word(standing, language)


def _price(update: PaymentUpdate) -> str:
    """Write what was asked, and what that came to where it was quoted: `9.90 EUR = 10.77 USDT`."""
    price = escape(update.details.get("price", ""))
    due = update.due.six_places().removesuffix("0000")  # a quote is in hundredths
    return f"{price} = {due} USDT" if _is_quoted(update) else price


def _is_quoted(update: PaymentUpdate) -> bool:
    return not update.details.get("price", "USDT").endswith("USDT")


def payment_buttons(update: PaymentUpdate, language: str | None) -> list[list[Json]]:
    """Give the buttons of an open payment: a plain link and two callbacks, never a Mini App.

    Once money has come, nothing is to be paid or canceled.
    """
    if update.status not in ("pending", "confirming"):
        return []
    second = [{"text": word("check", language), "callback_data": f"c:{update.payment_id}"}]
    if standing_of(update) == "underpaid":
        return [second]
    if update.status == "pending":
        second.append({"text": word("cancel", language), "callback_data": f"x:{update.payment_id}"})
    return [[{"text": word("pay", language), "url": update.pay_url}], second]


def refund_message(link: str, amount: str, language: str | None) -> tuple[str, list[list[Json]]]:
    """Write what a payer is sent when money goes back: the sum, and a link under which they say where to."""
    return word("refund", language).format(amount=amount), [[{"text": word("refund_link", language), "url": link}]]


def catalogue_buttons(items: list[Mapping[str, str]], currency: str) -> list[list[Json]]:
    """Give a button for each thing that is sold."""
    return [
        [{"text": f"{item['title']} · {item['price']} {currency}", "callback_data": f"b:{item['code']}"}]
        for item in items
    ]
