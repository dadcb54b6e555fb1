"""The delivery log: what was owed, tried and taken; one more try by hand, for one delivery or for many.

Every function is handed a session and never commits. A resend keeps message id and bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.sql.base import ExecutableOption

from core.errors import EndpointDisabled, InvalidField, NotFound
from core.models import Attempt, Delivery, Endpoint, Event
from core.models.outbox import DUE, IS_ENABLED

STATES = ("due", "done", "failed", "canceled")
REPLAYABLE = ("done", "failed", "canceled")  # what is due comes by itself


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries are meant; None leaves a side open.

    state: of STATES.   type: an event type or `test.ping`.   since, until: of `created_at`, the second exclusive.
    """

    project_id: int | None = None
    endpoint_id: int | None = None
    state: str | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def list_deliveries(
    session: Session, wanted: DeliveryFilter, *, before_id: int | None = None, limit: int = 100
) -> Sequence[Delivery]:
    """List deliveries, the newest first, with endpoint, event and payment loaded; `before_id` goes on after a page."""
    rows = select(Delivery).where(*_conditions(wanted)).options(*_surroundings()).order_by(Delivery.id.desc())
    if before_id is not None:
        rows = rows.where(Delivery.id < before_id)
    return session.scalars(rows.limit(limit)).all()


def get_delivery(session: Session, delivery_id: int, *, project_id: int | None = None) -> Delivery:
    """Find a delivery, loaded as in `list_deliveries`; of one project, where it is given. Raises NotFound."""
    wanted = DeliveryFilter(project_id=project_id)
    found = session.scalar(
        select(Delivery).where(Delivery.id == delivery_id, *_conditions(wanted)).options(*_surroundings())
    )
    if found is None:
        raise NotFound(f"There is no delivery {delivery_id}.")
    return found


def attempts_of(session: Session, delivery: Delivery) -> Sequence[Attempt]:
    """List a delivery's attempts, the first one first."""
    return session.scalars(select(Attempt).where(Attempt.delivery_id == delivery.id).order_by(Attempt.id)).all()


def resend(session: Session, delivery: Delivery, *, now: datetime) -> None:
    """Make a delivery due again, whatever became of it: same message id, same bytes, the schedule from its start.

    Raises EndpointDisabled.
    """
    if not session.get_one(Endpoint, delivery.endpoint_id).enabled:
        raise EndpointDisabled
    delivery.state = "due"
    delivery.failures = 0
    delivery.next_attempt_at = now
    delivery.dispatched_at = None
    delivery.done_at = None
    session.flush()


def replay(session: Session, wanted: DeliveryFilter, *, now: datetime, limit: int = 10_000) -> int:
    """Make deliveries due again, the oldest `limit` of those meant; returns how many.

    wanted: with a state of REPLAYABLE, and a project or an endpoint. What goes to a disabled endpoint stays as it is.
    Raises InvalidField.
    """
    if wanted.state not in REPLAYABLE:
        raise InvalidField(f"state must be one of: {', '.join(REPLAYABLE)}.")
    if wanted.project_id is None and wanted.endpoint_id is None:
        raise InvalidField("Say which project or endpoint is meant.")
    enabled = select(Endpoint.id).where(IS_ENABLED)
    chosen = (
        select(Delivery.id)
        .where(*_conditions(wanted), Delivery.endpoint_id.in_(enabled))
        .order_by(Delivery.id)
        .limit(limit)
    )
    replayed = session.scalars(
        update(Delivery)
        .where(Delivery.id.in_(chosen), Delivery.state != DUE)
        .values(state="due", failures=0, next_attempt_at=now, dispatched_at=None, done_at=None)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(replayed)


def _conditions(wanted: DeliveryFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.project_id is not None:
        of_project = select(Endpoint.id).where(Endpoint.project_id == wanted.project_id)
        conditions.append(Delivery.endpoint_id.in_(of_project))
    if wanted.endpoint_id is not None:
        conditions.append(Delivery.endpoint_id == wanted.endpoint_id)
    if wanted.state is not None:
        conditions.append(Delivery.state == wanted.state)
    if wanted.type is not None:
        conditions.append(Delivery.type == wanted.type)
    if wanted.since is not None:
        conditions.append(Delivery.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Delivery.created_at < wanted.until)
    return conditions


def _surroundings() -> tuple[ExecutableOption, ...]:
    return joinedload(Delivery.endpoint), joinedload(Delivery.event).joinedload(Event.payment)
