"""The bots of the kit's README, told apart from what runs them: their libraries take seconds to import."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
README = ROOT / "plugins" / "telegram" / "kit" / "README.md"
LIBRARIES = ("aiogram", "ptb")


@dataclass(frozen=True, slots=True)
class Job:
    """One life of a bot: which one, where everything is, and the point to die at."""

    library: str
    folder: str
    bot_api: str
    bot_token: str
    hub: str
    key: str
    secret: str
    kill_at: str | None = None


@dataclass(frozen=True, slots=True)
class Nursery:
    """The program that forks bots."""

    process: subprocess.Popen[str]

    def start(self, job: Job) -> int:
        """Start a bot; gives its process id."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(asdict(job)) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextmanager
def open_nursery() -> Iterator[Nursery]:
    """Have the libraries imported once."""
    kit = str(ROOT / "plugins" / "telegram" / "kit")
    with subprocess.Popen(
        [sys.executable, "-m", "tests.plugins.telegram.bot_process"], cwd=ROOT, text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": kit, "PTB_TIMEDELTA": "true"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        yield Nursery(process)
        process.stdin.close()


def example(library: str, *, is_imitated: bool = False) -> str:
    """Read a bot's code out of the README; with the lines that it gives for an imitated Bot API, if wanted."""
    code = _block(library)
    if not is_imitated:
        return code
    instead = _block(f"{library}, imitated")
    begins = instead.splitlines()[-1].partition("(")[0]
    (line,) = [line for line in code.splitlines() if line.startswith(begins)]
    return code.replace(f"{line}\n", instead)


def _block(mark: str) -> str:
    found = re.search(rf"<!-- bot: {mark} -->\n```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None, mark
    return found[1]
