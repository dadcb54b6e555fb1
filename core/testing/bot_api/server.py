"""Serves the imitated Bot API over HTTP on loopback: forms, query strings and JSON alike, as its clients send them.

The pages that imitate a chat are another blueprint on the same port. Updates of bots with a webhook are posted from a
thread, in order, each until it is answered with 2xx.
"""

from __future__ import annotations

import logging
import threading
from http.client import HTTPConnection, HTTPException
from json import JSONDecodeError, dumps, loads
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.serving import WSGIRequestHandler, make_server

from core.testing.bot_api import methods
from core.testing.bot_api.chat_page import chat_pages
from core.testing.bot_api.world import Bot, BotApiError, World

WEBHOOK_TIMEOUT_S = 10
WEBHOOK_PAUSE_S = 0.2  # before an update is posted again; the real one waits longer and longer
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"

log = logging.getLogger(__name__)


class FakeBotApi:
    """A running server on loopback; `with FakeBotApi(world) as api:` stops it at the end."""

    def __init__(self, world: World | None = None, *, port: int = 0) -> None:
        self.world = world or World()
        self._server = make_server("127.0.0.1", port, create_app(self.world), threaded=True, request_handler=_Quiet)
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True),
            threading.Thread(target=self._post_updates, daemon=True),
        ]

    @property
    def url(self) -> str:
        """Give the base URL: what stands for `https://api.telegram.org`."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeBotApi:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with self.world.news:
            for bot in self.world.bots.values():
                bot.polls += 1  # held polls end
            self.world.news.notify_all()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()

    def _post_updates(self) -> None:
        while not self._over.is_set():
            with self.world.news:
                self.world.news.wait_for(lambda: self._over.is_set() or bool(self._hooked()), 1)
                waiting = self._hooked()
            failed = [bot for bot in waiting if not post_update(self.world, bot)]
            if failed:
                self._over.wait(WEBHOOK_PAUSE_S)

    def _hooked(self) -> list[Bot]:
        return [bot for bot in self.world.bots.values() if bot.webhook and bot.updates]


def create_app(world: World) -> Flask:
    """Build the app that answers `/bot<token>/<method>` and shows the chats at `/`."""
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    api = Blueprint("bot_api", __name__)

    @api.route("/bot<token>/<method>", methods=["GET", "POST"])
    def serve(token: str, method: str) -> tuple[Response, int]:
        try:
            return jsonify(ok=True, result=methods.call(world, token, method, _given())), 200
        except BotApiError as err:
            return _refusal(err)

    app.register_blueprint(api)
    app.register_blueprint(chat_pages(world))
    return app


def post_update(world: World, bot: Bot) -> bool:
    """Post a bot's oldest waiting update to its webhook; True: it was taken, or there was nothing to do.

    One method call may ride in the answer; its result is lost, as at Telegram.
    """
    with world.lock:
        hook, update = bot.webhook, bot.updates[0] if bot.updates else None
    if hook is None or update is None:
        return True
    try:
        status, said = _post(hook.url, update, hook.secret_token)
    except (OSError, HTTPException) as err:
        status, said = 0, type(err).__name__.encode()
    with world.lock:
        hook.last_error = "" if 200 <= status < 300 else f"Wrong response from the webhook: {status or said.decode()}"
        if hook.last_error:
            return False
        if bot.updates and bot.updates[0] is update:
            bot.updates.popleft()
    _act_on_answer(world, bot, said)
    return True


def _post(url: str, update: dict[str, Any], secret: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    if parts.hostname not in ("127.0.0.1", "::1"):
        raise OSError("the fake posts to loopback only")
    connection = HTTPConnection(parts.hostname, parts.port, timeout=WEBHOOK_TIMEOUT_S)
    headers = {"Content-Type": "application/json"} | ({SECRET_HEADER: secret} if secret else {})
    try:
        connection.request("POST", parts.path or "/", dumps(update).encode(), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _act_on_answer(world: World, bot: Bot, said: bytes) -> None:
    try:
        wanted = loads(said or b"{}")
        if isinstance(wanted, dict) and "method" in wanted:
            methods.call(world, bot.token, str(wanted["method"]), wanted)
    except (JSONDecodeError, UnicodeDecodeError, BotApiError) as err:
        log.info("nothing came of a webhook's answer: %s", err)


def _given() -> dict[str, Any]:
    """Read parameters from wherever a client puts them."""
    given: dict[str, Any] = {**request.args.to_dict(), **request.form.to_dict()}
    if request.is_json:
        body = request.get_json(silent=True)
        if not isinstance(body, dict):
            raise BotApiError(400, "Bad Request: can't parse JSON object")
        given |= body
    return given


def _refusal(err: BotApiError) -> tuple[Response, int]:
    content: dict[str, Any] = {"ok": False, "error_code": err.code, "description": err.description}
    if err.retry_after_s is not None:
        content["parameters"] = {"retry_after": err.retry_after_s}
    return jsonify(content), err.code


class _Quiet(WSGIRequestHandler):
    """Keeps tokens, which stand in the paths, out of every log."""

    def log_request(self, *_: object) -> None:
        pass
