"""Send what is due: claim by compare-and-set, commit, POST outside any transaction, finish under the claim's fence.

A crash anywhere costs a lease's time at most: an unfinished row is claimed again, with the same event id and bytes.
Nothing here knows which executor runs it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from core.errors import GatewayError
from core.hub import Hub
from core.http import Answer
from core.models import Attempt, Credential, Delivery, Endpoint, Event, Payment
from core.models.outbox import DUE
from core.outbox.schedule import next_attempt
from core.projects.keys import outbound_secret, webhook_secrets
from core.signing import hmac_hex, standard_webhook_headers

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)  # four times a POST's own limit of 15 s
BATCH = 100
ENDPOINT_CAP = 2  # deliveries at once per endpoint, so that a slow one delays only itself (W11)
LOOK_AT = 500  # due rows considered per claim
EXCERPT_BYTES = 2_000
ERROR_CHARACTERS = 500

# Built once: every delivery asks them.
PARCEL = (
    select(Delivery.body, Event.event_id, Endpoint, Credential)
    .join(Delivery.endpoint)
    .join(Delivery.event)
    .join(Event.payment)
    .join(Payment.credential)
    .where(Delivery.id == bindparam("of_id"))
)
FINISH = (
    update(Delivery)
    .where(Delivery.id == bindparam("of_id"), Delivery.state == DUE, Delivery.lease_token == bindparam("token"))
    .values(
        state=bindparam("becomes"),
        done_at=bindparam("at"),
        lease_until=bindparam("freed"),
        last_error=bindparam("why"),
        failures=Delivery.failures + bindparam("failed"),
    )
    .returning(Delivery.attempts, Delivery.failures)
)
WRITE_ATTEMPT = insert(Attempt)


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that is ours until the lease ends; `token` is the fence."""

    delivery_id: int
    token: str
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one attempt sends, and where."""

    url: str
    body: bytes
    headers: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt met; success is 200 to 299 only."""

    started_at: datetime
    elapsed_ms: int
    http_status: int | None = None
    error: str = ""
    excerpt: str = ""

    @property
    def is_success(self) -> bool:
        """Tell whether the receiver has taken the delivery."""
        return self.http_status is not None and 200 <= self.http_status < 300


def claim_due(hub: Hub, *, limit: int = BATCH) -> list[Claim]:
    """Claim due deliveries, at most ENDPOINT_CAP in flight per endpoint; the claim is committed on return."""
    now, token = hub.clock.now(), hub.ids.lease_token()
    with hub.database.transaction() as session:
        wanted = _claimable(session, now=now, limit=limit)
        if not wanted:
            return []
        claimed = session.scalars(
            update(Delivery)
            .where(Delivery.id.in_(wanted), Delivery.state == DUE, _is_unleased(Delivery, now))
            .values(lease_token=token, lease_until=now + LEASE, attempts=Delivery.attempts + 1)
            .returning(Delivery.id)
            .execution_options(synchronize_session=False)
        ).all()
    return [Claim(delivery_id, token, now) for delivery_id in claimed]


def attempt(hub: Hub, claim: Claim) -> bool:
    """Try one claimed delivery and write down what happened; True when the receiver took it.

    A claim that was lost meanwhile writes nothing: another worker has the row.
    """
    parcel = _pack(hub, claim)
    outcome = _send(hub, parcel)
    with hub.database.transaction() as session:
        if not _finish(session, claim, outcome):
            session.rollback()
            log.warning("lease lost", extra={"delivery_id": claim.delivery_id})
            return False
    return outcome.is_success


def resend(session: Session, delivery: Delivery, *, now: datetime) -> None:
    """Make a delivery due again, whatever became of it: same event id, same bytes, the schedule from its start."""
    delivery.state = "due"
    delivery.failures = 0
    delivery.next_attempt_at = now
    delivery.done_at = None
    session.flush()


