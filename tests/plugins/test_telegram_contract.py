"""The contract that every adapter keeps, held to the managed bot. Its platform is the imitated Bot API.

Telegram has no orders to read again: a message is the order. What a rule says of an order that is gone is said here of
a chat that is closed. The Bot API takes no key by which it could know a message again: a bell whose answer was lost
rings twice, and the message that lives is shown twice at most.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from core.channels import service
from core.channels.reading import claim_calls, read_call
from core.contract import AdapterError, Answer, InboundRequest, InvalidSignature, PushResult
from core.outbox.delivery import attempt, claim_due
from core.testing.adapter_contract import AdapterContract
from core.testing.adapter_world import FakePlatform
from core.testing.bot_api import World, people
from plugins.telegram.adapter import SECRET_HEADER, Telegram
from tests.plugins.telegram.managed import ANN, OWNER, TOKEN, Door

pytestmark = pytest.mark.slow

DONE = ("✅ Paid", "⚠️", "👀", "⌛")


class Messenger(FakePlatform):
    """A buyer, an owner and a bot, as the contract's tests play them."""

    def __init__(self) -> None:
        self.world = World()
        self.bot = self.world.add_bot(TOKEN)
        for person in (ANN, OWNER):
            self.world.add_person(person)
            people.open_private(self.world, self.bot, person)
        self.door = Door(self.world)
        self.secret = ""
        self.updates = 0

    def answer(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        if url.endswith("/setWebhook"):
            self.secret = json.loads(body)["secret_token"]
        return self.door.send(method, url, body=body, headers=headers)

    def place(self, order_id: str, amount: str) -> InboundRequest:
        number = int(order_id.rpartition(".")[2])
        return self.call({"message": self.message(number) | {"text": f"/pay {amount}"}})

    def cancel(self, order_id: str) -> InboundRequest:
        shown = people.messages_from(self.world, self.bot, ANN)[-1]
        query = people.press(self.world, self.bot, ANN, shown, "Cancel")
        return self.call({"callback_query": {
            "id": query, "from": self.message(1)["from"], "message": shown,
            "data": people.find_button(shown, "Cancel")["callback_data"],
        }})

    def forget(self, order_id: str) -> None:
        people.block(self.world, self.bot, ANN)

    def unknown(self) -> InboundRequest:
        return self.call({"message": self.message(1) | {"photo": []}})

    def garbage(self) -> InboundRequest:
        return self.called([])

    def effects(self, order_id: str) -> Sequence[str]:
        """List what the messages of the payment have come to say, each once."""
        shown = [one["text"].splitlines()[-1] for one in people.messages_from(self.world, self.bot, ANN)]
        return [says for says in dict.fromkeys(shown) if says.startswith(DONE)]

    def bells(self) -> int:
        """Count how often the buyer was told that it is paid, the message that lives included."""
        return sum("✅ Paid" in one["text"] for one in people.messages_from(self.world, self.bot, ANN))

    def message(self, number: int) -> dict[str, Any]:
        """Write what a message to the bot carries."""
        person = {"id": ANN, "is_bot": False, "first_name": "Ann", "language_code": "en"}
        return {"message_id": number, "from": person, "chat": {"id": ANN, "type": "private"}, "date": 1}

    def call(self, what: dict[str, Any]) -> InboundRequest:
        self.updates += 1
        return self.called({"update_id": self.updates} | what)

    def called(self, what: object) -> InboundRequest:
        headers = {SECRET_HEADER: self.secret}
        return InboundRequest("POST", "", {}, headers, json.dumps(what).encode(), datetime(2026, 7, 1, tzinfo=UTC))


class TestTelegram(AdapterContract):
    """Each rule of the contract."""

    adapter = Telegram
    settings = {"token": TOKEN, "owner_chat_id": OWNER, "updates": "webhook"}
    order_id = f"tg.{ANN}.1001"

    @pytest.fixture(autouse=True)
    def no_pace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The messenger has no limits here; waits for slots would only take time."""
        for name in ("CHAT_GAP_MS", "GROUP_GAP_MS", "OVERALL_GAP_MS"):
            monkeypatch.setattr(f"plugins.telegram.bot_api.{name}", 0)

    def make_platform(self) -> Messenger:
        """Give a messenger in which nobody has said anything."""
        return Messenger()

    def setup_method(self) -> None:
        """Build a world for each test, and tell its messenger the bot's secret, as setWebhook does."""
        super().setup_method()
        adapter = self.world.adapter()
        assert isinstance(adapter, Telegram)
        self.messenger.secret = adapter.webhook_secret

    @property
    def messenger(self) -> Messenger:
        """Give the platform as what it is."""
        assert isinstance(self.world.platform, Messenger)
        return self.world.platform

    def test_a_call_with_one_byte_changed_is_refused(self) -> None:
        """Telegram signs no bytes: whoever knows the secret token is Telegram, and nobody else is."""
        call = self._placed()
        secret = call.headers[SECRET_HEADER]
        for wrong in ({}, {SECRET_HEADER: ""}, {SECRET_HEADER: secret[:-1] + "g"}, {SECRET_HEADER: secret + "é"}):
            with pytest.raises(InvalidSignature):
                self.world.receive(replace(call, headers=wrong))

        self.world.work()

        assert self.world.payments() == []

    def test_an_order_that_is_gone_opens_no_payment(self) -> None:
        """The message is the order, so it is not gone; a closed chat is noted, and the owner hears once."""
        call = self._placed()
        self.world.platform.forget(self.order_id)

        self.world.receive(call)
        self.world.work()

        assert len(self.world.payments()) == 1
        told = [one["text"] for one in people.messages_from(self.messenger.world, self.messenger.bot, OWNER)]
        assert told == [f"🚫 Have blocked the bot: chats\n{ANN}"]

    def test_an_update_about_an_order_that_is_gone_ends(self) -> None:
        """A closed chat is noted and the owner told of it: nobody tries for days."""
        self._open()
        self.world.platform.forget(self.order_id)

        result = self.world.adapter().push(self._update("paid", 2))
        self.world.work()

        told = [one["text"] for one in people.messages_from(self.messenger.world, self.messenger.bot, OWNER)]
        assert (result, self._effects()) == (PushResult.DONE, [])
        assert told == [f"🚫 Have blocked the bot: chats\n{ANN}"]

    def test_no_trace_shows_the_token(self, caplog: pytest.LogCaptureFixture) -> None:
        """Telegram has it in each path; a trace has the rest of it."""
        caplog.set_level("INFO", logger="paywharf.channels.trace")
        self._open()
        with self.world.hub.database.transaction() as session:
            service.trace(service.get_channel(session, self.world.channel.uid), on=True)

        self.world.adapter().push(self._update("paid", 2))

        assert "/bot***/editMessageText" in caplog.text and TOKEN not in caplog.text

    def test_a_lost_answer_rings_twice_at_most(self) -> None:
        """The Bot API knows no message again: this is what repeating costs."""
        for nth in range(self._requests_of_a_push()):
            self._anew()
            self._open()
            self.world.door.lost = {self.world.door.sent + nth}
            with pytest.raises(AdapterError):
                self.world.adapter().push(self._update("paid", 2))
            self.world.adapter().push(self._update("paid", 2))
            assert 2 <= self.messenger.bells() <= 3

    def _read(self) -> None:
        """Read what waits and show it, without letting time pass by which payments expire."""
        for claim in claim_calls(self.world.hub):
            read_call(self.world.hub, claim)
        for due in claim_due(self.world.hub):
            attempt(self.world.hub, due)
