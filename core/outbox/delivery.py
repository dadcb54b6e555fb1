"""Send what was claimed: POST, or push through a channel's adapter, outside any transaction; finish under the fence.

A crash anywhere costs a lease's time at most: an unfinished row is claimed again, with the same message id and bytes.
Nothing here knows which executor runs it; an executor packs, sends and finishes many at once, `attempt` one.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import and_, bindparam, insert, select, update
from sqlalchemy.orm import Session

from core.channels import pushing
from core.channels.pushing import Push, Pushed
from core.contract import Answer
from core.errors import GatewayError
from core.hub import Hub
from core.models import Attempt, Channel, Credential, Delivery, Endpoint
from core.models.channels import PUSHES
from core.models.outbox import DUE
from core.outbox import health
from core.outbox.claiming import BATCH, ENDPOINT_CAP, LEASE, Claim, claim_due
from core.outbox.outcomes import Landed, Outcome
from core.projects.keys import outbound_secret, webhook_secrets
from core.signing import hmac_hex, standard_webhook_headers

__all__ = ["BATCH", "ENDPOINT_CAP", "LEASE", "Claim", "Parcel", "attempt", "claim_due", "finish", "pack", "send"]

log = logging.getLogger(__name__)

EXCERPT_BYTES = 2_000
ERROR_CHARACTERS = 500
SHOWN_AFTER = 3  # failures: a platform that is away for a moment is no trouble
HEADER_CHARACTERS = 200  # of one value of the answer's
# Of the answer's headers these are kept: they help to find a fault, and none of them carries a secret.
TELLING = (
    "content-type", "content-length", "date", "location", "retry-after", "server", "via", "x-request-id", "cf-ray",
)

# Built once: every delivery asks them.
PARCELS = (
    select(Delivery.id, Delivery.body, Delivery.message_id, Delivery.event_id, Endpoint, Credential, Channel)
    .join(Delivery.endpoint)
    .join(Credential, Credential.id == Delivery.credential_id)
    .outerjoin(Channel, and_(Channel.endpoint_id == Endpoint.id, PUSHES))
    .where(Delivery.id.in_(bindparam("ids", expanding=True)))
)
FINISH = (
    update(Delivery)
    .where(
        Delivery.id.in_(bindparam("ids", expanding=True)),
        Delivery.state == DUE,
        Delivery.lease_token == bindparam("token"),
    )
    .values(
        state=bindparam("becomes"),
        done_at=bindparam("at"),
        lease_until=bindparam("freed"),
        last_error=bindparam("why"),
        failures=Delivery.failures + bindparam("failed"),
    )
    .returning(Delivery.id, Delivery.attempts, Delivery.failures, Delivery.created_at)
)
WRITE_ATTEMPT = insert(Attempt)


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one attempt sends, and where; `endpoint` is as it was when the parcel was packed.

    push: what a channel's adapter is told; then nothing is POSTed here.
    """

    claim: Claim
    url: str
    body: bytes
    headers: dict[str, str] = field(repr=False)
    endpoint: Endpoint = field(repr=False)
    push: Push | None = field(default=None, repr=False)


def attempt(hub: Hub, claim: Claim) -> bool:
    """Try one claimed delivery and write down what happened; True when the receiver took it.

    A claim that was lost meanwhile writes nothing: another worker has the row.
    """
    [parcel] = pack(hub, [claim])
    outcome = send(hub, parcel)
    return finish(hub, [(parcel, outcome)]) == 1 and outcome.is_success


def pack(hub: Hub, claims: Sequence[Claim]) -> list[Parcel]:
    """Sign the stored bytes: the contract's header, and beside it those of Standard Webhooks."""
    of_row = {claim.delivery_id: claim for claim in claims}
    with hub.database.snapshot() as session:
        found = session.execute(PARCELS, {"ids": list(of_row)}).all()
        pushes = {
            row.id: pushing.prepare(session, hub, row.Channel, row.event_id, row.body) for row in found if row.Channel
        }
    now = hub.clock.now()
    parcels = [
        Parcel(of_row[row.id], row.Endpoint.url, b"", {}, row.Endpoint, pushes[row.id])
        for row in found if row.id in pushes
    ]
    for row in found:
        if row.id in pushes:
            continue
        headers = standard_webhook_headers(
            secrets=webhook_secrets(row.Endpoint, hub.vault, now=now),
            event_id=row.message_id,
            sent_at=now,
            body=row.body,
        )
        headers["X-Signature"] = hmac_hex(outbound_secret(row.Credential, hub.vault, now=now), row.body)
        headers["Content-Type"] = "application/json"
        headers["User-Agent"] = "Paywharf"
        parcels.append(Parcel(of_row[row.id], row.Endpoint.url, row.body, headers, row.Endpoint))
    return parcels


