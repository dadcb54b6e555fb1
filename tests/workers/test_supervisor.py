"""The supervisor keeps children running and leaves none behind, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Timer

import pytest

from core.clock import SystemClock
from workers.supervisor import (
    LONGEST_PAUSE_S, REFUSAL_PAUSE_S, Child, ChildFailed, Signals, Stopped, Supervisor, restart_pause_s,
)

pytestmark = pytest.mark.slow

SLEEPER = Child("sleeper", (sys.executable, "-c", "import time; time.sleep(60)"))


def wait_for(is_true: Callable[[], bool], within_s: float = 15.0) -> None:
    """Look every 20 ms until something is true."""
    clock = SystemClock()
    deadline_s = clock.monotonic() + within_s
    while not is_true():
        assert clock.monotonic() < deadline_s, "it did not happen in time"
        Event().wait(0.02)


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_crash_is_restarted_soon_and_then_ever_more_slowly() -> None:
    pauses = [restart_pause_s(deaths=deaths, code=-9) for deaths in range(1, 9)]

    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, LONGEST_PAUSE_S]


def test_a_child_that_refuses_to_run_is_not_restarted_in_a_hot_loop() -> None:
    """A watcher on a wrong network ends with code 1."""
    assert [restart_pause_s(deaths=deaths, code=1) for deaths in (1, 5, 6, 99)] == [REFUSAL_PAUSE_S, 10, 16, 30]


@pytest.mark.faults
def test_a_killed_child_is_started_again() -> None:
    with Signals() as signals, Supervisor(clock=SystemClock(), signals=signals) as supervisor:
        supervisor.start(SLEEPER)
        first = supervisor.pids()["sleeper"]
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not is_alive(first))

        wait_for(lambda: supervisor.revive() or "sleeper" in supervisor.pids())

        assert supervisor.pids()["sleeper"] != first


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_signal_ends_all_children(number: signal.Signals) -> None:
    with Signals() as signals, Supervisor(clock=SystemClock(), signals=signals) as supervisor:
        supervisor.start(SLEEPER)
        supervisor.start(SLEEPER)
        pids = [running.process.pid for running in supervisor._running]
        Timer(0.2, os.kill, (os.getpid(), number)).start()

        supervisor.run()

    assert [pid for pid in pids if is_alive(pid)] == []


@pytest.mark.faults
def test_a_child_that_will_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("workers.supervisor.STOP_WITHIN_S", 0.3)
    ready = tmp_path / "ready"
    program = f"import signal, time; signal.signal(15, signal.SIG_IGN); open({str(ready)!r}, 'w'); time.sleep(60)"
    with Signals() as signals, Supervisor(clock=SystemClock(), signals=signals) as supervisor:
        supervisor.start(Child("stubborn", (sys.executable, "-c", program)))
        pid = supervisor.pids()["stubborn"]
        wait_for(ready.exists)

    assert not is_alive(pid)


@pytest.mark.faults
def test_children_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    """kill -9 of the supervisor leaves no child that holds a port."""
    program = (
        "from core.clock import SystemClock\n"
        "from tests.workers.test_supervisor import SLEEPER\n"
        "from workers.supervisor import *\n"
        "with Signals() as signals, Supervisor(clock=SystemClock(), signals=signals) as supervisor:\n"
        "    supervisor.start(SLEEPER)\n"
        "    print(supervisor.pids()['sleeper'], flush=True)\n"
        "    supervisor.run()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child_pid = int(parent.stdout.readline())

    parent.kill()
    parent.wait()
    parent.stdout.close()

    wait_for(lambda: not is_alive(child_pid))


def test_a_part_that_does_not_start_is_said_in_a_sentence() -> None:
    with Signals() as signals, Supervisor(clock=SystemClock(), signals=signals) as supervisor:
        supervisor.start(Child("quitter", (sys.executable, "-c", "raise SystemExit(3)")))

        with pytest.raises(ChildFailed, match="The hub did not start: quitter ended with code 3."):
            supervisor.wait_until(lambda: False, what="The hub", within_s=30)


def test_a_part_that_never_answers_is_given_up() -> None:
    with Signals() as signals, Supervisor(clock=SystemClock(), signals=signals) as supervisor:
        with pytest.raises(ChildFailed, match="did not start within 0 seconds"):
            supervisor.wait_until(lambda: False, what="The hub", within_s=0.0)


def test_a_stop_signal_is_heard_while_starting_up() -> None:
    with Signals() as signals, Supervisor(clock=SystemClock(), signals=signals) as supervisor:
        os.kill(os.getpid(), signal.SIGTERM)

        with pytest.raises(Stopped):
            supervisor.wait_until(lambda: False, what="The hub", within_s=30)
