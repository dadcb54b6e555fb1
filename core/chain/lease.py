"""One active watcher: a lease on the cursor, with a fence that every move of the cursor names.

The lease ends by wall time, so that a standby takes over from a watcher that died; where that clock was ahead, it ends
by not being renewed, which needs no clock but the standby's own. The fence makes it safe: a watcher that slept through
its lease holds an old number and can write nothing more, whatever its clock says. Blocks that are slow to come are no
sleep: the lease is kept meanwhile, or two watchers of a slow node would take it from each other for ever, each in the
middle of what it reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event, Thread

from sqlalchemy import or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from core.clock import Clock
from core.errors import NodeUnavailable
from core.hub import Hub
from core.models import Cursor
from core.payments.reservations import ChainPoint

LEASE = timedelta(seconds=10)  # a standby, or the next start after a crash, waits at most this long
RENEW_WHEN_LEFT = timedelta(seconds=5)  # so that an idle chain costs a small write every five seconds
KEEP_EVERY_S = 3.0
DEAD_AFTER_S = 30.0  # without a renewal: a living watcher renews within its longest pause of ten seconds and the lease
LONGEST_STEP_S = 600.0  # 500 blocks at eight requests a second take two minutes; what takes longer has hung


class WatcherFrozen(NodeUnavailable):
    """Credited money has vanished from the chain: nothing moves until a human has looked."""

    code = "watcher_frozen"
    sentence = "The watcher is frozen: money that was credited has vanished from the chain."


@dataclass(frozen=True, slots=True)
class Lease:
    """A watcher's right to move the cursor, while `fence` is the cursor's."""

    holder: str
    fence: int


class Pulse:
    """What a standby has seen of another watcher's lease, timed by its own clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: tuple[int, datetime] | None = None
        self._since_s = 0.0

    def is_dead(self, fence: int, until: datetime) -> bool:
        """Tell whether a lease, however long it is said to run, has not been renewed for as long as no living one."""
        now_s = self._clock.monotonic()
        if (fence, until) != self._seen:
            self._seen, self._since_s = (fence, until), now_s
        return now_s - self._since_s >= DEAD_AFTER_S


@dataclass(frozen=True, slots=True)
class Held:
    """Where the cursor stands, and the lease on it; None while another watcher has it."""

    lease: Lease | None
    point: ChainPoint


def hold(hub: Hub, genesis_id: str, *, holder: str, mine: Lease | None, pulse: Pulse) -> Held:
    """Take or keep the lease, and read where the cursor stands. Raises WatcherFrozen."""
    with hub.database.snapshot() as session:
        row = session.execute(
            select(
                Cursor.height, Cursor.block_time, Cursor.watcher, Cursor.fence, Cursor.leased_until, Cursor.frozen_why
            ).where(Cursor.genesis_id == genesis_id)
        ).one()
    point = ChainPoint(row.height, row.block_time)
    if row.frozen_why is not None:
        raise WatcherFrozen(f"The watcher is frozen: {row.frozen_why} Look at it, then run `paywharf unfreeze`.")
    now = hub.clock.now()
    is_free = row.leased_until is None or row.leased_until <= now
    is_mine = mine is not None and (row.watcher, row.fence) == (mine.holder, mine.fence)
    if is_mine and RENEW_WHEN_LEFT <= row.leased_until - now <= LEASE:
        return Held(mine, point)
    dead = row.leased_until if not (is_mine or is_free) and pulse.is_dead(row.fence, row.leased_until) else None
    if is_mine or is_free or dead is not None:
        rise = 0 if is_mine else 1
        return Held(_take(hub, genesis_id, holder=holder, fence=row.fence, rise=rise, dead=dead), point)
    return Held(None, point)


@contextmanager
def keeping(hub: Hub, genesis_id: str, lease: Lease) -> Iterator[None]:
    """Keep the lease during a step, however slowly the node answers; a dead or stopped process keeps nothing."""
    done = Event()
    keeper = Thread(target=_keep, args=(hub, genesis_id, lease, done), name="lease", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


def let_go(hub: Hub, genesis_id: str, lease: Lease) -> None:
    """Give the lease back, so that a standby, or this watcher's next start, need not wait for its end."""
    with hub.database.transaction() as session:
        session.execute(
            update(Cursor)
            .where(Cursor.genesis_id == genesis_id, Cursor.fence == lease.fence, Cursor.watcher == lease.holder)
            .values(leased_until=None, watcher=None)
        )


def _keep(hub: Hub, genesis_id: str, lease: Lease, done: Event) -> None:
    for _ in range(int(LONGEST_STEP_S / KEEP_EVERY_S)):
        if done.wait(KEEP_EVERY_S):
            return
        try:
            if _take(hub, genesis_id, holder=lease.holder, fence=lease.fence, rise=0) is None:
                return
        except SQLAlchemyError:  # the database is away or locked: the step itself will say so
            continue


def _take(
    hub: Hub, genesis_id: str, *, holder: str, fence: int, rise: int, dead: datetime | None = None
) -> Lease | None:
    """Write the lease if nobody was faster: the fence is the version. `dead` is the end of one that nobody renews."""
    now = hub.clock.now()
    still_free = or_(
        Cursor.leased_until.is_(None), Cursor.leased_until <= now, Cursor.watcher == holder, Cursor.leased_until == dead
    )
    with hub.database.transaction() as session:
        taken = session.execute(
            update(Cursor)
            .where(Cursor.genesis_id == genesis_id, Cursor.fence == fence, still_free)
            .values(watcher=holder, fence=fence + rise, leased_until=now + LEASE)
            .returning(Cursor.fence)
        ).scalar_one_or_none()
    return None if taken is None else Lease(holder, taken)
