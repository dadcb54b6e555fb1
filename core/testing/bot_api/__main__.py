"""`python -m core.testing.bot_api --port …`: the imitated Bot API, with its chats below `/chats/`.

A token that looks like one makes a bot of its own at its first call, so that a bot can be tried without Telegram.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from core.testing.bot_api.server import FakeBotApi
from core.testing.bot_api.world import Limits, World


def main() -> None:
    """Serve until told to stop."""
    reader = argparse.ArgumentParser(description="An imitated Bot API on loopback.")
    reader.add_argument("--port", type=int, required=True)
    reader.add_argument("--bot", nargs=3, action="append", default=[], metavar=("TOKEN", "USERNAME", "NAME"))
    given = reader.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    world = World(limits=Limits(), admits_strangers=True)
    for token, username, name in given.bot:
        world.add_bot(token, username=username, name=name)
    with FakeBotApi(world, port=given.port):
        threading.Event().wait()


if __name__ == "__main__":
    main()
