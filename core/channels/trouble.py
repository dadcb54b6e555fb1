"""What is wrong with a channel, by what it is about: each trouble ends when that very thing works again.

Each stands as an alarm of its own; `Channel.trouble` says all of them, for its owner, doctor and lists.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from core.alarms import AlarmKind, clear_alarm, raise_alarm
from core.hub import Hub
from core.models import Alarm, Channel
from core.models.alarms import stands


class About(StrEnum):
    """What can be wrong, as the alarms' subjects have it."""

    CHECK = ""  # the platform said no when it was asked
    PLUGIN = "plugin"  # there is none that can be asked
    READING = "reading"  # a call waits
    LOST = "lost"  # a call was given up, and its order with it
    POLL = "poll"
    PUSH = "push"
    PEOPLE = "people"


PASSING = tuple(about for about in About if about is not About.LOST)  # what a pause makes pointless


def note_trouble(session: Session, hub: Hub, channel: Channel, sentence: str, about: About = About.CHECK) -> None:
    """Write down what is wrong, for doctor and the channel's owner; an empty sentence says that it is over."""
    if not sentence:
        end_trouble(session, hub, channel, about)
        return
    said = f"{_head(channel)}{sentence}"
    _lock(session, channel)
    raise_alarm(
        session, kind=AlarmKind.CHANNEL_TROUBLE, subject=_subject(channel, about), sentence=said, now=hub.clock.now()
    )
    retell(session, channel)


def end_trouble(session: Session, hub: Hub, channel: Channel, *abouts: About) -> None:
    """Say that troubles are over."""
    if not channel.trouble:
        return
    _lock(session, channel)
    for about in abouts:
        clear_alarm(
            session, kind=AlarmKind.CHANNEL_TROUBLE, subject=_subject(channel, about), now=hub.clock.now()
        )
    retell(session, channel)


def has_trouble(session: Session, channel: Channel, about: About) -> bool:
    """Tell whether a trouble stands."""
    subject = _subject(channel, about)
    mine = select(Alarm.id).where(stands(), Alarm.kind == AlarmKind.CHANNEL_TROUBLE.value, Alarm.subject == subject)
    return session.scalar(mine) is not None


def retell_dismissed(session: Session, alarm: Alarm) -> None:
    """Have a channel no longer say what its owner has taken as dealt with."""
    if alarm.kind == AlarmKind.CHANNEL_TROUBLE:
        session.flush()
        channel = session.scalar(select(Channel).where(Channel.uid == alarm.subject.partition(":")[0]))
        if channel is not None:
            retell(session, channel)


def retell(session: Session, channel: Channel) -> None:
    """Say anew, at the channel, all that stands."""
    mine = or_(Alarm.subject == channel.uid, Alarm.subject.startswith(f"{channel.uid}:", autoescape=True))
    standing = select(Alarm.sentence).where(stands(), Alarm.kind == AlarmKind.CHANNEL_TROUBLE.value, mine)
    told = session.scalars(standing.order_by(Alarm.id)).all()
    channel.trouble = " ".join(one.removeprefix(_head(channel)) for one in told)


def _head(channel: Channel) -> str:
    return f"Channel {channel.uid} ({channel.adapter}): "


def _subject(channel: Channel, about: About) -> str:
    return f"{channel.uid}:{about.value}" if about.value else channel.uid


def _lock(session: Session, channel: Channel) -> None:
    """Have whoever else has news of this channel wait, so that none of them is left out."""
    session.flush()
    session.execute(select(Channel.id).where(Channel.id == channel.id).with_for_update())
