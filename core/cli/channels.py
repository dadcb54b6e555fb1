"""`paywharf channels`: connections to platforms; `paywharf plugins`: what was loaded, and what is broken and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.cli.answers import ID, Answer, answering, listing, table
from core.cli.calls import calls
from core.cli.documents import moment
from core.cli.people import invite, members, remove
from core.cli.roof import Roof

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.models import Channel

COLUMNS = ("channel_id", "project_id", "adapter", "name", "state", "trouble")
SET = click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting; repeat for several.")
SECRET = click.option(
    "--secret", "secrets", multiple=True, metavar="NAME", help="A setting that is asked for and not shown."
)


@click.group()
def channels() -> None:
    """Connections to platforms: shops, bots, marketplaces."""


@channels.command("list")
@click.option("--project", "project_id", type=ID, help="Only this project's.")
@click.option("--all", "with_disconnected", is_flag=True, help="Also those that were disconnected.")
@answering
def list_channels(roof: Roof, project_id: int | None, with_disconnected: bool) -> Answer:
    """List channels with what is wrong with each."""
    from core.channels import service

    with roof.snapshot() as session:
        found = service.list_channels(session, project_id=project_id, with_disconnected=with_disconnected)
        rows = [_document(roof, row) for row in found]
    return Answer(rows, table(rows, COLUMNS, empty="No channels."))


@channels.command()
@click.argument("channel_id")
@answering
def show(roof: Roof, channel_id: str) -> Answer:
    """Show channel CHANNEL_ID (ch_…) with its settings, secrets left out, and what waits to be read."""
    from core.channels import service

    with roof.snapshot() as session:
        row = service.get_channel(session, channel_id)
        waiting, failed = service.waiting_calls(session, row)
        document = _document(roof, row) | {"calls_waiting": waiting, "calls_failed": failed}
    return Answer(document, listing(document.items()))


@channels.command()
@click.argument("project_id", type=ID)
@click.argument("adapter")
@click.option("--name", help="What you call it; the adapter's name by default.")
@SET
@SECRET
@answering
def connect(
    roof: Roof, project_id: int, adapter: str, name: str | None, settings: tuple[str, ...], secrets: tuple[str, ...]
) -> Answer:
    """Connect a project to a platform, and ask it whether that works; `paywharf plugins` names the adapters.

    Exit code 1 when it does not: the channel is kept, to be put right by `channels set`.
    """
    from core.channels import service
    from core.projects.service import get_project

    given = _given(settings, secrets)
    with roof.transaction() as session:
        project = get_project(session, project_id)
        row = service.connect(session, roof.hub, project, adapter=adapter, name=name or adapter, settings=given)
        uid = row.uid
    works, _ = service.check_channel(roof.hub, uid)
    with roof.snapshot() as session:
        document = _document(roof, service.get_channel(session, uid)) | {"works": works}
    kept = "" if works else f"\n\nConnected, but it does not work yet. Change it: paywharf channels set {uid}"
    return Answer(document, f"{listing(document.items())}{kept}", exit_code=0 if works else 1)


@channels.command("set")
@click.argument("channel_id")
@SET
@SECRET
@answering
def change(roof: Roof, channel_id: str, settings: tuple[str, ...], secrets: tuple[str, ...]) -> Answer:
    """Change some settings of channel CHANNEL_ID; an empty value takes one away."""
    from core.channels import service

    changes = {name: value or None for name, value in _given(settings, secrets).items()}
    with roof.transaction() as session:
        row = service.get_channel(session, channel_id)
        service.change_settings(session, roof.hub, row, changes)
        document = _document(roof, row)
    return Answer(document, listing(document.items()))


@channels.command()
@click.argument("project_id", type=ID)
@click.argument("adapter")
@answering
def code(roof: Roof, project_id: int, adapter: str) -> Answer:
    """Make a link that connects one shop's plugin to a project; good once, for a quarter of an hour."""
    from core.channels import connecting
    from core.projects.service import get_project

    with roof.transaction() as session:
        made = connecting.make_code(session, roof.hub, get_project(session, project_id), adapter=adapter)
    link = connecting.connect_link(roof.hub, made)
    return Answer({"code": made, "link": link}, f"Paste this into the shop's plugin, within 15 minutes:\n\n  {link}")


