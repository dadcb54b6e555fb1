"""Does the checks of connections that were asked for through the API: in a worker, outside any transaction."""

from __future__ import annotations

from sqlalchemy import select

from core.channels.service import check_channel
from core.hub import Hub
from core.models import Channel

AT_ONCE = 8


def due_checks(hub: Hub) -> list[str]:
    """Name the channels whose check was asked for."""
    with hub.database.snapshot() as session:
        wanted = select(Channel.uid).where(Channel.check_at.is_not(None), Channel.check_at <= hub.clock.now())
        return list(session.scalars(wanted.order_by(Channel.check_at).limit(AT_ONCE)))


def do_checks(hub: Hub) -> int:
    """Do them; returns how many there were."""
    due = due_checks(hub)
    for uid in due:
        check_channel(hub, uid)
    return len(due)
