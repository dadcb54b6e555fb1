"""What is told of each answer: a figure for `/metrics`, and a log line where it failed or was slow.

At the level DEBUG every one has its line.

A line costs a tenth of a millisecond, so that the many that went well are counted, not written. It names the route,
never the URL, which may carry a page's token.
"""

from __future__ import annotations

import logging
import re

from flask import Flask, Response, g, request

from core.web import request_id, the_hub

log = logging.getLogger(__name__)

SLOW_S = 1.0
PUBLIC_KEY = re.compile(r"pk_(?:test|live)_[0-9A-Za-z]{1,40}")


def observe(app: Flask) -> None:
    """Watch every request of an app."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.began_s = the_hub().clock.monotonic()


def _end(answer: Response) -> Response:
    took_s = the_hub().clock.monotonic() - g.get("began_s", the_hub().clock.monotonic())
    the_hub().figures.answered(route=route(), method=request.method, status=answer.status_code, seconds=took_s)
    is_remarkable = answer.status_code >= 400 or took_s >= SLOW_S
    level = logging.INFO if is_remarkable else logging.DEBUG
    if log.isEnabledFor(level):
        log.log(level, "request", extra=_told(answer, took_s))
    return answer


def _told(answer: Response, took_s: float) -> dict[str, object]:
    key = PUBLIC_KEY.fullmatch(request.headers.get("X-API-Key", ""))
    return {
        "method": request.method if request.method.isalpha() else "?",
        "route": route(),
        "status": answer.status_code,
        "code": g.get("error_code", ""),
        "elapsed_ms": round(took_s * 1000),
        "request_id": request_id(),
        "key": key[0] if key else "",
    }


def route() -> str:
    """Name the rule that a request met, with the names of its parts instead of their values."""
    return request.url_rule.rule if request.url_rule else "none"
