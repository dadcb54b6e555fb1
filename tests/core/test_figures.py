"""O3: what several processes count is one sum, also when they have ended, and none of it is a stranger's word."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from core.figures import FILE_SIZE, METHODS, Figures, tidy

PROGRAM = """
import os, sys
from pathlib import Path
folder = Path(sys.argv[1])
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
from core.figures import Figures
own = Figures(folder)
if sys.argv[2] == "read":
    print(own.written())
else:
    for _ in range(int(sys.argv[2])):
        own.answered(route="/pay/", method="GET", status=200, seconds=0.02)
        own.kick_failed()
    print("counted", flush=True)
    sys.stdin.read()
"""


def start(folder: Path, what: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), what], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def read(folder: Path) -> tuple[float, float]:
    """Scrape from yet another process: requests counted, and wake-ups lost."""
    text, _ = start(folder, "read").communicate()
    counts = re.findall(r"^(?:paywharf_http_request_seconds_count.*|paywharf_dispatch_errors_total) (.*)$", text, re.M)
    return sum(map(float, counts[:-1])), float(counts[-1])


@pytest.mark.slow
def test_processes_that_live_and_that_have_ended_are_one_sum(tmp_path: Path):
    counting = [start(tmp_path, number) for number in ("3", "4")]
    for process in counting:
        assert process.stdout is not None and process.stdout.readline() == "counted\n"
    try:
        assert sorted(read(tmp_path)) == [7, 7]
        assert min(path.stat().st_blocks * 512 for path in tmp_path.glob("*-*.db")) >= FILE_SIZE
        counting[0].kill()
        counting[0].wait(10)
        assert sorted(read(tmp_path)) == [7, 7]

        tidy(tmp_path)
        tidy(tmp_path)

        assert sorted(read(tmp_path)) == [7, 7]
        names = {path.name.rpartition("-")[2] for path in tmp_path.glob("*-*.db")}
        assert f"{counting[0].pid}.db" not in names and f"{counting[1].pid}.db" in names
    finally:
        for process in counting:
            process.kill()
            process.communicate()


def test_files_of_other_machines_are_left_alone(tmp_path: Path):
    theirs = tmp_path / "counter_otherhost-1.db"
    theirs.write_bytes(b"")

    tidy(tmp_path)

    assert theirs.exists()


def test_a_full_disk_costs_the_sum_and_not_the_process(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """A mapped file that grows where no room is left ends its process by SIGBUS."""
    for kind in ("counter", "histogram"):
        path = tmp_path / f"{kind}_{socket.gethostname().replace('.', '-')}-{os.getpid()}.db"
        path.symlink_to("/dev/full")

    own = Figures(tmp_path)
    own.kick_failed()

    assert "paywharf_dispatch_errors_total 1.0" in own.written()
    assert "No space left on device" in caplog.text


def test_a_methods_name_is_one_of_a_few():
    own = Figures()
    for method in ("GET", "x" * 100):
        own.answered(route="none", method=method, status=404, seconds=0.1)

    methods = set(re.findall(r'method="(\w+)"', own.written()))

    assert methods == {"GET", "other"} <= {*METHODS, "other"}


def test_every_series_is_named():
    own = Figures()
    own.answered(route="none", method="GET", status=404, seconds=0.1)
    own.tried(http_status=None, seconds=1)
    own.told(seconds=1)
    own.recorded(seconds=60)
    own.lease_lost(2)
    own.kick_failed()

    written = set(re.findall(r"^(paywharf_\w+)", own.written(), re.M))

    assert written == own.names()
    assert os.environ.get("PROMETHEUS_MULTIPROC_DIR") is None  # a test's hub counts for itself
