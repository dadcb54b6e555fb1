"""Waits for code of strangers only so long; whoever does not come back in time is left behind in its thread.

Python cannot end a thread. So those that were left behind are counted by name until they come back, and who has too
many of them is asked nothing more: what hangs costs a few threads, and its own turn alone. It judges nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import copy_context
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

Got = TypeVar("Got")


class Overrun(Exception):
    """What was asked is not done in time, and may still be going on."""


class Resting(Exception):
    """Too many that were asked before have not come back. name: whose."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Patience:
    """Those of this process that have not come back."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._missing = Counter[str]()

    def wait(self, call: Callable[[], Got], *, within_s: float, limits: Mapping[str, int]) -> Got:
        """Do something in a thread of its own, for at most `within_s` seconds; what it raises is raised here.

        limits: under which names it counts while it is missing, and how many of each may be missing at once.
        Raises Overrun, Resting.
        """
        for name, limit in limits.items():
            if self.missing(name) >= limit:
                raise Resting(name)
        errand = _Errand(self, call, tuple(limits))
        Thread(target=copy_context().run, args=(errand.run,), name="errand", daemon=True).start()
        errand.over.wait(within_s)
        with self._lock:
            if not errand.over.is_set():
                errand.is_missing = True
                self._missing.update(errand.names)
                raise Overrun
        if errand.error is not None:
            raise errand.error
        return errand.got[0]

    def missing(self, name: str) -> int:
        """Count those that have not come back."""
        return self._missing[name]

    def all_missing(self) -> dict[str, int]:
        """Count them all, by name."""
        with self._lock:
            return dict(self._missing)

    def end(self, errand: _Errand[Got]) -> None:
        """Take note that somebody is back."""
        with self._lock:
            errand.over.set()
            if errand.is_missing:
                self._missing.subtract(errand.names)
                self._missing += Counter()  # keep no zeros: names come and go


class _Errand(Generic[Got]):
    """What one thread does."""

    def __init__(self, patience: Patience, call: Callable[[], Got], names: tuple[str, ...]) -> None:
        self._patience = patience
        self._call = call
        self.names = names
        self.over = Event()
        self.is_missing = False
        self.got: list[Got] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do it, and keep what came of it."""
        try:
            self.got.append(self._call())
        except BaseException as err:  # handed to whoever waits, who alone can judge it
            self.error = err
        finally:
            self._patience.end(self)