def send(hub: Hub, parcel: Parcel) -> Outcome:
    """POST a parcel or push it; whatever happens is an outcome. No transaction may be open."""
    started_at, began_s = hub.clock.now(), hub.clock.monotonic()
    if parcel.push is not None:
        pushed = pushing.send(hub, parcel.push)
        return _outcome(pushed, started_at, int((hub.clock.monotonic() - began_s) * 1000))
    try:
        answer = hub.http.post(parcel.url, body=parcel.body, headers=parcel.headers)
    except GatewayError as err:
        elapsed_ms = int((hub.clock.monotonic() - began_s) * 1000)
        return Outcome(started_at, elapsed_ms, error=err.sentence[:ERROR_CHARACTERS])
    error = "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"
    return Outcome(started_at, answer.elapsed_ms, answer.status, error, _excerpt(answer), telling(answer.headers))


def finish(hub: Hub, tried: Sequence[tuple[Parcel, Outcome]]) -> int:
    """Write down what happened, each row under its fence, all in one transaction; returns how many were still ours."""
    with hub.database.transaction() as session:
        landed = _close(session, tried)
        _write_attempts(session, landed)
        health.note(session, hub, landed)
    _tell_channels(hub, {parcel.claim.delivery_id: parcel.push for parcel, _ in tried if parcel.push}, landed)
    for one in landed:
        hub.figures.tried(http_status=one.outcome.http_status, seconds=one.outcome.elapsed_ms / 1000)
        if one.outcome.is_success:
            hub.figures.told(seconds=one.waited_s)
    if len(landed) < len(tried):
        hub.figures.lease_lost(len(tried) - len(landed))
        log.warning("lease lost", extra={"deliveries": len(tried) - len(landed)})
    return len(landed)


def _tell_channels(hub: Hub, pushes: Mapping[int, Push], landed: Sequence[Landed]) -> None:
    """Have a channel's owner see what fails there: advice, in a transaction of its own, and none when all is well."""
    for one in landed:
        push = pushes.get(one.delivery_id)
        if push is None:
            continue
        if one.outcome.is_success:
            if push.channel.trouble:
                pushing.note_success(hub, push)
        elif one.outcome.is_odd or one.outcome.is_permanent or one.failures >= SHOWN_AFTER:
            pushing.note_failure(hub, push, one.delivery_id, one.outcome.error)


def telling(headers: Mapping[str, str]) -> dict[str, str]:
    """Keep of an answer's headers those that help, each in one short line of what can be printed."""
    kept = {name: headers[name][:HEADER_CHARACTERS] for name in TELLING if name in headers}
    return {name: "".join(filter(str.isprintable, value)) for name, value in kept.items()}


def _outcome(pushed: Pushed, started_at: datetime, elapsed_ms: int) -> Outcome:
    """Say of a push what is said of a POST; it has no status."""
    headers = {"retry-after": str(pushed.retry_after_s)} if pushed.retry_after_s else {}
    said = pushed.said[:EXCERPT_BYTES].replace("\x00", "")
    error = "" if pushed.is_taken else (pushed.error[:ERROR_CHARACTERS].replace("\x00", "") or "It failed.")
    return Outcome(
        started_at, elapsed_ms, error=error, excerpt=said, headers=headers, is_taken=pushed.is_taken,
        notice=pushed.notice[:ERROR_CHARACTERS], about=pushed.about, is_permanent=pushed.is_permanent,
        is_odd=pushed.is_odd,
    )


def _close(session: Session, tried: Sequence[tuple[Parcel, Outcome]]) -> list[Landed]:
    """Give each row its next state; rows whose lease was lost are left to whoever has them, and out of the answer."""
    alike: dict[tuple[str, bool, str], list[tuple[Parcel, Outcome]]] = defaultdict(list)
    for parcel, outcome in tried:
        alike[parcel.claim.token, outcome.is_success, outcome.error or outcome.notice].append((parcel, outcome))
    landed = []
    for (token, is_success, why), group in alike.items():
        of_row = {parcel.claim.delivery_id: (parcel, outcome) for parcel, outcome in group}
        ended = {"becomes": "done", "at": group[0][1].started_at} if is_success else {"becomes": "due", "at": None}
        fence = {"ids": list(of_row), "token": token, "freed": group[0][0].claim.claimed_at}
        rows = session.connection().execute(FINISH, fence | ended | {"why": why, "failed": int(not is_success)})
        for row in rows.all():
            parcel, outcome = of_row[row.id]
            landed.append(Landed(
                row.id, parcel.endpoint, parcel.claim.claimed_at, parcel.headers, outcome, row.attempts, row.failures,
                row.created_at,
            ))
    return landed


def _write_attempts(session: Session, landed: Sequence[Landed]) -> None:
    if not landed:
        return
    session.connection().execute(WRITE_ATTEMPT, [
        {
            "delivery_id": one.delivery_id,
            "number": one.attempts,
            "started_at": one.outcome.started_at,
            "elapsed_ms": one.outcome.elapsed_ms,
            "http_status": one.outcome.http_status,
            "error": one.outcome.error,
            "answer_excerpt": one.outcome.excerpt,
            "sent_headers": _lines(one.sent_headers),
            "answer_headers": _lines(one.outcome.headers),
        }
        for one in landed
    ])


def _lines(headers: Mapping[str, str]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in headers.items())


def _excerpt(answer: Answer) -> str:
    return answer.body[:EXCERPT_BYTES].decode("utf-8", "replace").replace("\x00", "")
