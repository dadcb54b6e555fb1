"""The RQ executor: a job is a wake-up that drains what is due, never the delivery itself; the one door to Redis.

Redis only makes things faster. A kick that fails is swallowed and counted; the sweeper dispatches what is due again
after half a minute, and drains by itself while Redis is away. RQ's own retry, schedule and unique are never used.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker, Worker
from rq.serializers import JSONSerializer
from sqlalchemy import or_, select, update

from core.hub import Hub
from core.models import Delivery
from core.models.outbox import DUE
from core.outbox.claiming import is_unleased
from workers.channels import ChannelWork
from workers.embedded import SWEEP_EVERY_S, EmbeddedExecutor
from workers.loops import drive

log = logging.getLogger(__name__)

QUEUE = "paywharf"
REDISPATCH_AFTER = timedelta(seconds=30)  # what a lost wake-up costs at most
DISPATCH_AT_ONCE = 200  # rows marked by a sweep: one wake-up drains far more, and a backlog is not all written to
OVERDUE_AFTER = timedelta(seconds=60)  # twice dispatched and still there: whoever should come does not
SOCKET_TIMEOUT_S = 1.0  # a kick must not hold up whoever recorded the event
JOB_TIMEOUT_S = 60
DRAIN_FOR_S = 30.0  # half the job's time; what is left is dispatched again
WAKE_TTL_S = 300
FAILURE_TTL_S = 3600


@dataclass(frozen=True, slots=True)
class RedisState:
    """How Redis is.   memory_limit, memory_used: bytes, a limit of 0 is none.   keeps: how it outlives a restart.

    workers: RQ workers that have shown themselves lately; after a flush too, which forgets RQ's own list of them.
    waiting: wake-ups that nobody has taken yet.
    """

    version: str
    policy: str
    memory_limit: int
    memory_used: int
    keeps: str
    is_saving_well: bool
    workers: int
    waiting: int


_executor: EmbeddedExecutor | None = None
_channels: ChannelWork | None = None


class RQExecutor:
    """Wakes RQ workers; `sweep` finds what no wake-up reached."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._queue = Queue(QUEUE, connection=connect(hub), serializer=JSONSerializer)
        self._local = EmbeddedExecutor(hub)
        self.failed_kicks = 0

    def wake(self) -> None:
        """Ask a worker to drain; best effort."""
        self._kick()

    def sweep(self) -> bool:
        """Dispatch due rows that nobody was woken for lately; True if there were any.

        While Redis is away, or no worker comes, they are drained here.
        """
        due_at = self._mark_dispatched()
        if not due_at:
            return False
        if not self._kick() or min(due_at) <= self._hub.clock.now() - OVERDUE_AFTER:
            self._local.step(within_s=DRAIN_FOR_S)
        return True

    def _kick(self) -> bool:
        try:
            self._queue.enqueue(
                f"{__name__}.drain", result_ttl=0, failure_ttl=FAILURE_TTL_S, ttl=WAKE_TTL_S, job_timeout=JOB_TIMEOUT_S
            )
        except RedisError as err:
            self.failed_kicks += 1
            self._hub.figures.kick_failed()
            log.warning("Redis did not take a wake-up: %s", err)
            return False
        return True

    def _mark_dispatched(self) -> Sequence[datetime]:
        """Note for the oldest rows that somebody is woken for them; gives since when each was due."""
        now = self._hub.clock.now()
        waiting = (
            select(Delivery.id)
            .where(
                Delivery.state == DUE,
                Delivery.next_attempt_at <= now,
                is_unleased(Delivery, now),
                or_(Delivery.dispatched_at.is_(None), Delivery.dispatched_at <= now - REDISPATCH_AFTER),
            )
            .order_by(Delivery.next_attempt_at)
            .limit(DISPATCH_AT_ONCE)
        )
        with self._hub.database.transaction() as session:
            return session.scalars(
                update(Delivery)
                .where(Delivery.id.in_(waiting))
                .values(dispatched_at=now)
                .returning(Delivery.next_attempt_at)
                .execution_options(synchronize_session=False)
            ).all()


def connect(hub: Hub) -> Redis:
    """Connect to Redis with timeouts short enough for the path of an order."""
    return Redis.from_url(
        hub.settings.redis_url, socket_timeout=SOCKET_TIMEOUT_S, socket_connect_timeout=SOCKET_TIMEOUT_S
    )


def look(hub: Hub) -> RedisState:
    """Ask Redis how it is; raises RedisError when it does not answer within a second."""
    with connect(hub) as redis:
        info = redis.info()
        return RedisState(
            version=str(info["redis_version"]),
            policy=str(info.get("maxmemory_policy", "")),
            memory_limit=int(info.get("maxmemory", 0)),
            memory_used=int(info.get("used_memory", 0)),
            keeps=_what_it_keeps(redis, info),
            is_saving_well=info.get("rdb_last_bgsave_status", "ok") == "ok",
            workers=sum(1 for _ in redis.scan_iter(f"{Worker.redis_worker_namespace_prefix}*")),
            waiting=Queue(QUEUE, connection=redis, serializer=JSONSerializer).count,
        )


def _what_it_keeps(redis: Redis, info: Any) -> str:
    """Say how Redis keeps its data over a restart; hosted ones do not always tell."""
    try:
        saves = bool(redis.config_get("save").get("save"))
    except RedisError:
        saves = False
    ways = (("snapshots", saves), ("an append-only file", bool(info.get("aof_enabled"))))
    return " and ".join(name for name, is_on in ways if is_on) or "nothing"


def drain() -> int:
    """Drain what is due: the job's whole body. Runs in a worker that `run_worker` has prepared."""
    if _executor is None or _channels is None:
        raise RuntimeError("this RQ worker was not started by Paywharf")
    _channels.step()
    return _executor.step(within_s=DRAIN_FOR_S)


def run_worker(hub: Hub, *, burst: bool = False) -> None:
    """Run an RQ worker until told to stop; it finishes the job under way.

    In process, without a fork per job: a job is a drain of our own code, and connections stay warm.
    """
    global _executor, _channels
    _executor, _channels = EmbeddedExecutor(hub), ChannelWork(hub)
    connection = Redis.from_url(hub.settings.redis_url)  # blocks for work, so without the short timeouts
    queue = Queue(QUEUE, connection=connection, serializer=JSONSerializer)
    worker = SimpleWorker(
        [queue], connection=connection, serializer=JSONSerializer, worker_ttl=60, maintenance_interval=30
    )
    try:
        worker.work(burst=burst, logging_level="WARNING")
    finally:
        _executor.stop()
        _channels.close()


def sweep_until(hub: Hub, executor: RQExecutor, stop: Event) -> None:
    """Sweep every second until told to stop."""
    drive(executor.sweep, name="sweeper", every_s=lambda: SWEEP_EVERY_S, stop=stop)
