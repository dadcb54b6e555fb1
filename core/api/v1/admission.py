"""What every signed request must pass in one short transaction: a fresh nonce, the key's rate, its idempotency key.

All three are rows, so that any number of web processes count together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from hashlib import sha256
from typing import Any

from sqlalchemy import bindparam, case, delete, select, update
from sqlalchemy.orm import Session

from core.api.v1.auth import TOLERANCE_S, Signed
from core.clock import to_millis
from core.db import Int64, dialect_of, insert_in
from core.errors import GatewayError, IdempotencyInFlight, IdempotencyKeyReused, NonceUsed, RateLimited
from core.hub import Hub
from core.models import IdempotencyKey, RateBucket, RequestNonce

NONCE_KEPT = timedelta(seconds=2 * TOLERANCE_S)  # after its timestamp; twice what is needed, for a clock set back
BURST = 100  # requests at once from a full bucket
HELD = timedelta(seconds=60)  # twice what gunicorn gives a request: whoever held it longer is dead
KEPT = timedelta(hours=24)  # Stripe's figure
PRUNE_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Claim:
    """An `Idempotency-Key` and the request it came with."""

    credential_id: int
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer that was given to the first request with this key."""

    http_status: int
    answer: bytes


def fingerprint(*, method: str, target: str, body: bytes) -> str:
    """Name a request by its exact words: SHA-256, hex."""
    return sha256(f"{method}\n{target}\n".encode("latin-1", "replace") + body).hexdigest()


def admit(session: Session, hub: Hub, signed: Signed) -> None:
    """Take the nonce and one request of the rate; raises NonceUsed, RateLimited, and then neither is taken."""
    values = {
        "credential_id": signed.caller.credential.id,
        "nonce": signed.nonce,
        "expires_at": signed.signed_at + NONCE_KEPT,
    }
    if session.connection().scalar(_nonce_insertion(dialect_of(session)), values) is None:
        raise NonceUsed
    if hub.settings.api_rate_per_minute:
        _take_from_bucket(session, hub, credential_id=signed.caller.credential.id)


def take(session: Session, hub: Hub, claim: Claim) -> Answered | GatewayError | None:
    """Claim an idempotency key; None: it is ours, go on. An error is returned, not raised: the nonce stays taken."""
    now = hub.clock.now()
    fresh = {"fingerprint": claim.fingerprint, "held_until": now + HELD, "expires_at": now + KEPT}
    made = session.scalar(
        insert_in(dialect_of(session), IdempotencyKey)
        .values(credential_id=claim.credential_id, key=claim.key, **fresh)
        .on_conflict_do_nothing()
        .returning(IdempotencyKey.id)
    )
    if made is not None:
        return None
    row = session.scalars(_of(claim).with_for_update()).one()
    is_over = row.expires_at <= now
    is_left = row.http_status is None and row.held_until <= now and row.fingerprint == claim.fingerprint
    if is_over or is_left:
        session.execute(
            update(IdempotencyKey).where(IdempotencyKey.id == row.id).values(http_status=None, answer=None, **fresh)
        )
        return None
    if row.fingerprint != claim.fingerprint:
        return IdempotencyKeyReused()
    if row.http_status is None or row.answer is None:
        return IdempotencyInFlight()
    return Answered(row.http_status, row.answer)


def keep(session: Session, claim: Claim, *, http_status: int, answer: bytes) -> None:
    """Write down the answer to a claimed key, in the transaction that did the work."""
    session.execute(
        update(IdempotencyKey)
        .where(IdempotencyKey.credential_id == claim.credential_id, IdempotencyKey.key == claim.key)
        .values(http_status=http_status, answer=answer)
    )


def let_go(session: Session, claim: Claim) -> None:
    """Forget a claimed key that has come to no answer worth keeping."""
    session.execute(
        delete(IdempotencyKey).where(
            IdempotencyKey.credential_id == claim.credential_id,
            IdempotencyKey.key == claim.key,
            IdempotencyKey.http_status.is_(None),
        )
    )


def prune(session: Session, hub: Hub) -> int:
    """Forget nonces and idempotency keys whose time is over, some at a time; returns how many."""
    now, gone = hub.clock.now(), 0
    old_nonces = (
        select(RequestNonce.credential_id, RequestNonce.nonce)
        .where(RequestNonce.expires_at < now)
        .limit(PRUNE_AT_ONCE)
    )
    for credential_id, nonce in session.execute(old_nonces).all():
        session.execute(
            delete(RequestNonce).where(RequestNonce.credential_id == credential_id, RequestNonce.nonce == nonce)
        )
        gone += 1
    old_keys = select(IdempotencyKey.id).where(IdempotencyKey.expires_at < now).limit(PRUNE_AT_ONCE)
    for key_id in session.scalars(old_keys).all():
        session.execute(delete(IdempotencyKey).where(IdempotencyKey.id == key_id))
        gone += 1
    return gone


def has_old(session: Session, hub: Hub) -> bool:
    """Tell whether `prune` has anything to do, without taking a write lock."""
    now = hub.clock.now()
    nonce = session.scalar(select(RequestNonce.nonce).where(RequestNonce.expires_at < now).limit(1))
    return nonce is not None or (
        session.scalar(select(IdempotencyKey.id).where(IdempotencyKey.expires_at < now).limit(1)) is not None
    )


def _of(claim: Claim) -> Any:
    return select(IdempotencyKey).where(
        IdempotencyKey.credential_id == claim.credential_id, IdempotencyKey.key == claim.key
    )


def _take_from_bucket(session: Session, hub: Hub, *, credential_id: int) -> None:
    """Move the moment at which the bucket is full again, unless that is too far ahead already (GCRA)."""
    step_ms = max(1, 60_000 // hub.settings.api_rate_per_minute)
    now_ms = to_millis(hub.clock.now())
    values = {"credential_id": credential_id, "now": now_ms, "step": step_ms, "most": BURST * step_ms}
    connection = session.connection()
    if connection.scalar(_bucket_step(dialect_of(session)), values) is not None:
        return
    full_at_ms = connection.scalar(select(RateBucket.full_at_ms).where(RateBucket.credential_id == credential_id))
    refusal = RateLimited()
    refusal.retry_after_s = max(1, -(-((full_at_ms or now_ms) + step_ms - now_ms - BURST * step_ms) // 1000))
    raise refusal


@cache
def _nonce_insertion(dialect: str) -> Any:
    names = ("credential_id", "nonce", "expires_at")
    insertion = insert_in(dialect, RequestNonce).values({name: bindparam(name) for name in names})
    return insertion.on_conflict_do_nothing().returning(RequestNonce.nonce)


@cache
def _bucket_step(dialect: str) -> Any:
    now, step = bindparam("now", type_=Int64()), bindparam("step", type_=Int64())
    full_at = case((RateBucket.full_at_ms > now, RateBucket.full_at_ms), else_=now) + step
    return (
        insert_in(dialect, RateBucket)
        .values(credential_id=bindparam("credential_id"), full_at_ms=now + step)
        .on_conflict_do_update(
            index_elements=["credential_id"],
            set_={"full_at_ms": full_at},
            where=full_at - now <= bindparam("most"),
        )
        .returning(RateBucket.full_at_ms)
    )
