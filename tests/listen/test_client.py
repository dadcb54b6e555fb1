"""The listener against a served hub and a program that receives: each event once, in order, signed as its webhook."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from flask import Flask, Response, request
from standardwebhooks import Webhook
from werkzeug.serving import make_server

from core.app import create_app
from core.hub import Hub
from core.ids import Mode
from core.listen.client import HubAway, HubRefused, Listener, follow, list_all
from core.models import Payment
from core.payments.controls import Scenario, simulate
from core.signing import hmac_hex
from core.testing.factories import Shop, make_payment, make_shop


@dataclass
class Program:
    """A developer's program: remembers what it was sent."""

    status: int = 200
    got: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)

    def app(self) -> Flask:
        app = Flask("program")

        @app.post("/paywharf")
        def receive() -> Response:
            self.got.append((request.get_data(), dict(request.headers)))
            return Response(status=self.status)

        return app


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def shop(hub: Hub) -> Shop:
    return make_shop(hub)


@pytest.fixture
def program() -> Program:
    return Program()


@pytest.fixture
def listener(hub: Hub, shop: Shop, program: Program) -> Iterator[Listener]:
    key = shop.keys["test"]
    with serving(create_app(hub=hub)) as base_url, serving(program.app()) as url:
        yield Listener(base_url, key.public_key, key.secret, forward_to=f"{url}/paywharf", start="oldest", wait_s=0,
                       now=lambda: hub.clock.now().timestamp())


def play(hub: Hub, payment: Payment, scenario: Scenario) -> None:
    with hub.database.transaction() as session:
        simulate(session, hub, session.get_one(Payment, payment.id), scenario)


def test_every_event_is_forwarded_once_in_order(hub: Hub, shop: Shop, listener: Listener):
    payment = make_payment(hub, shop, mode=Mode.TEST)
    make_payment(hub, shop, order_id="LIVE")
    first, _ = listener.step()
    play(hub, payment, Scenario.OVER)

    then, _ = listener.step()
    at_last, pause_s = listener.step()

    told = [(one.kind.removeprefix("payment."), one.answer) for one in first + then]
    assert told == [("created", "HTTP 200"), ("paid", "HTTP 200"), ("overpaid", "HTTP 200")]
    assert (at_last, pause_s) == ([], 2.0)


def test_what_is_forwarded_is_signed_as_the_webhook_is(hub: Hub, shop: Shop, listener: Listener, program: Program):
    payment = make_payment(hub, shop, mode=Mode.TEST)
    play(hub, payment, Scenario.COMPLETE)
    listener.kinds, listener.webhook_secret = ["payment.paid"], shop.webhook_secret
    listener.now = time.time
    hub.clock.advance(seconds=listener.now() - hub.clock.now().timestamp())

    listener.step()

    (body, headers), = program.got
    assert headers["X-Signature"] == hmac_hex(shop.keys["test"].secret, body)
    assert Webhook(shop.webhook_secret).verify(body, {name.lower(): value for name, value in headers.items()})


def test_a_program_that_is_away_or_fails_is_told_of(hub: Hub, shop: Shop, listener: Listener, program: Program):
    make_payment(hub, shop, mode=Mode.TEST)
    program.status = 500
    failed, _ = listener.step()
    listener.cursor, listener.forward_to = None, "http://127.0.0.1:1/"

    away, _ = listener.step()

    assert [one.answer for one in failed + away] == ["HTTP 500", "ConnectionError"]


def test_a_wrong_secret_ends_it_and_an_absent_hub_does_not(listener: Listener):
    listener.secret = "sk_test_" + "0" * 40
    with pytest.raises(HubRefused, match="Invalid signature"):
        listener.step()
    listener.base_url = "http://127.0.0.1:1"
    with pytest.raises(HubAway):
        listener.step()


def test_following_waits_longer_and_longer_for_a_hub_that_is_away(listener: Listener):
    listener.base_url = "http://127.0.0.1:1"
    waits: list[float] = []

    follow(listener, say=lambda line: None, wait=lambda seconds: bool(waits.append(seconds)) or len(waits) == 7)

    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_events_are_listed_up_to_now_and_no_further(hub: Hub, shop: Shop, listener: Listener):
    for order_id in ("A", "B"):
        play(hub, make_payment(hub, shop, mode=Mode.TEST, order_id=order_id), Scenario.COMPLETE)
    listener.forward_to, said = None, list[str]()

    list_all(listener, say=said.append)

    assert [json.loads(line)["type"] for line in said] == ["payment.created", "payment.paid"] * 2
    assert not listener.has_more
