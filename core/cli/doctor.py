"""`paywharf doctor`: looks at everything a hub stands on and says what is wrong, each in one sentence."""

from __future__ import annotations

import click

from core.cli.answers import Answer, answering
from core.cli.roof import Roof

MARKS = {"ok": "ok  ", "warning": "!   ", "problem": "FAIL"}


@click.command()
@answering
def doctor(roof: Roof) -> Answer:
    """Check settings, keys, database, node, watcher and clock; exit code 1 when something is wrong."""
    from core.cli.checkup import examine

    findings = examine(roof)
    is_well = all(finding.state != "problem" for finding in findings)
    rows = [{"check": one.check, "state": one.state, "sentence": one.sentence} for one in findings]
    width = max(len(one.check) for one in findings)
    lines = [f"{MARKS[one.state]}  {one.check.ljust(width)}  {one.sentence}" for one in findings]
    return Answer({"ok": is_well, "findings": rows}, "\n".join(lines), exit_code=0 if is_well else 1)