def _claimable(session: Session, *, now: datetime, limit: int) -> Sequence[int]:
    """List due rows, oldest first, as far as each endpoint's cap of deliveries in flight allows."""
    leased = aliased(Delivery)
    in_flight = (
        select(func.count())
        .where(
            leased.endpoint_id == Endpoint.id,
            leased.state == DUE,
            leased.lease_until > now,
            leased.lease_until <= now + LEASE,
        )
        .correlate(Endpoint)
        .scalar_subquery()
    )
    due = (
        select(Delivery.id, Delivery.endpoint_id)
        .join(Endpoint, Endpoint.id == Delivery.endpoint_id)
        .where(
            Delivery.state == DUE,
            Delivery.next_attempt_at <= now,
            _is_unleased(Delivery, now),
            in_flight < ENDPOINT_CAP,
        )
        .order_by(Delivery.next_attempt_at, Delivery.id)
        .limit(LOOK_AT)
    )
    rows = session.execute(due).all()
    chosen: list[int] = []
    per_endpoint: dict[int, int] = {}
    for delivery_id, endpoint_id in rows:
        taken = per_endpoint.get(endpoint_id, 0)
        if taken < ENDPOINT_CAP and len(chosen) < limit:
            per_endpoint[endpoint_id] = taken + 1
            chosen.append(delivery_id)
    return chosen


def _is_unleased(row: type[Delivery], now: datetime):  # type: ignore[no-untyped-def]
    """No lease, or one that ended, or one further ahead than any lease: a clock was set back (J15)."""
    return or_(row.lease_until <= now, row.lease_until > now + LEASE)


def _pack(hub: Hub, claim: Claim) -> Parcel:
    """Sign the stored bytes: the contract's header, and beside it those of Standard Webhooks."""
    with hub.database.snapshot() as session:
        found = session.execute(PARCEL, {"of_id": claim.delivery_id}).one()
    now = hub.clock.now()
    headers = standard_webhook_headers(
        secrets=webhook_secrets(found.Endpoint, hub.vault, now=now),
        event_id=found.event_id,
        sent_at=now,
        body=found.body,
    )
    headers["X-Signature"] = hmac_hex(outbound_secret(found.Credential, hub.vault, now=now), found.body)
    headers["Content-Type"] = "application/json"
    headers["User-Agent"] = "Paywharf"
    return Parcel(found.Endpoint.url, found.body, headers)


def _send(hub: Hub, parcel: Parcel) -> Outcome:
    started_at, began_s = hub.clock.now(), hub.clock.monotonic()
    try:
        answer = hub.http.post(parcel.url, body=parcel.body, headers=parcel.headers)
    except GatewayError as err:
        elapsed_ms = int((hub.clock.monotonic() - began_s) * 1000)
        return Outcome(started_at, elapsed_ms, error=err.sentence[:ERROR_CHARACTERS])
    error = "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"
    return Outcome(started_at, answer.elapsed_ms, answer.status, error, _excerpt(answer))


def _finish(session: Session, claim: Claim, outcome: Outcome) -> bool:
    """Write the attempt and the row's next state under the fence; False when the lease was lost."""
    connection, why = session.connection(), outcome.error
    fence = {"of_id": claim.delivery_id, "token": claim.token, "freed": claim.claimed_at}
    ended = {"becomes": "done", "at": outcome.started_at} if outcome.is_success else {"becomes": "due", "at": None}
    row = connection.execute(FINISH, fence | ended | {"why": why, "failed": int(not outcome.is_success)}).one_or_none()
    if row is None:
        return False
    connection.execute(
        WRITE_ATTEMPT,
        {
            "delivery_id": claim.delivery_id,
            "number": row.attempts,
            "started_at": outcome.started_at,
            "elapsed_ms": outcome.elapsed_ms,
            "http_status": outcome.http_status,
            "error": why,
            "answer_excerpt": outcome.excerpt,
        },
    )
    if not outcome.is_success:
        _plan_next(session, claim, failures=row.failures)
    return True


def _plan_next(session: Session, claim: Claim, *, failures: int) -> None:
    """Say when the row is tried again, or that it never is."""
    retry_at = next_attempt(failures=failures, attempted_at=claim.claimed_at)
    next_state = {"state": "failed"} if retry_at is None else {"next_attempt_at": retry_at}
    session.execute(update(Delivery).where(Delivery.id == claim.delivery_id).values(**next_state))


def _excerpt(answer: Answer) -> str:
    return answer.body[:EXCERPT_BYTES].decode("utf-8", "replace").replace("\x00", "")
