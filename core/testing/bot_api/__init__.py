"""A Bot API server of our own for tests and the demo: bots, people and chats in memory, and what real bots run into.

It judges what a bot sends as Telegram does (texts, markup, buttons, pacing, blocked users, edits that change nothing)
and lets a test, or a page that imitates a chat, play the people. It is no part of Telegram and never connects to it.
"""

from core.testing.bot_api.server import FakeBotApi
from core.testing.bot_api.world import BotApiError, Limits, World

__all__ = ["BotApiError", "FakeBotApi", "Limits", "World"]
