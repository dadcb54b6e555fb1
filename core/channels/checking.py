"""Finds the checks of connections that were asked for through the API; a worker does them."""

from __future__ import annotations

from sqlalchemy import select

from core.hub import Hub
from core.models import Channel

AT_ONCE = 8


def due_checks(hub: Hub) -> list[str]:
    """Name the channels whose check was asked for."""
    with hub.database.snapshot() as session:
        wanted = select(Channel.uid).where(Channel.check_at.is_not(None), Channel.check_at <= hub.clock.now())
        return list(session.scalars(wanted.order_by(Channel.check_at).limit(AT_ONCE)))
