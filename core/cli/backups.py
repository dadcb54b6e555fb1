"""`paywharf backup` and `paywharf restore`: a copy of the whole hub, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli.answers import Answer, answering
from core.cli.roof import Roof

if TYPE_CHECKING:
    from core.backup.archive import End, Head

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=FILE)
@answering
def backup(roof: Roof, file: Path) -> Answer:
    """Copy the whole hub, as it stands at this moment, into a new file; the hub goes on meanwhile.

    The master key is not in it: keep that apart, or the secrets in the backup stay sealed for ever.
    """
    from core.backup.archive import inspect
    from core.backup.taking import take

    head, end = take(roof.bare_hub, file)
    inspect(file)  # what cannot be read back is no backup
    strange = [key_id for key_id in end.key_ids if key_id not in head.key_marks]
    notes = [f"The master key is not in it. Keep a copy of it apart: {_key_place(roof)}."]
    notes += [f"Secrets in it are sealed under {', '.join(strange)}, which this hub does not have."] if strange else []
    document = _document(file, head, end) | {"master_key": _key_place(roof), "unknown_keys": strange}
    return Answer(document, "\n".join([f"{file} holds {_summary(head, end)}.", *notes]))


@click.command()
@click.argument("file", type=FILE)
@click.option("--force", is_flag=True, help="Give up what is in the database now.")
@click.option("--without-key", is_flag=True, help="Restore although the master key is lost: secrets stay sealed.")
@click.option("--check", "only_check", is_flag=True, help="Only say whether it could be restored here.")
@answering
def restore(roof: Roof, file: Path, force: bool, without_key: bool, only_check: bool) -> Answer:
    """Put a backup in place of the database, which must be empty; stop the hub first.

    It may be of an earlier version, and of the other kind of database. The watcher then goes on from the backup's
    block and finds later money again. Webhooks may repeat, under the same ids.
    """
    from core.backup.archive import inspect
    from core.backup.restoring import check, hindrance, missing_keys, require_room, watch_ahead
    from core.backup.restoring import restore as put_back

    head, end = inspect(file)
    absent = roof.absent_key_file
    if absent is not None and not without_key:
        _require_keys(end.key_ids, absent)  # before a new one is made in the very place where the old one must go
    hub = roof.bare_hub
    check(hub, head)
    missing = missing_keys(hub, head, end)
    if not without_key:
        _require_keys(missing, _key_place(roof))
    document = _document(file, head, end) | {"missing_keys": missing, "restored": not only_check}
    if only_check:
        hindered = hindrance(hub, force=force)
        said = [f"{file} can be restored here: {_summary(head, end)}.", *([f"Not yet: {hindered}"] if hindered else [])]
        return Answer(document | {"hindrance": hindered}, "\n".join(said))
    require_room(hub, force=force)
    put_back(hub, file, head)
    ahead = 0 if missing else watch_ahead(hub)
    return Answer(document | {"addresses_watched_ahead": ahead}, "\n".join(_after(head, end, missing, ahead)))


def _require_keys(missing: Sequence[str], place: Path | str) -> None:
    """Refuse a backup whose secrets could not be opened; raises KeyDoesNotFit."""
    from core.backup.restoring import KeyDoesNotFit

    if missing:
        raise KeyDoesNotFit(
            f"The master key does not fit: the backup needs {', '.join(missing)} of the hub that made it. "
            f"Put it back at {place}."
        )


def _after(head: Head, end: End, missing: list[str], ahead: int) -> list[str]:
    """Say what an operator must know about a hub that has lost its latest hours."""
    lines = [f"Restored {_summary(head, end)}."]
    lines += [f"Block {one['height']} of {one['network']} is where its watcher goes on." for one in head.networks]
    if missing:
        lines.append(f"Master key {', '.join(missing)} is missing: the hub can be looked at, and takes no order.")
    if ahead:
        lines.append(f"{ahead} derived addresses are watched that later payments may have been given.")
    lines.append(
        "Orders opened after the backup are not in it: their money comes into the inbox. A new order could be given "
        "the same amount on the same address: use fresh addresses until the late window of the lost orders is over."
    )
    return lines


def _summary(head: Head, end: End) -> str:
    return f"{sum(end.rows.values())} rows at schema {head.revision}, as of {head.made_at}"


def _document(file: Path, head: Head, end: End) -> dict[str, object]:
    return {
        "file": str(file), "bytes": file.stat().st_size, "made_at": head.made_at, "revision": head.revision,
        "engine": head.engine, "networks": head.networks, "rows": end.rows, "sha256": end.sha256,
    }


def _key_place(roof: Roof) -> str:
    from core.config import PREFIX

    place = roof.settings.master_key_file
    return f"{PREFIX}MASTER_KEYS" if place is None else str(place)
