"""The roof: health, readiness, and errors nobody foresaw, all in one form and without a secret."""

from __future__ import annotations

import pytest
from flask import Flask
from gunicorn.http.errors import InvalidChunkSize, NoMoreData
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from core.app import create_app
from core.hub import Hub


@pytest.fixture
def app(hub: Hub) -> Flask:
    return create_app(hub=hub)


def test_o1_alive_asks_nobody_and_ready_asks_the_database(app: Flask, hub: Hub):
    client = app.test_client()
    before = client.get("/readyz").status_code
    with hub.database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'other'"))

    alive, ready = client.get("/healthz"), client.get("/readyz")
    stranger = client.get("/readyz", environ_base={"REMOTE_ADDR": "203.0.113.9"})

    assert (before, alive.status_code, ready.status_code, stranger.status_code) == (200, 200, 503, 503)
    assert "paywharf db upgrade" in ready.json["reasons"][0]
    assert stranger.json == {"ok": False, "state": "unready"}


def test_a_bug_of_ours_is_a_500_in_the_contracts_form_that_reveals_nothing(app: Flask, caplog):
    @app.get("/bug")
    def bug() -> str:
        raise RuntimeError("sk_live_secret")

    answer = app.test_client().get("/bug")

    assert answer.status_code == 500
    assert answer.json == {"ok": False, "error": "Something went wrong.", "code": "gateway_error"}


def test_e1_a_database_that_is_away_is_a_503_that_says_try_again(app: Flask, hub: Hub):
    def be_away(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("server closed the connection"))

    event.listen(hub.database.engine, "before_cursor_execute", be_away)
    answer = app.test_client().post("/api/create-payment.php", data=b"{}", headers={"X-API-Key": "pk_live_x"})
    event.remove(hub.database.engine, "before_cursor_execute", be_away)

    assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
    assert answer.headers["Retry-After"] == "5"


class _BrokenStream:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, size: int = -1) -> bytes:
        raise self._error


@pytest.mark.parametrize("path", ["/api/create-payment.php", "/pay/cancel"])
@pytest.mark.parametrize("error", [NoMoreData(), InvalidChunkSize(b"zz")], ids=lambda error: type(error).__name__)
def test_v4_a_body_that_the_server_cannot_read_is_a_400(app: Flask, path: str, error: Exception):
    answer = app.test_client().post(
        path, content_type="application/x-www-form-urlencoded",
        environ_overrides={"wsgi.input": _BrokenStream(error), "wsgi.input_terminated": True},
    )

    assert answer.status_code == 400


def test_two_slashes_are_not_redirected(app: Flask):
    assert app.test_client().get("//api//payment-status.php").status_code == 404
