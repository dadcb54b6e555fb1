"""The bots of the kit's README in processes of their own, as they stand there, that may kill themselves at a point.

`python -m tests.plugins.telegram.bot_process` pays once what importing the libraries costs, then forks once per line it
is told, a `Job` in JSON.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiogram
import telegram.ext

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
        os.environ.update(HUB=job.hub, HUB_KEY=job.key, HUB_SECRET=job.secret)
        os.environ.update(BOT_TOKEN=job.bot_token, BOT_API=job.bot_api)
        _plant(Fuse(job.kill_at))
        code = compile(example(job.library, is_imitated=True), f"README {job.library}", "exec")
        exec(code, {"__name__": "__main__"})
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


class Fuse:
    """Kills the process, without a chance to tidy up, at a point: `send-after.2` is after the second message."""

    def __init__(self, kill_at: str | None) -> None:
        self._kill_at = kill_at
        self._passed: Counter[str] = Counter()

    def pass_point(self, name: str) -> None:
        self._passed[name] += 1
        if self._kill_at == f"{name}.{self._passed[name]}":
            os.kill(os.getpid(), signal.SIGKILL)


def _plant(fuse: Fuse) -> None:
    """Put a point after each thing that cannot be taken back: a payment asked for, a message, a sale."""
    for owner, name in (
        (Hub, "create_invoice"), (paywharf_telegram.aiogram.AiogramMessenger, "send"),
        (paywharf_telegram.ptb.PtbMessenger, "send"),
    ):
        setattr(owner, name, _pointed(getattr(owner, name), fuse))
    once = SqliteStore.once

    @contextmanager
    def pointed_once(store: SqliteStore, key: str) -> Iterator[Any]:
        with once(store, key) as db:
            yield db
            fuse.pass_point("once-inside")
        fuse.pass_point("once-after")

    SqliteStore.once = pointed_once  # type: ignore[method-assign]


def _pointed(act: Callable[..., Any], fuse: Fuse) -> Callable[..., Any]:
    @functools.wraps(act)
    async def pointed(*given: Any, **named: Any) -> Any:
        result = await act(*given, **named)
        fuse.pass_point(f"{act.__name__}-after")
        return result

    return pointed


if __name__ == "__main__":
    assert aiogram.__version__ and telegram.ext
    main()
