"""Forgets platforms' calls that were read long ago. What still waits to be read is never forgotten.

A call's delivery id is kept as long as the call: for that long a repeated one is known. No platform repeats a call for
more than days (Telegram a day, WooCommerce five times, Shopify four hours). Somebody who has recorded one and sends it
after that gets what a new call gets: a hint, upon which the order is read anew.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from core.hub import Hub
from core.models import ChannelCall
from core.models.channels import CALL_ENDED

KEPT = timedelta(days=90)
PRUNE_AT_ONCE = 500


def has_old(session: Session, hub: Hub) -> bool:
    """Tell whether `prune` has anything to do, without taking a write lock."""
    return session.scalar(_old(hub, limit=1)) is not None


def prune(session: Session, hub: Hub) -> int:
    """Forget calls that ended KEPT ago, the oldest first, some at a time; returns how many."""
    gone = session.scalars(_old(hub, limit=PRUNE_AT_ONCE)).all()
    session.execute(delete(ChannelCall).where(ChannelCall.id.in_(gone), CALL_ENDED))
    return len(gone)


def _old(hub: Hub, *, limit: int) -> Select[int]:
    ended_long_ago = ChannelCall.done_at < hub.clock.now() - KEPT
    return select(ChannelCall.id).where(CALL_ENDED, ended_long_ago).order_by(ChannelCall.done_at).limit(limit)
