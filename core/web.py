"""What every room with a door to the street shares: the hub of this app, and the JSON form of errors."""

from __future__ import annotations

from typing import cast

from flask import Flask, Response, current_app, jsonify

from core.errors import GatewayError
from core.hub import Hub

EXTENSION = "paywharf"


def put_hub(app: Flask, hub: Hub) -> None:
    """Hand the hub's parts to an app."""
    app.extensions[EXTENSION] = hub


def the_hub() -> Hub:
    """Give the parts of the hub that serves this request."""
    return cast(Hub, current_app.extensions[EXTENSION])


def error_answer(error: GatewayError) -> Response:
    """Say an error the contract's way: `ok`, the sentence, and the stable code beside it."""
    answer = jsonify({"ok": False, "error": error.sentence, "code": error.code})
    answer.status_code = error.http_status
    if error.retry_after_s is not None:
        answer.headers["Retry-After"] = str(error.retry_after_s)
    answer.headers["Cache-Control"] = "no-store"
    return answer
