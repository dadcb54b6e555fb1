"""Reads what people type, and names an order after the message that asked for it."""

from __future__ import annotations

import re

AMOUNT = re.compile(r"([0-9]{1,9})(?:[.,]([0-9]{1,6}))?")


def read_amount(text: str | None) -> str | None:
    """Read an amount such as `10` or `9,50`; None for anything else, zero included."""
    match = AMOUNT.fullmatch((text or "").strip())
    if match is None or not (match[1] + (match[2] or "")).strip("0"):
        return None
    return f"{match[1]}.{match[2]}" if match[2] else match[1]


def order_id_of(chat_id: int, message_id: int) -> str:
    """Name an order: the same message, delivered again, is the same order."""
    return f"tg.{chat_id}.{message_id}"
