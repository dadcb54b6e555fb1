"""Telegram: bots that take USDT, managed by the hub; `kit/` is a distribution of its own for developers of bots."""

from __future__ import annotations

from collections.abc import Sequence

from core.contract import Adapter, hookimpl
from plugins.telegram.adapter import Telegram


@hookimpl
def register_adapters() -> Sequence[type[Adapter]]:
    """Give the adapter of managed bots."""
    return [Telegram]
