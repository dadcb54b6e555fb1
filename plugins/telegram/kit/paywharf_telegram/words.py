"""What buyers read, in their own language; English where there is none of it. HTML as the Bot API knows it."""

from __future__ import annotations

from html import escape

from paywharf_telegram.hub import Invoice

LANGUAGES = ("en", "de", "es", "fr", "ru")
WORDS: dict[str, tuple[str, str, str, str, str]] = {
    "pay": ("Pay", "Bezahlen", "Pagar", "Payer", "Оплатить"),
    "check": ("I have paid", "Ich habe bezahlt", "Ya pagué", "J’ai payé", "Я оплатил"),
    "cancel": ("Cancel", "Abbrechen", "Cancelar", "Annuler", "Отменить"),
    "send": (
        "Send exactly {amount} USDT (TRC20) to", "Sende genau {amount} USDT (TRC20) an",
        "Envía exactamente {amount} USDT (TRC20) a", "Envoyez exactement {amount} USDT (TRC20) à",
        "Отправьте ровно {amount} USDT (TRC20) на адрес",
    ),
    "until": ("Until {time} UTC.", "Bis {time} UTC.", "Hasta las {time} UTC.", "Jusqu’à {time} UTC.", "До {time} UTC."),
    "pending": (
        "⏳ Waiting for your transfer.", "⏳ Warte auf deine Überweisung.", "⏳ Esperando tu transferencia.",
        "⏳ En attente de votre virement.", "⏳ Ждём ваш перевод.",
    ),
    "confirming": (
        "👀 Transfer seen, being confirmed.", "👀 Überweisung gesehen, wird bestätigt.",
        "👀 Transferencia vista, confirmándose.", "👀 Virement vu, en cours de confirmation.",
        "👀 Перевод виден, подтверждается.",
    ),
    "paid": (
        "✅ Paid. Thank you!", "✅ Bezahlt. Danke!", "✅ Pagado. ¡Gracias!", "✅ Payé. Merci !", "✅ Оплачено. Спасибо!",
    ),
    "expired": (
        "⌛ Expired. Do not pay this any more.", "⌛ Abgelaufen. Bitte nicht mehr bezahlen.",
        "⌛ Caducado. No lo pagues ya.", "⌛ Expiré. Ne payez plus.", "⌛ Срок истёк. Больше не платите.",
    ),
    "canceled": (
        "✖️ Canceled. Do not pay this.", "✖️ Abgebrochen. Bitte nicht bezahlen.", "✖️ Cancelado. No lo pagues.",
        "✖️ Annulé. Ne payez pas.", "✖️ Отменено. Не платите.",
    ),
    "underpaid": (
        "⚠️ Less than the amount has arrived. Do not send again: the seller decides.",
        "⚠️ Es ist weniger als der Betrag angekommen. Sende nichts mehr: der Verkäufer entscheidet.",
        "⚠️ Ha llegado menos del importe. No envíes nada más: decide el vendedor.",
        "⚠️ Moins que le montant est arrivé. N’envoyez rien de plus : le vendeur décide.",
        "⚠️ Пришло меньше суммы. Больше не отправляйте: решает продавец.",
    ),
    "overpaid": (
        "✅ Paid, and more than that. The seller has been told.",
        "✅ Bezahlt, und mehr als das. Der Verkäufer weiß Bescheid.",
        "✅ Pagado, y de más. El vendedor está avisado.",
        "✅ Payé, et plus que cela. Le vendeur est prévenu.",
        "✅ Оплачено, и больше чем нужно. Продавец уведомлён.",
    ),
    "late": (
        "⚠️ Your transfer came too late. The seller has been told.",
        "⚠️ Deine Überweisung kam zu spät. Der Verkäufer weiß Bescheid.",
        "⚠️ Tu transferencia llegó tarde. El vendedor está avisado.",
        "⚠️ Votre virement est arrivé trop tard. Le vendeur est prévenu.",
        "⚠️ Перевод пришёл слишком поздно. Продавец уведомлён.",
    ),
    "not_yours": ("This is not your payment.", "Das ist nicht deine Zahlung.", "Este no es tu pago.",
                  "Ce n’est pas votre paiement.", "Это не ваш платёж."),
    "usage": ("Write /pay and an amount, such as /pay 10", "Schreibe /pay und einen Betrag, etwa /pay 10",
              "Escribe /pay y un importe, como /pay 10", "Écrivez /pay et un montant, par exemple /pay 10",
              "Напишите /pay и сумму, например /pay 10"),
    "away": ("Payments do not work right now. Try again in a minute.", "Zahlungen gehen gerade nicht. Gleich noch mal.",
             "Los pagos no funcionan ahora. Inténtalo en un minuto.", "Paiement impossible pour l’instant. Réessayez.",
             "Оплата сейчас не работает. Попробуйте через минуту."),
}


def word(key: str, language: str | None) -> str:
    """Give a text in a language: IETF tag as Telegram sends it, `de` or `pt-br`."""
    short = (language or "en").partition("-")[0].lower()
    return WORDS[key][LANGUAGES.index(short) if short in LANGUAGES else 0]


def standing_of(invoice: Invoice) -> str:
    """Say in one of our words how an invoice stands."""
    if invoice.state == "paid":
        return "overpaid" if invoice.anomaly in ("overpaid", "duplicate") else "paid"
    return invoice.anomaly if invoice.anomaly in ("underpaid", "late") else invoice.state


def message_text(invoice: Invoice, *, title: str, language: str | None) -> str:
    """Write the message that lives: what to send where, and how it stands. Foreign text is escaped."""
    head = f"<b>{escape(title)}</b>\n" if title else ""
    standing = standing_of(invoice)
    due = f"{invoice.amount} {escape(invoice.currency)}"
    price = f"{escape(invoice.price)} = {due}" if invoice.price else due
    if standing != "pending":
        return f"{head}{price}\n{word(standing, language)}"
    send = word("send", language).format(amount=f"<code>{invoice.pay_amount}</code>")
    until = word("until", language).format(time=invoice.expires_at[11:16])
    quote = f"{price}\n" if invoice.price else ""
    return f"{head}{quote}{send}\n<code>{invoice.address}</code>\n{until}\n{word(standing, language)}"
