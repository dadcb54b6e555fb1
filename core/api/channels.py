"""The street doors of channels: where platforms call, where a shop's plugin connects itself, where plugins are fetched.

None is signed with a key: a platform's call is authenticated by its channel's adapter, a connecting shop by its code.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import TypeVar

from flask import Blueprint, Request, Response, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from core.api.compat import payment_url
from core.api.docs import POLICY
from core.api.strict_json import strict_object
from core.channels.connecting import Connected, connect_by_code
from core.channels.receiving import Received, receive
from core.contract import Download, InboundRequest
from core.errors import BadParameter, BodyTooLarge, NotFound, UnsupportedMediaType
from core.hub import Hub
from core.web import the_hub

CALL_LIMIT = 256 * 1024  # bytes: an order with two hundred lines has some 100 KB
CONNECT_LIMIT = 16 * 1024
METHODS = ["GET", "POST", "PUT"]
Said = TypeVar("Said", bound=AnyResponse)

blueprint = Blueprint("channels", __name__, template_folder="templates")


@blueprint.route("/channels/<uid>", methods=METHODS, defaults={"path": ""}, provide_automatic_options=False)
@blueprint.route("/channels/<uid>/<path:path>", methods=METHODS, provide_automatic_options=False)
def take_call(uid: str, path: str) -> AnyResponse:
    """Take a platform's call; a call whose answer carries the payment's URL is answered with it."""
    hub = the_hub()
    received = receive(hub, uid, _inbound(hub, request, path))
    hub.wake()
    if not received.is_read:
        return _private(jsonify(ok=True, repeated=not received.is_new))
    return _paying(hub, received)


@blueprint.post("/connect")
def connect() -> Response:
    """Connect the shop that shows a one-time code."""
    if request.mimetype != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType
    hub = the_hub()
    return _connected(hub, connect_by_code(hub, strict_object(_body(request, CONNECT_LIMIT))))


@blueprint.get("/plugins/")
def show_plugins() -> Response:
    """List what can be installed at platforms: as a page, or as JSON for who asks for that."""
    found = downloads(the_hub())
    if request.accept_mimetypes.best_match(["application/json", "text/html"]) != "text/html":
        return jsonify(ok=True, plugins=[_listed(one) for one in found])
    page = render_template("channels/plugins.html", plugins=[_listed(one) for one in found])
    answer = Response(page, mimetype="text/html")
    answer.headers["Content-Security-Policy"] = POLICY
    return answer


@blueprint.get("/plugins/<file_name>")
def fetch_plugin(file_name: str) -> Response:
    """Serve a plugin's file: the same bytes each time, so that its checksum means something."""
    for one in downloads(the_hub()):
        if one.file_name == file_name:
            content, checksum = built(one)
            answer = Response(content, mimetype="application/zip")
            answer.headers["Content-Disposition"] = f'attachment; filename="{one.file_name}"'
            answer.headers["ETag"] = f'"{checksum}"'
            return answer
    raise NotFound


def downloads(hub: Hub) -> list[Download]:
    """List what the loaded adapters offer."""
    return [one for _, kind in sorted(hub.registry.adapters.items()) for one in kind.downloads()]


@cache
def built(one: Download) -> tuple[bytes, str]:
    """Build a file once, with its SHA-256 in hex."""
    content = one.build()
    return content, sha256(content).hexdigest()


def _listed(one: Download) -> dict[str, object]:
    content, checksum = built(one)
    base_url = the_hub().settings.base_url
    return {
        "name": one.name, "version": one.version, "about": one.about, "file_name": one.file_name,
        "size": len(content), "sha256": checksum, "url": f"{base_url}/plugins/{one.file_name}",
    }


def _inbound(hub: Hub, incoming: Request, path: str) -> InboundRequest:
    """Read a call as it came; a header or a parameter given twice is refused, since two readers would differ on it."""
    names = [name.lower() for name, _ in incoming.headers.items()]
    if len(set(names)) < len(names) or any(len(given) > 1 for given in incoming.args.listvalues()):
        raise BadParameter("A header or a parameter is given more than once.")
    return InboundRequest(
        method=incoming.method,
        path=path,
        query=incoming.args.to_dict(),
        headers={name.lower(): value for name, value in incoming.headers.items()},
        body=_body(incoming, CALL_LIMIT),
        received_at=hub.clock.now(),
    )


def _body(incoming: Request, limit: int) -> bytes:
    if incoming.content_length is not None and incoming.content_length > limit:
        raise BodyTooLarge(f"The request body is larger than {limit // 1024} KiB.")
    body = incoming.stream.read(limit + 1)
    if len(body) > limit:
        raise BodyTooLarge(f"The request body is larger than {limit // 1024} KiB.")
    return body


def _paying(hub: Hub, received: Received) -> AnyResponse:
    """Say where the orders are paid: send a browser there, tell a program."""
    payments = [
        {
            "order_id": one.order_id, "payment_id": one.payment_id, "status": one.status,
            "pay_amount": one.pay_units.six_places(), "payment_url": payment_url(hub, one),
        }
        for one in received.payments
    ]
    wants_page = request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
    if wants_page and len(payments) == 1:
        return _private(redirect(str(payments[0]["payment_url"]), code=303))
    return _private(jsonify(ok=True, payments=payments))


def _connected(hub: Hub, made: Connected) -> Response:
    return _private(jsonify(
        ok=True,
        base_url=hub.settings.base_url,
        channel={"id": made.channel.uid, "name": made.channel.name},
        project={
            "id": made.project.id, "name": made.project.name, "mode": made.project.mode,
            "website": made.project.website_url,
        },
        keys={mode: {"key": key, "secret": secret} for mode, (key, secret) in made.keys.items()},
        webhook_secret=made.webhook_secret,
    ))


def _private(answer: Said) -> Said:
    answer.headers["Cache-Control"] = "no-store"
    return answer
