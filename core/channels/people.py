"""Who runs a shop from its channel: invited by a one-time code, known by the name that the platform gives them.

Every function is handed a session and never commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core.db import insert_for
from core.desk import Role
from core.errors import InvalidField, InvalidInvite, NotFound
from core.hub import Hub
from core.models import Channel, ChannelInvite, ChannelMember

LIFE = timedelta(minutes=15)  # to walk from a terminal to a phone
NAME_LIMIT, PERSON_LIMIT = 64, 64
MEMBER_LIMIT = 20  # each of them is told everything


def invite(session: Session, hub: Hub, channel: Channel, *, role: Role) -> str:
    """Make a code that makes one person a member, and return it, this once. Raises InvalidField for one too many."""
    if len(members(session, channel.id)) >= MEMBER_LIMIT:
        raise InvalidField(f"A channel has at most {MEMBER_LIMIT} people.")
    now = hub.clock.now()
    session.execute(delete(ChannelInvite).where(ChannelInvite.expires_at < now))
    code = hub.ids.connect_code()
    session.add(ChannelInvite(
        digest=_digest(code), channel_id=channel.id, role=role.value, expires_at=now + LIFE, created_at=now
    ))
    session.flush()
    return code


def join(session: Session, hub: Hub, channel_id: int, *, code: str, person: str, name: str) -> Role:
    """Take an invitation; who is a member already has its role from then on. Raises InvalidInvite."""
    now = hub.clock.now()
    role = session.scalar(
        update(ChannelInvite)
        .where(
            ChannelInvite.digest == _digest(code), ChannelInvite.channel_id == channel_id,
            ChannelInvite.used_at.is_(None), ChannelInvite.expires_at > now,
        )
        .values(used_at=now)
        .returning(ChannelInvite.role)
    )
    if role is None or not 0 < len(person) <= PERSON_LIMIT or not person.isprintable():
        raise InvalidInvite
    shown = "".join(filter(str.isprintable, name))[:NAME_LIMIT] or person
    fresh = {"name": shown, "role": role}
    made = insert_for(session, ChannelMember).values(channel_id=channel_id, person=person, created_at=now, **fresh)
    session.execute(made.on_conflict_do_update(index_elements=["channel_id", "person"], set_=fresh))
    return Role(role)


def members(session: Session, channel_id: int) -> Sequence[ChannelMember]:
    """List a channel's people, those who joined first before the others."""
    wanted = select(ChannelMember).where(ChannelMember.channel_id == channel_id)
    return session.scalars(wanted.order_by(ChannelMember.created_at, ChannelMember.person)).all()


def role_of(session: Session, channel_id: int, person: str) -> Role | None:
    """Give somebody's role; None for a stranger."""
    found = session.get(ChannelMember, (channel_id, person))
    return Role(found.role) if found else None


def remove(session: Session, channel_id: int, person: str) -> ChannelMember:
    """Take somebody's role away, from the next act on. Raises NotFound."""
    found = session.get(ChannelMember, (channel_id, person))
    if found is None:
        raise NotFound(f"Nobody in this channel is called {person!r}.")
    session.delete(found)
    session.flush()
    return found


def _digest(code: str) -> str:
    return sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
