"""The bots of the kit's README in processes of their own, as they stand there, that may kill themselves at a point.

`python -m tests.plugins.telegram.bot_process` pays once what importing the libraries costs, then forks once per line it
is told, a `Job` in JSON. Only where the Bot API is has been changed: an imitated one on loopback.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiogram
import telegram.ext
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

import paywharf_telegram.aiogram
import paywharf_telegram.ptb
from paywharf_telegram import Hub, SqliteStore
from tests.plugins.telegram.readme_bots import Job, example


def main() -> None:
    """Fork one bot for each job, and say its process id."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries them
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _live(Job(**json.loads(line)))
        print(child, flush=True)


def _live(job: Job) -> None:
    try:
        os.chdir(job.folder)
        os.environ.update(HUB=job.hub, HUB_KEY=job.key, HUB_SECRET=job.secret, BOT_TOKEN=job.bot_token)
        _point_to(job.bot_api)
        _plant(Fuse(job.kill_at))
        exec(compile(example(job.library), f"README {job.library}", "exec"), {"__name__": "__main__"})
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _point_to(bot_api: str) -> None:
    server = TelegramAPIServer.from_base(bot_api)
    AiohttpSession.__init__ = functools.partialmethod(AiohttpSession.__init__, api=server)  # type: ignore[assignment]
    build = telegram.ext.Application.builder
    telegram.ext.Application.builder = staticmethod(lambda: build().base_url(f"{bot_api}/bot"))  # type: ignore


class Fuse:
    """Kills the process, without a chance to tidy up, at the chosen one of the points it passes."""

    def __init__(self, kill_at: int | None) -> None:
        self._left = kill_at

    def pass_point(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _plant(fuse: Fuse) -> None:
    """Put a point before and after each thing a bot does: a write, a call of the hub, a message."""
    for owner, name in (
        (Hub, "create_invoice"), (paywharf_telegram.aiogram.AiogramMessenger, "send"),
        (paywharf_telegram.aiogram.AiogramMessenger, "edit"), (paywharf_telegram.ptb.PtbMessenger, "send"),
        (paywharf_telegram.ptb.PtbMessenger, "edit"),
    ):
        setattr(owner, name, _pointed(getattr(owner, name), fuse))
    put, once = SqliteStore.put, SqliteStore.once

    def pointed_put(store: SqliteStore, key: str, value: str) -> None:
        fuse.pass_point()
        put(store, key, value)
        fuse.pass_point()

    @contextmanager
    def pointed_once(store: SqliteStore, key: str) -> Iterator[Any]:
        with once(store, key) as db:
            yield db
            fuse.pass_point()
        fuse.pass_point()

    SqliteStore.put, SqliteStore.once = pointed_put, pointed_once  # type: ignore[method-assign]


def _pointed(act: Callable[..., Any], fuse: Fuse) -> Callable[..., Any]:
    @functools.wraps(act)
    async def pointed(*given: Any, **named: Any) -> Any:
        fuse.pass_point()
        result = await act(*given, **named)
        fuse.pass_point()
        return result

    return pointed


if __name__ == "__main__":
    assert aiogram.__version__
    main()
