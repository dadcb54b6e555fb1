"""A served hub in test mode, an imitated messenger, and a till between them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from flask import Flask
from werkzeug.serving import make_server

from core.app import create_app
from core.hub import Hub
from core.models import Payment
from core.payments.controls import Scenario, simulate
from core.testing.factories import Shop, make_shop
from paywharf_telegram import Hub as HubClient
from paywharf_telegram.till import Button


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


@dataclass
class Desk:
    """A hub that is served, with one project; `client` signs with its test key by the hub's own clock."""

    hub: Hub
    shop: Shop
    url: str

    def client(self) -> HubClient:
        key = self.shop.keys["test"]
        return HubClient(self.url, key.public_key, key.secret, now=lambda: self.hub.clock.now().timestamp())

    def play(self, payment_id: int, scenario: Scenario = Scenario.COMPLETE) -> None:
        with self.hub.database.transaction() as session:
            payment = session.query(Payment).filter(Payment.payment_id == payment_id).one()
            simulate(session, self.hub, payment, scenario)


@dataclass
class Chatroom:
    """A messenger in memory. refusals: raised once each, before anything is written; None: let one pass."""

    shown: dict[int, str] = field(default_factory=dict)
    buttons: dict[int, list[Button]] = field(default_factory=dict)
    edits: int = 0
    refusals: list[Exception | None] = field(default_factory=list)

    async def send(self, chat_id: int, text: str, buttons: Sequence[Sequence[Button]]) -> int:
        self._refuse()
        number = len(self.shown) + 1
        self.shown[number], self.buttons[number] = text, [one for row in buttons for one in row]
        return number

    async def edit(self, chat_id: int, message_id: int, text: str, buttons: Sequence[Sequence[Button]]) -> None:
        self._refuse()
        self.edits += 1
        self.shown[message_id], self.buttons[message_id] = text, [one for row in buttons for one in row]

    def _refuse(self) -> None:
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path, sqlite_template) -> str:  # type: ignore[no-untyped-def]
    """One database is enough here: nothing below asks for more than the API's own tests do."""
    path = tmp_path / "hub.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def desk(hub: Hub) -> Iterator[Desk]:
    shop = make_shop(hub)
    with serving(create_app(hub=hub)) as url:
        yield Desk(hub, shop, url)


@pytest.fixture
def room() -> Chatroom:
    return Chatroom()
