"""`coverage`, `reconcile`, `rescan`, `alarms`, `dismiss-alarm`, `unfreeze`: what to look at when money is in doubt."""

from __future__ import annotations

from dataclasses import asdict
from threading import Event

import click

from core.cli.answers import Answer, answering, table
from core.cli.documents import moment
from core.cli.roof import Roof


@click.command()
@answering
def coverage(roof: Roof) -> Answer:
    """Show which blocks were scanned, by whom, and whether any is missing; exit code 1 on a gap."""
    from core.chain.coverage import coverage as read_coverage

    with roof.snapshot() as session:
        found = read_coverage(session, roof.hub)
    if found is None:
        return Answer(None, "No block has been scanned yet: start `paywharf serve` or `paywharf watch`.")
    gaps = [f"blocks {gap.first} to {gap.last} are missing" for gap in found.gaps]
    since = moment(found.since)
    lines = [
        f"Blocks {found.first} to {found.last}: {'no gaps' if not gaps else '; '.join(gaps)} since {since}.",
        *(f"  {blocks} blocks shown by {provider}" for provider, blocks in sorted(found.providers.items())),
        "The log index was never asked: run `paywharf reconcile`."
        if found.logs_checked_to is None
        else f"The log index agreed up to block {found.logs_checked_to}.",
    ]
    return Answer(asdict(found) | {"since": since}, "\n".join(lines), exit_code=1 if gaps else 0)


@click.command()
@click.option("--since", type=click.IntRange(0), help="Check the log index from this height; by default what is new.")
@answering
def reconcile(roof: Roof, since: int | None) -> Answer:
    """Hold the books against balances on chain and an independent log query.

    Exit code 1 on any difference, and when the watcher is too far behind for balances to be compared.
    """
    from core.app import build_fleet
    from core.chain.reconcile import reconcile as compare

    fleet = build_fleet(roof.settings.network)
    try:
        report = compare(roof.hub, fleet, wait=Event().wait, since=since)
    finally:
        fleet.close()
    lines = [f"At block {report.height}: {report.balances} balances compared."]
    if report.logs_from is not None:
        lines.append(f"Blocks {report.logs_from} to {report.logs_to}: {report.logs} logs compared.")
    lines += [f"DIFFERENCE: {sentence}" for sentence in report.differences]
    lines += [f"Note: {sentence}" for sentence in report.notes]
    if report.uncompared:
        lines.append(f"NOT PROVEN: {report.uncompared} balances could not be compared.")
    is_proven = not (report.differences or report.uncompared)
    lines += ["No difference."] if is_proven else []
    return Answer(asdict(report), "\n".join(lines), exit_code=0 if is_proven else 1)


@click.command()
@click.argument("height", type=click.IntRange(0))
@click.option("--provider", metavar="NAME", help="The only provider to believe, as `paywharf coverage` names it.")
@answering
def rescan(roof: Roof, height: int, provider: str | None) -> Answer:
    """Read block HEIGHT again, and record transfers that the scan was not shown.

    Nothing counts twice. Where providers show the block differently, look it up elsewhere and name the right one.
    """
    from core.app import build_fleet
    from core.chain.rescan import rescan as read_again

    fleet = build_fleet(roof.settings.network)
    try:
        done = read_again(roof.hub, fleet, height=height, provider=provider)
    finally:
        fleet.close()
    shown = f"Block {height} as shown by {', '.join(done.providers)}"
    said = {0: "nothing was missing", 1: "one transfer was missing and is recorded"}
    found = said.get(done.recorded, f"{done.recorded} transfers were missing and are recorded")
    return Answer(asdict(done), f"{shown}: {found}.")


@click.command()
@answering
def alarms(roof: Roof) -> Answer:
    """List what needs a human now."""
    from core.alarms import standing_alarms

    with roof.snapshot() as session:
        rows = [
            {
                "alarm_id": row.id, "kind": row.kind, "subject": row.subject, "sentence": row.sentence,
                "times": row.times, "raised_at": moment(row.raised_at), "last_at": moment(row.last_at),
            }
            for row in standing_alarms(session)
        ]
    return Answer(rows, table(rows, ("alarm_id", "raised_at", "kind", "sentence"), empty="No alarm stands."))


@click.command("dismiss-alarm")
@click.argument("alarm_id", type=int)
@answering
def dismiss(roof: Roof, alarm_id: int) -> Answer:
    """Take an alarm as dealt with; while its cause lasts it comes back."""
    from core.alarms import dismiss_alarm
    from core.channels.trouble import retell_dismissed

    with roof.transaction() as session:
        alarm = dismiss_alarm(session, alarm_id=alarm_id, now=roof.hub.clock.now())
        retell_dismissed(session, alarm)
        said = {"alarm_id": alarm.id, "kind": alarm.kind, "subject": alarm.subject}
    return Answer(said, f"Dismissed: {alarm.sentence}")


@click.command()
@answering
def unfreeze(roof: Roof) -> Answer:
    """Let a frozen watcher go on, after you have looked at what vanished from the chain."""
    from core.chain.guard import unfreeze as thaw
    from core.errors import NotFound

    with roof.transaction() as session:
        if not thaw(session, roof.hub):
            raise NotFound("The watcher is not frozen.")
    return Answer({"frozen": False}, "The watcher goes on where it stopped.")
