"""`paywharf channels calls`: what platforms told, what could not be used and why, and reading it once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.cli.answers import ID, Answer, answering, listing, table
from core.cli.documents import moment
from core.cli.roof import Roof

if TYPE_CHECKING:
    from core.models import ChannelCall

COLUMNS = ("call_id", "received_at", "delivery", "state", "failures", "reason")
EXCERPT = 2_000  # characters of a call's body


@click.command("calls")
@click.argument("channel_id")
@click.option("--all", "with_done", is_flag=True, help="Also those that were read.")
@click.option("--show", type=ID, help="Show this call with its body.")
@click.option("--again", type=ID, help="Have this call read once more, now.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@answering
def calls(
    roof: Roof, channel_id: str, with_done: bool, show: int | None, again: int | None, limit: int
) -> Answer:
    """List the calls of CHANNEL_ID's platform that wait or failed, the newest first; --again reads one once more."""
    if again is not None:
        return _read_again(roof, channel_id, again)
    if show is not None:
        return _show(roof, channel_id, show)
    from core.channels import service

    states = ("due", "failed", "done") if with_done else ("due", "failed")
    with roof.snapshot() as session:
        channel = service.get_channel(session, channel_id)
        rows = [_document(one) for one in service.list_calls(session, channel, states=states, limit=limit)]
    return Answer(rows, table(rows, COLUMNS, empty="No call waits, and none has failed."))


def _show(roof: Roof, channel_id: str, call_id: int) -> Answer:
    from core.channels import service

    with roof.snapshot() as session:
        call = service.get_call(session, service.get_channel(session, channel_id), call_id)
        document = _document(call) | {
            "method": call.method, "path": call.path, "query": call.query,
            "body": call.body[:EXCERPT].decode("utf-8", "replace"),
        }
    return Answer(document, listing(document.items()))


def _read_again(roof: Roof, channel_id: str, call_id: int) -> Answer:
    from core.channels import reading, service
    from core.errors import InvalidField

    with roof.transaction() as session:
        channel = service.get_channel(session, channel_id)
        service.require_connected(channel)
        call = service.get_call(session, channel, call_id)
        if call.state == "done":
            raise InvalidField(f"Call {call_id} was read already: its orders have their payments.")
        reading.again(session, roof.hub, call)
        is_paused = channel.paused_at is not None
    when = "once the channel goes on: paywharf channels resume" if is_paused else "by the worker, at once"
    return Answer({"call_id": call_id, "state": "due"}, f"Call {call_id} is read once more {when}.")


def _document(call: ChannelCall) -> dict[str, object]:
    kind, _, name = call.delivery_key.partition(":")
    return {
        "call_id": call.id,
        "received_at": moment(call.received_at),
        "delivery": name if kind == "id" else "",
        "state": {"due": "waits"}.get(call.state, call.state),
        "failures": call.failures,
        "reason": call.reason,
    }
