"""What goes wrong on a page is said on a page of ours: one table of it for every blueprint that serves people."""

from __future__ import annotations

import logging
from collections.abc import Callable

from flask import Blueprint, Response, request
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from core.errors import DatabaseUnavailable, GatewayError, NotFound

log = logging.getLogger(__name__)

Say = Callable[[GatewayError], Response]


def say_refusals(blueprint: Blueprint, say: Say, *, missing: type[NotFound], away: str) -> None:
    """Let a blueprint say every error by `say`, with the error's status.

    missing: what a path that leads nowhere is.   away: the sentence for a database that does not answer.
    """

    def refuse(error: GatewayError) -> Response:
        answer = say(error)
        answer.status_code = error.http_status
        if error.retry_after_s is not None:
            answer.headers["Retry-After"] = str(error.retry_after_s)
        return answer

    def refuse_http(error: HTTPException) -> Response:
        """Say what Flask refuses, such as a form that is too large."""
        if error.code == 404:
            return refuse(missing())
        refusal = GatewayError("This request could not be read.")
        refusal.http_status = error.code or 400
        return refuse(refusal)

    def refuse_for_now(error: OperationalError) -> Response:
        log.error("database unavailable: %s", error.orig)
        return refuse(DatabaseUnavailable(away))

    def own_up(error: Exception) -> Response:
        """Our own bug: log it once with the route, reveal nothing."""
        log.exception("unexpected error at %s", request.endpoint, exc_info=error)
        return refuse(GatewayError())

    blueprint.register_error_handler(GatewayError, refuse)
    blueprint.register_error_handler(HTTPException, refuse_http)
    blueprint.register_error_handler(OperationalError, refuse_for_now)
    blueprint.register_error_handler(Exception, own_up)
