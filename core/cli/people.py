"""`paywharf channels invite`, `members`, `remove`: who runs a shop from its channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.cli.answers import Answer, answering, table
from core.cli.documents import Document, moment
from core.cli.roof import Roof

if TYPE_CHECKING:
    from core.models import ChannelMember

COLUMNS = ("person", "name", "role", "since")
ROLES = ("viewer", "operator", "owner")


@click.command()
@click.argument("channel_id")
@click.option("--role", type=click.Choice(ROLES), default="owner", show_default=True,
              help="viewer: is told; operator: also decides about money that waits; owner: also gives money back.")
@answering
def invite(roof: Roof, channel_id: str, role: str) -> Answer:
    """Invite one person to run the shop from CHANNEL_ID; prints the link, once, good for a quarter of an hour."""
    from core.channels import people, service
    from core.channels.adapters import adapter_of, asked
    from core.desk import Role
    from core.errors import InvalidField

    with roof.snapshot() as session:
        row = service.get_channel(session, channel_id)
        service.require_connected(row)
    adapter = adapter_of(roof.hub, row, row.project)
    if not adapter.tells_people:
        raise InvalidField(f"A channel of {row.adapter} has no people of its own.")
    with roof.transaction() as session:
        code = people.invite(session, roof.hub, row, role=Role(role))
    link = asked(roof.hub, row, "invite_link", lambda: adapter.invite_link(code))
    return Answer(
        {"code": code, "role": role, "link": link}, f"Open this as the {role}, once, within 15 minutes:\n\n  {link}"
    )


@click.command()
@click.argument("channel_id")
@answering
def members(roof: Roof, channel_id: str) -> Answer:
    """List who runs the shop from CHANNEL_ID."""
    from core.channels import people, service

    with roof.snapshot() as session:
        row = service.get_channel(session, channel_id)
        rows = [member_document(one) for one in people.members(session, row.id)]
    return Answer(rows, table(rows, COLUMNS, empty="Nobody yet: paywharf channels invite."))


@click.command()
@click.argument("channel_id")
@click.argument("person")
@answering
def remove(roof: Roof, channel_id: str, person: str) -> Answer:
    """Take the role of PERSON in CHANNEL_ID away, from the next tap on."""
    from core.channels import people, service

    with roof.transaction() as session:
        row = service.get_channel(session, channel_id)
        document = member_document(people.remove(session, row.id, person))
    return Answer(document, f"{document['name']} ({person}) is no {document['role']} of channel {channel_id} any more.")


def member_document(one: ChannelMember) -> Document:
    """Describe somebody who runs a shop from its channel."""
    return {"person": one.person, "name": one.name, "role": one.role, "since": moment(one.created_at)}
