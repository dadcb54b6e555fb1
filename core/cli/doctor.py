"""`paywharf doctor`: looks at everything a hub stands on and says what is wrong, each in one sentence."""

from __future__ import annotations

import click

from core.cli.answers import Answer, answering
from core.cli.roof import Roof

MARKS = {"ok": "ok  ", "warning": "!   ", "problem": "FAIL"}


@click.command()
@click.option("--only", multiple=True, metavar="CHECK", help="Run this check alone; may be given several times.")
@answering
def doctor(roof: Roof, only: tuple[str, ...]) -> Answer:
    """Check settings, keys, database, disk, Redis, node, watcher, clock and deliveries.

    Exit code 1 when something is wrong; a warning leaves it 0.
    """
    from core.cli.checkup import CHECKS, examine

    if strange := [name for name in only if name not in CHECKS]:
        raise click.BadParameter(f"{strange[0]!r} is none of: {', '.join(CHECKS)}.", param_hint="--only")
    findings = examine(roof, only=only)
    is_well = all(finding.state != "problem" for finding in findings)
    rows = [{"check": one.check, "state": one.state, "sentence": one.sentence} for one in findings]
    width = max(len(one.check) for one in findings)
    lines = [f"{MARKS[one.state]}  {one.check.ljust(width)}  {one.sentence}" for one in findings]
    return Answer({"ok": is_well, "findings": rows}, "\n".join(lines), exit_code=0 if is_well else 1)
