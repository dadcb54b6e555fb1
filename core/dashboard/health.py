"""Whether this process is alive, and whether it is ready to serve; reasons are for the operator alone."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request
from sqlalchemy.exc import SQLAlchemyError

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
    """Say whether requests can be served: database writable and schema at this version's head."""
    reason = _obstacle(the_hub())
    if reason is None:
        return jsonify({"ok": True}), 200
    shown = {"ok": False}
    return jsonify(shown | {"reason": reason} if request.remote_addr == "127.0.0.1" else shown), 503


def _obstacle(hub: Hub) -> str | None:
    try:
        check_schema(hub.database)
        with hub.database.transaction():
            return None
    except MisconfiguredHub as err:
        return err.sentence
    except SQLAlchemyError as err:
        return type(err).__name__