@channels.command()
@click.argument("channel_id")
@answering
def check(roof: Roof, channel_id: str) -> Answer:
    """Ask the platform of channel CHANNEL_ID whether the connection works; exit code 1 when it does not."""
    from core.channels import service

    works, said = service.check_channel(roof.hub, channel_id)
    return Answer({"works": works, "says": said}, said, exit_code=0 if works else 1)


@channels.command()
@click.argument("channel_id")
@answering
def pause(roof: Roof, channel_id: str) -> Answer:
    """Tell the platform of CHANNEL_ID nothing and read none of its calls; what happens meanwhile is kept."""
    from core.channels import service

    with roof.transaction() as session:
        row = service.get_channel(session, channel_id)
        was = service.state_of(row)
        service.pause(session, roof.hub, row)
        document = _document(roof, row)
    return Answer(document, f"Channel {channel_id} {'was paused already' if was == 'paused' else 'is paused'}.")


@channels.command()
@click.argument("channel_id")
@answering
def resume(roof: Roof, channel_id: str) -> Answer:
    """Go on with CHANNEL_ID after a pause, or after the hub gave its platform up; what was kept is sent now."""
    from core.channels import service

    with roof.transaction() as session:
        row = service.get_channel(session, channel_id)
        was = service.state_of(row)
        sent = service.resume(session, roof.hub, row)
        document = _document(roof, row) | {"sent": sent}
    if was == "connected":
        return Answer(document, f"Channel {channel_id} was neither paused nor given up: it goes on as before.")
    return Answer(document, f"Channel {channel_id} goes on; {sent} kept updates are sent now.")


@channels.command()
@click.argument("channel_id")
@click.argument("on_or_off", type=click.Choice(["on", "off"]))
@answering
def trace(roof: Roof, channel_id: str, on_or_off: str) -> Answer:
    """Say in the log what is asked of the platform of CHANNEL_ID and what it answers, or no longer."""
    from core.channels import service

    with roof.transaction() as session:
        row = service.get_channel(session, channel_id)
        service.trace(row, on=on_or_off == "on")
        document = _document(roof, row)
    return Answer(document, f"Channel {channel_id} is {'traced' if row.is_traced else 'no longer traced'}.")


@channels.command()
@click.argument("channel_id")
@answering
def disconnect(roof: Roof, channel_id: str) -> Answer:
    """Part from the platform of CHANNEL_ID for good: its secrets are wiped, its payments stay."""
    from core.channels import service

    with roof.transaction() as session:
        row = service.get_channel(session, channel_id)
        service.disconnect(session, roof.hub, row)
        document = _document(roof, row)
    return Answer(document, f"Channel {channel_id} is disconnected.")


@click.command()
@answering
def plugins(roof: Roof) -> Answer:
    """List the plugins: what each brings, and why a broken one was left out; exit code 1 when one was."""
    registry = roof.bare_hub.registry
    rows = [
        {
            "name": one.name, "version": one.version, "bundled": one.is_bundled, "brings": ", ".join(one.brings),
            "broken": one.reason,
        }
        for one in registry.plugins
    ]
    text = table(rows, ("name", "version", "bundled", "brings", "broken"), empty="No plugins.")
    return Answer(rows, text, exit_code=1 if registry.broken else 0)


for command in (calls, invite, members, remove):
    channels.add_command(command)


def _given(settings: Iterable[str], secrets: Iterable[str]) -> dict[str, str]:
    given = {}
    for pair in settings:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--set")
        given[name] = value
    for name in secrets:
        given[name] = click.prompt(name, hide_input=True, err=True)
    return given


def _document(roof: Roof, row: Channel) -> dict[str, object]:
    import json

    from core.channels.adapters import inbound_url
    from core.channels.service import state_of

    return {
        "channel_id": row.uid,
        "project_id": row.project_id,
        "adapter": row.adapter,
        "name": row.name,
        "state": state_of(row),
        "inbound_url": inbound_url(roof.hub, row.uid),
        "settings": json.loads(row.settings),
        "is_traced": row.is_traced,
        "trouble": row.trouble,
        "heard_at": moment(row.heard_at),
        "checked_at": moment(row.checked_at),
        "check_says": row.check_says,
    }
