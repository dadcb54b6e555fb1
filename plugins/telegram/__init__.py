"""Telegram: bots that take USDT, managed by the hub; `kit/` is a distribution of its own for developers of bots."""
