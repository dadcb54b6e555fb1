"""Whether this process is alive, and whether it is ready to serve; reasons are for the operator alone."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from core.dashboard.visitors import is_trusted
from core.dashboard.vitals import read_watching, weaknesses
from core.errors import MisconfiguredHub
from core.hub import Hub
from core.migrations import check_schema
from core.web import the_hub

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def alive() -> Response:
    """Say that the process answers; asks nothing of anybody."""
    return jsonify({"ok": True})


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """Say whether requests can be served: database writable and schema at this version's head.

    A watcher that is away or behind makes the hub `degraded`, not unready: orders are taken from the database alone.
    """
    hub = the_hub()
    obstacle = _obstacle(hub)
    weak = [] if obstacle else _weaknesses(hub)
    state = "unready" if obstacle else "degraded" if weak else "ready"
    said: dict[str, object] = {"ok": obstacle is None, "state": state}
    if is_trusted():
        said["reasons"] = [obstacle] if obstacle else weak
    return jsonify(said), 503 if obstacle else 200


def _obstacle(hub: Hub) -> str | None:
    try:
        check_schema(hub.database)
        with hub.database.transaction():
            return None
    except MisconfiguredHub as err:
        return err.sentence
    except SQLAlchemyError as err:
        return type(err).__name__


def _weaknesses(hub: Hub) -> list[str]:
    try:
        with hub.database.snapshot() as session:
            return weaknesses(read_watching(session, hub))
    except SQLAlchemyError as err:  # gone since a moment ago
        return [type(err).__name__]
