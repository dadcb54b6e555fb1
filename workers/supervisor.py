"""Keeps child processes running and ends them with their parent: what `paywharf serve` and `paywharf demo` stand on.

A child that dies is started again, ever more slowly. Told to stop, the supervisor asks every child by its own pid,
waits, and kills what is left. Killed itself, its children are told by the kernel (Linux), so that the next start
finds its ports free. It runs in one thread: the kernel ties a child to the thread that started it.
"""

from __future__ import annotations

import ctypes
import logging
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any

from core.clock import Clock
from core.errors import GatewayError

log = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
STOP_WITHIN_S = 10.0  # then SIGKILL: every room survives that, and its restart finds what was left
LOOK_EVERY_S = 1.0  # deaths are told by SIGCHLD; this is for a signal that was lost
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
REFUSAL_PAUSE_S = 10.0  # a child that left by its own error code has said why: do not drown it in repetitions
SETTLED_S = 60.0  # a child that lived so long starts with a clean record
PR_SET_PDEATHSIG = 1  # prctl(2)


class Stopped(Exception):
    """A stop signal came while something else was waited for."""


class ChildFailed(GatewayError):
    """A child did not come up."""

    code = "child_failed"
    sentence = "A part of the hub did not start."


class Signals:
    """Waits for signals: a handler may run at any bytecode, so it only leaves a byte in a socket pair to be read.

    (A handler that sets a `threading.Event` can deadlock: the interrupted thread may hold the event's lock.)
    """

    def __init__(self) -> None:
        self.stopping = False

    def __enter__(self) -> Signals:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._former_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._former = {number: signal.signal(number, _noted) for number in (*STOP_SIGNALS, signal.SIGCHLD)}
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._former_fd)
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._reader.close()
        self._writer.close()

    def wait(self, timeout_s: float) -> bool:
        """Wait for any signal, at most so long; True once a stop signal has come, now or earlier."""
        if not self.stopping and select.select([self._reader], [], [], timeout_s)[0]:
            self.stopping = any(number in STOP_SIGNALS for number in self._reader.recv(4096))
        return self.stopping

    def wait_longer(self, timeout_s: float) -> None:
        """Wait for any signal although a stop signal has come: for children to end."""
        if select.select([self._reader], [], [], timeout_s)[0]:
            self._reader.recv(4096)


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep running."""

    name: str
    argv: Sequence[str]


@dataclass(slots=True)
class _Running:
    child: Child
    process: subprocess.Popen[bytes]
    started_s: float
    deaths: int = 0
    revive_at_s: float | None = field(default=None)


class Supervisor:
    """Starts children and keeps them running until a stop signal comes; leaving the `with` block ends them all."""

    def __init__(self, *, clock: Clock, signals: Signals, output: int | None = None) -> None:
        """output: a file descriptor for what the children print; by default they print where we do."""
        self._clock = clock
        self._signals = signals
        self._output = output
        self._running: list[_Running] = []

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, child: Child) -> None:
        """Start a child and keep it running from now on."""
        self._running.append(_Running(child, self._spawn(child), self._clock.monotonic()))

    def pids(self) -> dict[str, int]:
        """Name the processes that run now."""
        return {one.child.name: one.process.pid for one in self._running if one.process.poll() is None}

    def run(self) -> None:
        """Keep the children running until a stop signal comes."""
        while not self._signals.wait(self._pause_s()):
            self.revive()

    def wait_until(self, is_ready: Callable[[], bool], *, what: str, within_s: float) -> None:
        """Wait until something answers; raises Stopped, or ChildFailed when a child ends or the time is over."""
        deadline_s = self._clock.monotonic() + within_s
        while not is_ready():
            dead = [one.child.name for one in self._running if one.process.poll() is not None]
            if dead:
                raise ChildFailed(f"{what} did not start: {dead[0]} ended with code {self._code(dead[0])}.")
            if self._clock.monotonic() > deadline_s:
                raise ChildFailed(f"{what} did not start within {within_s:.0f} seconds.")
            if self._signals.wait(0.1):
                raise Stopped

    def revive(self) -> None:
        """Note who has died, and start again whose pause is over."""
        now_s = self._clock.monotonic()
        for one in self._running:
            code = one.process.poll()
            if code is None:
                continue
            if one.revive_at_s is None:
                one.deaths = 1 if now_s - one.started_s > SETTLED_S else one.deaths + 1
                pause_s = restart_pause_s(deaths=one.deaths, code=code)
                one.revive_at_s = now_s + pause_s
                log.warning("%s ended with code %s; starting it again in %.1f s", one.child.name, code, pause_s)
            if now_s >= one.revive_at_s:
                one.process, one.started_s, one.revive_at_s = self._spawn(one.child), now_s, None

    def stop(self) -> None:
        """End every child: ask, wait, kill."""
        for one in self._running:
            one.process.terminate()  # asks nobody where the process has been waited for already
        deadline_s = self._clock.monotonic() + STOP_WITHIN_S
        while any(one.process.poll() is None for one in self._running) and self._clock.monotonic() < deadline_s:
            self._signals.wait_longer(0.1)
        for one in self._running:
            if one.process.poll() is None:
                log.warning("%s did not stop within %.0f s and is killed", one.child.name, STOP_WITHIN_S)
                one.process.kill()
            one.process.wait()

    def _spawn(self, child: Child) -> subprocess.Popen[bytes]:
        """Start a process in a group of its own: Ctrl-C is for us, and we tell the children in order."""
        return subprocess.Popen(
            child.argv,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            process_group=0,
            preexec_fn=partial(die_with, os.getpid()),
        )

    def _pause_s(self) -> float:
        due = [one.revive_at_s for one in self._running if one.revive_at_s is not None]
        return max(0.0, min([LOOK_EVERY_S, *(at_s - self._clock.monotonic() for at_s in due)]))

    def _code(self, name: str) -> int | None:
        return next(one.process.returncode for one in self._running if one.child.name == name)


def restart_pause_s(*, deaths: int, code: int) -> float:
    """Say how long to wait before a restart; `deaths` counts those in a row, `code` is negative for a signal."""
    doubled: float = FIRST_PAUSE_S * 2 ** min(deaths - 1, 10)
    least = REFUSAL_PAUSE_S if code > 0 else 0.0
    return min(LONGEST_PAUSE_S, max(least, doubled))


def die_with(parent_pid: int) -> None:
    """Ask the kernel to end this process when its parent dies; called in the child, between fork and exec too."""
    if _prctl is None:
        return
    _prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != parent_pid:  # the parent died before it could be tied to
        os._exit(0)


def paywharf(*arguments: str) -> tuple[str, ...]:
    """Spell a command of ours for a child."""
    return python("-m", "core.cli", *arguments)


def python(*arguments: str) -> tuple[str, ...]:
    """Spell a Python program for a child; -P keeps the working folder from shadowing the installed packages."""
    return (sys.executable, "-P", *arguments)


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Let the wake-up descriptor tell."""


def _find_prctl() -> Any:
    """Look prctl up before any fork: loading a library is not safe between fork and exec."""
    return getattr(ctypes.CDLL(None, use_errno=True), "prctl", None) if sys.platform == "linux" else None


_prctl = _find_prctl()
