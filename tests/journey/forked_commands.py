"""`python -m tests.journey.forked_commands`: `paywharf` commands as processes that were loaded once and forked.

Loading six interpreters would cost a test more than all that they do. Each line on stdin is a JSON list: a log file and
a command to start, answered by its pid; or a pid to wait for, answered by its exit code.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib import import_module

LOADED = (
    "core.app", "core.cli.root", "core.cli.running", "workers.roles", "workers.rq", "workers.web", "workers.supervisor",
)


def main() -> None:
    """Fork what is asked for until stdin ends."""
    for name in LOADED:
        import_module(name)
    for room in import_module("core.app").ROOMS:
        import_module(room)
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if isinstance(asked, int):
            print(os.waitstatus_to_exitcode(os.waitpid(asked, 0)[1]), flush=True)
            continue
        pid = os.fork()
        if not pid:
            os._exit(run(asked[0], asked[1:]))
        print(pid, flush=True)


def run(log: str, command: list[str]) -> int:
    """Be a command whose output goes to a file; gives its exit code."""
    for target, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        path = os.devnull if target == 0 else log
        os.dup2(os.open(path, flags | (os.O_CREAT | os.O_APPEND if target else 0), 0o600), target)
    from core.cli.root import main as paywharf

    try:
        paywharf(command)
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        return 70
    return 0


if __name__ == "__main__":
    main()
