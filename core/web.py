"""What every room with a door to the street shares: the hub of this app, and the JSON form of errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, Response, current_app, g, jsonify

from core.errors import BodyUnreadable, GatewayError
from core.hub import Hub

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

EXTENSION = "paywharf"


class ReadableBodies:
    """A WSGI layer that turns a body the server cannot read (bad chunks, cut short) into a clear 400.

    gunicorn raises its own exceptions out of `wsgi.input`; unmended they would be our 500.
    """

    def __init__(self, wsgi_app: WSGIApplication) -> None:
        self._wsgi_app = wsgi_app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"] = _Body(environ["wsgi.input"])
        return self._wsgi_app(environ, start_response)


class _Body:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        return self._ask("read", size)

    def readline(self, size: int = -1) -> bytes:
        return self._ask("readline", size)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _ask(self, how: str, size: int) -> bytes:
        try:
            return bytes(getattr(self._stream, how)(size))
        except Exception as err:  # an edge: each server has errors of its own for this
            raise BodyUnreadable from err


def put_hub(app: Flask, hub: Hub) -> None:
    """Hand the hub's parts to an app."""
    app.extensions[EXTENSION] = hub


def the_hub_of(app: Flask) -> Hub:
    """Give the parts of an app's hub, outside its requests."""
    return cast(Hub, app.extensions[EXTENSION])


def the_hub() -> Hub:
    """Give the parts of the hub that serves this request."""
    return cast(Hub, current_app.extensions[EXTENSION])


def request_id() -> str:
    """Give the id of the request at hand: on its answer as X-Request-Id, and in the log if it fails."""
    if "request_id" not in g:
        g.request_id = the_hub().ids.request_id()
    return cast(str, g.request_id)


def error_answer(error: GatewayError) -> Response:
    """Say an error the contract's way: `ok`, the sentence, and the stable code beside it."""
    g.error_code = error.code
    answer = jsonify({"ok": False, "error": error.sentence, "code": error.code})
    answer.status_code = error.http_status
    if error.retry_after_s is not None:
        answer.headers["Retry-After"] = str(error.retry_after_s)
    answer.headers["Cache-Control"] = "no-store"
    return answer
