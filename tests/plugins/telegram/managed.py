"""A managed bot on a hub without sockets: the adapter's door leads into the imitated Bot API."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.app import create_app
from core.channels import service
from core.channels.noticing import tell_people
from core.channels.polling import ask, take_turns
from core.channels.reading import claim_calls, read_call
from core.channels.registry import Registry
from core.clock import ManualClock
from core.contract import Answer
from core.hub import Hub
from core.ids import Mode
from core.models import Channel, Payment
from core.outbox.delivery import attempt, claim_due
from core.payments.controls import Scenario, simulate
from core.projects.service import get_project
from core.testing.bot_api import BotApiError, World, people
from core.testing.bot_api.methods import call
from core.testing.bot_api.world import Bot
from core.testing.factories import Shop, make_shop
from plugins.telegram.adapter import Telegram

TOKEN = "4242:" + "A" * 35
OWNER, ANN, BEN, GROUP = 1, 7, 8, -100
CATALOGUE = [{"code": "tea", "title": "Tea <b>", "price": "10"}, {"code": "mug", "title": "Mug", "price": "12.50"}]
URL = re.compile(r"https://api\.telegram\.org/bot([^/]+)/(\w+)")


@dataclass
class Door:
    """An outbound door that knows one host."""

    world: World

    def check(self, url: str) -> None:
        pass

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:
        return self.send("POST", url, body=body, headers=headers)

    def send(self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        match = URL.fullmatch(url)
        assert match is not None, url
        try:
            said: dict[str, Any] = {"ok": True, "result": call(self.world, match[1], match[2], json.loads(body))}
            return Answer(200, json.dumps(said).encode(), 1)
        except BotApiError as err:
            said = {"ok": False, "error_code": err.code, "description": err.description}
            if err.retry_after_s is not None:
                said["parameters"] = {"retry_after": err.retry_after_s}
            return Answer(err.code, json.dumps(said).encode(), 1)


@dataclass
class Stall:
    """A shop that sells through a managed bot."""

    hub: Hub
    clock: ManualClock
    shop: Shop
    world: World
    bot: Bot
    channel: Channel

    def tick(self, seconds: int = 3) -> None:
        """Let the hub ask for updates, read calls and send what is due, as its loops do."""
        self.clock.advance(seconds=seconds)
        for turn in take_turns(self.hub):
            ask(self.hub, turn)
        tell_people(self.hub)
        for claim in claim_calls(self.hub):
            read_call(self.hub, claim)
        while due := claim_due(self.hub):
            for delivery in due:
                attempt(self.hub, delivery)

    def say(self, text: str, *, person: int = ANN, chat: int | None = None) -> dict[str, Any]:
        message = people.say(self.world, self.bot, person, text, chat_id=chat)
        self.tick()
        return message

    def press(self, words: str, *, person: int = ANN, chat: int | None = None) -> list[str]:
        """Press a button of the newest message that has it; gives the answers."""
        shown = people.messages_from(self.world, self.bot, chat or person)
        newest = next(one for one in reversed(shown) if words in json.dumps(one.get("reply_markup", {})))
        query = people.press(self.world, self.bot, person, newest, words)
        self.tick()
        return self.world.queries[query].answers

    def texts(self, chat: int = ANN) -> list[str]:
        return [message["text"] for message in people.messages_from(self.world, self.bot, chat)]

    def payments(self) -> list[Payment]:
        with self.hub.database.snapshot() as session:
            return list(session.query(Payment).order_by(Payment.id))

    def play(self, scenario: Scenario = Scenario.COMPLETE, *, number: int = -1) -> None:
        with self.hub.database.transaction() as session:
            simulate(session, self.hub, session.get_one(Payment, self.payments()[number].id), scenario)
        self.tick()

    def post(self, update: dict[str, Any], secret: str) -> Any:
        """Call as Telegram does."""
        client = create_app(hub=self.hub).test_client()
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret} if secret else {}
        return client.post(f"/channels/{self.channel.uid}", json=update, headers=headers)


def make_stall(hub: Hub, clock: ManualClock, **settings: Any) -> Stall:
    """Open a stall whose payments are test payments."""
    world = World()
    bot = world.add_bot(TOKEN, username="till_bot", name="Till")
    for person, name in ((OWNER, "Olga"), (ANN, "Ann"), (BEN, "Ben")):
        world.add_person(person, name, language="de" if person == BEN else "en")
    people.open_private(world, bot, OWNER)
    world.add_group(GROUP, "Friends", bots=[bot])
    hub.http = Door(world)
    hub.registry = Registry(adapters={"telegram": Telegram})
    shop = make_shop(hub, webhook_url=None, mode=Mode.TEST)
    wanted = {"token": TOKEN, "catalogue": CATALOGUE, "owner_chat_id": OWNER} | settings
    with hub.database.transaction() as session:
        project = get_project(session, shop.project_id)
        channel = service.connect(session, hub, project, adapter="telegram", name="Till", settings=wanted)
    stall = Stall(hub, clock, shop, world, bot, channel)
    stall.tick()
    return stall
